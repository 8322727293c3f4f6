// SPDX-License-Identifier: Apache-2.0
#pragma once
// CallList: the calls that run, found by their dialogs, and the last ones that ended, kept for people to look at. A call that passes
// this node twice (both parties outside) is two calls here, told apart by the side it began on; a fork made by call control is
// one for each INVITE, told apart by the callee's tag. Bounded by MediaPlane's limit of sessions. One thread.

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controlplane/calls/call.h"
#include "controlplane/sip/message.h"

namespace sallyport::calls {

using CallPtr = std::shared_ptr<Call>;

// The dialog that a request in a dialog names.
struct DialogMatch {
  CallPtr call;             // nullptr: none of ours
  bool by_caller = false;   // who sent it
  std::string callee_tag;
};

class CallList {
 public:
  explicit CallList(size_t remembered) : remembered_(remembered) {}

  void add(const CallPtr& call);
  DialogMatch find_dialog(const sip::Message& request, bool from_near) const;
  // Ends its media. keep: worth showing among those that ended.
  void end(const CallPtr& call, std::string reason, uint64_t now_ms, bool keep);

  CallPtr find_tag(uint64_t call_tag) const;          // of its media session
  const Call* find(std::string_view id) const;        // our id, or a Call-ID; ended ones too
  std::vector<CallPtr> running() const;
  std::vector<const Call*> list() const;              // running first, then ended, newest first
  size_t running_count() const { return by_call_id_.size(); }

 private:
  const size_t remembered_;
  std::unordered_multimap<std::string, CallPtr> by_call_id_;
  std::deque<CallPtr> ended_;
};

std::string tag_of(const sip::Message& message, sip::HeaderId id);

}  // namespace sallyport::calls
