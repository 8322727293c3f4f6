// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/call_journal.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "controlplane/media/sdp_anchor.h"
#include "tests/unit/media/fake_dataplane.h"

namespace sallyport::media {
namespace {

CallRecord sample(uint64_t tag) {
  CallRecord record;
  record.call_tag = tag;
  record.call_id = "id \"quoted\"\nwith a line end@example.com";
  record.from_tag = "ft";
  record.branch = "tt";
  record.peer = "c1";
  record.link = 2;
  record.face = "outside";
  record.started_unix_s = 1800000000;
  record.lines = 2;
  StreamRecord& stream = record.streams.emplace_back();
  stream.line = 1;
  stream.serial = 3;
  stream.kind = "audio";
  stream.face_protocol = "RTP/AVP";
  stream.link_protocol = "RTP/SAVP";
  stream.relay_port = 36010;
  stream.multiplex_id = 0xfffffffc;
  stream.link_crypto_tag = 4;
  stream.rtcp_mux = true;
  stream.face_rtp = *parse_address("2001:db8::5", 4000);
  stream.flows[3] = {17, 4000000000u};
  return record;
}

struct CallJournalTest : testing::Test {
  JournalContents load() {
    FileJournal journal(path);
    auto contents = journal.load();
    EXPECT_TRUE(contents.has_value());
    return std::move(*contents);
  }
  std::string text() {
    std::ostringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }
  TestDirectory directory;
  std::string path = directory.path("calls");
};

TEST_F(CallJournalTest, RecordComesBackAsItWas) {
  {
    FileJournal journal(path);
    ASSERT_TRUE(journal.load().has_value());
    ASSERT_TRUE(journal.put(sample(0xfedcba9876543210)).has_value());
    ASSERT_TRUE(journal.put_link("c1", 2).has_value());
  }
  const JournalContents contents = load();
  ASSERT_EQ(contents.calls.size(), 1u);
  EXPECT_EQ(format_record(contents.calls[0]), format_record(sample(0xfedcba9876543210)));
  EXPECT_EQ(contents.calls[0].call_id, sample(1).call_id);
  EXPECT_EQ(contents.calls[0].streams[0].face_rtp, *parse_address("2001:db8::5", 4000));
  EXPECT_EQ(contents.calls[0].streams[0].flows[3].generation, 4000000000u);
  EXPECT_EQ(contents.link_slots.at("c1"), 2);
}

TEST_F(CallJournalTest, EndedCallIsGoneAndLaterRecordWins) {
  {
    FileJournal journal(path);
    ASSERT_TRUE(journal.load().has_value());
    ASSERT_TRUE(journal.put(sample(1)).has_value());
    ASSERT_TRUE(journal.put(sample(2)).has_value());
    ASSERT_TRUE(journal.erase(1).has_value());
    CallRecord changed = sample(2);
    changed.branch = "other";
    ASSERT_TRUE(journal.put(changed).has_value());
  }
  const JournalContents contents = load();
  ASSERT_EQ(contents.calls.size(), 1u);
  EXPECT_EQ(contents.calls[0].branch, "other");
}

TEST_F(CallJournalTest, TornLastLineCostsOnlyItself) {
  {
    FileJournal journal(path);
    ASSERT_TRUE(journal.load().has_value());
    ASSERT_TRUE(journal.put(sample(1)).has_value());
    ASSERT_TRUE(journal.put(sample(2)).has_value());
  }
  const std::string whole = text();
  std::ofstream(path) << whole.substr(0, whole.size() - 20);
  {
    FileJournal journal(path);
    ASSERT_EQ(journal.load()->calls.size(), 1u);
    ASSERT_TRUE(journal.put(sample(3)).has_value());
  }
  EXPECT_EQ(load().calls.size(), 2u);
}

TEST_F(CallJournalTest, GarbageIsSkipped) {
  std::ofstream(path) << "call {}\ncall [1\nend x\nlink\nlink 5\nlink 99999999 p\n\xff\xfe\ncall {\"tag\":1,\"call_id\":5}\n";
  const JournalContents contents = load();
  EXPECT_TRUE(contents.calls.empty());
  EXPECT_TRUE(contents.link_slots.empty());
}

TEST_F(CallJournalTest, FileStaysSmallUnderManyChangesAndIsPrivate) {
  FileJournal journal(path);
  ASSERT_TRUE(journal.load().has_value());
  for (uint64_t i = 1; i <= 5000; ++i) {
    ASSERT_TRUE(journal.put(sample(i)).has_value());
    if (i > 3) {
      ASSERT_TRUE(journal.erase(i - 3).has_value());
    }
  }
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_LT(status.st_size, 1 << 20);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(load().calls.size(), 3u);
}

TEST_F(CallJournalTest, UnwritableDirectoryIsAFault) {
  FileJournal journal("/nonexistent/calls");
  const auto loaded = journal.load();
  ASSERT_FALSE(loaded.has_value());
  EXPECT_NE(loaded.fault().text().find("/nonexistent/calls"), std::string::npos);
}

}  // namespace
}  // namespace sallyport::media
