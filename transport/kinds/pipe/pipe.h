// To a program, as Postfix pipe(8) does: the message on its standard input, what becomes of it in the exit status.
#pragma once

#include "transport/kinds/kind.h"

#include <array>

namespace bulkmail::transport::kinds {

[[nodiscard]] Kind::Made make_pipe(const Options& options);

inline constexpr std::array pipe_options{
    Option{"command", Option::Type::list, "program by its whole path, and its arguments",
           "pipe: the program, never a shell's line; `{sender}`, `{recipient}`, `{local}`, `{domain}` in an "
           "argument "
           "are filled in"},
    Option{"environment", Option::Type::list, "\"NAME=value\"",
           "pipe: the program's environment beside PATH, SENDER, RECIPIENT, LOCAL, DOMAIN and MESSAGE_ID"},
    Option{"timeout", Option::Type::duration, "duration, 1s to 1d",
           "pipe: how long the program may take until it is killed with all it has started; by default 10m"}};
inline constexpr Kind pipe{.name = "pipe", .options = pipe_options, .make = make_pipe};

} // namespace bulkmail::transport::kinds
