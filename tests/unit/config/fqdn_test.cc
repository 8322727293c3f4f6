// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/fqdn.h"

#include <gtest/gtest.h>

namespace sallyport::config {
namespace {

// Requirement B19, its vectors and the edges of its lengths.
TEST(Fqdn, AcceptsNamesOfSeveralLevels) {
  std::string long_level(63, 'a');
  for (const std::string& name : {std::string("a.b"), std::string("a.b1"), std::string("100.example-name.com"), std::string("DX80SecureProfile.domain.com"),
                                  long_level + ".com"}) {
    EXPECT_TRUE(is_fqdn(name)) << name << ": " << fqdn_objection(name);
  }
}

TEST(Fqdn, RefusesWhatTheRuleExcludesAndSaysWhy) {
  struct Row {
    std::string name, why;
  };
  for (const Row& row : {Row{"", "is empty"}, Row{"a", "one level only"}, Row{"-a.b", "starts with a hyphen"}, Row{"a-.b", "ends with a hyphen"},
                         Row{"a.1b", "does not begin with a letter"}, Row{"a_b.c", "character other than"}, Row{"a..b", "is empty"}, Row{"a.b.", "is empty"},
                         Row{".a.b", "is empty"}, Row{"a b.c", "character other than"}, Row{"192.0.2.10", "does not begin with a letter"},
                         Row{std::string(64, 'a') + ".com", "longer than 63"}, Row{"ä.de", "character other than"}}) {
    EXPECT_NE(fqdn_objection(row.name).find(row.why), std::string::npos) << row.name << ": " << fqdn_objection(row.name);
  }
}

TEST(Fqdn, BoundsTheWholeNameAt253Characters) {
  std::string name;
  while (name.size() < 252) name += "a.";
  EXPECT_TRUE(is_fqdn(name + "b")) << name.size() + 1;
  EXPECT_FALSE(is_fqdn(name + "bb"));
}

TEST(Fqdn, TellsAddressesFromNames) {
  for (const char* address : {"192.0.2.10", "2001:db8::10", "::1"}) EXPECT_TRUE(is_ip_literal(address)) << address;
  for (const char* other : {"", "192.0.2", "192.0.2.256", "edge.example.com", "[::1]", "::1%eth0", "192.0.2.10 "}) EXPECT_FALSE(is_ip_literal(other)) << other;
  EXPECT_FALSE(is_ip_literal(std::string_view("192.0.2.10\0x", 12)));
}

}  // namespace
}  // namespace sallyport::config
