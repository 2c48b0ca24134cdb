#include "tests/agent/cli/program.h"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <sstream>

namespace bulkmail::test {
namespace {

std::string contents(int fd) {
  std::string text;
  char block[4096];
  ::lseek(fd, 0, SEEK_SET);
  for (ssize_t got = 0; (got = ::read(fd, block, sizeof block)) > 0;)
    text.append(block, static_cast<std::size_t>(got));
  ::close(fd);
  return text;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (auto& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

} // namespace

Ran run(const std::vector<std::string>& arguments, const How& how) {
  const int input = ::memfd_create("input", 0), output = ::memfd_create("output", 0),
            errors = ::memfd_create("errors", 0);
  REQUIRE((input > 2 && output > 2 && errors > 2));
  REQUIRE(::write(input, how.input.data(), how.input.size()) == static_cast<ssize_t>(how.input.size()));
  ::lseek(input, 0, SEEK_SET);
  std::vector<std::string> words{how.program.empty() ? "bulkmail" : how.program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment{"PATH=/usr/bin:/bin"};
  environment.insert(environment.end(), how.environment.begin(), how.environment.end());
  const auto argv = pointers(words), envp = pointers(environment);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::dup2(input, 0);
    ::dup2(output, 1);
    ::dup2(errors, 2);
    for (const int fd : how.closed) ::close(fd);
    how.before();
    ::execve(BULKMAIL_PROGRAM, argv.data(), envp.data());
    ::_exit(127);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  ::close(input);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents(output), contents(errors)};
}

Folder::Folder() {
  std::string name = (std::filesystem::temp_directory_path() / "bulkmail-cli-XXXXXX").string();
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  root_ = name;
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

std::string Folder::path(std::string_view name) const { return (root_ / name).string(); }

std::vector<std::string> Folder::names(std::string_view folder) const {
  std::vector<std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator(root_ / folder))
    all.push_back(entry.path().filename());
  std::ranges::sort(all);
  return all;
}

std::string Folder::read(std::string_view name) const {
  std::ifstream file(root_ / name, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void Folder::write(std::string_view name, std::string_view text) const {
  std::ofstream(root_ / name, std::ios::binary) << text;
}

} // namespace bulkmail::test
