// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/message.h"

#include <string>

#include <gtest/gtest.h>

#include "controlplane/sip/header_values.h"
#include "tests/unit/sip/sample_messages.h"

namespace sallyport::sip {
namespace {

TEST(Message, RequestIsReadAsViewsOverTheCallersText) {
  const std::string text(samples::invite);
  Message message;
  ASSERT_TRUE(parse(text, message));
  EXPECT_TRUE(message.is_request());
  EXPECT_EQ(message.method(), Method::invite);
  EXPECT_EQ(message.request_uri(), "sip:bob@example.com");
  EXPECT_EQ(message.value(HeaderId::call_id), "3848276298220188511@client.example.com");
  EXPECT_EQ(message.text(), text);
  EXPECT_EQ(message.value(HeaderId::call_id).data() - text.data(),
            static_cast<std::ptrdiff_t>(text.find("3848276298220188511")));
  EXPECT_EQ(message.body().substr(0, 5), "v=0\r\n");
}

TEST(Message, ResponseTakesItsMethodFromCSeq) {
  Message message;
  ASSERT_TRUE(parse(samples::ok, message));
  EXPECT_TRUE(message.is_response());
  EXPECT_EQ(message.status(), 200);
  EXPECT_EQ(message.reason(), "OK");
  EXPECT_EQ(message.method(), Method::register_);
}

TEST(Message, ReasonPhraseMayBeEmptyOrMissing) {
  Message message;
  const std::string rest = "\r\nCSeq: 1 BYE\r\n\r\n";
  ASSERT_TRUE(parse("SIP/2.0 100 " + rest, message));
  EXPECT_EQ(message.reason(), "");
  const std::string without_space = "SIP/2.0 100" + rest;
  ASSERT_TRUE(parse(without_space, message));
  EXPECT_EQ(message.status(), 100);
}

TEST(Message, CompactAndOddlyCasedNamesAreTheSameHeader) {
  const std::string text =
      "BYE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h\r\nVIA : SIP/2.0/UDP i\r\nk: path\r\nSUPPORTED: outbound\r\n\r\n";
  Message message;
  ASSERT_TRUE(parse(text, message));
  EXPECT_EQ(message.count(HeaderId::via), 2u);
  EXPECT_EQ(message.last(HeaderId::via)->value, "SIP/2.0/UDP i");
  EXPECT_TRUE(lists_token(message, HeaderId::supported, "Outbound"));
  EXPECT_FALSE(lists_token(message, HeaderId::supported, "gruu"));
}

TEST(Message, EveryNameOfTheTableIsFoundUnderItsOwnNameInAnyCase) {
  for (int i = 1; i < static_cast<int>(HeaderId::count_); ++i) {
    const auto id = static_cast<HeaderId>(i);
    std::string upper(header_name(id)), lower(header_name(id));
    for (char& c : upper) c = static_cast<char>(toupper(c));
    for (char& c : lower) c = static_cast<char>(tolower(c));
    EXPECT_EQ(header_id(header_name(id)), id) << header_name(id);
    EXPECT_EQ(header_id(upper), id) << upper;
    EXPECT_EQ(header_id(lower), id) << lower;
    EXPECT_EQ(header_head(id), std::string(header_name(id)) + ": ");
  }
  EXPECT_EQ(header_id("X-Unheard-Of"), HeaderId::unknown);
  EXPECT_EQ(header_id("q"), HeaderId::unknown);
}

TEST(Message, FoldedHeaderKeepsItsLinesTogether) {
  const std::string text = "BYE sip:a@b SIP/2.0\r\nSubject: one\r\n two\r\n\tthree\r\nTo: <sip:a@b>\r\n\r\n";
  Message message;
  ASSERT_TRUE(parse(text, message));
  ASSERT_EQ(message.headers().size(), 2u);
  const Header& subject = message.headers()[0];
  EXPECT_EQ(subject.value, "one\r\n two\r\n\tthree");
  EXPECT_EQ(text.substr(subject.begin, subject.end - subject.begin), "Subject: one\r\n two\r\n\tthree\r\n");
  EXPECT_EQ(text.substr(message.headers_end()), "\r\n");
}

TEST(Message, BytesBehindContentLengthAreNotPartOfIt) {
  const std::string text = "BYE sip:a@b SIP/2.0\r\nl: 2\r\n\r\nhi and more";
  Message message;
  ASSERT_TRUE(parse(text, message));
  EXPECT_EQ(message.body(), "hi");
  EXPECT_EQ(message.text(), "BYE sip:a@b SIP/2.0\r\nl: 2\r\n\r\nhi");
}

TEST(Message, LeadingLineEndsAreSkipped) {
  const std::string text = "\r\n\r\nBYE sip:a@b SIP/2.0\r\nl: 0\r\n\r\n";
  Message message;
  ASSERT_TRUE(parse(text, message));
  EXPECT_EQ(message.text().substr(0, 3), "BYE");
  EXPECT_EQ(message.headers()[0].begin, message.headers_begin());
}

struct Broken {
  const char* name;
  std::string text;
  int status;
  bool answerable;
};

TEST(Message, BrokenTextIsRefusedWithTheStatusToAnswer) {
  const Broken rows[] = {
      {"empty", "", 400, false},
      {"only line ends", "\r\n\r\n", 400, false},
      {"no end of head", "BYE sip:a@b SIP/2.0\r\nTo: x\r\n", 400, true},
      {"bare LF", "BYE sip:a@b SIP/2.0\nTo: x\n\n", 400, false},
      {"bare LF in header", "BYE sip:a@b SIP/2.0\r\nTo: x\nFrom: y\r\n\r\n", 400, true},
      {"bare CR in header", "BYE sip:a@b SIP/2.0\r\nTo: x\rFrom: y\r\n\r\n", 400, true},
      {"NUL", std::string("BYE sip:a@b SIP/2.0\r\nTo: x\0y\r\n\r\n", 32), 400, true},
      {"other version", "BYE sip:a@b SIP/7.0\r\nTo: x\r\n\r\n", 505, true},
      {"two blanks", "BYE  sip:a@b SIP/2.0\r\nTo: x\r\n\r\n", 400, true},
      {"no URI", "BYE SIP/2.0\r\nTo: x\r\n\r\n", 400, false},
      {"header without colon", "BYE sip:a@b SIP/2.0\r\nTo x\r\nFrom: y\r\n\r\n", 400, true},
      {"header without name", "BYE sip:a@b SIP/2.0\r\n: x\r\n\r\n", 400, true},
      {"folded start line", "BYE sip:a@b SIP/2.0\r\n ;x\r\n\r\n", 400, true},
      {"Content-Length too large", "BYE sip:a@b SIP/2.0\r\nl: 5\r\n\r\nabcd", 400, true},
      {"Content-Length negative", "BYE sip:a@b SIP/2.0\r\nl: -1\r\n\r\n", 400, true},
      {"Content-Length overflowing", "BYE sip:a@b SIP/2.0\r\nl: 18446744073709551617\r\n\r\na", 400, true},
      {"two Content-Lengths", "BYE sip:a@b SIP/2.0\r\nl: 0\r\nContent-Length: 0\r\n\r\n", 400, true},
      {"status of four digits", "SIP/2.0 2000 OK\r\n\r\n", 400, true},
      {"status below 100", "SIP/2.0 099 OK\r\n\r\n", 400, true},
      {"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400, false},
  };
  for (const Broken& row : rows) {
    Message message;
    EXPECT_EQ(parse(row.text, message).status, row.status) << row.name;
    EXPECT_EQ(message.kind() != Message::Kind::none, row.answerable) << row.name;
  }
}

TEST(Message, HeadersBehindABrokenOneAreStillThereForTheAnswer) {
  const std::string text = "BYE sip:a@b SIP/2.0\r\nbroken\r\nVia: SIP/2.0/UDP h\r\n\r\n";
  Message message;
  EXPECT_EQ(parse(text, message).status, 400);
  EXPECT_TRUE(message.has(HeaderId::via));
}

TEST(Message, MoreThan256HeadersAreRefused) {
  std::string text = "BYE sip:a@b SIP/2.0\r\n";
  for (int i = 0; i < 256; ++i) text += "X: y\r\n";
  Message message;
  const std::string at_limit = text + "\r\n";
  EXPECT_TRUE(parse(at_limit, message));
  const std::string above_limit = text + "X: y\r\n\r\n";
  EXPECT_EQ(parse(above_limit, message).status, 513);
}

TEST(Message, StoredMessageSurvivesMovesAndTheEndOfItsSource) {
  StoredMessage outer;
  {
    std::string source(samples::invite);
    StoredMessage inner(source);
    outer = std::move(inner);
    source.assign(source.size(), 'x');
  }
  EXPECT_TRUE(outer.verdict());
  EXPECT_EQ(outer.text(), samples::invite);
  EXPECT_EQ(outer->request_uri(), "sip:bob@example.com");
}

TEST(Message, PartiesBelongToTheTextParsedLast) {
  Message message;
  ASSERT_TRUE(parse("BYE sip:a@b SIP/2.0\r\nf: A <sip:a@b>;tag=1\r\nt: <sip:c@d>;tag=2\r\n\r\n", message));
  ASSERT_NE(message.from(), nullptr);
  EXPECT_EQ(message.from()->uri.text, "sip:a@b");
  EXPECT_EQ(message.to()->tag(), "2");
  EXPECT_TRUE(message.is_in_dialog());
  ASSERT_TRUE(parse("BYE sip:a@b SIP/2.0\r\nFrom: <sip:e@f\r\nTo: sip:g@h\r\n\r\n", message));
  EXPECT_EQ(message.from(), nullptr) << "malformed";
  ASSERT_NE(message.to(), nullptr);
  EXPECT_EQ(message.to()->uri.text, "sip:g@h");
  EXPECT_FALSE(message.is_in_dialog());
  ASSERT_TRUE(parse("BYE sip:a@b SIP/2.0\r\nFrom: *\r\n\r\n", message));
  EXPECT_EQ(message.from(), nullptr) << "a star is no party";
  EXPECT_EQ(message.to(), nullptr) << "absent";
}

TEST(HeaderValues, CommasInQuotesAndBracketsDoNotSplit) {
  const std::string text =
      "BYE sip:a@b SIP/2.0\r\nContact: \"A, B\" <sip:a@b;x=1,2>;q=1, <sip:c@d>\r\nm: sip:e@f , \"\\\",\" "
      "<sip:g@h>\r\n\r\n";
  Message message;
  ASSERT_TRUE(parse(text, message));
  std::vector<std::string> seen;
  for (const HeaderValue& value : values(message, HeaderId::contact)) seen.emplace_back(value.text);
  EXPECT_EQ(seen,
            (std::vector<std::string>{"\"A, B\" <sip:a@b;x=1,2>;q=1", "<sip:c@d>", "sip:e@f", "\"\\\",\" <sip:g@h>"}));
  EXPECT_EQ(last_value(message, HeaderId::contact)->text, "\"\\\",\" <sip:g@h>");
  EXPECT_EQ(first_value(message, HeaderId::contact)->text, "\"A, B\" <sip:a@b;x=1,2>;q=1");
  EXPECT_FALSE(first_value(message, HeaderId::route).has_value());
}

TEST(HeaderValues, CredentialsAreNotSplitAtTheirCommas) {
  const std::string text = "BYE sip:a@b SIP/2.0\r\nAuthorization: Digest a=\"1\", b=2\r\n\r\n";
  Message message;
  ASSERT_TRUE(parse(text, message));
  std::size_t count = 0;
  for (const HeaderValue& value : values(message, HeaderId::authorization)) {
    EXPECT_EQ(value.text, "Digest a=\"1\", b=2");
    ++count;
  }
  EXPECT_EQ(count, 1u);
}

TEST(HeaderValues, UnclosedQuoteTakesTheRestOfTheLine) {
  const std::string text =
      "BYE sip:a@b SIP/2.0\r\nContact: \"A, <sip:a@b>, <sip:c@d>\r\nRoute: <sip:x, <sip:y>\r\n\r\n";
  Message message;
  ASSERT_TRUE(parse(text, message));
  EXPECT_EQ(first_value(message, HeaderId::contact)->text, "\"A, <sip:a@b>, <sip:c@d>");
}

}  // namespace
}  // namespace sallyport::sip
