// SPDX-License-Identifier: Apache-2.0
#include "drivers/vlan_interface.h"

#include <gtest/gtest.h>

namespace sallyport::drivers {
namespace {

// As the kernel's 8021q module writes it.
constexpr const char* config =
    "VLAN Dev name\t | VLAN ID\n"
    "Name-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\n"
    "wan.100        | 100  | wan\n"
    "voice          | 200  | wan\n"
    "lan.100        | 100  | lan\n";

TEST(VlanInterface, IsFoundByPortAndNumberWhateverItsName) {
  EXPECT_EQ(find_vlan_interface_in(config, "wan", 100), "wan.100");
  EXPECT_EQ(find_vlan_interface_in(config, "wan", 200), "voice");
  EXPECT_EQ(find_vlan_interface_in(config, "lan", 100), "lan.100");
  EXPECT_EQ(find_vlan_interface_in(config, "lan", 200), "");
  EXPECT_EQ(find_vlan_interface_in(config, "wa", 100), "");
  EXPECT_EQ(find_vlan_interface_in("", "wan", 100), "");
}

}  // namespace
}  // namespace sallyport::drivers
