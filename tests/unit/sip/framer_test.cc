// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/framer.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/sip/sample_messages.h"

namespace sallyport::sip {
namespace {

using Event = Framer::Event;

// Everything the framer says about a stream cut into pieces of that size: messages as text, keep-alives and refusals as
// words.
std::vector<std::string> frames(Framer& framer, std::string_view stream, std::size_t piece) {
  std::vector<std::string> seen;
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    const std::string bytes(stream.substr(at, piece));  // gone after the feed: what is kept must have been copied
    framer.feed(bytes);
    std::string_view frame;
    for (;;) {
      const Event event = framer.next(frame);
      if (event == Event::need_more) break;
      if (event == Event::message) seen.emplace_back(frame);
      if (event == Event::ping) seen.emplace_back("ping");
      if (event == Event::pong) seen.emplace_back("pong");
      if (event == Event::refused) {
        seen.push_back("refused " + std::to_string(framer.verdict().status));
        return seen;
      }
    }
  }
  return seen;
}

const std::string bye = "BYE sip:a@b SIP/2.0\r\nl: 3\r\n\r\nabc";
const std::string invite{samples::invite};
const std::string options = "OPTIONS sip:a@b SIP/2.0\r\nContent-Length\t:\r\n 0\r\n\r\n";

TEST(Framer, AnyFragmentationYieldsTheSameMessages) {
  const std::string stream = invite + "\r\n\r\n" + bye + "\r\n" + options + invite;
  const std::vector<std::string> expected = {invite, "ping", bye, options, invite};
  for (std::size_t piece = 1; piece <= stream.size(); piece += piece < 80 ? 1 : 97) {
    Framer framer(Framer::Side::accepted);
    EXPECT_EQ(frames(framer, stream, piece), expected) << piece;
    EXPECT_EQ(framer.pending_bytes(), 0u);
  }
}

TEST(Framer, MessageThatArrivesWholeIsNotCopied) {
  Framer framer(Framer::Side::accepted);
  framer.feed(invite);
  std::string_view frame;
  ASSERT_EQ(framer.next(frame), Event::message);
  EXPECT_EQ(frame.data(), invite.data());
}

TEST(Framer, DialledSideTakesEachLineEndForAPong) {
  Framer framer(Framer::Side::dialled);
  EXPECT_EQ(frames(framer, "\r\n" + bye + "\r\n\r\n", 1), (std::vector<std::string>{"pong", bye, "pong", "pong"}));
}

TEST(Framer, HalfAPingWaitsForItsOtherHalf) {
  Framer framer(Framer::Side::accepted);
  EXPECT_EQ(frames(framer, "\r\n", 2), std::vector<std::string>{});
  EXPECT_EQ(framer.pending_bytes(), 2u);
  EXPECT_EQ(frames(framer, "\r\n", 2), std::vector<std::string>{"ping"});
}

struct Refusal {
  const char* name;
  std::string stream;
  int status;
};

TEST(Framer, HopelessStreamsAreRefusedWithAReason) {
  const Refusal rows[] = {
      {"no Content-Length", "BYE sip:a@b SIP/2.0\r\nTo: x\r\n\r\n", 400},
      {"two Content-Lengths", "BYE sip:a@b SIP/2.0\r\nl: 0\r\nContent-Length: 4\r\n\r\n", 400},
      {"negative", "BYE sip:a@b SIP/2.0\r\nl: -5\r\n\r\n", 400},
      {"overflowing", "BYE sip:a@b SIP/2.0\r\nl: 4294967296\r\n\r\n", 400},
      {"empty", "BYE sip:a@b SIP/2.0\r\nl:\r\n\r\n", 400},
      {"folded twice in vain", "BYE sip:a@b SIP/2.0\r\nl:\r\n \r\n 1 2\r\n\r\n", 400},
      {"body too large", "BYE sip:a@b SIP/2.0\r\nl: 131073\r\n\r\n", 413},
      {"TLS handshake", "\x16\x03\x01\x02\x00", 400},
      {"HTTP", "GET / HTTP/1.1\r\n", 400},
      {"SSH", "SSH-2.0-OpenSSH_9.2\r\n", 400},
      {"bare CR between messages", "\rBYE", 400},
      {"header of 1 MB", "BYE sip:a@b SIP/2.0\r\nX: " + std::string(1 << 20, 'x'), 513},
      {"endless start line", "BYE sip:" + std::string(1 << 20, 'x'), 513},
  };
  for (const Refusal& row : rows) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}, row.stream.size()}) {
      Framer framer(Framer::Side::accepted);
      EXPECT_EQ(frames(framer, row.stream, piece), std::vector<std::string>{"refused " + std::to_string(row.status)})
          << row.name << " in pieces of " << piece;
      EXPECT_FALSE(framer.verdict().reason.empty());
    }
  }
}

TEST(Framer, MoreHeadersThanTheLimitAreRefused) {
  std::string text = "BYE sip:a@b SIP/2.0\r\nl: 0\r\n";
  for (int i = 0; i < 256; ++i) text += "X: y\r\n";
  Framer framer(Framer::Side::accepted);
  EXPECT_EQ(frames(framer, text + "\r\n", 500), std::vector<std::string>{"refused 513"});
}

TEST(Framer, RefusedMessageWithACompleteHeadIsHandedOutForItsAnswer) {
  const std::string text = "BYE sip:a@b SIP/2.0\r\nl: 999999\r\n\r\n";
  Framer framer(Framer::Side::accepted);
  framer.feed(text);
  std::string_view frame;
  ASSERT_EQ(framer.next(frame), Event::refused);
  EXPECT_EQ(frame, text);
  EXPECT_EQ(framer.next(frame), Event::refused);  // and stays so
}

TEST(Framer, EndlessHeadIsHandedOutAsFarAsItMayGoForItsAnswer) {
  const std::string text = "BYE sip:a@b SIP/2.0\r\nCall-ID: known\r\nX: " + std::string(200, 'x');
  Framer framer(Framer::Side::accepted, {.head_bytes = 100});
  framer.feed(text);
  std::string_view frame;
  ASSERT_EQ(framer.next(frame), Event::refused);
  EXPECT_EQ(frame, text.substr(0, 100));
}

TEST(Framer, LimitsAreTheCallersChoice) {
  Framer framer(Framer::Side::accepted, {.head_bytes = 64, .body_bytes = 2, .headers = 4});
  EXPECT_EQ(frames(framer, bye, 1), std::vector<std::string>{"refused 413"});
  Framer exact(Framer::Side::accepted, {.head_bytes = 29, .body_bytes = 3, .headers = 1});
  EXPECT_EQ(frames(exact, bye, 1), std::vector<std::string>{bye});
  Framer short_head(Framer::Side::accepted, {.head_bytes = 28, .body_bytes = 3, .headers = 1});
  EXPECT_EQ(frames(short_head, bye, 1), std::vector<std::string>{"refused 513"});
}

}  // namespace
}  // namespace sallyport::sip
