// SPDX-License-Identifier: Apache-2.0
#pragma once
// CallNode: an E with its proxy, call table and a double of the dataplane, between a client and the traversal link, so that a test
// reads as a dialogue: what one side says, what the other hears.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "controlplane/calls/call_table.h"
#include "tests/unit/media/media_node.h"
#include "tests/unit/proxy/wire.h"

namespace sallyport::calls {

// From the client to the link and back, unless a test says that there is no way.
class StraightRouter final : public proxy::Router {
 public:
  proxy::Route route(proxy::Inbound& inbound) override {
    if (refusal != 0) return proxy::Route::refuse(refusal);
    return proxy::Route::to(inbound.hop->side == proxy::Side::traversal ? client : link);
  }
  void on_response(proxy::RelayTransaction&, const sip::Message&, sip::Edit&) override {}
  bool may_retry(proxy::RelayTransaction&, proxy::ClientFailure) override { return false; }
  bool take(const sip::Message&, const std::shared_ptr<proxy::Hop>&) override { return false; }
  const std::string& agent() const override { return name; }
  std::shared_ptr<proxy::MemoryHop> client, link;
  int refusal = 0;
  std::string name = "edge.example.com";
};

inline std::string sdp_of(const std::string& profile, const std::string& lines) {
  return "v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=-\r\nc=IN IP4 10.0.0.5\r\nt=0 0\r\nm=audio 4000 " + profile + " 0\r\n" + lines;
}

inline const std::string crypto_line = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
inline const std::string secured = sdp_of("RTP/SAVP", crypto_line);

// "a=x-sallyport-mux:...\r\n" of what went over the link.
inline std::string mux_line_of(const std::string& text) {
  const size_t at = text.find("a=x-sallyport-mux:");
  return at == std::string::npos ? std::string{} : text.substr(at, text.find("\r\n", at) + 2 - at);
}

struct CallNode {
  CallNode() : media(context, media::Role::e, directory), wheel(context) {
    start_signalling();
    router.client = std::make_shared<proxy::MemoryHop>(11, proxy::Side::client, proxy::Transport::tls, "203.0.113.5", 40112);
    router.link = std::make_shared<proxy::MemoryHop>(21, proxy::Side::traversal, proxy::Transport::tls, "192.0.2.20", 25001);
  }
  ~CallNode() { stop_signalling(); }

  void start_signalling() {
    EXPECT_TRUE(media.plane->links().grant("peer-1").has_value());
    CallSettings settings;
    settings.agent = "edge.example.com";
    settings.link_loss_limit_ms = 60'000;
    table = std::make_unique<CallTable>(settings, *media.plane, [](uint64_t) { return std::string("peer-1"); }, [this] { return now_ms; });
    proxy = std::make_unique<proxy::Proxy>(wheel, timers, 100, router, *table);
    table->send = [this](const std::shared_ptr<proxy::Hop>& hop, const std::string& text) { proxy->originate(hop, text, [](const sip::Message&) {}); };
    media.settle();
  }
  void stop_signalling() {
    media.plane->stop();
    proxy.reset();
    table.reset();
  }
  // The control plane is killed and comes again: the dataplane goes on.
  void restart() {
    stop_signalling();
    media.stop();
    media.start();
    start_signalling();
    table->adopt(std::exchange(media.listener.restored, {}));
  }

  void from_client(const std::string& text) { proxy->on_message(router.client, text); }
  void from_link(const std::string& text) { proxy->on_message(router.link, text); }

  // A request of the dialog a→b (client to link) unless said otherwise.
  struct Words {
    std::string method = "INVITE";
    uint32_t cseq = 1;
    std::string to_tag = "";
    std::string body = "";
    bool by_callee = false;
    std::string call_id = "call1";
    std::string branch = "";
    std::string extra = "";
  };
  static std::string request(const Words& words) {
    const std::string branch = words.branch.empty() ? "z9hG4bK" + words.method + std::to_string(words.cseq) + words.to_tag + words.call_id : words.branch;
    const std::string caller = "<sip:a@example.com>;tag=f1";
    const std::string callee = "<sip:b@example.com>" + (words.to_tag.empty() ? "" : ";tag=" + words.to_tag);
    return words.method + " sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.5:5061;branch=" + branch + ";rport\r\nMax-Forwards: 70\r\nFrom: " +
           (words.by_callee ? callee : caller) + "\r\nTo: " + (words.by_callee ? caller : callee) + "\r\nCall-ID: " + words.call_id + "\r\nCSeq: " +
           std::to_string(words.cseq) + " " + words.method + "\r\nContact: <sip:x@10.0.0.5:5061;transport=tls>\r\n" + words.extra +
           (words.body.empty() ? "" : "Content-Type: application/sdp\r\n") + "Content-Length: " + std::to_string(words.body.size()) + "\r\n\r\n" + words.body;
  }
  // The response of whoever heard `heard`.
  static std::string response(const std::string& heard, const std::string& status, const std::string& to_tag, const std::string& body = "",
                              const std::string& extra = "") {
    sip::Message message;
    EXPECT_TRUE(sip::parse(heard, message).ok()) << heard;
    std::string text = "SIP/2.0 " + status + "\r\n";
    for (const sip::Header& header : message.headers())
      if (header.id == sip::HeaderId::via || header.id == sip::HeaderId::from || header.id == sip::HeaderId::call_id || header.id == sip::HeaderId::cseq ||
          header.id == sip::HeaderId::record_route)
        text += std::string(header.name) + ": " + std::string(header.value) + "\r\n";
    std::string to(message.value(sip::HeaderId::to));
    if (to.find(";tag=") == std::string::npos) to += ";tag=" + to_tag;
    return text + "To: " + to + "\r\nContact: <sip:callee@10.0.0.9:5061;transport=tls>\r\n" + extra + (body.empty() ? "" : "Content-Type: application/sdp\r\n") +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  // What came out there last, everything before it forgotten.
  static std::string last(proxy::MemoryHop& hop) {
    std::string text = hop.sent.empty() ? std::string{} : hop.sent.back();
    hop.sent.clear();
    return text;
  }
  std::string heard_by_client() { return last(*router.client); }
  std::string heard_by_link() { return last(*router.link); }

  // The client calls, the other side answers with tag t1. Returns the INVITE as the link heard it.
  std::string establish(const std::string& extra_of_answer = "", const std::string& call_id = "call1") {
    from_client(request({.body = secured, .call_id = call_id}));
    const std::string invite = heard_by_link();
    from_link(response(invite, "200 OK", "t1", sdp_of("RTP/SAVP", crypto_line + mux_line_of(invite)), extra_of_answer));
    from_client(request({.method = "ACK", .to_tag = "t1", .call_id = call_id}));
    heard_by_client();
    heard_by_link();
    media.settle();
    return invite;
  }
  size_t flows() {
    media.settle();
    return media.dataplane->live_count();
  }
  // The media of every flow was last seen now.
  void talk() {
    timespec clock{};
    clock_gettime(CLOCK_MONOTONIC, &clock);
    for (const abi::FlowSpec& spec : media.dataplane->live())
      media.dataplane->meter(spec.flow_index).last_packet_ns = static_cast<uint64_t>(clock.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(clock.tv_nsec);
  }

  boost::asio::io_context context;
  media::TestDirectory directory;
  media::MediaNode media;
  proxy::TimerWheel wheel;
  proxy::TimerSettings timers;
  StraightRouter router;
  uint64_t now_ms = 1'000'000;
  std::unique_ptr<CallTable> table;
  std::unique_ptr<proxy::Proxy> proxy;
};

}  // namespace sallyport::calls
