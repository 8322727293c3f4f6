// SPDX-License-Identifier: Apache-2.0
#include "controlplane/xmpp/stream_text.h"

#include <gmock/gmock.h>

namespace sallyport::xmpp_test {
namespace {

using xmpp::login_word;
using xmpp::LoginWord;

TEST(StreamText, TellsWhatAServerSaysOfALogin) {
  EXPECT_EQ(login_word("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"), LoginWord::success_and_restart);
  EXPECT_EQ(login_word("<s:success xmlns:s='urn:ietf:params:xml:ns:xmpp-sasl'/>"), LoginWord::success_and_restart);
  EXPECT_EQ(login_word("<success xmlns='urn:xmpp:sasl:2'>"), LoginWord::success);
  EXPECT_EQ(login_word("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"), LoginWord::failure);
  EXPECT_EQ(login_word("<failure xmlns='urn:xmpp:sasl:2'>"), LoginWord::failure);
  for (const char* tag : {"<success>", "<succession xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>", "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>", "<message to='success'>", "", "<"}) EXPECT_EQ(login_word(tag), LoginWord::none) << tag;
}

TEST(StreamText, DomainsAreComparedInLowerCaseWithoutAFinalDot) {
  EXPECT_EQ(xmpp::domain_of("Example.COM."), "example.com");
  EXPECT_EQ(xmpp::domain_of("192.0.2.1"), "192.0.2.1");
  for (const char* address : {"", ".", "a b", "user@example.com", "example.com/x", "a\r\nb", "a\"b"}) EXPECT_EQ(xmpp::domain_of(address), "") << address;
  EXPECT_EQ(xmpp::domain_of(std::string(254, 'a')), "");
  EXPECT_EQ(xmpp::domain_of("B\u00FCcher.example"), "xn--bcher-kva.example");
  EXPECT_EQ(xmpp::domain_of("\xFF.example"), "");
  EXPECT_EQ(xmpp::address_of("xn--bcher-kva.example"), "b\u00FCcher.example");
  EXPECT_EQ(xmpp::address_of("example.com"), "example.com");
  EXPECT_EQ(xmpp::address_of("xn--\x01"), "xn--\x01");
}

TEST(StreamText, AnErrorEscapesItsTextAndEndsTheStream) {
  EXPECT_EQ(xmpp::stream_error("host-unknown", "<b>&"),
            "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>&lt;b&gt;&amp;</text></stream:error></stream:stream>");
}

TEST(StreamText, KnowsUtf8ByName) {
  EXPECT_TRUE(xmpp::is_utf8("utf-8"));
  EXPECT_TRUE(xmpp::is_utf8("UTF8"));
  EXPECT_FALSE(xmpp::is_utf8("UTF-7"));
  EXPECT_FALSE(xmpp::is_utf8("ISO-8859-1"));
}

}  // namespace
}  // namespace sallyport::xmpp_test
