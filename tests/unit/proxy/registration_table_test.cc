// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/registration_table.h"

#include <gtest/gtest.h>

#include "controlplane/sip/message.h"

namespace sallyport::proxy {
namespace {

constexpr uint64_t now_ms = 1'000;

std::string binding(const std::string& user, const std::string& instance) {
  return "<sip:" + user + "@10.0.0.5:5061;transport=tls>;+sip.instance=\"<urn:uuid:" + instance + ">\";reg-id=1";
}

class RegistrationTableTest : public ::testing::Test {
 protected:
  // A REGISTER for `aor` with `contact`, and the 200 that lists `granted`.
  uint32_t learn(RegistrationTable& table, const std::string& aor, const std::string& contact, const std::string& granted, uint64_t flow_id) {
    const std::string common = "Via: SIP/2.0/TLS 10.0.0.5;branch=z9hG4bK1\r\nFrom: <" + aor + ">;tag=f\r\nTo: <" + aor + ">\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n";
    const std::string asked = "REGISTER sip:example.com SIP/2.0\r\n" + common + "Contact: " + contact + "\r\nContent-Length: 0\r\n\r\n";
    const std::string answered = "SIP/2.0 200 OK\r\n" + common + (granted.empty() ? "" : "Contact: " + granted + "\r\n") + "Content-Length: 0\r\n\r\n";
    sip::Message request, response;
    EXPECT_TRUE(sip::parse(asked, request).ok());
    EXPECT_TRUE(sip::parse(answered, response).ok());
    return table.learn(RegistrationWish(request, asked), response, flow_id, "198.51.100.7:40112", now_ms);
  }
  uint32_t learn(RegistrationTable& table, const std::string& user, const std::string& instance, uint64_t flow_id, int expires_s = 600) {
    const std::string contact = binding(user, instance);
    return learn(table, "sip:" + user + "@example.com", contact, contact + ";expires=" + std::to_string(expires_s), flow_id);
  }
  uint64_t flow_of(const RegistrationTable& table, const std::string& aor, const std::string& contact_user) {
    const auto uri = sip::parse_uri(aor);
    return uri ? table.flow_of(*uri, contact_user, now_ms) : 0;
  }

  RegistrationTable table{1000};
};

TEST_F(RegistrationTableTest, ADeviceThatComesBackOnAnotherFlowIsFoundThere) {
  EXPECT_EQ(learn(table, "alice", "1", 7), 600u);
  EXPECT_EQ(learn(table, "alice", "1", 9), 600u);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(flow_of(table, "sip:alice@EXAMPLE.com", "alice"), 9u) << "hosts are compared without case";
  EXPECT_EQ(flow_of(table, "sip:Alice@example.com", "alice"), 0u) << "user parts are not";
  table.forget_flow(7);
  EXPECT_EQ(table.size(), 1u) << "the old flow's end is not the new one's";
  table.forget_flow(9);
  EXPECT_EQ(table.size(), 0u);
}

TEST_F(RegistrationTableTest, TwoDevicesOfOneUserAreNotTakenForEachOther) {
  learn(table, "alice", "1", 7);
  learn(table, "alice", "2", 8);
  EXPECT_EQ(flow_of(table, "sip:alice@example.com", "alice"), 0u);
  EXPECT_EQ(flow_of(table, "sip:alice@example.com", "bob"), 0u);
  table.forget_flow(8);
  EXPECT_EQ(flow_of(table, "sip:alice@example.com", "alice"), 7u);
}

TEST_F(RegistrationTableTest, WhatTheRegistrarDoesNotListIsGone) {
  learn(table, "alice", "1", 7);
  EXPECT_EQ(learn(table, "sip:alice@example.com", binding("alice", "1") + ";expires=0", "", 7), 0u);
  EXPECT_EQ(table.size(), 0u);
}

TEST_F(RegistrationTableTest, StarRemovesEveryBindingOfThatAddressAlone) {
  learn(table, "alice", "1", 7);
  learn(table, "alice", "2", 8);
  learn(table, "bob", "3", 8);
  EXPECT_EQ(learn(table, "sip:alice@example.com", "*", "", 7), 0u);
  ASSERT_EQ(table.size(), 1u);
  EXPECT_EQ(table.list(now_ms)[0].aor, "sip:bob@example.com");
  table.forget_flow(8);
  EXPECT_EQ(table.size(), 0u);
}

TEST_F(RegistrationTableTest, TimeEndsBindings) {
  learn(table, "alice", "1", 7, 60);
  learn(table, "bob", "2", 7, 600);
  EXPECT_EQ(table.list(now_ms + 60'000).size(), 1u) << "not listed though not yet removed";
  table.expire(now_ms + 60'000);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(flow_of(table, "sip:alice@example.com", "alice"), 0u);
}

TEST_F(RegistrationTableTest, AFullTableGivesUpWhatExpiresFirst) {
  RegistrationTable small(2);
  learn(small, "alice", "1", 7, 600);
  learn(small, "bob", "2", 8, 60);
  learn(small, "carol", "3", 9, 300);
  EXPECT_EQ(small.size(), 2u);
  EXPECT_EQ(flow_of(small, "sip:bob@example.com", "bob"), 0u);
  EXPECT_EQ(flow_of(small, "sip:alice@example.com", "alice"), 7u);
}

TEST_F(RegistrationTableTest, FlowsOfManyClientsEndOneByOne) {
  RegistrationTable many(20'000);
  for (int index = 0; index < 20'000; ++index) learn(many, "u" + std::to_string(index), std::to_string(index), 1 + index % 5'000);
  for (uint64_t flow = 1; flow <= 5'000; ++flow) {
    many.forget_flow(flow);
    ASSERT_EQ(many.size(), 20'000 - 4 * flow);
  }
}

}  // namespace
}  // namespace sallyport::proxy
