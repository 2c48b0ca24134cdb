// A small file that somebody wrote by hand, read whole.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <expected>
#include <string>

namespace bulkmail::agent {

struct TextFile {
  std::string text;
  mode_t mode = 0; // its permissions
};

// Or what is wrong with it, its path included. A longer one than `longest` is some other file.
[[nodiscard]] std::expected<TextFile, std::string> read_text_file(const std::string& path,
                                                                  std::size_t longest);

} // namespace bulkmail::agent
