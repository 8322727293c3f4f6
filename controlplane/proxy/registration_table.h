// SPDX-License-Identifier: Apache-2.0
#pragma once
// RegistrationTable: what passed through this node as registered, learnt from the 200 to REGISTER: for status, for the idle
// limit of a client's flow, and to tell which flow serves an address of record. It decides nothing about identity: the
// registrar does. Bounded; the entry that expires first gives way. One thread. Times are CLOCK_MONOTONIC milliseconds.

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "controlplane/proxy/registration_wish.h"
#include "controlplane/sip/message.h"
#include "controlplane/sip/uri.h"

namespace sallyport::proxy {

struct Registration {
  std::string aor;          // address of record as in To, without parameters
  std::string contact;      // the binding's URI
  std::string instance;     // +sip.instance, as written
  uint32_t reg_id = 0;
  std::string user_agent;
  std::string source;       // address:port the client was seen at
  uint64_t flow_id = 0;
  uint64_t since_ms = 0;
  uint64_t expires_ms = 0;
};

class RegistrationTable {
 public:
  explicit RegistrationTable(size_t capacity) : capacity_(capacity == 0 ? 1 : capacity) {}

  // `response` is the 200 to the REGISTER that asked for `wish`. Returns the seconds the binding was granted; 0: removed.
  uint32_t learn(const RegistrationWish& wish, const sip::Message& response, uint64_t flow_id, std::string_view source, uint64_t now_ms);
  // One that a control plane before this one had learnt.
  void restore(const Registration& known, uint64_t now_ms);
  void forget_flow(uint64_t flow_id);
  void expire(uint64_t now_ms);
  std::vector<Registration> list(uint64_t now_ms) const;  // by address of record
  // The flow of the one binding of that address of record whose contact has this user part; 0: none, or not only one.
  uint64_t flow_of(const sip::Uri& aor, std::string_view contact_user, uint64_t now_ms) const;
  size_t size() const { return by_key_.size(); }

 private:
  // By address of record and instance or contact. Nodes stay where they are: the indexes below point to them.
  using Bindings = std::unordered_map<std::string, Registration>;
  using Binding = Bindings::value_type;

  Binding& entry(uint64_t now_ms);
  void serve_by(Binding& binding, uint64_t flow_id);
  void remove(Binding& binding);

  const size_t capacity_;
  Bindings by_key_;
  std::unordered_map<std::string, std::vector<Binding*>> by_aor_;
  std::set<std::pair<uint64_t, Binding*>> by_flow_;  // on C one flow serves every client of an E: no list that is searched
  std::string aor_;  // of the REGISTER in hand, and the key of its binding; kept for their memory
  std::string key_;
};

}  // namespace sallyport::proxy
