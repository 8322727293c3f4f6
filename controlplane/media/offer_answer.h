// SPDX-License-Identifier: Apache-2.0
#pragma once
// OfferAnswer: the exchanges of one call, and what each of its dialogs has agreed on (RFC 3264, 3261 13.2, 3262 5, 3311, 6141). Tells
// offers from answers, remembers what to go back to when a request fails. Knows nothing of ports, keys or flows. Bounded.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/media/media_session.h"
#include "controlplane/media/media_stream.h"

namespace sallyport::media {

inline constexpr size_t max_exchanges = 16;
inline constexpr size_t max_branches = 16;

struct Agreement {
  Streams streams;
  uint64_t exchange = 0;   // number of the one that made it
};

struct Exchange {
  uint64_t number = 0;
  Side request_from = Side::face;
  uint32_t cseq = 0;
  std::string branch;      // of the request; empty: the initial INVITE, answered by any branch
  Side offer_from = Side::face;
  Streams offered;
  // What held on each branch before this exchange's first answer there.
  std::map<std::string, std::optional<Agreement>, std::less<>> before;
  std::string active_before;
  bool is_final = false;
};

class OfferAnswer {
 public:
  struct Place {
    bool is_offer = true;
    Exchange* exchange = nullptr;  // of an answer, or of an offer seen before; an answer without one belongs to nothing
  };
  Place place(const SdpMessage& message);

  // What an offer on that branch changes.
  const Streams& agreed(std::string_view branch) const;
  Exchange& open(const SdpMessage& message, Streams offered);
  // The answer of one branch. true: it is what now holds on the active branch.
  bool answer(Exchange& exchange, std::string_view branch, Streams streams);

  // Both: true when what holds on the active branch may have changed.
  bool settle(Side request_from, uint32_t cseq, std::string_view method, std::string_view branch);
  bool roll_back(Side request_from, uint32_t cseq, std::string_view branch);
  bool end(std::string_view branch);
  void restore(std::string branch, Streams streams);
  void clear();

  const Streams& active_streams() const { return agreed(active_); }
  const std::string& active_branch() const { return active_; }
  bool is_confirmed() const { return confirmed_; }
  bool has_ended() const { return confirmed_ && accepted_.empty(); }

 private:
  Exchange* find(Side request_from, uint32_t cseq, std::string_view branch);
  bool confirm(std::string_view branch);
  void make_room();

  std::deque<Exchange> exchanges_;
  std::map<std::string, Agreement, std::less<>> branches_;
  std::vector<std::string> accepted_;  // branches with a 2xx
  std::string active_;
  bool confirmed_ = false;
  uint64_t last_number_ = 0;
};

}  // namespace sallyport::media
