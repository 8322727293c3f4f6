// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/params.h"

#include "controlplane/sip/grammar.h"

namespace sallyport::sip {
namespace {

std::size_t skip_lws(std::string_view text, std::size_t at) {
  while (at < text.size() && is_lws(text[at])) ++at;
  return at;
}

// End of the value that begins at `at`: a quoted string, or everything up to ';' without trailing blanks.
std::size_t end_of_value(std::string_view text, std::size_t at) {
  if (at < text.size() && text[at] == '"') return skip_quoted(text, at);
  std::size_t end = at;
  while (end < text.size() && text[end] != ';') ++end;
  while (end > at && is_lws(text[end - 1])) --end;
  return end;
}

}  // namespace

bool Params::Cursor::next(Param& param) {
  const std::size_t semicolon = skip_lws(rest_, 0);
  if (semicolon == rest_.size() || failed_) return false;
  if (rest_[semicolon] != ';') {
    failed_ = true;
    return false;
  }
  const std::size_t name_begin = skip_lws(rest_, semicolon + 1);
  std::size_t at = name_begin;
  while (at < rest_.size() && rest_[at] != ';' && rest_[at] != '=' && !is_lws(rest_[at])) ++at;
  param.name = rest_.substr(name_begin, at - name_begin);
  param.value = {};
  param.has_value = false;
  std::size_t end = at;
  at = skip_lws(rest_, at);
  if (at < rest_.size() && rest_[at] == '=') {
    const std::size_t value_begin = skip_lws(rest_, at + 1);
    end = end_of_value(rest_, value_begin);
    if (end == std::string_view::npos) {
      failed_ = true;
      return false;
    }
    param.has_value = true;
    param.value = rest_.substr(value_begin, end - value_begin);
  }
  param.whole = rest_.substr(semicolon, end - semicolon);
  rest_.remove_prefix(end);
  return true;
}

bool Params::find(std::string_view name, Param& param) const {
  if (text_.empty()) return false;
  for (Cursor rest = cursor(); rest.next(param);) {
    if (equals_ignoring_case(param.name, name)) return true;
  }
  return false;
}

std::optional<Param> Params::find(std::string_view name) const {
  std::optional<Param> param(std::in_place);
  if (!find(name, *param)) param.reset();
  return param;
}

bool Params::has(std::string_view name) const {
  Param param;
  return find(name, param);
}

std::string_view Params::value(std::string_view name) const {
  Param param;
  return find(name, param) ? param.value : std::string_view();
}

// One pass without cutting anything out: every request has a dozen of these.
bool Params::is_valid() const {
  const char* at = text_.data();
  const char* const end = at + text_.size();
  const auto skip = [&](std::uint8_t classes) {
    const char* begin = at;
    while (at != end && is_in(*at, classes)) ++at;
    return at != begin;
  };
  for (skip(char_lws); at != end; skip(char_lws)) {
    if (*at++ != ';') return false;
    skip(char_lws);
    if (!skip(char_param_name)) return false;
    skip(char_lws);
    if (at == end || *at != '=') continue;
    ++at;
    skip(char_lws);
    if (at != end && *at == '"') {
      const std::size_t close = skip_quoted(text_, static_cast<std::size_t>(at - text_.data()));
      if (close == std::string_view::npos) return false;
      at = text_.data() + close;
    } else if (!skip(char_param_value)) {
      return false;
    }
  }
  return true;
}

}  // namespace sallyport::sip
