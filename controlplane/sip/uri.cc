// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/uri.h"

#include <string>
#include <utility>

#include "controlplane/sip/grammar.h"

namespace sallyport::sip {
namespace {

bool is_alnum(char c) {
  const char l = lower(c);
  return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9');
}

// Every '%' is followed by two hex digits.
bool are_escapes_whole(std::string_view text) {
  for (std::size_t i = text.find('%'); i != std::string_view::npos; i = text.find('%', i + 1)) {
    if (i + 2 >= text.size()) return false;
    if (!all_in(text.substr(i + 1, 2), char_hex)) return false;
  }
  return true;
}

// Where the marks of a URI stand, npos if nowhere. One pass for all: a message holds a dozen URIs.
struct Marks {
  std::size_t colon = std::string_view::npos;      // the first, behind the scheme
  std::size_t at = std::string_view::npos;         // the first
  std::size_t semicolon = std::string_view::npos;  // the first behind '@' and before '?'
  std::size_t question = std::string_view::npos;   // the first behind '@'
  bool has_escape = false;                         // before '@'
};

// False: a blank, control, quote or angle bracket, which may stand nowhere in a URI (RFC 4475 3.1.2.7, 3.1.2.8).
bool find_marks(std::string_view text, Marks& marks) {
  constexpr std::size_t none = std::string_view::npos;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (!is_in(c, char_not_uri | char_uri_mark)) continue;
    if (is_in(c, char_not_uri)) return false;
    if (c == ':' && marks.colon == none) marks.colon = i;
    if (c == '%' && marks.at == none) marks.has_escape = true;
    if (c == '?' && marks.question == none) marks.question = i;
    if (c == ';' && marks.question == none && marks.semicolon == none) marks.semicolon = i;
    if (c != '@' || marks.at != none) continue;
    // RFC 3261 19.1.1: the userinfo may hold ';' and '?', so the '@' decides.
    marks.at = i;
    marks.semicolon = marks.question = none;
  }
  return true;
}

bool is_scheme(std::string_view text) {
  if (text.empty() || !is_alnum(text[0]) || (text[0] >= '0' && text[0] <= '9')) return false;
  for (const char c : text) {
    if (!is_alnum(c) && c != '+' && c != '-' && c != '.') return false;
  }
  return true;
}

bool is_ipv6_text(std::string_view text) {
  if (text.size() < 2 || text.size() > 45) return false;
  for (const char c : text) {
    const char l = lower(c);
    if (!((c >= '0' && c <= '9') || (l >= 'a' && l <= 'f') || c == ':' || c == '.')) return false;
  }
  return text.find(':') != std::string_view::npos;
}

// host [ ":" port ]; false when malformed. port is 0 when absent.
bool take_host_port(std::string_view text, std::string_view& host, std::uint16_t& port) {
  std::size_t end = 0;
  if (!text.empty() && text.front() == '[') {
    end = text.find(']');
    if (end == std::string_view::npos) return false;
    ++end;
  } else {
    while (end < text.size() && text[end] != ':') ++end;
  }
  host = text.substr(0, end);
  if (!is_host(host)) return false;
  if (end == text.size()) return true;
  if (text[end] != ':') return false;
  const auto number = parse_number(text.substr(end + 1), 65535);
  if (!number || *number == 0) return false;
  port = static_cast<std::uint16_t>(*number);
  return true;
}

bool parse_sip(Uri& uri, std::string_view text, const Marks& marks) {
  constexpr std::size_t none = std::string_view::npos;
  std::size_t host = marks.colon + 1;
  // An '@' before the scheme's colon would have made the scheme none of ours.
  if (marks.at != none) {
    const std::string_view userinfo = text.substr(host, marks.at - host);
    const std::size_t colon = userinfo.find(':');
    uri.user = userinfo.substr(0, colon);
    if (colon != none) uri.password = userinfo.substr(colon + 1);
    if (uri.user.empty() || (marks.has_escape && !are_escapes_whole(userinfo))) return false;
    host = marks.at + 1;
  }
  std::size_t end = text.size();
  if (marks.question != none) {
    uri.headers = text.substr(marks.question + 1);
    end = marks.question;
  }
  if (marks.semicolon != none) {
    uri.params = Params(text.substr(marks.semicolon, end - marks.semicolon));
    if (!uri.params.is_valid()) return false;
    end = marks.semicolon;
  }
  return take_host_port(text.substr(host, end - host), uri.host, uri.port);
}

bool parse_tel(Uri& uri, std::string_view rest) {
  const std::size_t semicolon = rest.find(';');
  uri.user = rest.substr(0, semicolon);
  if (semicolon != std::string_view::npos) uri.params = Params(rest.substr(semicolon));
  return !uri.user.empty() && uri.params.is_valid();
}

// RFC 3261 19.1.4: an escaped character equals the character itself.
bool equal_escaped(std::string_view a, std::string_view b, bool ignore_case) {
  const auto plain_a = unescape(a), plain_b = unescape(b);
  if (!plain_a || !plain_b) return a == b;
  return ignore_case ? equals_ignoring_case(*plain_a, *plain_b) : *plain_a == *plain_b;
}

bool must_match(std::string_view name) {
  for (const std::string_view needed : {"user", "ttl", "method", "maddr", "transport"}) {
    if (equals_ignoring_case(name, needed)) return true;
  }
  return false;
}

// Parameters in both must match; user, ttl, method, maddr and transport also when only one side has them.
bool params_fit(const Params& a, const Params& b) {
  Param param;
  for (auto rest = a.cursor(); rest.next(param);) {
    const auto other = b.find(param.name);
    if (!other) {
      if (must_match(param.name)) return false;
    } else if (!equal_escaped(param.value, other->value, true)) {
      return false;
    }
  }
  return true;
}

std::size_t count_headers(std::string_view headers) {
  if (headers.empty()) return 0;
  std::size_t count = 1;
  for (const char c : headers) count += c == '&' ? 1 : 0;
  return count;
}

// Every "name=value" of a is found in b, in any order. Bounded by what a URI of one message can hold.
bool headers_fit(std::string_view a, std::string_view b) {
  if (count_headers(a) != count_headers(b)) return false;
  while (!a.empty()) {
    const std::size_t end = a.find('&');
    const std::string_view field = a.substr(0, end);
    bool found = false;
    for (std::string_view rest = b; !rest.empty() && !found;) {
      const std::size_t stop = rest.find('&');
      found = equal_escaped(field, rest.substr(0, stop), true);
      rest = stop == std::string_view::npos ? std::string_view() : rest.substr(stop + 1);
    }
    if (!found) return false;
    a = end == std::string_view::npos ? std::string_view() : a.substr(end + 1);
  }
  return true;
}

}  // namespace

