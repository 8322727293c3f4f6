// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/registration_table.h"

#include <strings.h>

#include <algorithm>
#include <charconv>

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
uint32_t granted_s(const sip::NameAddr& wanted, const sip::Message& response) {
  const std::string_view instance = wanted.params.value("+sip.instance");
  for (const sip::HeaderValue& value : sip::values(response, HeaderId::contact)) {
    const auto contact = sip::parse_name_addr(value.text);
    if (!contact) continue;
    const bool same = instance.empty() ? contact->uri.text == wanted.uri.text : contact->params.value("+sip.instance") == instance;
    if (same) return number(contact->params.value("expires"), number(response.value(HeaderId::expires), 3600));
  }
  return 0;  // RFC 3261 10.3: the 200 lists every binding; one that is not there is gone
}

}  // namespace

uint32_t RegistrationTable::learn(const sip::Message& request, const sip::Message& response, uint64_t flow_id,
                                  std::string_view source, uint64_t now_ms) {
  const auto to = sip::parse_name_addr(request.value(HeaderId::to));
  if (!to) return 0;
  uint32_t longest_s = 0;
  int contacts = 0;
  for (const sip::HeaderValue& value : sip::values(request, HeaderId::contact)) {
    const auto contact = sip::parse_name_addr(value.text);
    if (!contact || ++contacts > 8) break;
    if (contact->is_star) {
      std::erase_if(by_key_, [&](const auto& entry) { return entry.second.aor == to->uri.text; });
      return 0;
    }
    const std::string_view instance = contact->params.value("+sip.instance");
    std::string key(to->uri.text);
    key.append("|").append(instance.empty() ? contact->uri.text : instance);
    const uint32_t seconds = granted_s(*contact, response);
    if (seconds == 0) {
      by_key_.erase(key);
      continue;
    }
    longest_s = std::max(longest_s, seconds);
    if (by_key_.size() >= capacity_ && !by_key_.contains(key)) expire(now_ms);
    if (by_key_.size() >= capacity_ && !by_key_.contains(key)) {
      const auto first = std::min_element(by_key_.begin(), by_key_.end(), [](const auto& a, const auto& b) { return a.second.expires_ms < b.second.expires_ms; });
      by_key_.erase(first);
    }
    Registration& entry = by_key_[key];
    if (entry.since_ms == 0) entry.since_ms = now_ms;
    entry.aor = to->uri.text;
    entry.contact = contact->uri.text;
    entry.instance = instance;
    entry.reg_id = number(contact->params.value("reg-id"), 0);
    entry.user_agent = request.value(HeaderId::user_agent).substr(0, 128);
    entry.source = source;
    entry.flow_id = flow_id;
    entry.expires_ms = now_ms + uint64_t{seconds} * 1000;
  }
  return longest_s;
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
  return entries;
}

}  // namespace sallyport::proxy
