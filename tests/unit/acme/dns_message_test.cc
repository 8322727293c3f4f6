// SPDX-License-Identifier: Apache-2.0
// DNS messages and TSIG; the oracle for both is bind9, in dns01_rfc2136_test.cc.
#include "controlplane/acme/dns_message.h"

#include <gmock/gmock.h>

#include "controlplane/acme/tsig.h"

namespace sallyport::acme {
namespace {

using namespace std::string_literals;

TsigKey key_of(const std::string& secret = "MDEyMzQ1Njc4OWFiY2RlZg==") { return {"acme-key", TsigAlgorithm::hmac_sha256, std::make_shared<store::Secret>(secret)}; }

TEST(DnsMessage, NamesAreLabelsWithinBounds) {
  EXPECT_EQ(wire_name("_acme-challenge.A.example."), "\x0f_acme-challenge\x01"s + "a\x07"s + "example\0"s);
  EXPECT_EQ(wire_name(""), "\0"s);
  EXPECT_EQ(wire_name("a..b"), std::nullopt);
  EXPECT_EQ(wire_name(std::string(64, 'a') + ".example"), std::nullopt);
  std::string longest;
  for (int i = 0; i < 130; ++i) longest += "a.";
  EXPECT_EQ(wire_name(longest + "b"), std::nullopt);
}

TEST(DnsMessage, UpdateTellsAdditionFromRemoval) {
  DnsChange change{"example", "a.example", "text", false, 60};
  const std::string addition = write_update(7, change);
  EXPECT_EQ(addition, "\x00\x07\x28\x00\x00\x01\x00\x00\x00\x01\x00\x00"s + "\x07" "example\x00\x00\x06\x00\x01"s + "\x01" "a\x07" "example\x00\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x05\x04text"s);
  change.is_removal = true;
  EXPECT_EQ(write_update(7, change).substr(addition.size() - 15, 8), "\x00\x10\x00\xfe\x00\x00\x00\x00"s);
}

// An answer with one TXT record whose name is a pointer to the question's.
std::string answer_with(const std::string& rdata, const std::string& owner = "\xc0\x0c"s) {
  return "\x00\x07\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00"s + "\x01" "a\x07" "EXAMPLE\x00\x00\x10\x00\x01"s + owner + "\x00\x10\x00\x01\x00\x00\x00\x3c"s + put_16(static_cast<uint16_t>(rdata.size())) + rdata;
}

TEST(DnsMessage, AnswerIsReadThroughPointers) {
  const auto read = read_dns_message(answer_with("\x02" "ab\x03" "cde"s));
  ASSERT_TRUE(read) << read.fault().text();
  EXPECT_TRUE(read->is_answer);
  EXPECT_TRUE(read->is_authoritative);
  ASSERT_EQ(read->answers.size(), 1u);
  EXPECT_EQ(read->answers[0].name, "a.example");
  EXPECT_EQ(read->answers[0].text, "abcde");
}

TEST(DnsMessage, BrokenAnswersEndInAFault) {
  const std::string good = answer_with("\x02" "ab"s);
  for (size_t length = 0; length < good.size(); ++length) EXPECT_FALSE(read_dns_message(good.substr(0, length))) << length;
  EXPECT_FALSE(read_dns_message(answer_with("\x05" "ab"s))) << "a string longer than its record";
  EXPECT_FALSE(read_dns_message(answer_with("", "\xc0\x1b"s))) << "a pointer to itself";
  EXPECT_FALSE(read_dns_message(answer_with("", "\xc0\xff"s))) << "a pointer ahead";
  EXPECT_FALSE(read_dns_message(answer_with("", "\x80" "a\0"s))) << "a label of an unknown kind";
  std::string endless = good;
  endless.replace(6, 2, "\xff\xff"s);
  EXPECT_FALSE(read_dns_message(endless));
}

TEST(DnsMessage, DotWithinALabelIsNotTakenForTwoLabels) {
  const auto read = read_dns_message(answer_with("", "\x09" "a.example\0"s));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->answers[0].name, "a?example");
}

TEST(Tsig, AnswerIsBelievedOnlyWithTheKeyTheRequestAndTheTime) {
  const TsigKey key = key_of();
  const auto request = sign_message(write_question(7, "a.example", DnsType::soa), key, 1000);
  ASSERT_TRUE(request) << request.fault().text();
  const auto read = read_dns_message(request->wire);
  ASSERT_TRUE(read) << read.fault().text();
  ASSERT_EQ(read->additional.size(), 1u);
  EXPECT_TRUE(read->additional[0].is(DnsType::tsig));
  // What was signed as a request is no answer to any.
  EXPECT_EQ(signature_objection(request->wire, *read, key, request->mac, 1000), "has a wrong signature");
  const auto unsigned_answer = read_dns_message(answer_with("\x02" "ab"s));
  EXPECT_EQ(signature_objection(answer_with("\x02" "ab"s), *unsigned_answer, key, request->mac, 1000), "is not signed");
  EXPECT_EQ(signature_objection(request->wire, *read, {"other", TsigAlgorithm::hmac_sha256, key.secret}, "", 1000), "is signed by another key or algorithm");
  EXPECT_EQ(signature_objection(request->wire, *read, {"acme-key", TsigAlgorithm::hmac_sha512, key.secret}, "", 1000), "is signed by another key or algorithm");
}

TEST(Tsig, SecretThatIsNoBase64IsRefused) {
  EXPECT_FALSE(sign_message(write_question(7, "a.example", DnsType::soa), key_of("not base64!"), 1000));
  EXPECT_FALSE(sign_message(write_question(7, "a.example", DnsType::soa), key_of(""), 1000));
  TsigKey nameless = key_of();
  nameless.name = "a..b";
  EXPECT_FALSE(sign_message(write_question(7, "a.example", DnsType::soa), nameless, 1000));
}

}  // namespace
}  // namespace sallyport::acme
