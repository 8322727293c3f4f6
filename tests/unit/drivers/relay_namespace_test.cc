// SPDX-License-Identifier: Apache-2.0
// The whole dataplane as processes between real interfaces: phone A (SRTP, libsrtp2) - E - C - phone B (RTP),
// by the profiles packet and xdp.

#include <gtest/gtest.h>
#include <srtp2/srtp.h>

#include <chrono>
#include <cstdio>
#include <fstream>

#include "dataplane/abi/region.h"
#include "tests/unit/dataplane/region_client.h"
#include "tests/unit/drivers/namespaces.h"

namespace sallyport::test {
namespace {

constexpr int deadline_ms = 3000;
constexpr uint32_t id_a_to_c = abi::make_multiplex_id(0x155, 1);
constexpr uint32_t id_c_to_a = abi::make_multiplex_id(0x2aa, 2);

abi::Address address(const std::string& ip, uint16_t port) {
  abi::Address result;
  result.port = port;
  if (inet_pton(AF_INET, ip.c_str(), result.ip) == 1) {
    result.family = 4;
  } else if (inet_pton(AF_INET6, ip.c_str(), result.ip) == 1) {
    result.family = 6;
  }
  return result;
}

abi::KeyMaterial key(uint8_t seed) {
  abi::KeyMaterial material;
  material.suite = abi::Suite::aes_cm_128_hmac_sha1_80;
  for (int i = 0; i < 16; ++i) material.key[i] = static_cast<uint8_t>(seed + i);
  for (int i = 0; i < 14; ++i) material.salt[i] = static_cast<uint8_t>(seed * 3 + i);
  return material;
}

srtp_t phone(uint8_t seed, srtp_ssrc_type_t direction) {
  const abi::KeyMaterial material = key(seed);
  uint8_t master[30];
  std::memcpy(master, material.key, 16);
  std::memcpy(master + 16, material.salt, 14);
  srtp_policy_t policy{};
  srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
  srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
  policy.ssrc.type = direction;
  policy.key = master;
  policy.window_size = 128;
  srtp_t session = nullptr;
  return srtp_create(&session, &policy) == srtp_err_status_ok ? session : nullptr;
}

std::vector<uint8_t> rtp(uint16_t seq, uint32_t ssrc, uint8_t fill) {
  std::vector<uint8_t> packet(172, fill);
  const uint8_t header[12] = {0x80, 0, static_cast<uint8_t>(seq >> 8), static_cast<uint8_t>(seq), 0, 0, static_cast<uint8_t>(seq >> 2), static_cast<uint8_t>(seq << 5),
                              static_cast<uint8_t>(ssrc >> 24), static_cast<uint8_t>(ssrc >> 16), static_cast<uint8_t>(ssrc >> 8), static_cast<uint8_t>(ssrc)};
  std::memcpy(packet.data(), header, sizeof header);
  return packet;
}

std::vector<uint8_t> protect(srtp_t session, std::vector<uint8_t> packet) {
  int length = static_cast<int>(packet.size());
  packet.resize(packet.size() + SRTP_MAX_TRAILER_LEN);
  if (srtp_protect(session, packet.data(), &length) != srtp_err_status_ok) length = 0;
  packet.resize(static_cast<size_t>(length));
  return packet;
}

std::string configuration(const std::string& name, const std::string& directory, const std::string& body) {
  const std::string path = directory + "/" + name + ".toml";
  std::ofstream(path) << "[node]\nname = \"" << name << "\"\n" << body << "[dataplane]\nsocket = \"" << directory << "/" << name
                      << ".sock\"\nflows = 256\nmemory_mb = 64\nhugepages = \"off\"\n";
  return path;
}

std::string port_and_address(const std::string& profile, const std::string& port, const std::string& slot, const std::string& ip) {
  return "[[port]]\nname = \"" + port + "\"\nprofile = \"" + profile + "\"\ndevice = \"" + port + "\"\n[[address]]\nname = \"" + slot + "\"\nip = \"" + ip +
         "\"\nport = \"" + port + "\"\n";
}

class RelayNamespace : public testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() { ASSERT_EQ(srtp_init(), srtp_err_status_ok); }
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "network namespaces need root";
    char name[] = "/tmp/sallyport-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    ASSERT_TRUE(join(a_, "ph", "10.1.0.2/24", e_, "wan", "10.1.0.1/24"));
    ASSERT_TRUE(join(e_, "dmz", "10.2.0.1/24", c_, "trunk", "10.2.0.2/24"));
    ASSERT_TRUE(join(c_, "lan", "10.3.0.1/24", b_, "ph", "10.3.0.2/24"));
    const std::string ports = "udp dport 36000-59999 drop";
    for (const Namespace* node : {&e_, &c_}) {
      ASSERT_TRUE(node->in("nft add table inet sp") &&
                  node->in("nft 'add chain inet sp input { type filter hook input priority 0; }'") && node->in("nft add rule inet sp input " + ports));
    }
    e_file_ = configuration("e", directory_, port_and_address(GetParam(), "wan", "outside", "10.1.0.1") + port_and_address(GetParam(), "dmz", "inside", "10.2.0.1"));
    c_file_ = configuration("c", directory_, port_and_address(GetParam(), "trunk", "link", "10.2.0.2") + port_and_address(GetParam(), "lan", "inside", "10.3.0.1"));
  }
  void TearDown() override {
    if (!directory_.empty()) shell("rm -rf " + directory_);
  }
  void start() {
    e_program_ = start_node(e_, e_file_);
    c_program_ = start_node(c_, c_file_);
    e_client_ = RegionClient::connect(directory_ + "/e.sock");
    c_client_ = RegionClient::connect(directory_ + "/c.sock");
    ASSERT_TRUE(e_client_ && c_client_);
  }
  std::unique_ptr<Program> start_node(const Namespace& space, const std::string& file) {
    return std::make_unique<Program>(space, std::vector<std::string>{SALLYPORT_DATAPLANE, "--config", file});
  }
  void add_link() {
    abi::Command command;
    command.type = abi::CommandType::add_link;
    abi::LinkSpec& link = command.link_spec;
    link.link = 0;
    link.role = abi::LinkRole::e_side;
    link.generation = 1;
    link.session = 0x1122334455667788;
    link.local_slot = 1;
    link.local_rtp_port = 36000;
    link.local_rtcp_port = 36001;
    link.keepalive_ms = 500;
    std::memset(link.key, 0x42, sizeof link.key);
    ASSERT_EQ(e_client_->run(command), abi::CommandStatus::done);
    link.role = abi::LinkRole::c_side;
    link.local_slot = 0;
    link.remote_rtp = address("10.2.0.1", 36000);
    link.remote_rtcp = address("10.2.0.1", 36001);
    ASSERT_EQ(c_client_->run(command), abi::CommandStatus::done);
    ASSERT_TRUE(e_client_->wait_event(abi::EventType::link_up)) << "E never heard an authenticated keep-alive";
    ASSERT_TRUE(c_client_->wait_event(abi::EventType::link_up)) << "C got no answer";
  }
  static abi::Command add_flow(const abi::FlowSpec& spec) {
    abi::Command command;
    command.type = abi::CommandType::add_flow;
    command.flow = spec;
    return command;
  }
  void add_call() {
    abi::FlowSpec from_a;
    from_a.flow_index = 0;
    from_a.generation = 1;
    from_a.verbs = abi::verb_mux;
    from_a.latch = abi::Latch::confirmed;
    from_a.local_slot = 0;
    from_a.local_port = 40000;
    from_a.egress_link = 0;
    from_a.egress_multiplex_id = id_a_to_c;
    ASSERT_EQ(e_client_->run(add_flow(from_a)), abi::CommandStatus::done);
    abi::FlowSpec to_a;
    to_a.flow_index = 1;
    to_a.generation = 1;
    to_a.arrival = abi::Arrival::multiplex;
    to_a.arrival_link = 0;
    to_a.arrival_multiplex_id = id_c_to_a;
    to_a.egress_slot = 0;
    to_a.egress_port = 40000;
    to_a.destination_flow = 0;
    ASSERT_EQ(e_client_->run(add_flow(to_a)), abi::CommandStatus::done);
    abi::FlowSpec to_b;
    to_b.flow_index = 0;
    to_b.generation = 1;
    to_b.arrival = abi::Arrival::multiplex;
    to_b.arrival_link = 0;
    to_b.arrival_multiplex_id = id_a_to_c;
    to_b.verbs = abi::verb_open;
    to_b.flags = abi::flow_confirms;
    to_b.open_key = key(1);
    to_b.egress_slot = 1;
    to_b.egress_port = 41000;
    to_b.destination = address("10.3.0.2", 5000);
    ASSERT_EQ(c_client_->run(add_flow(to_b)), abi::CommandStatus::done);
    abi::FlowSpec from_b;
    from_b.flow_index = 1;
    from_b.generation = 1;
    from_b.verbs = abi::verb_seal | abi::verb_mux;
    from_b.latch = abi::Latch::expected_ip;
    from_b.expected_source = address("10.3.0.2", 0);
    from_b.seal_key = key(9);
    from_b.local_slot = 1;
    from_b.local_port = 41000;
    from_b.egress_link = 0;
    from_b.egress_multiplex_id = id_c_to_a;
    ASSERT_EQ(c_client_->run(add_flow(from_b)), abi::CommandStatus::done);
  }
  // Sends again, each time a new packet, until one is through: the next hops are still being learnt.
  template <class Send>
  std::optional<std::vector<uint8_t>> until_received(int socket, Send send) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(deadline_ms);
    while (std::chrono::steady_clock::now() < end) {
      if (!send()) return std::nullopt;
      if (auto packet = receive_from(socket, 50)) return packet;
    }
    return std::nullopt;
  }

  Namespace a_{"a"}, e_{"e"}, c_{"c"}, b_{"b"};
  std::string directory_, e_file_, c_file_;
  std::unique_ptr<Program> e_program_, c_program_;
  std::optional<RegionClient> e_client_, c_client_;
};

