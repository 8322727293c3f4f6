// SPDX-License-Identifier: Apache-2.0
#pragma once
// Params: the ";name=value" part of a URI or header value, read lazily: holding one costs two words, a look-up scans
// it. Names compare case-insensitively. View into the message's buffer. is_valid() was checked by whoever parsed the
// surroundings.

#include <optional>
#include <string_view>

namespace sallyport::sip {

struct Param {
  std::string_view name;
  std::string_view value;  // as written, with quotes if it has them; "" when there is none
  std::string_view whole;  // from its ';' to the end of the value: what Edit removes or replaces
  bool has_value = false;  // tells ";rport" from ";rport="
};

class Params {
 public:
  Params() = default;
  // `text` is empty or begins with ';' (after blanks).
  explicit Params(std::string_view text) : text_(text) {}

  std::string_view text() const { return text_; }
  bool empty() const { return text_.empty(); }
  std::optional<Param> find(std::string_view name) const;
  bool has(std::string_view name) const;
  // "" when absent or without value.
  std::string_view value(std::string_view name) const;

  // Param param; for (auto rest = params.cursor(); rest.next(param);) ...
  class Cursor {
   public:
    explicit Cursor(std::string_view text) : rest_(text) {}
    // Into a place of the caller: an optional would be copied while its stores are still on their way.
    bool next(Param& param);
    bool failed() const { return failed_; }

   private:
    std::string_view rest_;
    bool failed_ = false;
  };
  Cursor cursor() const { return Cursor(text_); }
  // generic-param *(SEMI generic-param): token names, token, host or quoted values, none empty.
  bool is_valid() const;

 private:
  bool find(std::string_view name, Param& param) const;
  std::string_view text_;
};

}  // namespace sallyport::sip
