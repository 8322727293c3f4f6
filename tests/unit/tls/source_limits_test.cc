// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/source_limits.h"

#include <gtest/gtest.h>

namespace sallyport::tls {
namespace {

using namespace std::chrono_literals;

const auto start = std::chrono::steady_clock::time_point(1000s);
SocketAddress at(const char* ip) { return *SocketAddress::parse(ip, 1); }

TEST(SourceLimits, BucketEmptiesAndRefillsWithTime) {
  SourceLimits limits({.connections_per_source = 1000, .handshakes_per_source_per_s = 10, .handshake_burst = 5});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(limits.admit(at("192.0.2.1"), start), Admission::admitted);
  EXPECT_EQ(limits.admit(at("192.0.2.1"), start), Admission::source_too_fast);
  EXPECT_EQ(limits.admit(at("192.0.2.2"), start), Admission::admitted);
  EXPECT_EQ(limits.admit(at("192.0.2.1"), start + 100ms), Admission::admitted);
  EXPECT_EQ(limits.admit(at("192.0.2.1"), start + 100ms), Admission::source_too_fast);
  EXPECT_EQ(limits.connections_of(at("192.0.2.1")), 6u);
}

TEST(SourceLimits, OneIpv6NetworkIsOneSource) {
  SourceLimits limits({.connections_per_source = 2});
  EXPECT_EQ(limits.admit(at("2001:db8:1:1::1"), start), Admission::admitted);
  EXPECT_EQ(limits.admit(at("2001:db8:1:1:ffff::2"), start), Admission::admitted);
  EXPECT_EQ(limits.admit(at("2001:db8:1:1::3"), start), Admission::source_full);
  EXPECT_EQ(limits.admit(at("2001:db8:1:2::1"), start), Admission::admitted);
}

TEST(SourceLimits, TotalIsBoundedAndReleased) {
  SourceLimits limits({.connections_total = 2});
  EXPECT_EQ(limits.admit(at("192.0.2.1"), start), Admission::admitted);
  EXPECT_EQ(limits.admit(at("192.0.2.2"), start), Admission::admitted);
  EXPECT_EQ(limits.admit(at("192.0.2.3"), start), Admission::total_full);
  limits.release(at("192.0.2.1"));
  EXPECT_EQ(limits.admit(at("192.0.2.3"), start), Admission::admitted);
  EXPECT_EQ(limits.connections(), 2u);
}

TEST(SourceLimits, RememberedSourcesAreBoundedAndForgettingGivesNoFreshTokens) {
  SourceLimits limits({.handshakes_per_source_per_s = 1, .handshake_burst = 2, .max_sources = 2});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(limits.admit(at("192.0.2.1"), start), Admission::admitted);
  EXPECT_EQ(limits.admit(at("192.0.2.2"), start), Admission::admitted);
  for (int i = 0; i < 2; ++i) limits.release(at("192.0.2.1"));
  limits.release(at("192.0.2.2"));
  EXPECT_EQ(limits.admit(at("192.0.2.3"), start), Admission::sources_exhausted);
  EXPECT_EQ(limits.admit(at("192.0.2.1"), start), Admission::source_too_fast);
  EXPECT_EQ(limits.admit(at("192.0.2.3"), start + 3s), Admission::admitted);
}

}  // namespace
}  // namespace sallyport::tls