INSTANTIATE_TEST_SUITE_P(Profile, RelayNamespace, testing::Values("packet", "xdp"), [](const auto& info) { return std::string(info.param); });

TEST_P(RelayNamespace, CallPassesBothWaysAndOutlivesBothControlPlaneAndDataplane) {
  start();
  if (e_client_->header().profile != std::string(GetParam())) GTEST_SKIP() << "this kernel does not take profile " << GetParam();
  add_link();
  add_call();
  const int phone_a = a_.socket("10.1.0.2", 4000), phone_b = b_.socket("10.3.0.2", 5000);
  ASSERT_GE(phone_a, 0);
  ASSERT_GE(phone_b, 0);
  srtp_t outbound = phone(1, ssrc_any_outbound), inbound = phone(9, ssrc_any_inbound);
  uint16_t seq_a = 1, seq_b = 1;
  const auto speak_a = [&] { return send_to(phone_a, protect(outbound, rtp(seq_a++, 0xaaaa, 0x11)), "10.1.0.1", 40000); };
  const auto speak_b = [&] { return send_to(phone_b, rtp(seq_b++, 0xbbbb, 0x22), "10.3.0.1", 41000); };

  const auto at_b = until_received(phone_b, speak_a);
  ASSERT_TRUE(at_b) << "E drops: no_link " << e_client_->drops(abi::DropReason::no_link) << ", C drops: auth " << c_client_->drops(abi::DropReason::auth_failed);
  ASSERT_EQ(at_b->size(), 172u);
  EXPECT_EQ((*at_b)[100], 0x11) << "B hears A in clear";
  ASSERT_TRUE(e_client_->wait_event(abi::EventType::latched)) << "C confirms the source that authenticated";

  auto at_a = until_received(phone_a, speak_b);
  ASSERT_TRUE(at_a);
  int length = static_cast<int>(at_a->size());
  ASSERT_EQ(length, 182);
  ASSERT_EQ(srtp_unprotect(inbound, at_a->data(), &length), srtp_err_status_ok);
  EXPECT_EQ((*at_a)[100], 0x22) << "A hears B, sealed with C's key";
  EXPECT_EQ(e_client_->flow(0).spec.open_key.suite, abi::Suite::none) << "E holds no key";

  // A new control plane gets the same region; the flows in it go on.
  e_client_.reset();
  e_client_ = RegionClient::connect(directory_ + "/e.sock");
  ASSERT_TRUE(e_client_);
  EXPECT_EQ(e_client_->flow(0).generation_live, 1u);

  // Both dataplanes are killed; new ones adopt the regions that the control planes kept.
  for (auto [program, client, space, file] : {std::tuple{&e_program_, &e_client_, &e_, &e_file_}, std::tuple{&c_program_, &c_client_, &c_, &c_file_}}) {
    const std::string socket = directory_ + (program == &e_program_ ? "/e.sock" : "/c.sock");
    (*program)->end(SIGKILL);
    *program = start_node(*space, *file);
    auto fresh = RegionClient::connect(socket, (*client)->region_descriptor());
    ASSERT_TRUE(fresh);
    EXPECT_EQ(fresh->welcome().adopted, 1u);
    *client = std::move(fresh);
  }
  while (receive_from(phone_a, 0)) continue;
  while (receive_from(phone_b, 0)) continue;
  ASSERT_TRUE(until_received(phone_b, speak_a)) << "ROC and keys came back";
  at_a = until_received(phone_a, speak_b);
  ASSERT_TRUE(at_a) << "the latch came back";
  length = static_cast<int>(at_a->size());
  EXPECT_EQ(srtp_unprotect(inbound, at_a->data(), &length), srtp_err_status_ok);
  EXPECT_GT(c_client_->meter(0).packets, 1u) << "counters were kept";

  EXPECT_EQ(WEXITSTATUS(e_program_->end(SIGTERM)), 0) << "SIGTERM ends cleanly";
  EXPECT_EQ(WEXITSTATUS(c_program_->end(SIGTERM)), 0);
  srtp_dealloc(outbound);
  srtp_dealloc(inbound);
  close(phone_a);
  close(phone_b);
}

}  // namespace
}  // namespace sallyport::test
