// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/http_exchange.h"

#include <openssl/crypto.h>

#include <charconv>

namespace sallyport::cli {
namespace {

constexpr std::size_t max_head_bytes = 65536;
constexpr std::size_t max_body_bytes = 256u << 20;

std::string request_text(const HttpRequest& request) {
  std::string text = request.method + " " + request.target + " HTTP/1.1\r\nHost: " + request.host + "\r\nConnection: close\r\n" + request.fields;
  if (request.method == "POST") text += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  return text + "\r\n" + request.body;
}

std::string cookie_of(std::string_view head) {
  constexpr std::string_view name = "\r\nSet-Cookie: ";
  const std::size_t at = head.find(name);
  if (at == std::string_view::npos) return {};
  const std::string_view value = head.substr(at + name.size());
  return std::string(value.substr(0, value.find_first_of(";\r")));
}

// Reads status line and headers; the buffer then begins with the body.
Outcome<ApiReply> read_head(Transport& connection) {
  Fault malformed = connection.fault("what answers there does not speak HTTP", "name the socket of [api] in the node file");
  std::size_t end = std::string::npos;
  while ((end = connection.buffer.find("\r\n\r\n")) == std::string::npos) {
    if (connection.buffer.size() > max_head_bytes) return malformed;
    auto more = connection.receive();
    if (!more) return more.fault();
    if (!*more) return connection.buffer.empty() ? connection.fault("the control plane closed the connection", "it may have too many; try again") : malformed;
  }
  ApiReply reply;
  std::string_view head(connection.buffer.data(), end);
  if (head.substr(0, 7) != "HTTP/1." || head.size() < 12) return malformed;
  if (std::from_chars(head.data() + 9, head.data() + 12, reply.status).ec != std::errc()) return malformed;
  reply.cookie = cookie_of(head);
  connection.buffer.erase(0, end + 4);
  return reply;
}

// Next chunk of a chunked body; empty at its end.
Outcome<std::string> read_chunk(Transport& connection) {
  for (;;) {
    const std::size_t line_end = connection.buffer.find("\r\n");
    if (line_end == std::string::npos && connection.buffer.size() > max_head_bytes) return connection.fault("the stream is damaged", "try again");
    if (line_end != std::string::npos) {
      std::size_t size = 0;
      auto parsed = std::from_chars(connection.buffer.data(), connection.buffer.data() + line_end, size, 16);
      if (parsed.ec != std::errc() || size > max_body_bytes) return connection.fault("the stream is damaged", "try again");
      if (connection.buffer.size() >= line_end + 2 + size + 2) {
        std::string chunk = connection.buffer.substr(line_end + 2, size);
        connection.buffer.erase(0, line_end + 2 + size + 2);
        return chunk;
      }
    }
    auto more = connection.receive();
    if (!more) return more.fault();
    if (!*more) return std::string();
  }
}

Outcome<ApiReply> read_rest(Transport& connection, ApiReply reply) {
  for (;;) {
    if (connection.buffer.size() > max_body_bytes) return connection.fault("the answer is larger than 256 MiB", "ask for less with --limit");
    auto more = connection.receive();
    if (!more) return more.fault();
    if (*more) continue;
    reply.body = std::move(connection.buffer);
    return reply;
  }
}

Outcome<ApiReply> begin(Transport& transport, const HttpRequest& request) {
  std::string text = request_text(request);
  const Outcome<> sent = transport.send(text);
  OPENSSL_cleanse(text.data(), text.size());  // it may hold a password
  if (!sent) return sent.fault();
  return read_head(transport);
}

}  // namespace

Outcome<ApiReply> exchange(Transport& transport, const HttpRequest& request) {
  auto reply = begin(transport, request);
  if (!reply) return reply.fault();
  return read_rest(transport, std::move(*reply));
}

Outcome<ApiReply> exchange_stream(Transport& transport, const HttpRequest& request, const std::function<bool(std::string_view)>& take_chunk) {
  auto reply = begin(transport, request);
  if (!reply) return reply.fault();
  if (reply->status >= 400) return read_rest(transport, std::move(*reply));
  for (;;) {
    auto chunk = read_chunk(transport);
    if (!chunk) return chunk.fault();
    if (chunk->empty() || !take_chunk(*chunk)) return reply;
  }
}

}  // namespace sallyport::cli
