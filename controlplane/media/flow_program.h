// SPDX-License-Identifier: Apache-2.0
#pragma once
// FlowProgram: which flows the sessions want, and the commands that make it so. Changes go to the owner's ring in order; what the ring does
// not take yet waits here, so a removal is never lost. When the dataplane comes back, with its old region or an empty one, what
// runs is compared with what is wanted and made equal. Holds keys on C (in the specs), wiped with each entry. One thread.

#include <cstdint>
#include <deque>
#include <functional>
#include <unordered_map>
#include <vector>

#include "controlplane/media/dataplane_link.h"
#include "controlplane/media/media_counters.h"

namespace sallyport::media {

class FlowProgram {
 public:
  FlowProgram(DataplaneLink& dataplane, MediaCounters& counters) : dataplane_(dataplane), counters_(counters) {}
  ~FlowProgram();
  FlowProgram(const FlowProgram&) = delete;

  // Adds the flow or changes it; nothing happens when neither spec nor flags say anything new. Keys that changed reset their side.
  void want(const abi::FlowSpec& spec, uint8_t modify_flags = 0);
  void drop(uint32_t flow_index);
  // A flow that runs already as it should (taken over after a restart).
  void know(const abi::FlowSpec& spec);
  // nullptr: not wanted.
  const abi::FlowSpec* wanted(uint32_t flow_index) const;

  // Forgets everything without a command: the region that held the flows is gone.
  void clear();
  // The dataplane is there (again).
  void reconcile();
  size_t waiting() const;
  size_t size() const { return entries_.size(); }

  // The index is free for another flow.
  std::function<void(uint32_t flow_index)> on_removed;
  // A worker refused what a session wants.
  std::function<void(uint64_t call_tag, const Fault&)> on_refused;

 private:
  struct Entry {
    abi::FlowSpec spec;
    bool removing = false;
    uint8_t unanswered_flags = 0;  // of modify commands not completed: sent again to a dataplane that may have missed them
    uint32_t unanswered_changes = 0;
    ~Entry();
  };
  struct Step {
    abi::CommandType type;
    uint32_t flow_index;
    uint32_t generation;
    uint8_t flags;
    bool is_second = false;  // after the region told us wrong
  };
  void push(const Step& step);
  void pump(uint32_t worker);
  bool submit(uint32_t worker, const Step& step);
  void complete(const Step& step, const Outcome<abi::Completion>& outcome);
  void refuse(const Step& step, abi::CommandStatus status);
  bool remove_what_lives(const Step& step);
  void forget(uint32_t flow_index);

  DataplaneLink& dataplane_;
  MediaCounters& counters_;
  std::unordered_map<uint32_t, Entry> entries_;
  std::unordered_map<uint32_t, std::deque<Step>> steps_;  // by worker
};

const char* text(abi::CommandStatus status);

}  // namespace sallyport::media
