// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/api_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

namespace sallyport::cli {
namespace {

constexpr std::size_t max_head_bytes = 65536;
constexpr std::size_t max_body_bytes = 256u << 20;

// A connection to the control plane, and the bytes of it that were read but not yet used.
class Connection {
 public:
  explicit Connection(const std::string& path) : path_(path) {}
  ~Connection() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Outcome<> open(std::uint32_t patience_s) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path) return fault("is longer than 107 characters", "name the socket of [api] in the node file");
    std::memcpy(address.sun_path, path_.data(), path_.size());
    descriptor_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor_ < 0) return fault(std::strerror(errno), "");
    timeval patience{static_cast<time_t>(patience_s), 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return Done{};
    switch (errno) {
      case ENOENT: return fault("there is no such socket, so the control plane does not run", "start it (systemctl start sallyport-controlplane@NODE), or name its socket with --socket");
      case ECONNREFUSED: return fault("nobody answers, so the control plane does not run any more", "start it: systemctl start sallyport-controlplane@NODE");
      case EACCES: return fault("you may not open it", "use sudo, or become a member of the group that owns it");
      default: return fault(std::strerror(errno), "look at the control plane's log");
    }
  }

  Outcome<> send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      // The node may refuse early, for example a document that is too large: what it answered counts.
      if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return Done{};
      if (sent < 0) return fault(std::strerror(errno), "look at the control plane's log");
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return Done{};
  }

  // Appends what comes next to buffer; false at the end of the stream.
  Outcome<bool> receive() {
    char chunk[16384];
    for (;;) {
      ssize_t received = ::recv(descriptor_, chunk, sizeof chunk, 0);
      if (received < 0 && errno == EINTR) continue;
      if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return fault("the control plane did not answer in time", "look at its log: journalctl -u sallyport-controlplane@NODE");
      if (received < 0 && errno != ECONNRESET) return fault(std::strerror(errno), "look at the control plane's log");
      if (received <= 0) return false;
      buffer.append(chunk, static_cast<std::size_t>(received));
      return true;
    }
  }

  Fault fault(const std::string& cause, const std::string& remedy) const { return {FaultCode::unreachable, "socket " + path_, cause, remedy}; }

  std::string buffer;

 private:
  std::string path_;
  int descriptor_ = -1;
};

std::string request_text(const std::string& method, const std::string& target, const std::string& body) {
  std::string text = method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
  if (method == "POST") text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + body;
}

// Reads status line and headers; the buffer then begins with the body.
Outcome<unsigned> read_head(Connection& connection) {
  Fault malformed = connection.fault("what answers there does not speak HTTP", "name the socket of [api] in the node file");
  std::size_t end = std::string::npos;
  while ((end = connection.buffer.find("\r\n\r\n")) == std::string::npos) {
    if (connection.buffer.size() > max_head_bytes) return malformed;
    auto more = connection.receive();
    if (!more) return more.fault();
    if (!*more) return connection.buffer.empty() ? connection.fault("the control plane closed the connection", "it may have too many; try again") : malformed;
  }
  unsigned status = 0;
  std::string_view head(connection.buffer.data(), end);
  if (head.substr(0, 7) != "HTTP/1." || head.size() < 12) return malformed;
  if (std::from_chars(head.data() + 9, head.data() + 12, status).ec != std::errc()) return malformed;
  connection.buffer.erase(0, end + 4);
  return status;
}

// Next chunk of a chunked body; empty at its end.
Outcome<std::string> read_chunk(Connection& connection) {
  for (;;) {
    std::size_t line_end = connection.buffer.find("\r\n");
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

}  // namespace

namespace {

Outcome<ApiReply> read_rest(Connection& connection, unsigned status) {
  for (;;) {
    if (connection.buffer.size() > max_body_bytes) return connection.fault("the answer is larger than 256 MiB", "ask for less with --limit");
    auto more = connection.receive();
    if (!more) return more.fault();
    if (!*more) return ApiReply{status, std::move(connection.buffer)};
  }
}

}  // namespace

Outcome<ApiReply> ApiClient::request(const std::string& method, const std::string& target, const std::string& body, std::uint32_t patience_s) const {
  Connection connection(socket_path_);
  if (auto opened = connection.open(patience_s); !opened) return opened.fault();
  if (auto sent = connection.send(request_text(method, target, body)); !sent) return sent.fault();
  auto status = read_head(connection);
  if (!status) return status.fault();
  return read_rest(connection, *status);
}

Outcome<ApiReply> ApiClient::stream(const std::string& method, const std::string& target, const std::function<bool(std::string_view)>& take_chunk) const {
  Connection connection(socket_path_);
  if (auto opened = connection.open(0); !opened) return opened.fault();
  if (auto sent = connection.send(request_text(method, target, "")); !sent) return sent.fault();
  auto status = read_head(connection);
  if (!status) return status.fault();
  if (*status >= 400) return read_rest(connection, *status);
  for (;;) {
    auto chunk = read_chunk(connection);
    if (!chunk) return chunk.fault();
    if (chunk->empty() || !take_chunk(*chunk)) return ApiReply{*status, {}};
  }
}

Outcome<> ApiClient::follow(const std::string& target, const std::function<bool(std::string_view)>& take_line) const {
  std::string text;
  auto reply = stream("GET", target, [&](std::string_view chunk) {
    text += chunk;
    for (std::size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
      if (!take_line(std::string_view(text).substr(0, end))) return false;
    }
    return true;
  });
  if (!reply) return reply.fault();
  if (reply->status == 200) return Done{};
  return Connection(socket_path_).fault("the control plane answered with status " + std::to_string(reply->status), "look at its log");
}

std::string ApiClient::encode(std::string_view text) {
  std::string encoded;
  for (char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      encoded += c;
    } else {
      auto byte = static_cast<unsigned char>(c);
      encoded += {'%', "0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 15]};
    }
  }
  return encoded;
}

}  // namespace sallyport::cli
