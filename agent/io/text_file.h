// A small file that somebody wrote by hand, read whole.
#pragma once

#include <cstddef>
#include <expected>
#include <string>

namespace bulkmail::agent {

// Or what is wrong with it, its path included. A longer one than `longest` is some other file.
[[nodiscard]] std::expected<std::string, std::string> read_text_file(const std::string& path,
                                                                     std::size_t longest);
// The same of a file that holds a secret: its group may read it, as the agent has to; nobody else may, nor change it.
[[nodiscard]] std::expected<std::string, std::string> read_private_file(const std::string& path,
                                                                        std::size_t longest);

} // namespace bulkmail::agent
