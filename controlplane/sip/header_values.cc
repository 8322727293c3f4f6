// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/header_values.h"

#include <cstring>

#include "controlplane/sip/grammar.h"

namespace sallyport::sip {
namespace {

// Position of the next comma outside quotes and angle brackets, npos if none. A quote or bracket that never closes
// takes the rest.
std::size_t find_comma(std::string_view text) {
  // Most values hold no comma at all, and memchr sees that at once.
  if (text.empty() || std::memchr(text.data(), ',', text.size()) == nullptr) return std::string_view::npos;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') return i;
    if (text[i] == '"') {
      i = skip_quoted(text, i);
      if (i == std::string_view::npos) return i;
      --i;
    } else if (text[i] == '<') {
      i = text.find('>', i);
      if (i == std::string_view::npos) return i;
    }
  }
  return std::string_view::npos;
}

}  // namespace

HeaderValues::Iterator::Iterator(const Message* message, const Header* header) : message_(message), header_(header) {
  if (header_ == nullptr) return;
  rest_ = header_->value;
  cut();
}

void HeaderValues::Iterator::cut() {
  const std::size_t comma = header_shape(header_->id) == HeaderShape::list ? find_comma(rest_) : std::string_view::npos;
  more_ = comma != std::string_view::npos;
  value_ = {trim(rest_.substr(0, comma)), header_};
  rest_ = more_ ? rest_.substr(comma + 1) : std::string_view();
}

HeaderValues::Iterator& HeaderValues::Iterator::operator++() {
  if (!more_) {
    header_ = message_ == nullptr ? nullptr : message_->next(*header_);
    if (header_ == nullptr) return *this;
    rest_ = header_->value;
  }
  cut();
  return *this;
}

HeaderValues values(const Message& message, HeaderId id) {
  return {&message, message.first(id)};
}
HeaderValues values(const Header& header) {
  return {nullptr, &header};
}

std::optional<HeaderValue> first_value(const Message& message, HeaderId id) {
  const HeaderValues all = values(message, id);
  const auto begin = all.begin();
  return begin != all.end() ? std::optional(*begin) : std::nullopt;
}

std::optional<HeaderValue> last_value(const Message& message, HeaderId id) {
  const Header* line = message.last(id);
  if (line == nullptr) return std::nullopt;
  HeaderValue last;
  for (const HeaderValue& value : values(*line)) last = value;
  return last;
}

bool lists_token(const Message& message, HeaderId id, std::string_view token) {
  for (const HeaderValue& value : values(message, id)) {
    if (equals_ignoring_case(value.text, token)) return true;
  }
  return false;
}

}  // namespace sallyport::sip
