// SPDX-License-Identifier: Apache-2.0
// Captures of a call: its flows are marked and unmarked, what the workers copy comes out as a pcapng file, and nothing outlives its reader.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <ctime>

#include "controlplane/media/pcapng.h"
#include "tests/unit/media/media_node.h"

namespace sallyport::media {
namespace {

using abi::CapturePoint;
using testing::HasSubstr;

uint64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

struct Block {
  uint32_t type;
  std::string body;
  uint32_t word(size_t at) const {
    uint32_t value = 0;
    std::memcpy(&value, body.data() + at, sizeof value);
    return value;
  }
};

// Each length stands at both ends of its block; an empty list when it does not.
std::vector<Block> blocks_of(const std::string& file) {
  std::vector<Block> blocks;
  for (size_t at = 0; at < file.size();) {
    uint32_t type = 0, length = 0, again = 0;
    if (file.size() - at < 12) return {};
    std::memcpy(&type, file.data() + at, 4);
    std::memcpy(&length, file.data() + at + 4, 4);
    if (length % 4 != 0 || length < 12 || length > file.size() - at) return {};
    std::memcpy(&again, file.data() + at + length - 4, 4);
    if (again != length) return {};
    blocks.push_back({type, file.substr(at + 8, length - 12)});
    at += length;
  }
  return blocks;
}

struct CapturedCall : MediaPair {
  CapturedCall() {
    const std::string client = "v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 0\r\n"
                               "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + std::string(40, 'C') + "\r\n";
    const std::string phone = "v=0\r\no=- 1 1 IN IP4 10.20.0.77\r\ns=-\r\nc=IN IP4 10.20.0.77\r\nt=0 0\r\nm=audio 7000 RTP/AVP 0\r\n";
    EXPECT_TRUE(inward({}, client).ok());
    EXPECT_TRUE(outward({.from = Side::face, .status = 200, .branch = "callee"}, phone).ok());
    final_outward(1, "INVITE", "callee", 200);
    settle();
  }
  std::unique_ptr<CallCapture> begin(MediaNode& node, const MediaSession& call, CaptureWish wish = {}) {
    wish.call_tag = call.call_tag();
    wish.title = "call 1 of e1";
    auto begun = node.plane->capture(std::move(wish));
    EXPECT_TRUE(begun.has_value());
    node.settle();
    return begun ? std::move(*begun) : nullptr;
  }
  // As a worker copies a packet of the flow.
  void copy(MediaNode& node, const abi::FlowSpec& spec, CapturePoint point, const std::string& text) {
    abi::CapturedFrame frame;
    frame.time_ns = monotonic_ns();
    frame.call_tag = spec.call_tag;
    frame.stream_tag = spec.stream_tag;
    frame.point = point;
    frame.frame_bytes = 200;
    frame.kept_bytes = static_cast<uint16_t>(text.size());
    std::memcpy(frame.frame, text.data(), text.size());
    EXPECT_TRUE(node.dataplane->worker(spec.flow_index % node.dataplane->header().worker_count).capture.frames.push(frame));
  }
  static uint16_t flags_of(MediaNode& node, const MediaSession& call) {
    uint16_t common = UINT16_MAX;
    for (const FlowRole role : {FlowRole::up_rtp, FlowRole::up_rtcp, FlowRole::down_rtp, FlowRole::down_rtcp}) common &= node.spec(call, 0, role).flags;
    return common & (abi::flow_capture | abi::flow_capture_clear);
  }
  std::string read_until_end(CallCapture& capture) {
    std::string file;
    EXPECT_TRUE(run_until(context, [&] {
      file += capture.take();
      return capture.has_ended() && !capture.has_waiting();
    }));
    return file;
  }
};

TEST(CallCapture, CopiesComeOutAsAFileThatNamesLegAndDirection) {
  CapturedCall call;
  const auto capture = call.begin(call.e, *call.e_call, {.packets = 4});
  ASSERT_NE(capture, nullptr);
  EXPECT_EQ(CapturedCall::flags_of(call.e, *call.e_call), abi::flow_capture);
  const abi::FlowSpec up = call.e.spec(*call.e_call, 0, FlowRole::up_rtp), down = call.e.spec(*call.e_call, 0, FlowRole::down_rtp);
  call.copy(call.e, up, CapturePoint::received, "up, came");
  call.copy(call.e, up, CapturePoint::sent, "up, went");
  ASSERT_TRUE(run_until(call.context, [&] { return capture->packets() == 2; }));
  call.copy(call.e, down, CapturePoint::received, "down, came");
  call.copy(call.e, down, CapturePoint::sent, "down, went");
  const auto blocks = blocks_of(call.read_until_end(*capture));
  ASSERT_EQ(blocks.size(), 8u);
  EXPECT_EQ(blocks[0].type, 0x0a0d0d0au);
  EXPECT_THAT(blocks[0].body, HasSubstr("call 1 of e1"));
  EXPECT_THAT(blocks[1].body, HasSubstr("client"));
  EXPECT_THAT(blocks[2].body, HasSubstr("traversal"));
  const struct { const char* text; uint32_t interface, direction; } wanted[] = {
      {"up, came", 0, 1}, {"up, went", 1, 2}, {"down, came", 1, 1}, {"down, went", 0, 2}};
  const auto now_s = static_cast<uint64_t>(std::time(nullptr));
  for (size_t i = 0; i < 4; ++i) {
    const Block& packet = blocks[3 + i];
    SCOPED_TRACE(wanted[i].text);
    EXPECT_EQ(packet.type, 6u);
    EXPECT_EQ(packet.word(0), wanted[i].interface);
    const uint64_t unix_ns = uint64_t{packet.word(4)} << 32 | packet.word(8);
    EXPECT_LE(now_s > unix_ns / 1'000'000'000 ? now_s - unix_ns / 1'000'000'000 : unix_ns / 1'000'000'000 - now_s, 60u);
    EXPECT_EQ(packet.word(12), std::strlen(wanted[i].text));
    EXPECT_EQ(packet.word(16), 200u);
    EXPECT_EQ(packet.body.substr(20, std::strlen(wanted[i].text)), wanted[i].text);
    EXPECT_EQ(packet.body[packet.body.size() - 8], static_cast<char>(wanted[i].direction));
  }
  EXPECT_EQ(blocks[7].type, 5u);
  EXPECT_THAT(blocks[7].body, HasSubstr("all packets that were asked for"));
  call.e.settle();
  EXPECT_EQ(CapturedCall::flags_of(call.e, *call.e_call), 0);
}

TEST(CallCapture, EndsWithItsReader) {
  CapturedCall call;
  auto capture = call.begin(call.c, *call.c_call, {.decrypted = true});
  EXPECT_EQ(CapturedCall::flags_of(call.c, *call.c_call), abi::flow_capture | abi::flow_capture_clear);
  EXPECT_GT(call.c.dataplane->worker(0).capture.until_ns.load(), monotonic_ns());
  capture.reset();
  call.c.settle();
  EXPECT_EQ(CapturedCall::flags_of(call.c, *call.c_call), 0);
  EXPECT_EQ(call.c.plane->captures(), 0u);
  // What was under way is read and wiped though nobody wants it.
  const abi::FlowSpec up = call.c.spec(*call.c_call, 0, FlowRole::up_rtp);
  call.copy(call.c, up, CapturePoint::clear, "clear media");
  auto& ring = call.c.dataplane->worker(up.flow_index % 3).capture.frames;
  EXPECT_TRUE(run_until(call.context, [&] { return ring.size() == 0; }));
  EXPECT_EQ(ring.entries[0].frame[0], 0);
}

TEST(CallCapture, EndsWithTheCall) {
  CapturedCall call;
  const auto capture = call.begin(call.e, *call.e_call);
  call.e_call.reset();
  EXPECT_TRUE(capture->has_ended());
  EXPECT_EQ(capture->outcome(), "the call has ended");
}

TEST(CallCapture, OneThatHasEndedDoesNotEndTheNextOfItsCall) {
  CapturedCall call;
  auto first = call.begin(call.e, *call.e_call, {.packets = 1});
  call.copy(call.e, call.e.spec(*call.e_call, 0, FlowRole::up_rtp), CapturePoint::received, "the only one");
  call.read_until_end(*first);
  const auto next = call.begin(call.e, *call.e_call);
  first.reset();
  EXPECT_FALSE(next->has_ended());
  EXPECT_EQ(call.e.plane->captures(), 1u);
}

TEST(CallCapture, EndsByItselfAfterItsTime) {
  CapturedCall call;
  const auto capture = call.begin(call.e, *call.e_call, {.seconds = 1});
  call.read_until_end(*capture);
  EXPECT_EQ(capture->outcome(), "the time is over");
}

TEST(CallCapture, ClearPacketsReachOnlyADecryptedCapture) {
  CapturedCall call;
  const auto sealed = call.begin(call.c, *call.c_call, {.packets = 1});
  const abi::FlowSpec up = call.c.spec(*call.c_call, 0, FlowRole::up_rtp);
  call.copy(call.c, up, CapturePoint::clear, "clear media");
  call.copy(call.c, up, CapturePoint::sent, "sealed media");
  const std::string file = call.read_until_end(*sealed);
  EXPECT_THAT(file, HasSubstr("sealed media"));
  EXPECT_THAT(file, testing::Not(HasSubstr("clear media")));
}

TEST(CallCapture, StreamsThatComeLaterAreCapturedToo) {
  CapturedCall call;
  const auto capture = call.begin(call.e, *call.e_call);
  const std::string video = "v=0\r\no=- 1 2 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" +
                            std::string(40, 'C') + "\r\nm=video 4002 RTP/SAVP 96\r\na=rtpmap:96 H264/90000\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + std::string(40, 'D') + "\r\n";
  const std::string phone = "v=0\r\no=- 1 2 IN IP4 10.20.0.77\r\ns=-\r\nc=IN IP4 10.20.0.77\r\nt=0 0\r\nm=audio 7000 RTP/AVP 0\r\nm=video 7002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
  ASSERT_TRUE(call.inward({.from = Side::face, .cseq = 2, .branch = "callee"}, video).ok());
  ASSERT_TRUE(call.outward({.from = Side::face, .status = 200, .cseq = 2, .branch = "callee"}, phone).ok());
  call.final_outward(2, "INVITE", "callee", 200);
  call.settle();
  EXPECT_EQ(call.e.spec(*call.e_call, 1, FlowRole::up_rtp).flags & abi::flow_capture, abi::flow_capture);
  EXPECT_EQ(CapturedCall::flags_of(call.e, *call.e_call), abi::flow_capture);
}

TEST(CallCapture, SecondOfACallAndFifthOfANodeAreRefused) {
  CapturedCall call;
  const auto first = call.begin(call.e, *call.e_call);
  EXPECT_EQ(call.e.plane->capture({.call_tag = call.e_call->call_tag()}).fault().code, FaultCode::conflict);
  EXPECT_EQ(call.e.plane->capture({.call_tag = 12345}).fault().code, FaultCode::missing);
  std::vector<std::unique_ptr<MediaSession>> calls;
  std::vector<std::unique_ptr<CallCapture>> captures;
  for (const char* id : {"a", "b", "c"}) {
    calls.push_back(call.e.open(id));
    captures.push_back(call.begin(call.e, *calls.back()));
  }
  calls.push_back(call.e.open("d"));
  EXPECT_EQ(call.e.plane->capture({.call_tag = calls.back()->call_tag()}).fault().code, FaultCode::exhausted);
  captures.clear();
  EXPECT_TRUE(call.e.plane->capture({.call_tag = calls.back()->call_tag()}).has_value());
}

TEST(CallCapture, ControlPlaneThatComesBackTakesTheFlagsAway) {
  CapturedCall call;
  call.e.plane->stop();
  call.e_call.reset();
  call.e.stop();
  // As a control plane leaves them that was killed in a capture.
  for (const abi::FlowSpec& spec : call.e.dataplane->live()) call.e.dataplane->flow(spec.flow_index).spec.flags |= abi::flow_capture;
  call.e.start();
  call.e.settle();
  ASSERT_EQ(call.e.listener.restored.size(), 1u);
  EXPECT_EQ(call.e.dataplane->live_count(), 4u);
  EXPECT_EQ(CapturedCall::flags_of(call.e, *call.e.listener.restored[0]), 0);
}

}  // namespace
}  // namespace sallyport::media
