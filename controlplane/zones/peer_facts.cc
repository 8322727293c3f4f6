// SPDX-License-Identifier: Apache-2.0
#include "controlplane/zones/peer_facts.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "controlplane/zones/json_line.h"

namespace sallyport::zones {

namespace json = boost::json;

namespace {

constexpr size_t list_limit = 1000;

Fault invalid(std::string cause) { return Fault{FaultCode::invalid, "facts of the peer", std::move(cause), ""}; }

bool take_list(const json::object& object, std::string_view name, std::vector<std::string>& list) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return true;
  if (!value->is_array() || value->get_array().size() > list_limit) return false;
  for (const json::value& each : value->get_array()) {
    if (!each.is_string() || each.get_string().size() > json_word_limit_bytes) return false;
    list.emplace_back(each.get_string());
  }
  return true;
}

}  // namespace

std::string format_facts(const PeerFacts& facts) {
  const json::object object{{"node", facts.node}, {"fqdn", facts.fqdn}, {"role", facts.role}, {"version", facts.version},
                            {"sip_domains", json::array(facts.sip_domains.begin(), facts.sip_domains.end())},
                            {"registration_domains", json::array(facts.registration_domains.begin(), facts.registration_domains.end())},
                            {"federation_domains", json::array(facts.federation_domains.begin(), facts.federation_domains.end())},
                            {"chat_node_aliases", json::array(facts.chat_node_aliases.begin(), facts.chat_node_aliases.end())},
                            {"xmpp_domains", json::array(facts.xmpp_domains.begin(), facts.xmpp_domains.end())},
                            {"onboarding_authority", facts.onboarding_authority}};
  return json::serialize(object) + "\n";
}

Outcome<PeerFacts> parse_facts(std::string_view line) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 8;
  const json::value value = json::parse(json::string_view(line.data(), line.size()), error, {}, options);
  if (error || !value.is_object()) return invalid("are no JSON object");
  const json::object& object = value.get_object();
  PeerFacts facts;
  for (const auto& [name, word] : {std::pair{"node", &facts.node}, {"fqdn", &facts.fqdn}, {"role", &facts.role}, {"version", &facts.version}})
    if (!take_text(object, name, json_word_limit_bytes, *word)) return invalid(std::string(name) + " is no short text");
  for (const auto& [name, list] : {std::pair{"sip_domains", &facts.sip_domains}, {"registration_domains", &facts.registration_domains}, {"federation_domains", &facts.federation_domains}, {"chat_node_aliases", &facts.chat_node_aliases}, {"xmpp_domains", &facts.xmpp_domains}})
    if (!take_list(object, name, *list)) return invalid(std::string(name) + " is no list of at most 1,000 names");
  if (!take_text(object, "onboarding_authority", json_text_limit_bytes, facts.onboarding_authority)) return invalid("onboarding_authority is no text of at most 16 kB");
  return facts;
}

}  // namespace sallyport::zones
