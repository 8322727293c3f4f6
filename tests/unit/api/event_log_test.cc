// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/event_log.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace sallyport::api {
namespace {

using testing::HasSubstr;

class EventLogTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/sallyport-log-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    reopen({.kept_lines = 5, .per_second = 2, .burst = 3});
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void reopen(EventLogOptions options) {
    options.file = folder_ + "/events.log";
    auto opened = EventLog::open(options, [this] { return now_; });
    ASSERT_TRUE(opened) << opened.fault().text();
    log_ = std::move(*opened);
  }
  std::string file() const {
    std::ifstream stream(folder_ + "/events.log");
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> result;
    for (const LogLine& line : log_->lines_after(0, 100)) result.push_back(line.text);
    return result;
  }

  std::string folder_;
  std::chrono::steady_clock::time_point now_{};
  std::unique_ptr<EventLog> log_;
};

TEST_F(EventLogTest, WritesOneLineAnEventToFileAndRing) {
  log_->warn("zone_failed", "zone edge-1: refused");
  EXPECT_THAT(file(), testing::MatchesRegex("....-..-..T..:..:..\\....Z warn zone_failed zone edge-1: refused\n"));
  ASSERT_EQ(log_->lines_after(0, 10).size(), 1u);
  EXPECT_EQ(log_->lines_after(0, 10)[0].sequence, 1u);
}

// Log injection: a peer's text must not forge a line or move the cursor.
TEST_F(EventLogTest, TextOfAPeerCannotBreakTheLine) {
  log_->info("tls", "name\n2026-01-01 error forged\x1b[2J" + std::string(5000, 'a'));
  std::string text = file();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_LT(text.size(), 2300u);
}

TEST_F(EventLogTest, AFloodOfOneKindIsLimitedAndCountedWhileOthersPass) {
  for (int i = 0; i < 10; ++i) log_->info("flood", std::to_string(i));
  log_->info("other", "passes");
  EXPECT_THAT(texts(), testing::ElementsAre("0", "1", "2", "passes"));
  EXPECT_EQ(log_->suppressed(), 7u);
  now_ += std::chrono::seconds(1);
  log_->info("flood", "again");
  EXPECT_THAT(texts(), testing::IsSupersetOf({"7 more of these were not logged", "again"}));
}

TEST_F(EventLogTest, RingKeepsTheNewestAndSequenceHasNoGaps) {
  for (int i = 0; i < 8; ++i) log_->info("kind" + std::to_string(i), std::to_string(i));
  auto lines = log_->lines_after(0, 100);
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines.front().sequence, 4u);
  EXPECT_EQ(lines.back().sequence, log_->newest_sequence());
  EXPECT_THAT(log_->lines_after(6, 1), testing::ElementsAre(testing::Field(&LogLine::sequence, 7u)));
  EXPECT_TRUE(log_->lines_after(8, 10).empty());
}

TEST_F(EventLogTest, LevelAppliesLive) {
  log_->debug("a", "hidden");
  log_->set_level(LogLevel::debug);
  log_->debug("a", "shown");
  EXPECT_THAT(texts(), testing::ElementsAre("shown"));
}

TEST_F(EventLogTest, WatchersHearOfEachLineUntilRemoved) {
  int heard = 0;
  auto id = log_->add_watcher([&] { ++heard; });
  log_->info("a", "1");
  log_->debug("a", "hidden");
  log_->remove_watcher(id);
  log_->info("b", "2");
  EXPECT_EQ(heard, 1);
}

TEST_F(EventLogTest, ReopenFollowsARotatedFile) {
  log_->info("a", "before");
  std::filesystem::rename(folder_ + "/events.log", folder_ + "/events.log.1");
  ASSERT_TRUE(log_->reopen());
  log_->info("b", "after");
  EXPECT_THAT(file(), testing::AllOf(HasSubstr("after"), testing::Not(HasSubstr("before"))));
}

TEST(EventLog, SaysWhyAFileCannotBeWritten) {
  auto log = EventLog::open({.file = "/proc/nowhere/events.log"});
  ASSERT_FALSE(log);
  EXPECT_THAT(log.fault().text(), HasSubstr("log file /proc/nowhere/events.log"));
  EXPECT_FALSE(log_level_from("loud"));
  EXPECT_EQ(*log_level_from("warn"), LogLevel::warn);
}

}  // namespace
}  // namespace sallyport::api
