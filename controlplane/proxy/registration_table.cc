// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/registration_table.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <tuple>

#include "controlplane/sip/header_values.h"
#include "controlplane/sip/name_addr.h"

namespace sallyport::proxy {

using sip::HeaderId;

namespace {

uint32_t number(std::string_view text, uint32_t otherwise) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : otherwise;
}

// What the registrar granted this contact: its own expires parameter in the 200, else the Expires header.
uint32_t granted_s(const RegistrationWish::Contact& wanted, const sip::Message& response) {
  for (const sip::HeaderValue& value : sip::values(response, HeaderId::contact)) {
    const auto contact = sip::parse_name_addr(value.text);
    if (!contact) continue;
    const bool same = wanted.instance.empty() ? contact->uri.text == wanted.uri : contact->params.value("+sip.instance") == wanted.instance;
    if (same) return number(contact->params.value("expires"), number(response.value(HeaderId::expires), 3600));
  }
  return 0;  // RFC 3261 10.3: the 200 lists every binding; one that is not there is gone
}

}  // namespace

uint32_t RegistrationTable::learn(const RegistrationWish& wish, const sip::Message& response, uint64_t flow_id, std::string_view source,
                                  uint64_t now_ms) {
  if (wish.aor.empty()) return 0;
  if (wish.is_star) {
    std::erase_if(by_key_, [&](const auto& entry) { return entry.second.aor == wish.aor; });
    return 0;
  }
  uint32_t longest_s = 0;
  for (const RegistrationWish::Contact& contact : wish.contacts) {
    key_.assign(wish.aor).append("|").append(contact.instance.empty() ? contact.uri : contact.instance);
    const uint32_t seconds = granted_s(contact, response);
    if (seconds == 0) {
      by_key_.erase(key_);
      continue;
    }
    longest_s = std::max(longest_s, seconds);
    Registration& known = entry(now_ms);
    known.aor = wish.aor;
    known.contact = contact.uri;
    known.instance = contact.instance;
    known.reg_id = contact.reg_id;
    known.user_agent = wish.user_agent.substr(0, 128);
    known.source = source;
    known.flow_id = flow_id;
    known.expires_ms = now_ms + uint64_t{seconds} * 1000;
  }
  return longest_s;
}

// The entry of key_, a new one if there is none; a full table gives up the one that expires first.
Registration& RegistrationTable::entry(uint64_t now_ms) {
  const auto found = by_key_.find(key_);
  if (found != by_key_.end()) return found->second;
  if (by_key_.size() >= capacity_) expire(now_ms);
  if (by_key_.size() >= capacity_)
    by_key_.erase(std::min_element(by_key_.begin(), by_key_.end(), [](const auto& a, const auto& b) { return a.second.expires_ms < b.second.expires_ms; }));
  Registration& made = by_key_[key_];
  made.since_ms = now_ms;
  return made;
}

void RegistrationTable::forget_flow(uint64_t flow_id) {
  std::erase_if(by_key_, [&](const auto& entry) { return entry.second.flow_id == flow_id; });
}

void RegistrationTable::expire(uint64_t now_ms) {
  std::erase_if(by_key_, [&](const auto& entry) { return entry.second.expires_ms <= now_ms; });
}

uint64_t RegistrationTable::flow_of(const sip::Uri& aor, std::string_view contact_user, uint64_t now_ms) const {
  uint64_t flow_id = 0;
  for (const auto& [key, entry] : by_key_) {
    const auto own = sip::parse_uri(entry.aor);
    const auto contact = sip::parse_uri(entry.contact);
    if (entry.expires_ms <= now_ms || !own || !contact || own->user != aor.user || contact->user != contact_user) continue;
    if (own->host.size() != aor.host.size() || strncasecmp(own->host.data(), aor.host.data(), aor.host.size()) != 0) continue;
    if (flow_id != 0 && flow_id != entry.flow_id) return 0;
    flow_id = entry.flow_id;
  }
  return flow_id;
}

std::vector<Registration> RegistrationTable::list(uint64_t now_ms) const {
  std::vector<Registration> entries;
  for (const auto& [key, entry] : by_key_)
    if (entry.expires_ms > now_ms) entries.push_back(entry);
  std::sort(entries.begin(), entries.end(), [](const Registration& a, const Registration& b) { return std::tie(a.aor, a.contact) < std::tie(b.aor, b.contact); });
  return entries;
}

}  // namespace sallyport::proxy
