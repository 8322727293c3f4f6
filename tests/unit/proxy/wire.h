// SPDX-License-Identifier: Apache-2.0
#pragma once
// Wire: the ends of a proxy under test. Each MemoryHop keeps what was sent to it, so that a dialogue reads as sent and expected.
// A test runs the io_context only where it lets timers fire.

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <deque>
#include <memory>
#include <string>

#include "controlplane/proxy/edge_router.h"
#include "controlplane/proxy/inner_router.h"
#include "controlplane/proxy/proxy.h"

namespace sallyport::proxy {

class MemoryHop final : public Hop {
 public:
  MemoryHop(uint64_t id, Side side, Transport transport, const std::string& address, uint16_t port) : Hop(id, side, transport) {
    remote = tls::SocketAddress::parse(address, port).value();
    name = remote.text();
    via_head = std::string("SIP/2.0/") + std::string(sip::transport_text(transport)) + " proxy.example.com;branch=";
  }
  bool send(std::string message) override {
    if (!open) return false;
    sent.push_back(std::move(message));
    return true;
  }
  bool is_open() const override { return open; }
  void close() override { open = false; }

  std::string take() {
    if (sent.empty()) return {};
    std::string text = std::move(sent.front());
    sent.pop_front();
    return text;
  }

  std::deque<std::string> sent;
  bool open = true;
};

// Media left alone: what the anchor does has tests of its own.
class NoAnchor final : public Anchor {
 public:
  AnchorVerdict on_request(RelayTransaction*, const sip::Message&, const Hop&, const Hop&, sip::Edit&) override { return {}; }
  AnchorVerdict on_response(RelayTransaction&, const sip::Message&, Side, sip::Edit&) override { return {}; }
  void on_failed(RelayTransaction&, int status) override { failed_with = status; }
  int failed_with = 0;
};

inline std::string header_of(const std::string& text, std::string_view name) {
  sip::Message message;
  EXPECT_TRUE(sip::parse(text, message).ok()) << text;
  const sip::Header* header = message.find(name);
  return header == nullptr ? std::string{} : std::string(header->value);
}

inline std::string start_line(const std::string& text) { return text.substr(0, text.find("\r\n")); }

inline sip::FlowKey test_key(uint8_t seed) {
  sip::FlowKey key;
  key.generation = seed;
  key.secret.fill(seed);
  return key;
}

}  // namespace sallyport::proxy
