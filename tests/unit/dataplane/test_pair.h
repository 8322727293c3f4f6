// SPDX-License-Identifier: Apache-2.0
#pragma once
// TestPair: E and C joined back to back by rings, with phone A's line on E's outer port, phone B's on C's inner port, and one call
// laid out between them. Flow 0 of E takes from A, flow 1 of E sends to A; flow 0 of C opens towards B, flow 1 of C seals
// what B says; flows 2 and 3 are the RTCP of these. TestPhone is A's SRTP.

#include <cstring>
#include <memory>

#include "dataplane/srtp_burst.h"
#include "dataplane/srtp_keys.h"
#include "tests/unit/dataplane/test_node.h"

namespace sallyport::test {

inline constexpr uint64_t ms = 1'000'000;

class TestPhone {
 public:
  TestPhone(const abi::KeyMaterial& sends, const abi::KeyMaterial& receives, dataplane::SrtpUse use = dataplane::SrtpUse::rtp)
      : engine_(std::move(*drivers::CryptoEngine::create())), burst_(engine_) {
    expand(seal_, sends, use);
    expand(open_, receives, use);
  }
  Bytes protect(Bytes packet) {
    const size_t bytes = packet.size();
    packet.resize(bytes + 64);
    dataplane::SrtpJob job{packet.data(), static_cast<uint32_t>(bytes), 64, &seal_, &sealing_, dataplane::SrtpVerdict::malformed};
    burst_.seal({&job, 1});
    packet.resize(job.verdict == dataplane::SrtpVerdict::ok ? job.length_bytes : 0);
    return packet;
  }
  std::optional<Bytes> unprotect(Bytes packet) {
    dataplane::SrtpJob job{packet.data(), static_cast<uint32_t>(packet.size()), 0, &open_, &opening_, dataplane::SrtpVerdict::malformed};
    burst_.open({&job, 1});
    if (job.verdict != dataplane::SrtpVerdict::ok) return std::nullopt;
    packet.resize(job.length_bytes);
    return packet;
  }

 private:
  void expand(dataplane::SrtpContext& context, const abi::KeyMaterial& key, dataplane::SrtpUse use) {
    const auto suite = static_cast<dataplane::SrtpSuite>(key.suite);
    const auto& info = dataplane::srtp_suite_info(suite);
    const auto keys = dataplane::SrtpKeys::from_bytes(suite, {key.key, info.key_length_bytes}, {key.salt, info.salt_length_bytes});
    context.expand(engine_, *keys, use);
  }
  drivers::CryptoEngine engine_;
  dataplane::SrtpBurst burst_;
  dataplane::SrtpContext seal_, open_;
  dataplane::SrtpStreamState sealing_{}, opening_{};
};

inline const abi::Address phone_a = address("203.0.113.9", 4000);
inline const abi::Address phone_a_rtcp = address("203.0.113.9", 4001);
inline const abi::Address relay_a = address("198.51.100.1", 40000);
inline const abi::Address relay_a_rtcp = address("198.51.100.1", 40001);
inline const abi::Address phone_b = address("10.9.0.9", 5000);
inline const abi::Address relay_b = address("10.9.0.1", 41000);
inline const abi::Address link_e = address("192.0.2.1", 36000);
inline const abi::Address link_c = address("192.0.2.2", 36000);
inline constexpr uint32_t id_to_c = abi::make_multiplex_id(0x111, 1);
inline constexpr uint32_t id_to_e = abi::make_multiplex_id(0x222, 2);

class TestPair {
 public:
  TestPair()
      : e({{&outer, false}, {&trunk, false}}, {{"198.51.100.1", 0}, {"192.0.2.1", 1}, {"2001:db8::1", 0}}),
        c({{&trunk, true}, {&inner, false}}, {{"192.0.2.2", 0}, {"10.9.0.1", 1}}),
        a(test_key(1), test_key(9)), a_rtcp(test_key(1), test_key(9), dataplane::SrtpUse::rtcp) {}

