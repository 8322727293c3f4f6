// SPDX-License-Identifier: Apache-2.0
// Of Beast there is the parser here, and nothing that moves bytes.
#include "controlplane/api/request_head.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <charconv>

namespace sallyport::api {
namespace {

namespace http = boost::beast::http;
constexpr std::size_t max_fields = 64, max_host_chars = 260;
constexpr std::string_view line_end = "\r\n";

HeadRefusal refuse(unsigned status, const char* cause, const char* remedy) { return {status, {FaultCode::invalid, "request", cause, remedy}}; }

std::string_view view_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

// Beast would unfold a folded line, as others might not.
const char* complaint_about_lines(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    const char c = bytes[at];
    if (c == '\0') return "holds a NUL";
    if (c == '\n' && (at == 0 || bytes[at - 1] != '\r')) return "has a line that does not end with CRLF";
    if (c == '\r' && (at + 1 == bytes.size() || bytes[at + 1] != '\n')) return "has a line that does not end with CRLF";
    if (c == '\n' && at + 1 < bytes.size() && (bytes[at + 1] == ' ' || bytes[at + 1] == '\t')) return "has a folded line";
  }
  return nullptr;
}

bool is_same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == (y >= 'A' && y <= 'Z' ? y + 32 : y); });
}

// The value of a field that may stand once at most; false: it stands twice.
bool take_once(const http::fields& fields, boost::beast::string_view name, std::string& value) {
  const auto [first, last] = fields.equal_range(name);
  if (first == last) return true;
  value = std::string(view_of(first->value()));
  return std::next(first) == last;
}

}  // namespace

std::optional<HeadRefusal> read_request_head(std::string_view bytes, RequestHead& head) {
  if (const char* complaint = complaint_about_lines(bytes)) return refuse(400, complaint, "send HTTP/1.1 as RFC 9112 has it");
  http::request_parser<http::empty_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(bytes.size()) + 1);
  parser.body_limit(boost::none);
  boost::system::error_code error;
  const std::size_t used = parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
  if (error || !parser.is_header_done() || used != bytes.size()) return refuse(400, "is no HTTP/1.1", "send HTTP/1.1 as RFC 9112 has it");
  const auto& message = parser.get();
  if (message.version() != 11) return refuse(505, "is of another version of HTTP", "speak HTTP/1.1");
  if (std::distance(message.begin(), message.end()) > static_cast<std::ptrdiff_t>(max_fields)) return refuse(431, "has more than 64 header fields", "send fewer");
  if (message.count(http::field::transfer_encoding) != 0) return refuse(501, "has a Transfer-Encoding", "send its body with a Content-Length");
  std::string length, expect;
  const bool are_single = take_once(message, "Host", head.host) && take_once(message, "Content-Length", length) && take_once(message, "Expect", expect) && take_once(message, "Cookie", head.cookie) &&
                          take_once(message, "X-CSRF-Token", head.csrf) && take_once(message, "Origin", head.origin) && take_once(message, "Sec-Fetch-Site", head.fetch_site);
  if (!are_single || message.count(http::field::host) != 1) return refuse(400, "has a field twice that may stand once, or no Host", "send each once");
  if (!length.empty()) {
    const auto [end, wrong] = std::from_chars(length.data(), length.data() + length.size(), head.body_bytes);
    if (wrong != std::errc() || end != length.data() + length.size()) return refuse(400, "has a Content-Length that is no number", "send its length in bytes");
  }
  head.expects_continue = is_same_word(expect, "100-continue");
  if (!expect.empty() && !head.expects_continue) return refuse(417, "expects what is not known here", "leave Expect out");
  head.if_none_match = std::string(view_of(message[http::field::if_none_match]));
  head.method = std::string(view_of(message.method_string()));
  head.target = std::string(view_of(message.target()));
  if (head.target.empty() || head.target.front() != '/') return refuse(400, "its target is no path", "send it to this server, not through a proxy");
  head.keep_alive = message.keep_alive();
  return std::nullopt;
}

std::string_view cookie_value(std::string_view cookie, std::string_view name) {
  std::string_view found;
  bool is_there = false;
  while (!cookie.empty()) {
    std::string_view pair = cookie.substr(0, cookie.find(';'));
    cookie.remove_prefix(std::min(pair.size() + 1, cookie.size()));
    while (!pair.empty() && pair.front() == ' ') pair.remove_prefix(1);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
    if (is_there) return {};
    is_there = true;
    found = pair.substr(equals + 1);
  }
  return found;
}

bool split_host(std::string_view host, std::string& name, std::uint16_t& port) {
  port = 0;
  if (host.empty() || host.size() > max_host_chars) return false;
  std::size_t end = host.front() == '[' ? host.find(']') : host.find(':');
  if (host.front() == '[' && end == std::string_view::npos) return false;
  name = std::string(host.front() == '[' ? host.substr(1, end - 1) : host.substr(0, end));
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  std::string_view rest = host.front() == '[' ? host.substr(end + 1) : end == std::string_view::npos ? std::string_view() : host.substr(end);
  if (rest.empty()) return !name.empty();
  const auto [digits_end, wrong] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), port);
  return rest.front() == ':' && wrong == std::errc() && digits_end == rest.data() + rest.size() && port != 0 && !name.empty();
}

std::string_view reason_of(unsigned status) { return view_of(http::obsolete_reason(static_cast<http::status>(status))); }

}  // namespace sallyport::api
