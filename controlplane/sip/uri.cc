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

// No blanks, controls, quotes or angle brackets anywhere in a URI (RFC 4475 3.1.2.7, 3.1.2.8).
bool has_foreign_char(std::string_view text) {
  for (const char c : text) {
    if (is_in(c, char_not_uri)) return true;
  }
  return false;
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

bool parse_sip(Uri& uri, std::string_view rest) {
  // RFC 3261 19.1.1: the userinfo may hold ';' and '?', so the '@' decides first.
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    const std::string_view userinfo = rest.substr(0, at);
    const std::size_t colon = userinfo.find(':');
    uri.user = userinfo.substr(0, colon);
    if (colon != std::string_view::npos) uri.password = userinfo.substr(colon + 1);
    if (uri.user.empty() || !are_escapes_whole(userinfo)) return false;
    rest.remove_prefix(at + 1);
  }
  if (const std::size_t question = rest.find('?'); question != std::string_view::npos) {
    uri.headers = rest.substr(question + 1);
    rest = rest.substr(0, question);
  }
  if (const std::size_t semicolon = rest.find(';'); semicolon != std::string_view::npos) {
    uri.params = Params(rest.substr(semicolon));
    rest = rest.substr(0, semicolon);
    if (!uri.params.is_valid()) return false;
  }
  const auto host_port = parse_host_port(rest);
  if (!host_port) return false;
  uri.host = host_port->host;
  uri.port = host_port->port;
  return true;
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
  for (auto rest = a.cursor(); auto param = rest.next();) {
    const auto other = b.find(param->name);
    if (!other) {
      if (must_match(param->name)) return false;
    } else if (!equal_escaped(param->value, other->value, true)) {
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
  std::size_t host_end = text.find(':');
  if (!text.empty() && text.front() == '[') {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return std::nullopt;
    host_end = bracket + 1 == text.size() ? std::string_view::npos : bracket + 1;
  }
  result.host = text.substr(0, host_end);
  if (!is_host(result.host)) return std::nullopt;
  if (host_end == std::string_view::npos) return result;
  if (text[host_end] != ':') return std::nullopt;
  const auto port = parse_number(text.substr(host_end + 1), 65535);
  if (!port || *port == 0) return std::nullopt;
  result.port = static_cast<std::uint16_t>(*port);
  return result;
}

bool parse_uri(std::string_view text, Uri& uri) {
  uri = Uri{};
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || has_foreign_char(text)) return false;
  uri.text = text;
  const std::string_view scheme = text.substr(0, colon);
  const std::string_view rest = text.substr(colon + 1);
  if (equals_ignoring_case(scheme, "sip")) {
    uri.scheme = Scheme::sip;
    return parse_sip(uri, rest);
  }
  if (equals_ignoring_case(scheme, "sips")) {
    uri.scheme = Scheme::sips;
    return parse_sip(uri, rest);
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
