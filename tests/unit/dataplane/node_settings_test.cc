// SPDX-License-Identifier: Apache-2.0
#include "dataplane/node_settings.h"

#include <gtest/gtest.h>

namespace sallyport::test {
namespace {

const std::string minimal = R"([node]
name = "e1"
run_dir = "/run/x"
[[address]]
name = "outside"
ip = "192.0.2.1"
port = "wan"
[[port]]
name = "wan"
device = "eth0"
)";

std::string fault_of(const std::string& text) {
  const auto settings = dataplane::parse_node_settings(text, "node.toml");
  return settings ? "" : settings.fault().text();
}

TEST(NodeSettings, DefaultsAreThoseOfTheDocumentation) {
  const auto settings = dataplane::parse_node_settings(minimal, "node.toml");
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->socket, "/run/x/dataplane.sock");
  EXPECT_EQ(settings->geometry.flow_capacity, 16384u);
  EXPECT_EQ(settings->geometry.relay_port_min, 36002);
  EXPECT_EQ(settings->geometry.relay_port_max, 59999);
  EXPECT_EQ(settings->sleep_idle_us, 50u);
  EXPECT_EQ(settings->memory_mb, 128u);
  EXPECT_EQ(settings->ports.at(0).profile, drivers::Profile::packet);
  EXPECT_EQ(settings->lcores, std::vector<uint32_t>{0});
}

TEST(NodeSettings, AddressMayHaveAVlan) {
  std::string tagged = minimal;
  tagged.insert(tagged.find("[[port]]"), "vlan = 100\n");
  const auto settings = dataplane::parse_node_settings(tagged, "node.toml");
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->addresses.at(0).vlan, 100);
  EXPECT_EQ(dataplane::parse_node_settings(minimal, "node.toml")->addresses.at(0).vlan, 0);
}

TEST(NodeSettings, WrongValuesNameKeyAndLine) {
  EXPECT_NE(fault_of(minimal + "[dataplane]\nflows = \"many\"\n").find("node.toml:12: dataplane.flows"), std::string::npos);
  EXPECT_NE(fault_of(minimal + "[dataplane]\nhugepages = \"maybe\"\n").find("dataplane.hugepages"), std::string::npos);
  EXPECT_NE(fault_of(minimal + "[dataplane]\nlcores = 1\n").find("dataplane.lcores"), std::string::npos);
  EXPECT_NE(fault_of(minimal + "[media]\nport_min = 36003\n").find("media.port_min"), std::string::npos);
  EXPECT_NE(fault_of("[node]\nname = \"e1\"\n").find("[[port]]"), std::string::npos);
  EXPECT_NE(fault_of("= broken").find("node.toml:1:"), std::string::npos);
  std::string tagged = minimal;
  tagged.insert(tagged.find("[[port]]"), "vlan = 4095\n");
  EXPECT_NE(fault_of(tagged).find("address.vlan"), std::string::npos);
  std::string stray = minimal;
  stray.replace(stray.find("port = \"wan\""), 12, "port = \"lan\"");
  EXPECT_NE(fault_of(stray).find("names no [[port]]"), std::string::npos);
}

}  // namespace
}  // namespace sallyport::test
