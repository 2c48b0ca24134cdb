// One question followed along CNAMEs (RFC 5321 §5.1, RFC 1034 §3.6.2) over as many answers as it takes,
// within a bound.
#pragma once

#include "resolver/answer/answer.h"
#include "resolver/wire/question.h"

#include <memory>

namespace bulkmail::resolver {

class Trail {
 public:
  explicit Trail(Question question) : question_(std::move(question)) {}

  // What to ask now.
  [[nodiscard]] const Question& question() const { return question_; }

  // False: there is another question to ask.
  bool answer(std::shared_ptr<const Answer> answer, Monotonic now);

  // Once the end is reached: never an alias.
  [[nodiscard]] const Answer& end() const { return *end_; }

  [[nodiscard]] bool done() const { return end_ != nullptr; }

  [[nodiscard]] bool secure() const { return secure_; } // every answer that led there

  [[nodiscard]] bool aliased() const { return aliases_ > 0; }

  [[nodiscard]] Monotonic expires() const { return expires_; } // of all that led there

 private:
  Question question_;
  std::shared_ptr<const Answer> end_;
  int aliases_ = 0;
  bool secure_ = true;
  Monotonic expires_ = Monotonic::max();
};

} // namespace bulkmail::resolver
