// SPDX-License-Identifier: Apache-2.0
#include "controlplane/calls/call_list.h"

#include <algorithm>

#include "controlplane/sip/name_addr.h"

namespace sallyport::calls {

using sip::HeaderId;

namespace {

constexpr size_t max_callee_tags = 16;

}  // namespace

const char* name_of(CallState state) {
  static constexpr const char* names[] = {"early", "established", "ended"};
  return names[static_cast<size_t>(state)];
}

bool Call::has_callee(std::string_view tag) const { return std::find(callee_tags.begin(), callee_tags.end(), tag) != callee_tags.end(); }

void Call::add_callee(std::string_view tag) {
  if (!tag.empty() && !has_callee(tag) && callee_tags.size() < max_callee_tags) callee_tags.emplace_back(tag);
}

std::string tag_of(const sip::Message& message, HeaderId id) {
  const sip::NameAddr* party = id == HeaderId::from ? message.from() : message.to();
  return party != nullptr ? std::string(party->tag()) : std::string{};
}

void CallList::add(const CallPtr& call) { by_call_id_.emplace(call->call_id, call); }

DialogMatch CallList::find_dialog(const sip::Message& request, bool from_near) const {
  const std::string from_tag = tag_of(request, HeaderId::from);
  const std::string to_tag = tag_of(request, HeaderId::to);
  const auto [first, last] = by_call_id_.equal_range(std::string(request.value(HeaderId::call_id)));
  DialogMatch likely;
  for (auto entry = first; entry != last; ++entry) {
    const CallPtr& call = entry->second;
    // The caller speaks from the side the call began on, the callee from the other.
    const bool by_caller = call->caller_tag == from_tag && call->began_near == from_near;
    const bool by_callee = call->caller_tag == to_tag && call->began_near != from_near;
    if (!by_caller && !by_callee) continue;
    DialogMatch match{call, by_caller, by_caller ? to_tag : from_tag};
    if (call->has_callee(match.callee_tag)) return match;
    // A request may overtake the response that shows the callee's tag.
    if (likely.call == nullptr) likely = std::move(match);
  }
  return likely;
}

void CallList::end(const CallPtr& call, std::string reason, uint64_t now_ms, bool keep) {
  if (call->state == CallState::ended) return;
  call->last = call->session->snapshot();
  call->session.reset();
  call->state = CallState::ended;
  call->ended_ms = now_ms;
  call->end_reason = std::move(reason);
  const auto [first, last] = by_call_id_.equal_range(call->call_id);
  const auto entry = std::find_if(first, last, [&](const auto& each) { return each.second == call; });
  if (entry != last) by_call_id_.erase(entry);
  if (!keep) return;
  ended_.push_front(call);
  if (ended_.size() > remembered_) ended_.pop_back();
}

CallPtr CallList::find_tag(uint64_t call_tag) const {
  for (const auto& [id, call] : by_call_id_)
    if (call->session->call_tag() == call_tag) return call;
  return nullptr;
}

const Call* CallList::find(std::string_view id) const {
  for (const Call* call : list())
    if (call->id == id || call->call_id == id) return call;
  return nullptr;
}

std::vector<CallPtr> CallList::running() const {
  std::vector<CallPtr> all;
  all.reserve(by_call_id_.size());
  for (const auto& [id, call] : by_call_id_) all.push_back(call);
  return all;
}

std::vector<const Call*> CallList::list() const {
  std::vector<const Call*> all;
  for (const auto& [id, call] : by_call_id_) all.push_back(call.get());
  std::sort(all.begin(), all.end(), [](const Call* a, const Call* b) { return a->started_ms > b->started_ms; });
  for (const CallPtr& call : ended_) all.push_back(call.get());
  return all;
}

}  // namespace sallyport::calls
