// SPDX-License-Identifier: Apache-2.0
// The one translation unit of this folder that includes Beast.
#include "controlplane/http/http_message.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http.hpp>
#include <optional>

#include "controlplane/config/fqdn.h"

namespace sallyport::http {
namespace {

namespace beast = boost::beast::http;
using boost::system::error_code;

std::string text_of(boost::beast::string_view view) { return std::string(view.data(), view.size()); }

Fault parse_fault(const error_code& error, const HttpLimits& limits) {
  Fault fault{FaultCode::invalid, "HTTP message", error.message(), ""};
  if (error == beast::error::header_limit || error == beast::error::buffer_overflow) fault.cause = "its header is longer than " + std::to_string(limits.header_bytes) + " bytes";
  if (error == beast::error::body_limit) fault.cause = "its body is longer than " + std::to_string(limits.body_bytes) + " bytes";
  if (error == beast::error::partial_message || error == beast::error::end_of_stream) fault.cause = "it ends in the middle";
  if (error == beast::error::bad_version) fault.cause = "it is not HTTP/1.1";
  return fault;
}

}  // namespace

const std::string* HttpMessage::find(std::string_view name) const {
  for (const auto& [field, value] : fields) {
    if (field == name) return &value;
  }
  return nullptr;
}

std::string HttpMessage::media_type() const {
  const std::string* value = find("content-type");
  if (value == nullptr) return "";
  std::string_view type(*value);
  type = type.substr(0, type.find(';'));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
  return config::lower_case(type);
}

struct HttpReader::Parser {
  HttpLimits limits;
  std::string waiting;      // not yet consumed: at most an unfinished header or chunk line
  size_t header_bytes = 0;  // consumed: Beast's own limit counts only what it is shown at once
  std::optional<beast::request_parser<beast::string_body>> request;
  std::optional<beast::response_parser<beast::string_body>> answer;

  template <class Call>
  auto with(Call call) {
    return request ? call(*request) : call(*answer);
  }
};

HttpReader::HttpReader(Kind kind, HttpLimits limits) : parser_(std::make_unique<Parser>()) {
  parser_->limits = limits;
  if (kind == Kind::request) parser_->request.emplace();
  else parser_->answer.emplace();
  parser_->with([&](auto& parser) {
    parser.eager(true);
    parser.header_limit(limits.header_bytes);
    parser.body_limit(limits.body_bytes);
    if (kind == Kind::answer_without_body) parser.skip(true);
  });
}

HttpReader::~HttpReader() = default;

Outcome<bool> HttpReader::put(std::string_view bytes) {
  std::string& waiting = parser_->waiting;
  waiting.append(bytes);
  return parser_->with([&](auto& parser) -> Outcome<bool> {
    while (!waiting.empty() && !parser.is_done()) {
      const bool is_header = !parser.is_header_done();
      const size_t allowed = parser_->limits.header_bytes - parser_->header_bytes;
      const size_t shown = is_header ? std::min(waiting.size(), allowed) : waiting.size();
      error_code error;
      const size_t taken = parser.put(boost::asio::const_buffer(waiting.data(), shown), error);
      waiting.erase(0, taken);
      if (is_header && !parser.is_header_done()) {
        parser_->header_bytes += taken;
        // Another error, such as a body that is announced as too long, comes first.
        if (shown == allowed && (!error || error == beast::error::need_more)) error = beast::error::header_limit;
      }
      if (error == beast::error::need_more) break;
      if (error) return parse_fault(error, parser_->limits);
      if (taken == 0) break;
    }
    // A chunk's line that never ends.
    if (parser.is_header_done() && !parser.is_done() && waiting.size() > parser_->limits.header_bytes) {
      const error_code error = beast::error::header_limit;
      return parse_fault(error, parser_->limits);
    }
    return parser.is_done();
  });
}

Outcome<> HttpReader::put_end() {
  return parser_->with([&](auto& parser) -> Outcome<> {
    error_code error;
    if (!parser.got_some()) error = beast::error::partial_message;
    else parser.put_eof(error);
    if (!error && !parser.is_done()) error = beast::error::partial_message;
    if (error) return parse_fault(error, parser_->limits);
    return Done{};
  });
}

HttpMessage HttpReader::take() {
  HttpMessage message;
  parser_->with([&](auto& parser) {
    auto& parsed = parser.get();
    for (const auto& field : parsed) message.fields.emplace_back(config::lower_case(text_of(field.name_string())), text_of(field.value()));
    message.body = std::move(parsed.body());
  });
  if (parser_->answer) message.status = parser_->answer->get().result_int();
  if (parser_->request) {
    message.method = text_of(parser_->request->get().method_string());
    message.target = text_of(parser_->request->get().target());
  }
  return message;
}

}  // namespace sallyport::http
