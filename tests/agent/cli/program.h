// Runs the built program and says what it answered; a temporary folder to run it in.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::test {

struct Ran {
  int exit = -1; // -1: killed
  std::string output, errors;
};

struct How {
  std::string input = {};
  std::string program = {};                  // argv[0]; empty: "bulkmail"
  std::vector<int> closed = {};              // descriptors closed at start
  std::vector<std::string> environment = {}; // besides PATH
  std::function<void()> before = [] {};      // in the child, before exec
};

Ran run(const std::vector<std::string>& arguments, const How& how = {});

class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] std::string path(std::string_view name = "") const;
  [[nodiscard]] std::vector<std::string> names(std::string_view folder) const; // sorted
  [[nodiscard]] std::string read(std::string_view name) const;
  void write(std::string_view name, std::string_view text) const;

 private:
  std::filesystem::path root_;
};

} // namespace bulkmail::test