  void step(uint64_t nanoseconds = ms) {
    now_ns += nanoseconds;
    e.poll(now_ns);
    c.poll(now_ns);
    e.poll(now_ns);
    c.poll(now_ns);
  }
  static abi::Command link_command(abi::LinkRole role) {
    abi::Command command;
    command.type = abi::CommandType::add_link;
    abi::LinkSpec& link = command.link_spec;
    link.link = 0;
    link.role = role;
    link.generation = 1;
    link.session = 77;
    link.local_slot = role == abi::LinkRole::e_side ? 1 : 0;
    link.local_rtp_port = 36000;
    link.local_rtcp_port = 36001;
    link.keepalive_ms = 1000;
    std::memset(link.key, 0x31, sizeof link.key);
    if (role == abi::LinkRole::c_side) {
      link.remote_rtp = link_e;
      link.remote_rtcp = address("192.0.2.1", 36001);
    }
    return command;
  }
  bool open_link() {
    e.now_ns = c.now_ns = now_ns;
    if (e.run(link_command(abi::LinkRole::e_side)) != abi::CommandStatus::done) return false;
    if (c.run(link_command(abi::LinkRole::c_side)) != abi::CommandStatus::done) return false;
    for (int i = 0; i < 500 && !is_up(); ++i) step(10 * ms);
    return is_up();
  }
  bool is_up() {
    for (TestNode* node : {&e, &c}) {
      const abi::LinkState& state = node->node().region->link(0).state;
      if (state.rtp_up == 0 || state.rtcp_up == 0) return false;
    }
    return true;
  }
  static abi::FlowSpec from_a(abi::Media media = abi::Media::rtp) {
    abi::FlowSpec spec;
    spec.flow_index = media == abi::Media::rtp ? 0 : 2;
    spec.generation = 1;
    spec.media = media;
    spec.verbs = abi::verb_mux;
    spec.latch = abi::Latch::confirmed;
    spec.local_slot = 0;
    spec.local_port = media == abi::Media::rtp ? 40000 : 40001;
    spec.egress_link = 0;
    spec.egress_multiplex_id = id_to_c;
    return spec;
  }
  static abi::FlowSpec to_a(abi::Media media = abi::Media::rtp) {
    abi::FlowSpec spec;
    spec.flow_index = media == abi::Media::rtp ? 1 : 3;
    spec.generation = 1;
    spec.media = media;
    spec.arrival = abi::Arrival::multiplex;
    spec.arrival_link = 0;
    spec.arrival_multiplex_id = id_to_e;
    spec.egress_slot = 0;
    spec.egress_port = media == abi::Media::rtp ? 40000 : 40001;
    spec.destination_flow = media == abi::Media::rtp ? 0 : 2;
    return spec;
  }
  static abi::FlowSpec to_b(abi::Media media = abi::Media::rtp) {
    abi::FlowSpec spec = to_a(media);
    spec.flow_index = media == abi::Media::rtp ? 0 : 2;
    spec.arrival_multiplex_id = id_to_c;
    spec.verbs = abi::verb_open;
    spec.flags = abi::flow_confirms;
    spec.open_key = test_key(1);
    spec.egress_slot = 1;
    spec.egress_port = media == abi::Media::rtp ? 41000 : 41001;
    spec.destination_flow = abi::no_flow;
    spec.destination = media == abi::Media::rtp ? phone_b : address("10.9.0.9", 5001);
    return spec;
  }
  static abi::FlowSpec from_b(abi::Media media = abi::Media::rtp) {
    abi::FlowSpec spec = from_a(media);
    spec.flow_index = media == abi::Media::rtp ? 1 : 3;
    spec.verbs = abi::verb_seal | abi::verb_mux;
    spec.latch = abi::Latch::expected_ip;
    spec.expected_source = address("10.9.0.9", 0);
    spec.seal_key = test_key(9);
    spec.local_slot = 1;
    spec.local_port = media == abi::Media::rtp ? 41000 : 41001;
    spec.egress_multiplex_id = id_to_e;
    return spec;
  }
  bool open_call() {
    bool done = open_link();
    for (const abi::Media media : {abi::Media::rtp, abi::Media::rtcp}) {
      done &= e.add(from_a(media)) == abi::CommandStatus::done && e.add(to_a(media)) == abi::CommandStatus::done;
      done &= c.add(to_b(media)) == abi::CommandStatus::done && c.add(from_b(media)) == abi::CommandStatus::done;
    }
    return done;
  }
  // What phone A says, sent from `source`; then what came out at B, the last packet of it.
  std::optional<Frame> say_a(const abi::Address& source, const Bytes& srtp) {
    inject(outer, build_frame(source, relay_a, srtp));
    step();
    return last(inner);
  }
  std::optional<Frame> say_b(const Bytes& packet) {
    inject(inner, build_frame(phone_b, relay_b, packet));
    step();
    return last(outer);
  }
  Bytes next_a() { return a.protect(rtp(seq_a++, 0xaaaa, 0x11)); }
  Bytes next_b() { return rtp(seq_b++, 0xbbbb, 0x22); }
  std::optional<Frame> last(Cable& cable) {
    std::optional<Frame> found;
    while (auto bytes = take(cable)) {
      Frame frame;
      if (read_frame(*bytes, frame)) found = frame;
    }
    return found;
  }
  // The genuine phone until E holds to it and the next hops are known.
  bool establish() {
    for (int i = 0; i < 10; ++i) {
      say_a(phone_a, next_a());
      say_b(next_b());
      step(200 * ms);
    }
    return e.state(0).latched == phone_a && say_a(phone_a, next_a()).has_value() && say_b(next_b()).has_value();
  }

  Cable outer, trunk, inner;
  TestNode e, c;
  TestPhone a, a_rtcp;
  uint64_t now_ns = 1'000'000'000'000;
  uint16_t seq_a = 100, seq_b = 100;
};

}  // namespace sallyport::test
