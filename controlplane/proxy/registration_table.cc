// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/registration_table.h"

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

// One text for every way to write an address of record: RFC 3261 19.1.4 compares the user part as it is, the host without case.
constexpr char end_of_aor = '\n';  // in no header value
void write_aor(std::string& key, const sip::Uri& aor) {
  key.assign(aor.user).push_back('@');
  for (const char c : aor.host) key.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c);
}

}  // namespace

uint32_t RegistrationTable::learn(const RegistrationWish& wish, const sip::Message& response, uint64_t flow_id, std::string_view source,
                                  uint64_t now_ms) {
  const auto aor = sip::parse_uri(wish.aor);
  if (!aor) return 0;
  write_aor(aor_, *aor);
  if (wish.is_star) {
    for (auto found = by_aor_.find(aor_); found != by_aor_.end(); found = by_aor_.find(aor_)) remove(*found->second.back());
    return 0;
  }
  uint32_t longest_s = 0;
  for (const RegistrationWish::Contact& contact : wish.contacts) {
    key_.assign(aor_).append(1, end_of_aor).append(contact.instance.empty() ? contact.uri : contact.instance);
    const uint32_t seconds = granted_s(contact, response);
    if (seconds == 0) {
      if (const auto found = by_key_.find(key_); found != by_key_.end()) remove(*found);
      continue;
    }
    longest_s = std::max(longest_s, seconds);
    Binding& binding = entry(now_ms);
    serve_by(binding, flow_id);
    Registration& known = binding.second;
    known.aor = wish.aor;
    known.contact = contact.uri;
    known.instance = contact.instance;
    known.reg_id = contact.reg_id;
    known.user_agent = wish.user_agent.substr(0, 128);
    known.source = source;
    known.expires_ms = now_ms + uint64_t{seconds} * 1000;
  }
  return longest_s;
}

void RegistrationTable::restore(const Registration& known, uint64_t now_ms) {
  const auto aor = sip::parse_uri(known.aor);
  if (!aor || known.expires_ms <= now_ms) return;
  write_aor(aor_, *aor);
  key_.assign(aor_).append(1, end_of_aor).append(known.instance.empty() ? known.contact : known.instance);
  Binding& binding = entry(now_ms);
  serve_by(binding, known.flow_id);
  binding.second = known;
}

// The binding of key_, a new one if there is none; a full table gives up the one that expires first.
RegistrationTable::Binding& RegistrationTable::entry(uint64_t now_ms) {
  if (const auto found = by_key_.find(key_); found != by_key_.end()) return *found;
  if (by_key_.size() >= capacity_) expire(now_ms);
  if (by_key_.size() >= capacity_)
    remove(*std::min_element(by_key_.begin(), by_key_.end(), [](const auto& a, const auto& b) { return a.second.expires_ms < b.second.expires_ms; }));
  Binding& made = *by_key_.try_emplace(key_).first;
  made.second.since_ms = now_ms;
  by_aor_[aor_].push_back(&made);
  return made;
}

void RegistrationTable::serve_by(Binding& binding, uint64_t flow_id) {
  if (binding.second.flow_id == flow_id) return;
  by_flow_.erase({binding.second.flow_id, &binding});
  binding.second.flow_id = flow_id;
  by_flow_.emplace(flow_id, &binding);
}

void RegistrationTable::remove(Binding& binding) {
  by_flow_.erase({binding.second.flow_id, &binding});
  const auto siblings = by_aor_.find(binding.first.substr(0, binding.first.find(end_of_aor)));
  std::erase(siblings->second, &binding);
  if (siblings->second.empty()) by_aor_.erase(siblings);
  by_key_.erase(by_key_.find(binding.first));
}

void RegistrationTable::forget_flow(uint64_t flow_id) {
  const std::pair<uint64_t, Binding*> first{flow_id, nullptr};
  for (auto next = by_flow_.lower_bound(first); next != by_flow_.end() && next->first == flow_id; next = by_flow_.lower_bound(first)) remove(*next->second);
}

void RegistrationTable::expire(uint64_t now_ms) {
  for (auto next = by_key_.begin(); next != by_key_.end();) {
    Binding& binding = *next++;
    if (binding.second.expires_ms <= now_ms) remove(binding);
  }
}

uint64_t RegistrationTable::flow_of(const sip::Uri& aor, std::string_view contact_user, uint64_t now_ms) const {
  std::string key;
  write_aor(key, aor);
  const auto found = by_aor_.find(key);
  if (found == by_aor_.end()) return 0;
  uint64_t flow_id = 0;
  for (const Binding* binding : found->second) {
    const Registration& known = binding->second;
    const auto contact = sip::parse_uri(known.contact);
    if (known.expires_ms <= now_ms || !contact || contact->user != contact_user) continue;
    if (flow_id != 0 && flow_id != known.flow_id) return 0;
    flow_id = known.flow_id;
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
