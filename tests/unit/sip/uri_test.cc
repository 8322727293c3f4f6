// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/uri.h"

#include <gtest/gtest.h>

#include "controlplane/sip/name_addr.h"

namespace sallyport::sip {
namespace {

TEST(Uri, PartsOfASipUriAreFound) {
  const auto uri = parse_uri("sips:alice:secret@[2001:db8::1]:5061;transport=tcp;lr?subject=x&to=y");
  ASSERT_TRUE(uri);
  EXPECT_EQ(uri->scheme, Scheme::sips);
  EXPECT_EQ(uri->user, "alice");
  EXPECT_EQ(uri->password, "secret");
  EXPECT_EQ(uri->host, "[2001:db8::1]");
  EXPECT_EQ(uri->bare_host(), "2001:db8::1");
  EXPECT_EQ(uri->port, 5061);
  EXPECT_EQ(uri->params.value("TRANSPORT"), "tcp");
  EXPECT_TRUE(uri->is_loose_router());
  EXPECT_EQ(uri->headers, "subject=x&to=y");
}

TEST(Uri, UserPartMayHoldWhatElsewhereSeparates) {
  const auto uri = parse_uri("sip:user;par=u%40example.net@example.com");
  ASSERT_TRUE(uri);
  EXPECT_EQ(uri->user, "user;par=u%40example.net");
  EXPECT_EQ(uri->host, "example.com");
  EXPECT_TRUE(uri->params.empty());
}

TEST(Uri, TelAndForeignSchemesKeepTheirText) {
  const auto tel = parse_uri("tel:+358-555-1234567;phone-context=example.com");
  ASSERT_TRUE(tel);
  EXPECT_EQ(tel->scheme, Scheme::tel);
  EXPECT_EQ(tel->user, "+358-555-1234567");
  EXPECT_EQ(tel->params.value("phone-context"), "example.com");
  const auto http = parse_uri("http://www.example.com/a?b");
  ASSERT_TRUE(http);
  EXPECT_EQ(http->scheme, Scheme::other);
  EXPECT_EQ(http->text, "http://www.example.com/a?b");
}

TEST(Uri, MalformedOnesAreRefused) {
  for (const char* text :
       {"",          "sip",           "sip:",        "sip:@example.com", "sip:a@",     "sip:a@b c",  "<sip:a@b>",
        "sip:a@b:0", "sip:a@b:65536", "sip:a@b:",    "sip:a@b:x",        "sip:a@[::1", "sip:a@[zz]", "sip:a@[::1]x",
        "sip:%4@b",  "sip:%zz@b",     "sip:a@b;;lr", "sip:a@b;",         "sip:a@b;x=", "sip:a@-b",   "1x:abc",
        ":abc",      "sip:a@b\r\n"}) {
    EXPECT_FALSE(parse_uri(text)) << text;
  }
}

bool equal_texts(std::string_view a, std::string_view b) {
  const auto left = parse_uri(a), right = parse_uri(b);
  EXPECT_TRUE(left) << a;
  EXPECT_TRUE(right) << b;
  return left && right && equal(*left, *right) && equal(*right, *left);
}

// The pairs of RFC 3261 19.1.4.
TEST(Uri, EquivalenceFollowsTheExamplesOfTheRfc) {
  EXPECT_TRUE(equal_texts("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"));
  EXPECT_TRUE(equal_texts("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"));
  EXPECT_TRUE(equal_texts("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"));
  EXPECT_TRUE(equal_texts("sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                          "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"));
  EXPECT_TRUE(equal_texts("sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                          "sip:alice@atlanta.com?priority=urgent&subject=project%20x"));
  EXPECT_FALSE(equal_texts("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"));
  EXPECT_FALSE(equal_texts("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"));
  EXPECT_FALSE(equal_texts("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"));
  EXPECT_FALSE(equal_texts("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"));
  EXPECT_FALSE(equal_texts("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"));
  EXPECT_FALSE(equal_texts("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"));
  EXPECT_FALSE(equal_texts("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"));
  EXPECT_FALSE(equal_texts("sip:a@b", "sips:a@b"));
  EXPECT_FALSE(equal_texts("sip:a@b", "sip:b"));
}

TEST(NameAddr, BracketsDecideWhoOwnsTheParameters) {
  const auto bracketed = parse_name_addr("\"Watson, T\" <sip:t@example.org;lr>;tag=1;expires=60");
  ASSERT_TRUE(bracketed);
  EXPECT_EQ(bracketed->display, "\"Watson, T\"");
  EXPECT_TRUE(bracketed->uri.is_loose_router());
  EXPECT_EQ(bracketed->tag(), "1");
  EXPECT_EQ(bracketed->params.value("expires"), "60");
  const auto bare = parse_name_addr("sip:t@example.org;tag=2");
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->uri.text, "sip:t@example.org");
  EXPECT_TRUE(bare->uri.params.empty());
  EXPECT_EQ(bare->tag(), "2");
}

TEST(NameAddr, QuotedParametersAndFoldsAreRead) {
  const auto contact =
      parse_name_addr("caller<sip:a@b>\r\n ;\r\n +sip.instance = \"<urn:uuid:f81d4fae>\" ; reg-id=1;ob");
  ASSERT_TRUE(contact);
  EXPECT_EQ(contact->display, "caller");
  EXPECT_EQ(contact->params.value("+sip.instance"), "\"<urn:uuid:f81d4fae>\"");
  EXPECT_EQ(contact->params.value("reg-id"), "1");
  EXPECT_TRUE(contact->params.has("ob"));
  EXPECT_TRUE(parse_name_addr("*")->is_star);
}

TEST(NameAddr, MalformedOnesAreRefused) {
  for (const char* text : {"", "<sip:a@b", "\"Mr. J <sip:a@b>", "Bell, A <sip:a@b>", "\"A\" < sip:a@b >", "sip:a@b?x=y",
                           "<sip:a@b>;;tag=1", "<sip:a@b> tag=1", "<>", "\"A\" sip:a@b", "<sip:a@b>;tag=\"x"}) {
    EXPECT_FALSE(parse_name_addr(text)) << text;
  }
}

TEST(Params, WholeSpansFromSemicolonToTheEndOfTheValue) {
  const Params params(";a=1 ; b ;c = \"x;y\"");
  EXPECT_EQ(params.find("a")->whole, ";a=1");
  EXPECT_EQ(params.find("b")->whole, "; b");
  EXPECT_FALSE(params.find("b")->has_value);
  EXPECT_EQ(params.find("c")->value, "\"x;y\"");
  EXPECT_FALSE(params.has("y"));
  EXPECT_TRUE(params.is_valid());
  EXPECT_FALSE(Params(";a=1 x").is_valid());
}

}  // namespace
}  // namespace sallyport::sip
