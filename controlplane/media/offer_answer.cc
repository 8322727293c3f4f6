// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/offer_answer.h"

#include <algorithm>
#include <utility>

namespace sallyport::media {
namespace {

const Streams no_streams;

}  // namespace

Exchange* OfferAnswer::find(Side request_from, uint32_t cseq, std::string_view branch) {
  Exchange* initial = nullptr;
  for (Exchange& exchange : exchanges_) {
    if (exchange.request_from != request_from || exchange.cseq != cseq) continue;
    if (exchange.branch == branch) return &exchange;
    if (exchange.branch.empty()) initial = &exchange;
  }
  return initial;
}

OfferAnswer::Place OfferAnswer::place(const SdpMessage& message) {
  Exchange* own = find(message.request_from, message.cseq, message.branch);
  // A response whose request had no offer makes one (late offer); one on an exchange known repeats its offer or its answer.
  if (message.status != 0) return {own == nullptr || own->offer_from == message.from, own};
  if (message.method == "ACK") return {false, own != nullptr && own->offer_from != message.from ? own : nullptr};
  if (message.method != "PRACK") return {true, own};
  // RFC 3262 5: PRACK answers an offer in the reliable 1xx, or else may make one.
  for (auto exchange = exchanges_.rbegin(); exchange != exchanges_.rend(); ++exchange) {
    const bool waits = exchange->offer_from != message.from && exchange->branch == message.branch &&
                       exchange->before.empty() && !exchange->is_final;
    if (waits) return {false, &*exchange};
  }
  return {true, own};
}

const Streams& OfferAnswer::agreed(std::string_view branch) const {
  auto found = branches_.find(branch);
  if (found == branches_.end() && confirmed_) found = branches_.find(active_);
  return found == branches_.end() ? no_streams : found->second.streams;
}

void OfferAnswer::make_room() {
  if (exchanges_.size() < max_exchanges) return;
  const auto oldest = std::find_if(exchanges_.begin(), exchanges_.end(), [](const Exchange& e) { return e.is_final; });
  exchanges_.erase(oldest == exchanges_.end() ? exchanges_.begin() : oldest);
}

Exchange& OfferAnswer::open(const SdpMessage& message, Streams offered) {
  make_room();
  Exchange& exchange = exchanges_.emplace_back();
  exchange.number = ++last_number_;
  exchange.request_from = message.request_from;
  exchange.cseq = message.cseq;
  exchange.branch = std::string(message.branch);
  exchange.offer_from = message.from;
  exchange.offered = std::move(offered);
  return exchange;
}

bool OfferAnswer::answer(Exchange& exchange, std::string_view branch, Streams streams) {
  const std::string name(branch);
  const auto present = branches_.find(name);
  // A 2xx that repeats the SDP of its 1xx after an UPDATE changed the session: only its text matters.
  if (present != branches_.end() && present->second.exchange > exchange.number) return false;
  if (present == branches_.end() && branches_.size() >= max_branches) return false;
  if (exchange.before.empty()) exchange.active_before = active_;
  exchange.before.try_emplace(name, present == branches_.end() ? std::nullopt : std::optional(present->second));
  branches_[name] = {std::move(streams), exchange.number};
  // Early media comes from the branch that spoke last; once a 2xx chose one, it stays.
  if (!confirmed_) active_ = name;
  return active_ == name;
}

bool OfferAnswer::confirm(std::string_view branch) {
  const bool known = std::find(accepted_.begin(), accepted_.end(), branch) != accepted_.end();
  if (!known && accepted_.size() < max_branches) accepted_.emplace_back(branch);
  if (confirmed_) return false;
  confirmed_ = true;
  active_ = std::string(branch);
  // A late offer is answered in the ACK: nothing agreed yet. Other branches will be cancelled.
  std::erase_if(branches_, [&](const auto& entry) { return entry.first != branch; });
  return true;
}

bool OfferAnswer::settle(Side request_from, uint32_t cseq, std::string_view method, std::string_view branch) {
  const bool changed = method == "INVITE" && confirm(branch);
  Exchange* exchange = find(request_from, cseq, branch);
  if (exchange == nullptr) return changed;
  // Kept for 2xx that are sent again, until the next exchange is through.
  const uint64_t number = exchange->number;
  exchange->is_final = true;
  exchange->before.clear();
  std::erase_if(exchanges_, [&](const Exchange& other) { return other.is_final && other.number < number; });
  return changed;
}

bool OfferAnswer::roll_back(Side request_from, uint32_t cseq, std::string_view branch) {
  Exchange* exchange = find(request_from, cseq, branch);
  if (exchange == nullptr || exchange->is_final) return false;
  bool changed = false;
  for (auto& [name, agreement] : exchange->before) {
    const auto present = branches_.find(name);
    if (present == branches_.end() || present->second.exchange != exchange->number) continue;
    changed = true;
    if (agreement) present->second = std::move(*agreement);
    else branches_.erase(present);
  }
  if (changed && !confirmed_) active_ = exchange->active_before;
  const uint64_t number = exchange->number;
  std::erase_if(exchanges_, [&](const Exchange& other) { return other.number == number; });
  return changed;
}

bool OfferAnswer::end(std::string_view branch) {
  std::erase(accepted_, branch);
  if (const auto found = branches_.find(branch); found != branches_.end()) branches_.erase(found);
  std::erase_if(exchanges_, [&](const Exchange& exchange) { return !exchange.branch.empty() && exchange.branch == branch; });
  if (active_ != branch) return false;
  if (confirmed_ && !accepted_.empty()) active_ = accepted_.back();
  else if (!confirmed_ && !branches_.empty()) active_ = branches_.rbegin()->first;
  return true;
}

void OfferAnswer::restore(std::string branch, Streams streams) {
  confirmed_ = true;
  active_ = branch;
  accepted_ = {branch};
  branches_[branch] = {std::move(streams), 0};
}

void OfferAnswer::clear() {
  exchanges_.clear();
  branches_.clear();
  accepted_.clear();
}

}  // namespace sallyport::media
