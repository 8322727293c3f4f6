// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/response.h"

#include <string>

#include <gtest/gtest.h>

#include "controlplane/sip/validate.h"
#include "tests/unit/sip/sample_messages.h"

namespace sallyport::sip {
namespace {

Message parsed(std::string_view text) {
  Message message;
  EXPECT_TRUE(parse(text, message)) << text;
  return message;
}

TEST(Response, RequestsIdentityIsCopiedAndToGetsATag) {
  const Message request = parsed(samples::register_request);
  std::string out;
  write_response(request, {.status = 403, .to_tag = "e1", .extra_lines = "Server: edge\r\n"}, out);
  EXPECT_EQ(out,
            "SIP/2.0 403 Forbidden\r\n"
            "Via: SIP/2.0/TLS client.example.com:5061;branch=z9hG4bKnashds7;rport\r\n"
            "From: \"Alice\" <sip:alice@example.com>;tag=a73kszlfl\r\n"
            "To: \"Alice\" <sip:alice@example.com>;tag=e1\r\n"
            "Call-ID: 1j9FpLxk3uxtm8tn@client.example.com\r\n"
            "CSeq: 2 REGISTER\r\n"
            "Server: edge\r\n"
            "Content-Length: 0\r\n\r\n");
  EXPECT_TRUE(validate_response(parsed(out)));
}

TEST(Response, HundredEchoesTimestampAndNeedsNoTag) {
  const std::string text =
      "INVITE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bK1\r\nv: SIP/2.0/UDP i\r\nf: <sip:a@b>;tag=1\r\n"
      "t: <sip:a@b>\r\ni: x\r\nCSeq: 1 INVITE\r\nTimestamp: 54\r\n\r\n";
  std::string out;
  write_response(parsed(text), {.status = 100, .to_tag = "never"}, out,
                 "SIP/2.0/UDP h;branch=z9hG4bK1;received=192.0.2.9");
  EXPECT_EQ(
      out,
      "SIP/2.0 100 Trying\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1;received=192.0.2.9\r\nv: SIP/2.0/UDP i\r\n"
      "f: <sip:a@b>;tag=1\r\nt: <sip:a@b>\r\ni: x\r\nCSeq: 1 INVITE\r\nTimestamp: 54\r\nContent-Length: 0\r\n\r\n");
}

TEST(Response, TopViaOfALineWithSeveralIsReplacedAlone) {
  const std::string text =
      "BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h, SIP/2.0/UDP i\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\n"
      "Call-ID: x\r\nCSeq: 1 BYE\r\n\r\n";
  std::string out;
  write_response(parsed(text), {.status = 481, .to_tag = "3"}, out, "SIP/2.0/UDP h;rport=5");
  const Message response = parsed(out);
  EXPECT_EQ(response.reason(), "Call/Transaction Does Not Exist");
  ASSERT_EQ(response.count(HeaderId::via), 2u);
  EXPECT_EQ(response.headers()[0].value, "SIP/2.0/UDP h;rport=5");
  EXPECT_EQ(response.headers()[1].value, "SIP/2.0/UDP i");
  EXPECT_EQ(response.value(HeaderId::to), "<sip:a@b>;tag=2");
}

TEST(Response, BodyComesWithTypeAndLengthAndWarningIsQuoted) {
  std::string out;
  const std::string warning =
      "Warning: " + warning_value(304, "edge.example.com", "no \"keys\"\r\nin the offer") + "\r\n";
  write_response(parsed(samples::invite),
                 {.status = 488,
                  .reason = "No SRTP",
                  .to_tag = "t",
                  .extra_lines = warning,
                  .content_type = "text/plain",
                  .body = "why"},
                 out);
  const Message response = parsed(out);
  EXPECT_EQ(response.reason(), "No SRTP");
  EXPECT_EQ(response.value(HeaderId::warning), "304 edge.example.com \"no \\\"keys\\\"in the offer\"");
  EXPECT_EQ(response.body(), "why");
}

TEST(Response, MalformedRequestIsAnsweredWithWhatItHad) {
  Message message;
  const std::string text = "BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nTo: \"open <sip:a@b>\r\nbroken\r\n\r\n";
  EXPECT_EQ(parse(text, message).status, 400);
  std::string out;
  write_response(message, {.status = 400, .to_tag = "t"}, out);
  EXPECT_EQ(out, "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP h\r\nTo: \"open <sip:a@b>\r\nContent-Length: 0\r\n\r\n");
}

// RFC 3261 17.1.1.3 with its example, and 9.1.
TEST(Response, AckAndCancelFollowTheInviteTheyBelongTo) {
  const Message sent = parsed(samples::invite);
  const std::string busy =
      "SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/TLS client.example.com:5061;branch=z9hG4bK74bf9\r\n"
      "From: x\r\nTo: <sip:bob@example.com>;tag=99\r\nCall-ID: y\r\nCSeq: 2 INVITE\r\n\r\n";
  std::string ack_text, cancel_text;
  write_ack(sent, parsed(busy), ack_text);
  write_cancel(sent, cancel_text, "SIP;cause=200");
  const Message ack = parsed(ack_text), cancel = parsed(cancel_text);
  EXPECT_TRUE(validate_request(ack));
  EXPECT_TRUE(validate_request(cancel));
  EXPECT_EQ(ack.value(HeaderId::cseq), "2 ACK");
  EXPECT_EQ(cancel.value(HeaderId::cseq), "2 CANCEL");
  EXPECT_EQ(ack.value(HeaderId::to), "<sip:bob@example.com>;tag=99");
  EXPECT_EQ(cancel.value(HeaderId::to), "<sip:bob@example.com>");
  EXPECT_EQ(cancel.value(HeaderId::reason), "SIP;cause=200");
  for (const Message* each : {&ack, &cancel}) {
    EXPECT_EQ(each->request_uri(), "sip:bob@example.com");
    EXPECT_EQ(each->value(HeaderId::via), sent.value(HeaderId::via));
    EXPECT_EQ(each->value(HeaderId::from), sent.value(HeaderId::from));
    EXPECT_EQ(each->value(HeaderId::call_id), sent.value(HeaderId::call_id));
    EXPECT_EQ(each->count(HeaderId::route), 2u);
  }
}

struct Row {
  const char* name;
  const char* from;
  const char* to;
  int status;
};

TEST(Validate, OneWrongFieldOfAGoodRequestIsFound) {
  const Row rows[] = {
      {"as it is", "", "", 0},
      {"no Max-Forwards", "Max-Forwards: 70\r\n", "", 0},
      {"no From tag", ";tag=a73kszlfl", "", 0},
      {"star contact", "Contact: <sip:alice@192.0.2.101:5061;transport=tls;ob>", "Contact: *\r\nX: ", 0},
      {"no Via", "Via:", "X-Via:", 400},
      {"no From", "From:", "X-From:", 400},
      {"no To", "To:", "X-To:", 400},
      {"no Call-ID", "Call-ID:", "X-Call-ID:", 400},
      {"no CSeq", "CSeq:", "X-CSeq:", 400},
      {"empty Call-ID", "1j9FpLxk3uxtm8tn@client.example.com", "", 400},
      {"other method in CSeq", "2 REGISTER", "2 INVITE", 400},
      {"case of the method", "2 REGISTER", "2 Register", 400},
      {"Max-Forwards above 255", "Max-Forwards: 70", "Max-Forwards: 300", 400},
      {"two From", "User-Agent:", "f: <sip:x@y>;tag=1\r\nUser-Agent:", 400},
      {"two Call-IDs", "User-Agent:", "i: 2\r\nUser-Agent:", 400},
      {"Route that is none", "User-Agent:", "Route: x\r\nUser-Agent:", 400},
      {"star route", "User-Agent:", "Route: *\r\nUser-Agent:", 400},
      {"Expires in words", "User-Agent:", "Expires: soon\r\nUser-Agent:", 400},
      {"Expires beyond all bounds", "User-Agent:", "Expires: 10000000000000000000000\r\nUser-Agent:", 0},
      {"foreign scheme", "REGISTER sip:example.com", "REGISTER http://example.com", 416},
      {"headers in the Request-URI", "REGISTER sip:example.com", "REGISTER sip:example.com?Route=x", 400},
      {"brackets round the Request-URI", "REGISTER sip:example.com", "REGISTER sip:[example.com", 400},
  };
  for (const Row& row : rows) {
    std::string text(samples::register_request);
    if (*row.from != 0) text.replace(text.find(row.from), std::string_view(row.from).size(), row.to);
    const Message message = parsed(text);
    EXPECT_EQ(validate_request(message).status, row.status) << row.name;
  }
}

TEST(Validate, ResponseWithoutViaIsDiscarded) {
  EXPECT_TRUE(validate_response(parsed(samples::ok)));
  std::string text(samples::ok);
  text.replace(text.find("Via:"), 4, "Xia:");
  EXPECT_FALSE(validate_response(parsed(text)));
  EXPECT_FALSE(validate_response(parsed(samples::invite)));
}

}  // namespace
}  // namespace sallyport::sip
