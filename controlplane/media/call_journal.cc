// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/call_journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

namespace sallyport::media {
namespace {

constexpr size_t compact_above_lines = 1024;

Fault journal_fault(const std::string& path, const char* what) {
  return {FaultCode::internal, "call journal " + path, std::string(what) + ": " + std::strerror(errno),
          "calls go on, but a restart of the control plane would lose them; check state_dir"};
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

std::optional<uint64_t> read_tag(std::string_view text) {
  uint64_t tag = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), tag);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) return std::nullopt;
  return tag;
}

// Peer names come from the site's configuration; a line end in one must not forge a line.
bool is_one_line(std::string_view text) { return text.find('\n') == std::string_view::npos; }

}  // namespace

FileJournal::FileJournal(std::string path) : path_(std::move(path)) {}

FileJournal::~FileJournal() {
  if (fd_ >= 0) close(fd_);
}

// Lines: "call {json}", "end TAG", "link SLOT PEER". A torn last line, or one of a later version, is skipped.
Outcome<JournalContents> FileJournal::load() {
  JournalContents contents;
  std::map<uint64_t, CallRecord> calls;
  calls_.clear();
  links_.clear();
  std::ifstream file(path_);
  for (std::string line; std::getline(file, line);) {
    const std::string_view text(line);
    if (text.starts_with("call ")) {
      auto record = parse_record(text.substr(5));
      if (!record) continue;
      calls_[record->call_tag] = line + "\n";
      calls[record->call_tag] = std::move(*record);
    } else if (text.starts_with("end ")) {
      const auto tag = read_tag(text.substr(4));
      if (tag) calls_.erase(*tag), calls.erase(*tag);
    } else if (text.starts_with("link ")) {
      const size_t space = text.find(' ', 5);
      const auto slot = read_tag(text.substr(5, space == std::string_view::npos ? 0 : space - 5));
      if (!slot || *slot > 0xffff) continue;
      const std::string peer(text.substr(space + 1));
      contents.link_slots[peer] = static_cast<uint16_t>(*slot);
      links_[peer] = line + "\n";
    }
  }
  for (auto& [tag, record] : calls) contents.calls.push_back(std::move(record));
  // Rewritten at once: a torn last line would swallow the next one.
  if (auto rewritten = compact(); !rewritten) return rewritten.fault();
  return contents;
}

Outcome<> FileJournal::open_for_append() {
  if (fd_ >= 0) return Done{};
  fd_ = open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd_ < 0) return journal_fault(path_, "cannot be opened");
  return Done{};
}

Outcome<> FileJournal::compact() {
  const std::string next = path_ + ".next";
  const int fd = open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return journal_fault(next, "cannot be made");
  bool written = true;
  for (const auto& [peer, line] : links_) written = written && write_all(fd, line);
  for (const auto& [tag, line] : calls_) written = written && write_all(fd, line);
  if (close(fd) != 0) written = false;
  if (!written || std::rename(next.c_str(), path_.c_str()) != 0) {
    const Fault fault = journal_fault(next, "cannot be written");
    unlink(next.c_str());
    return fault;
  }
  if (fd_ >= 0) close(std::exchange(fd_, -1));
  lines_ = links_.size() + calls_.size();
  return open_for_append();
}

Outcome<> FileJournal::append(const std::string& line) {
  ++lines_;
  if (lines_ > compact_above_lines && lines_ > 2 * (calls_.size() + links_.size())) return compact();
  if (auto opened = open_for_append(); !opened) return opened;
  if (!write_all(fd_, line)) return journal_fault(path_, "cannot be written");
  return Done{};
}

Outcome<> FileJournal::put(const CallRecord& record) {
  std::string line = "call " + format_record(record) + "\n";
  std::string& present = calls_[record.call_tag];
  if (present == line) return Done{};
  present = line;
  return append(line);
}

Outcome<> FileJournal::erase(uint64_t call_tag) {
  if (calls_.erase(call_tag) == 0) return Done{};
  return append("end " + std::to_string(call_tag) + "\n");
}

Outcome<> FileJournal::put_link(const std::string& peer, uint16_t link) {
  if (!is_one_line(peer)) return Fault{FaultCode::invalid, "call journal", "peer name holds a line end", ""};
  std::string line = "link " + std::to_string(link) + " " + peer + "\n";
  std::string& present = links_[peer];
  if (present == line) return Done{};
  present = line;
  return append(line);
}

}  // namespace sallyport::media
