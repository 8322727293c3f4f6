// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/socket_address.h"

#include <gtest/gtest.h>

namespace sallyport::tls {
namespace {

TEST(SocketAddress, TextRows) {
  const std::pair<const char*, const char*> rows[] = {
      {"192.0.2.1:5061", "192.0.2.1:5061"}, {"[2001:db8::1]:53", "[2001:db8::1]:53"}, {"[::ffff:192.0.2.1]:80", "192.0.2.1:80"}};
  for (const auto& [text, expected] : rows) {
    const auto address = SocketAddress::parse_with_port(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), expected);
  }
  for (const char* broken : {"192.0.2.1", "2001:db8::1:53", "host:53", "192.0.2.1:", "192.0.2.1:70000", "192.0.2.1:5x", "", ":53"}) {
    EXPECT_FALSE(SocketAddress::parse_with_port(broken)) << broken;
  }
}

TEST(SocketAddress, MappedAddressEqualsItsIpv4Self) {
  EXPECT_EQ(*SocketAddress::parse("::ffff:192.0.2.1", 5), *SocketAddress::parse("192.0.2.1", 5));
  EXPECT_FALSE(*SocketAddress::parse("192.0.2.1", 5) == *SocketAddress::parse("192.0.2.1", 6));
}

TEST(SocketAddress, UnixPathIsKeptWholeOrRefused) {
  EXPECT_EQ(SocketAddress::from_unix_path("/run/sallyport/api.sock")->text(), "unix:/run/sallyport/api.sock");
  EXPECT_FALSE(SocketAddress::from_unix_path(std::string(200, 'x')));
  EXPECT_FALSE(SocketAddress::from_unix_path(""));
}

}  // namespace
}  // namespace sallyport::tls
