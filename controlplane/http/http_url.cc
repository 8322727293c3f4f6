// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/http_url.h"

#include <algorithm>
#include <charconv>

#include "controlplane/config/fqdn.h"

namespace sallyport::http {
namespace {

constexpr std::string_view secure_scheme = "https://", plain_scheme = "http://";

Fault url_fault(std::string_view text, std::string cause) {
  std::string shown;
  for (const char c : text.substr(0, 100)) shown += c >= 0x20 && c < 0x7f ? c : '?';
  return Fault{FaultCode::invalid, "URL \"" + shown + "\"", std::move(cause), "write it like https://ca.example/directory"};
}

bool is_url_char(char c) { return c > 0x20 && c < 0x7f && std::string_view("\"<>\\^`{|}#").find(c) == std::string_view::npos; }

bool is_host_char(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'; }

Outcome<HttpUrl> parse(std::string_view text, bool may_be_plain) {
  if (text.size() > url_limit_bytes) return url_fault(text, "is longer than " + std::to_string(url_limit_bytes) + " bytes");
  if (!std::all_of(text.begin(), text.end(), is_url_char)) return url_fault(text, "holds a character that is not allowed in a URL");
  const bool is_plain = may_be_plain && config::lower_case(text.substr(0, plain_scheme.size())) == plain_scheme;
  const std::string_view scheme = is_plain ? plain_scheme : secure_scheme;
  if (config::lower_case(text.substr(0, scheme.size())) != scheme) return url_fault(text, may_be_plain ? "does not begin with http:// or https://" : "does not begin with https://");
  const std::string_view rest = text.substr(scheme.size());
  const size_t path = std::min(rest.find_first_of("/?"), rest.size());
  std::string authority = config::lower_case(rest.substr(0, path));
  if (authority.find('@') != std::string::npos) return url_fault(text, "names a user");
  HttpUrl url;
  url.is_secure = !is_plain;
  url.port = is_plain ? 80 : 443;
  url.target = std::string(rest.substr(path));
  if (url.target.empty() || url.target.front() == '?') url.target.insert(0, 1, '/');
  const bool is_bracketed = !authority.empty() && authority.front() == '[';
  const size_t end = is_bracketed ? authority.find(']') : std::min(authority.find(':'), authority.size());
  if (end == std::string::npos) return url_fault(text, "has an unfinished IPv6 address");
  url.host = is_bracketed ? authority.substr(1, end - 1) : authority.substr(0, end);
  const bool is_host = is_bracketed ? url.host.find(':') != std::string::npos && config::is_ip_literal(url.host)
                                    : !url.host.empty() && url.host.size() <= 253 && std::all_of(url.host.begin(), url.host.end(), is_host_char);
  if (!is_host) return url_fault(text, "has no usable host");
  const std::string_view port = std::string_view(authority).substr(is_bracketed ? end + 1 : end);
  if (port.empty()) return url;
  const auto [stop, error] = std::from_chars(port.data() + 1, port.data() + port.size(), url.port);
  if (port.front() != ':' || error != std::errc() || stop != port.data() + port.size() || url.port == 0) return url_fault(text, "has no usable port");
  return url;
}

}  // namespace

std::string HttpUrl::host_field() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (is_secure ? 443 : 80) ? name : name + ":" + std::to_string(port);
}

Outcome<HttpUrl> parse_https_url(std::string_view text) { return parse(text, false); }
Outcome<HttpUrl> parse_http_url(std::string_view text) { return parse(text, true); }

Outcome<std::string> resolve_url(const HttpUrl& base, std::string_view reference) {
  std::string absolute(reference);
  const bool is_path = !reference.empty() && reference.front() == '/' && reference.substr(0, 2) != "//";
  if (is_path) absolute.insert(0, base.scheme() + base.host_field());
  const auto parsed = parse(absolute, !base.is_secure);
  if (!parsed) return parsed.fault();
  return absolute;
}

}  // namespace sallyport::http
