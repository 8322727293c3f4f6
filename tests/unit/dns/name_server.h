// SPDX-License-Identifier: Apache-2.0
#pragma once
// NameServer: a DNS server on 127.0.0.1 for tests. It answers from rows, counts the questions, and can fall silent.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::dns {

inline std::string wire_name(const std::string& name) {
  std::string wire;
  size_t from = 0;
  while (from < name.size()) {
    const size_t dot = std::min(name.find('.', from), name.size());
    wire += static_cast<char>(dot - from);
    wire += name.substr(from, dot - from);
    from = dot + 1;
  }
  return wire + '\0';
}

inline std::string be16(uint16_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }
inline std::string be32(uint32_t value) { return be16(static_cast<uint16_t>(value >> 16)) + be16(static_cast<uint16_t>(value)); }
inline std::string text(const std::string& value) { return static_cast<char>(value.size()) + value; }

class NameServer {
 public:
  explicit NameServer(boost::asio::io_context& context) : descriptor_(context) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    descriptor_.assign(fd);
    wait();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  void add(const std::string& name, uint16_t type, const std::string& data, uint32_t ttl = 60) { rows_[{name, type}].push_back(be16(type) + be16(1) + be32(ttl) + be16(static_cast<uint16_t>(data.size())) + data); }
  void remove_all() { rows_.clear(); }
  bool silent = false;
  int questions = 0;

 private:
  void wait() {
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
      if (error) return;
      answer();
      wait();
    });
  }
  void answer() {
    char buffer[4096];
    sockaddr_in from{};
    socklen_t length = sizeof from;
    const ssize_t bytes = ::recvfrom(descriptor_.native_handle(), buffer, sizeof buffer, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &length);
    if (bytes < 17) return;
    ++questions;
    if (silent) return;
    const std::string question(buffer, static_cast<size_t>(bytes));
    size_t at = 12;
    std::string name;
    while (question[at] != 0) {
      name += (name.empty() ? "" : ".") + question.substr(at + 1, static_cast<size_t>(question[at]));
      at += 1 + static_cast<size_t>(question[at]);
    }
    const auto type = static_cast<uint16_t>(static_cast<unsigned char>(question[at + 1]) << 8 | static_cast<unsigned char>(question[at + 2]));
    const bool known = std::any_of(rows_.begin(), rows_.end(), [&](const auto& row) { return row.first.first == name; });
    const auto found = rows_.find({name, type});
    const size_t count = found == rows_.end() ? 0 : found->second.size();
    std::string reply = question.substr(0, 2) + std::string("\x85", 1) + std::string(1, known ? '\x80' : '\x83') + be16(1) + be16(static_cast<uint16_t>(count)) + be16(0) + be16(0);
    reply += question.substr(12, at + 5 - 12);
    for (size_t i = 0; i < count; ++i) reply += be16(0xc00c) + found->second[i];
    ::sendto(descriptor_.native_handle(), reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
  }
  boost::asio::posix::stream_descriptor descriptor_;
  uint16_t port_ = 0;
  std::map<std::pair<std::string, uint16_t>, std::vector<std::string>> rows_;
};

inline constexpr uint16_t type_a = 1, type_aaaa = 28, type_srv = 33, type_naptr = 35;

}  // namespace sallyport::dns
