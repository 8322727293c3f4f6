// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/name_addr.h"

#include <utility>

#include "controlplane/sip/grammar.h"

namespace sallyport::sip {
namespace {

// display-name of unquoted form: *(token LWS).
bool is_token_list(std::string_view text) {
  for (const char c : text) {
    if (!is_token_char(c) && !is_lws(c)) {
      // UTF-8 outside quotes is not in the grammar, but phones send it and nothing depends on it.
      if (static_cast<unsigned char>(c) < 0x80) return false;
    }
  }
  return true;
}

bool parse_bracketed(std::string_view text, std::size_t open, NameAddr& parsed) {
  parsed.is_bracketed = true;
  parsed.display = trim(text.substr(0, open));
  const bool is_quoted = !parsed.display.empty() && parsed.display.front() == '"';
  if (!is_quoted && !is_token_list(parsed.display)) return false;
  const char* const end = text.data() + text.size();
  const auto close = static_cast<std::size_t>(find_near(text.data() + open, end, '>') - text.data());
  if (close == text.size() || !parse_uri(text.substr(open + 1, close - open - 1), parsed.uri)) return false;
  parsed.params = Params(trim(text.substr(close + 1)));
  return parsed.params.is_valid();
}

// RFC 3261 20.10: without brackets everything from ';' on belongs to the header, and the URI holds no '?' and no ','.
bool parse_bare(std::string_view text, NameAddr& parsed) {
  const std::size_t semicolon = text.find(';');
  const std::string_view uri_text = trim(text.substr(0, semicolon));
  if (uri_text.find_first_of("?,") != std::string_view::npos || !parse_uri(uri_text, parsed.uri)) return false;
  if (semicolon != std::string_view::npos) parsed.params = Params(text.substr(semicolon));
  return parsed.params.is_valid();
}

bool parse_into(std::string_view text, NameAddr& parsed) {
  text = trim(text);
  if (text == "*") {
    parsed.is_star = true;
    return true;
  }
  if (!text.empty() && text.front() == '"') {
    std::size_t open = skip_quoted(text, 0);
    if (open == std::string_view::npos) return false;
    while (open < text.size() && is_lws(text[open])) ++open;
    return open < text.size() && text[open] == '<' && parse_bracketed(text, open, parsed);
  }
  // '<' may also occur in a quoted parameter of the bare form; then it stands behind a ';'.
  std::size_t open = 0;
  while (open < text.size() && text[open] != '<' && text[open] != ';') ++open;
  if (open < text.size() && text[open] == '<') return parse_bracketed(text, open, parsed);
  return parse_bare(text, parsed);
}

}  // namespace

bool parse_name_addr(std::string_view text, NameAddr& parsed) {
  parsed = NameAddr{};
  return parse_into(text, parsed);
}

std::optional<NameAddr> parse_name_addr(std::string_view text) {
  std::optional<NameAddr> parsed(std::in_place);
  if (!parse_into(text, *parsed)) parsed.reset();
  return parsed;
}

}  // namespace sallyport::sip
