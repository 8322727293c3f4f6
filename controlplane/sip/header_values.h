// SPDX-License-Identifier: Apache-2.0
#pragma once
// The comma-separated values of a header that may repeat (Via, Route, Contact, Supported ...), over all its lines, in
// order. for (const HeaderValue& route : values(message, HeaderId::route)) ... Commas inside quotes and angle brackets
// do not split. Views into the message; no allocation.

#include <cstdint>
#include <optional>
#include <string_view>

#include "controlplane/sip/message.h"

namespace sallyport::sip {

struct HeaderValue {
  std::string_view text;           // trimmed; may be empty where the sender wrote ",,"
  const Header* header = nullptr;  // the line it stands in
};

class HeaderValues {
 public:
  class Iterator {
   public:
    Iterator() = default;
    Iterator(const Message* message, const Header* header);
    const HeaderValue& operator*() const { return value_; }
    const HeaderValue* operator->() const { return &value_; }
    Iterator& operator++();
    bool operator!=(const Iterator& other) const { return header_ != other.header_; }

   private:
    void cut();
    const Message* message_ = nullptr;  // nullptr: this one line only
    const Header* header_ = nullptr;    // nullptr: past the end
    std::string_view rest_;             // behind the comma that ended value_
    bool more_ = false;                 // whether a comma followed value_
    HeaderValue value_;
  };

  HeaderValues(const Message* message, const Header* first) : message_(message), first_(first) {}
  Iterator begin() const { return Iterator(message_, first_); }
  Iterator end() const { return Iterator(); }

 private:
  const Message* message_;
  const Header* first_;
};

// All values of that id over all lines; a header of shape single or lines yields each line as one value.
HeaderValues values(const Message& message, HeaderId id);
// The values of one line.
HeaderValues values(const Header& header);
std::optional<HeaderValue> first_value(const Message& message, HeaderId id);
std::optional<HeaderValue> last_value(const Message& message, HeaderId id);
// Whether an option tag or token stands in a list header: lists_token(m, HeaderId::supported, "outbound").
// Case-insensitive.
bool lists_token(const Message& message, HeaderId id, std::string_view token);

}  // namespace sallyport::sip