std::string_view Uri::bare_host() const {
  return host.size() > 2 && host.front() == '[' ? host.substr(1, host.size() - 2) : host;
}

bool is_host(std::string_view text) {
  if (text.size() > 255 || text.empty()) return false;
  if (text.front() == '[') return text.back() == ']' && is_ipv6_text(text.substr(1, text.size() - 2));
  if (!all_in(text, char_host)) return false;
  return text.front() != '.' && text.front() != '-';
}

std::optional<HostPort> parse_host_port(std::string_view text) {
  HostPort result;
  if (!take_host_port(text, result.host, result.port)) return std::nullopt;
  return result;
}

bool parse_uri(std::string_view text, Uri& uri) {
  uri = Uri{};
  Marks marks;
  if (!find_marks(text, marks) || marks.colon == std::string_view::npos) return false;
  uri.text = text;
  const std::string_view scheme = text.substr(0, marks.colon);
  const std::string_view rest = text.substr(marks.colon + 1);
  if (equals_ignoring_case(scheme, "sip")) {
    uri.scheme = Scheme::sip;
    return parse_sip(uri, text, marks);
  }
  if (equals_ignoring_case(scheme, "sips")) {
    uri.scheme = Scheme::sips;
    return parse_sip(uri, text, marks);
  }
  if (equals_ignoring_case(scheme, "tel")) {
    uri.scheme = Scheme::tel;
    return parse_tel(uri, rest);
  }
  return is_scheme(scheme) && !rest.empty();
}

std::optional<Uri> parse_uri(std::string_view text) {
  std::optional<Uri> uri(std::in_place);
  if (!parse_uri(text, *uri)) uri.reset();
  return uri;
}

bool equal(const Uri& a, const Uri& b) {
  if (a.scheme != b.scheme) return false;
  if (!a.is_sip()) return a.text == b.text;
  return a.port == b.port && equal_escaped(a.user, b.user, false) && equal_escaped(a.password, b.password, false) &&
         a.user.empty() == b.user.empty() && equals_ignoring_case(a.host, b.host) && params_fit(a.params, b.params) &&
         params_fit(b.params, a.params) && headers_fit(a.headers, b.headers);
}

}  // namespace sallyport::sip
