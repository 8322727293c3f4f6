// SPDX-License-Identifier: Apache-2.0
#pragma once
// CallJournal: the calls and link slots that a restarted control plane finds again. FileJournal appends a line a change and rewrites the
// file (new file, atomic rename) when most of it is outdated. No fsync: it must outlive this process, not the machine, whose
// dataplane dies with it. Mode 0600; holds no keys. One thread; a failed write is a Fault and costs only the ability to adopt.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "controlplane/media/call_record.h"
#include "dataplane/abi/fault.h"

namespace sallyport::media {

struct JournalContents {
  std::vector<CallRecord> calls;
  std::map<std::string, uint16_t> link_slots;  // by peer
};

class CallJournal {
 public:
  virtual ~CallJournal() = default;
  virtual Outcome<JournalContents> load() = 0;
  virtual Outcome<> put(const CallRecord& record) = 0;
  virtual Outcome<> erase(uint64_t call_tag) = 0;
  virtual Outcome<> put_link(const std::string& peer, uint16_t link) = 0;
};

class FileJournal final : public CallJournal {
 public:
  explicit FileJournal(std::string path);
  ~FileJournal() override;
  FileJournal(const FileJournal&) = delete;

  Outcome<JournalContents> load() override;
  Outcome<> put(const CallRecord& record) override;
  Outcome<> erase(uint64_t call_tag) override;
  Outcome<> put_link(const std::string& peer, uint16_t link) override;

 private:
  Outcome<> append(const std::string& line);
  Outcome<> compact();
  Outcome<> open_for_append();

  std::string path_;
  int fd_ = -1;
  std::map<uint64_t, std::string> calls_;  // line as written, by call tag
  std::map<std::string, std::string> links_;
  size_t lines_ = 0;
};

}  // namespace sallyport::media
