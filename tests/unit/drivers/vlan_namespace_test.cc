// SPDX-License-Identifier: Apache-2.0
// A dataplane on real interfaces, profile packet, whose outer address has a VLAN: the kernel hands the tag over beside the frame.

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "tests/unit/dataplane/frame.h"
#include "tests/unit/dataplane/region_client.h"
#include "tests/unit/drivers/namespaces.h"

namespace sallyport::test {
namespace {

TEST(VlanNamespace, TaggedMediaIsTakenAndUntaggedNamedOnAPacketPort) {
  if (geteuid() != 0) GTEST_SKIP() << "network namespaces need root";
  const Namespace phone("vp"), edge("ve"), inside("vi");
  ASSERT_TRUE(join(phone, "ph", "10.1.0.2/24", edge, "wan", "10.1.0.1/24"));
  ASSERT_TRUE(join(edge, "dmz", "10.2.0.1/24", inside, "ph", "10.2.0.2/24"));
  char directory[] = "/tmp/sallyport-test-XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::string file = std::string(directory) + "/e.toml", socket = std::string(directory) + "/e.sock";
  std::ofstream(file) << "[node]\nname = \"e\"\n[dataplane]\nsocket = \"" << socket << "\"\nflows = 256\nmemory_mb = 64\nhugepages = \"off\"\n"
                      << "[[port]]\nname = \"wan\"\ndevice = \"wan\"\n[[port]]\nname = \"dmz\"\ndevice = \"dmz\"\n"
                      << "[[address]]\nname = \"outside\"\nip = \"10.1.0.1\"\nport = \"wan\"\nvlan = 100\n"
                      << "[[address]]\nname = \"inside\"\nip = \"10.2.0.1\"\nport = \"dmz\"\n";
  Program program(edge, {SALLYPORT_DATAPLANE, "--config", file});
  auto client = RegionClient::connect(socket);
  ASSERT_TRUE(client);
  abi::Command command;
  command.type = abi::CommandType::add_flow;
  command.flow.flow_index = 0;
  command.flow.generation = 1;
  command.flow.latch = abi::Latch::expected_ip;
  command.flow.expected_source = address("10.1.0.2", 0);
  command.flow.local_slot = 0;
  command.flow.local_port = 40000;
  command.flow.egress_slot = 1;
  command.flow.egress_port = 41000;
  command.flow.destination = address("10.2.0.2", 5000);
  ASSERT_EQ(client->run(command), abi::CommandStatus::done);
  const int listener = inside.socket("10.2.0.2", 5000);
  ASSERT_GE(listener, 0);
  const FrameSocket sender(phone, "ph");
  const abi::Address source = address("10.1.0.2", 4000), relay = address("10.1.0.1", 40000);
  std::optional<std::vector<uint8_t>> heard;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  for (uint16_t seq = 1; !heard && std::chrono::steady_clock::now() < end; ++seq) {
    ASSERT_TRUE(sender.send(build_frame(source, relay, rtp(seq), 1)));  // tag 100
    heard = receive_from(listener, 50);
  }
  ASSERT_TRUE(heard) << "dropped: wrong_vlan " << client->drops(abi::DropReason::wrong_vlan);
  EXPECT_EQ(heard->size(), 172u);
  EXPECT_EQ(client->drops(abi::DropReason::wrong_vlan), 0u);
  ASSERT_TRUE(sender.send(build_frame(source, relay, rtp(1000))));
  while (client->drops(abi::DropReason::wrong_vlan) == 0 && std::chrono::steady_clock::now() < end) poll(nullptr, 0, 10);
  EXPECT_EQ(client->drops(abi::DropReason::wrong_vlan), 1u);
  // What is sent after it arrives and it itself never does: the meter is published later than the packet leaves, so it is no witness.
  ASSERT_TRUE(sender.send(build_frame(source, relay, rtp(1001), 1)));
  const auto sequence = [](const std::vector<uint8_t>& packet) { return packet[2] << 8 | packet[3]; };
  do heard = receive_from(listener, 2000);
  while (heard && sequence(*heard) < 1000);
  ASSERT_TRUE(heard);
  EXPECT_EQ(sequence(*heard), 1001);
  close(listener);
  EXPECT_EQ(WEXITSTATUS(program.end(SIGTERM)), 0);
  shell(std::string("rm -rf ") + directory);
}

}  // namespace
}  // namespace sallyport::test
