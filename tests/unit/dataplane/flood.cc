// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/dataplane/flood.h"

#include <algorithm>
#include <cstddef>
#include <functional>

#include "dataplane/abi/link.h"

namespace sallyport::test {

namespace {

using abi::Address;
using abi::DropReason;
using Frames = std::vector<FloodFrame>;

constexpr size_t ip_at = 14, udp_at = 34, payload_at = 42;

Bytes noise(size_t bytes, std::mt19937& random) {
  Bytes result(bytes);
  for (uint8_t& byte : result) byte = static_cast<uint8_t>(random());
  return result;
}

Bytes noise_from(Bytes begin, size_t bytes, std::mt19937& random) {
  const Bytes rest = noise(bytes, random);
  begin.insert(begin.end(), rest.begin(), rest.end());
  return begin;
}

// As SRTP looks, under no key that anybody has.
Bytes sealed_by_nobody(std::mt19937& random) {
  Bytes packet = rtp(static_cast<uint16_t>(random()), static_cast<uint32_t>(random()));
  const Bytes text = noise(170, random);
  packet.resize(12);
  packet.insert(packet.end(), text.begin(), text.end());
  return packet;
}

Bytes changed(Bytes frame, bool fix, const std::function<void(Bytes&)>& change) {
  change(frame);
  if (fix) fix_checksums(frame);
  return frame;
}

uint16_t internet_checksum(const uint8_t* data, size_t bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes; ++i) sum += i % 2 == 0 ? uint32_t{data[i]} << 8 : data[i];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// Of a frame that fix_checksums() cannot read, as it holds no whole UDP datagram.
void fix_ip_checksum(Bytes& frame) {
  frame[ip_at + 10] = frame[ip_at + 11] = 0;
  const uint16_t sum = internet_checksum(&frame[ip_at], 20);
  frame[ip_at + 10] = static_cast<uint8_t>(sum >> 8);
  frame[ip_at + 11] = static_cast<uint8_t>(sum);
}

Frames junk(const FloodTarget& at, std::mt19937& random) {
  const auto to_relay = [&](const Bytes& payload) { return build_frame(at.stranger, at.relay, payload); };
  return {
      {"noise of no version that RTP has", to_relay(noise_from({static_cast<uint8_t>(random() % 64)}, random() % 1200, random)), DropReason::not_rtp},
      {"noise of version 3", to_relay(noise_from({static_cast<uint8_t>(0xc0 | random() % 64)}, 200, random)), DropReason::not_rtp},
      {"STUN", to_relay(noise_from({0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, 12, random)), DropReason::not_rtp},
      {"DTLS", to_relay(noise_from({22, 254, 255}, 60, random)), DropReason::not_rtp},
      {"nothing at all", to_relay({}), DropReason::truncated},
      {"one byte", to_relay({0x80}), DropReason::truncated},
      {"half an RTP header", to_relay(noise_from({0x80, 0}, 4, random)), DropReason::truncated},
      {"RTP to a port without a flow", build_frame(at.stranger, at.unused_relay, sealed_by_nobody(random)), DropReason::no_flow},
      {"noise to a port without a flow", build_frame(at.stranger, at.unused_relay, noise(100, random)), DropReason::no_flow},
  };
}

Frames wrong_tags(const FloodTarget& at, std::mt19937& random) {
  Address source = at.stranger;
  source.port = static_cast<uint16_t>(1024 + random() % 60000);
  return {
      {"RTP from a stranger", build_frame(at.stranger, at.relay, sealed_by_nobody(random)), {}},
      {"RTP from a stranger of many ports", build_frame(source, at.relay, sealed_by_nobody(random)), {}},
  };
}

Frames forged_source(const FloodTarget& at, std::mt19937& random) {
  return {{"RTP in the phone's name", build_frame(at.phone, at.relay, sealed_by_nobody(random)), {}}};
}

Frames unknown_ids(const FloodTarget& at, std::mt19937& random) {
  // IDs of tests and of a node's first leases lie in the low indices; the upper half of these is free.
  const Bytes unknown = {static_cast<uint8_t>(random()), static_cast<uint8_t>(0x20 | random()), static_cast<uint8_t>(random()), static_cast<uint8_t>(random())};
  Bytes multiplexed = unknown;
  const Bytes packet = sealed_by_nobody(random);
  multiplexed.insert(multiplexed.end(), packet.begin(), packet.end());
  const Bytes control = noise_from({0, 0, 0, 0, 1, 1, 0, 1}, sizeof(abi::ControlBody) - 4 + abi::control_tag_bytes, random);
  return {
      {"multiplexed RTP from a stranger", build_frame(at.stranger, at.link, multiplexed), DropReason::wrong_link_source},
      {"an unknown multiplexID in C's name", build_frame(at.link_source, at.link, multiplexed), DropReason::unknown_multiplex_id},
      {"a control datagram of no session", build_frame(at.link_source, at.link, control), DropReason::bad_control},
      {"half a control datagram", build_frame(at.stranger, at.link, noise_from({0, 0, 0, 0}, 10, random)), DropReason::bad_control},
      {"less than a multiplexID", build_frame(at.stranger, at.link, {1, 2, 3}), DropReason::truncated},
  };
}

Frames fragments(const FloodTarget& at, std::mt19937& random) {
  const Bytes whole = build_frame(at.stranger, at.relay, noise_from({0x80, 0}, 1400, random));
  const auto id = static_cast<uint8_t>(random());
  const auto random_id = static_cast<uint16_t>(random());
  const auto fragment = [&](uint8_t flags, uint8_t offset) {
    return changed(whole, true, [&](Bytes& f) { f[ip_at + 4] = id, f[ip_at + 6] = flags, f[ip_at + 7] = offset; });
  };
  // The kernel puts these together before a packet port sees them; then they are too long for its frames.
  const Bytes large = build_frame(at.stranger, at.relay, noise_from({0x80, 0}, 4000, random));
  const auto piece = [&](size_t from, size_t bytes, bool is_last) {
    Bytes f(large.begin(), large.begin() + udp_at);
    f.insert(f.end(), large.begin() + static_cast<ptrdiff_t>(udp_at + from), large.begin() + static_cast<ptrdiff_t>(udp_at + from + bytes));
    f[ip_at + 2] = static_cast<uint8_t>((20 + bytes) >> 8);
    f[ip_at + 3] = static_cast<uint8_t>(20 + bytes);
    f[ip_at + 4] = static_cast<uint8_t>(random_id >> 8);
    f[ip_at + 5] = static_cast<uint8_t>(random_id);
    f[ip_at + 6] = static_cast<uint8_t>((is_last ? 0 : 0x20) | (from / 8) >> 8);
    f[ip_at + 7] = static_cast<uint8_t>(from / 8);
    fix_ip_checksum(f);
    return f;
  };
  const size_t whole_bytes = large.size() - udp_at;
  return {
      {"a datagram's beginning", piece(0, 1480, false), DropReason::fragment},
      {"a datagram's middle", piece(1480, 1480, false), DropReason::not_ours},
      {"a datagram's end", piece(2960, whole_bytes - 2960, true), DropReason::not_ours},
      {"a first fragment", fragment(0x20, 0), DropReason::fragment},
      {"a middle fragment", fragment(0x20, 179), DropReason::not_ours},
      {"a last fragment", fragment(0x01, 0x66), DropReason::not_ours},
      {"a fragment over the end of a datagram", fragment(0x1f, 0xff), DropReason::not_ours},
  };
}

// RFC 1122 3.2.1 and 4.1.3, and what RFC 791 and 768 do not foresee.
Frames oddities(const FloodTarget& at, std::mt19937& random) {
  const Bytes packet = sealed_by_nobody(random);
  const Bytes good = build_frame(at.stranger, at.relay, packet);
  const auto odd = [&](const std::function<void(Bytes&)>& change) { return changed(good, true, change); };
  const auto broken = [&](const std::function<void(Bytes&)>& change) { return changed(good, false, change); };
  const auto from = [&](const char* ip, uint16_t port) { return build_frame(address(ip, port), at.relay, packet); };
  Frames frames = {
      {"an IP header of sixteen bytes", broken([](Bytes& f) { f[ip_at] = 0x44; }), DropReason::not_ours},
      {"IP version 5", broken([](Bytes& f) { f[ip_at] = 0x55; }), DropReason::not_ours},
      {"IP version 6 in a frame of IPv4", broken([](Bytes& f) { f[ip_at] = 0x65; }), DropReason::not_ours},
      {"an IP length beyond the frame", odd([](Bytes& f) { ++f[ip_at + 2]; }), DropReason::bad_length},
      {"an IP length below its header", odd([](Bytes& f) { f[ip_at + 2] = 0, f[ip_at + 3] = 19; }), DropReason::bad_length},
      {"an IP length of zero", odd([](Bytes& f) { f[ip_at + 2] = f[ip_at + 3] = 0; }), DropReason::bad_length},
      {"a UDP length beyond IP's", odd([](Bytes& f) { ++f[udp_at + 5]; }), DropReason::bad_length},
      {"a UDP length below IP's", odd([](Bytes& f) { --f[udp_at + 5]; }), DropReason::bad_length},
      {"a UDP length below its header", odd([](Bytes& f) { f[udp_at + 4] = 0, f[udp_at + 5] = 7; }), DropReason::bad_length},
      {"a UDP length of zero", odd([](Bytes& f) { f[udp_at + 4] = f[udp_at + 5] = 0; }), DropReason::bad_length},
      {"a wrong IP checksum", broken([](Bytes& f) { f[ip_at + 10] ^= 1; }), DropReason::bad_checksum},
      {"an IP checksum of zero", broken([](Bytes& f) { f[ip_at + 10] = f[ip_at + 11] = 0; }), DropReason::bad_checksum},
      {"another protocol to a relay port", odd([](Bytes& f) { f[ip_at + 9] = 6; }), DropReason::not_ours},
      {"three VLAN tags", build_frame(at.stranger, at.relay, packet, 3), DropReason::not_ours},
      {"a frame cut in the IP header", Bytes(good.begin(), good.begin() + 30), DropReason::not_ours},
      {"a frame cut in the UDP header", Bytes(good.begin(), good.begin() + 38), DropReason::not_ours},
      {"a frame cut in the payload", Bytes(good.begin(), good.begin() + 100), DropReason::bad_length},
      {"broadcast to a relay port", build_frame(at.stranger, address("255.255.255.255", at.relay.port), packet), DropReason::not_ours},
      {"multicast to a relay port", build_frame(at.stranger, address("224.0.0.1", at.relay.port), packet), DropReason::not_ours},
      {"a source of no address", from("0.0.0.0", 4000), DropReason::bad_source},
      {"a loopback source", from("127.0.0.1", 4000), DropReason::bad_source},
      {"a multicast source", from("224.0.0.251", 5353), DropReason::bad_source},
      {"a source of a reserved class", from("240.0.0.1", 4000), DropReason::bad_source},
      {"a broadcast source", from("255.255.255.255", 4000), DropReason::bad_source},
      {"our own address and port as source", build_frame(at.relay, at.relay, packet), DropReason::bad_source},
      {"our own address as source", build_frame(Address(at.unused_relay), at.relay, packet), DropReason::bad_source},
      {"source port 0", build_frame([&] { Address a = at.stranger; a.port = 0; return a; }(), at.relay, packet), DropReason::bad_source},
      {"a time to live of zero, which is no reason to drop", odd([](Bytes& f) { f[ip_at + 8] = 0; }), {}},
      {"no UDP checksum", broken([](Bytes& f) { f[udp_at + 6] = f[udp_at + 7] = 0; }), {}},
  };
  Bytes options = good;
  options.insert(options.begin() + udp_at, {7, 7, 4, 0, 0, 0, 0, 0});  // record route
  options[ip_at] = 0x47;
  options[ip_at + 3] = static_cast<uint8_t>(options[ip_at + 3] + 8);
  fix_checksums(options);
  frames.push_back({"IP options", options, {}});
  return frames;
}

// "Send what goes to the phone to the stranger", in the gateway's name (RFC 792), on the occasion of media and of an answer to an echo,
// of which the kernel keeps no account.
Frames redirects(const FloodTarget& at, std::mt19937& random) {
  const Bytes media = build_frame(at.relay, at.phone, sealed_by_nobody(random));
  const Bytes echo = changed(build_frame(at.relay, at.phone, {}), false, [](Bytes& f) {
    f[ip_at + 9] = 1;
    std::fill(f.begin() + udp_at, f.end(), uint8_t{0});
  });
  Frames frames;
  for (const uint8_t code : {0, 1}) {
    const Bytes& sent = code == 0 ? media : echo;
    Bytes frame = build_frame(at.gateway, at.relay, {});
    frame[ip_at + 9] = 1;
    frame.resize(udp_at);
    Bytes icmp = {5, code, 0, 0};
    icmp.insert(icmp.end(), at.stranger.ip, at.stranger.ip + 4);
    icmp.insert(icmp.end(), sent.begin() + ip_at, sent.begin() + ip_at + 28);
    const uint16_t sum = internet_checksum(icmp.data(), icmp.size());
    icmp[2] = static_cast<uint8_t>(sum >> 8);
    icmp[3] = static_cast<uint8_t>(sum);
    frame.insert(frame.end(), icmp.begin(), icmp.end());
    frame[ip_at + 2] = 0;
    frame[ip_at + 3] = static_cast<uint8_t>(20 + icmp.size());
    fix_ip_checksum(frame);
    frames.push_back({code == 0 ? "a redirect of media" : "a redirect of an echo", frame, DropReason::not_ours});
  }
  return frames;
}

// RFC 826, from a neighbour who never was; asked of us, and told to everybody.
Frames arp(const FloodTarget& at, std::mt19937& random) {
  Frames frames;
  for (const uint8_t operation : {1, 2}) {
    Bytes frame = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 1, 1, 1, 1, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, operation};
    for (int i = 7; i < 12; ++i) frame[static_cast<size_t>(i)] = static_cast<uint8_t>(random());
    const Bytes sender_mac(frame.begin() + 6, frame.begin() + 12);
    frame.insert(frame.end(), sender_mac.begin(), sender_mac.end());
    Bytes sender(at.relay.ip, at.relay.ip + 4);
    sender[3] = static_cast<uint8_t>(100 + random() % 150);
    frame.insert(frame.end(), sender.begin(), sender.end());
    frame.insert(frame.end(), 6, 0);
    frame.insert(frame.end(), at.relay.ip, at.relay.ip + 4);
    frames.push_back({operation == 1 ? "an ARP request" : "an ARP reply that nobody asked for", frame, DropReason::not_ours});
  }
  return frames;
}

constexpr Frames (*makers[])(const FloodTarget&, std::mt19937&) = {junk, wrong_tags, forged_source, unknown_ids, fragments, oddities, redirects, arp};
static_assert(std::size(makers) == std::size(flood_names));

}  // namespace

std::optional<FloodKind> flood_kind(std::string_view name) {
  const auto found = std::find(std::begin(flood_names), std::end(flood_names), name);
  if (found == std::end(flood_names)) return std::nullopt;
  return static_cast<FloodKind>(found - std::begin(flood_names));
}

std::vector<FloodFrame> flood_frames(FloodKind kind, const FloodTarget& target, std::mt19937& random) {
  return makers[static_cast<size_t>(kind)](target, random);
}

}  // namespace sallyport::test
