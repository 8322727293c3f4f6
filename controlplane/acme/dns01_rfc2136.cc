// SPDX-License-Identifier: Apache-2.0
#include "controlplane/acme/dns01_rfc2136.h"

#include <openssl/rand.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <ctime>

#include "controlplane/acme/dns01_hook.h"
#include "controlplane/acme/dns_exchange.h"
#include "controlplane/config/fqdn.h"

namespace sallyport::acme {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr int most_aliases = 8;
constexpr size_t most_name_servers = 16;
constexpr uint8_t no_error = 0, name_missing = 3, not_authoritative = 9, refused = 5;

uint16_t random_id() {
  unsigned char bytes[2] = {};
  RAND_bytes(bytes, sizeof bytes);
  return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
}

// As answers are read: lower case, without the last dot.
std::string plain_name(std::string_view name) {
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  return config::lower_case(name);
}

bool is_within(std::string_view name, std::string_view zone) {
  return name == zone || (name.size() > zone.size() && name.ends_with(zone) && name[name.size() - zone.size() - 1] == '.');
}

}  // namespace

Dns01Rfc2136::Dns01Rfc2136(tls::StreamEngine& engine, dns::Resolver& resolver, Dns01Rfc2136Options options) : engine_(engine), resolver_(resolver), options_(std::move(options)) {
  options_.zone = plain_name(options_.zone);
  options_.alias = plain_name(options_.alias);
}

asio::awaitable<Outcome<DnsMessage>> Dns01Rfc2136::ask(tls::SocketAddress server, std::string name, DnsType type) {
  if (!wire_name(name)) co_return Fault{FaultCode::invalid, "DNS name \"" + name + "\"", "is too long or has an empty level", "correct it"};
  DnsExchange exchange;
  exchange.server = server;
  exchange.wire = write_question(random_id(), name, type);
  exchange.deadline = options_.question_deadline;
  const auto wire = co_await exchange_dns(engine_, std::move(exchange));
  if (!wire) co_return wire.fault();
  auto answer = read_dns_message(*wire);
  if (!answer) co_return Fault{FaultCode::invalid, "name server " + server.text(), "its answer " + answer.fault().cause, ""};
  const bool is_usable = answer->is_answer && (answer->rcode == no_error || answer->rcode == name_missing);
  if (!is_usable) co_return Fault{FaultCode::refused, "name server " + server.text(), "answers " + rcode_text(answer->rcode) + " for " + name, "give the primary server of that zone, and see that it allows this node"};
  co_return answer;
}

// Where the record has to stand.
asio::awaitable<Outcome<std::string>> Dns01Rfc2136::follow(std::string name) {
  if (!options_.alias.empty()) co_return options_.alias;
  for (int hop = 0; hop < most_aliases; ++hop) {
    const auto answer = co_await ask(options_.server, name, DnsType::cname);
    if (!answer) {
      Fault fault = answer.fault();
      if (hop > 0) fault.remedy = "another server knows the zone of " + name + ": give that one, and the name as alias";
      co_return fault;
    }
    const auto alias = std::find_if(answer->answers.begin(), answer->answers.end(), [&](const DnsRecord& record) { return record.is(DnsType::cname) && record.name == name; });
    if (alias == answer->answers.end()) co_return name;
    name = alias->target;
  }
  co_return Fault{FaultCode::invalid, "DNS name " + name, "is one of an endless chain of CNAME records", "correct the zone"};
}

asio::awaitable<Outcome<std::string>> Dns01Rfc2136::find_zone(std::string name) {
  if (!options_.zone.empty()) co_return options_.zone;
  const auto answer = co_await ask(options_.server, name, DnsType::soa);
  if (!answer) co_return answer.fault();
  // RFC 2308 2: a name that is no zone's apex brings the SOA of its zone in the authority section.
  for (const auto* section : {&answer->answers, &answer->authorities}) {
    for (const DnsRecord& record : *section) {
      if (record.is(DnsType::soa) && is_within(name, record.name)) co_return record.name;
    }
  }
  co_return Fault{FaultCode::missing, "name server " + options_.server.text(), "names no zone for " + name, "give the zone"};
}

asio::awaitable<Outcome<>> Dns01Rfc2136::update(DnsChange change) {
  const std::string subject = "DNS update of " + change.name + " at " + options_.server.text();
  if (!wire_name(change.zone) || !wire_name(change.name) || !is_within(change.name, change.zone)) {
    co_return Fault{FaultCode::invalid, subject, "the name is not within the zone " + change.zone, "correct the zone, or leave it out"};
  }
  std::string unsigned_wire = write_update(random_id(), change);
  auto sealed = sign_message(std::move(unsigned_wire), options_.key, std::time(nullptr));
  if (!sealed) co_return sealed.fault();
  DnsExchange exchange;
  exchange.server = options_.server;
  exchange.wire = std::move(sealed->wire);
  exchange.deadline = options_.question_deadline;
  const auto wire = co_await exchange_dns(engine_, std::move(exchange));
  if (!wire) co_return wire.fault();
  const auto answer = read_dns_message(*wire);
  if (!answer) co_return Fault{FaultCode::invalid, subject, "the answer " + answer.fault().cause, ""};
  if (const std::string complaint = signature_complaint(*answer); !complaint.empty()) co_return Fault{FaultCode::refused, subject, complaint, "correct key name, algorithm, secret or clock"};
  if (answer->rcode != no_error) {
    const bool is_policy = answer->rcode == refused;
    co_return Fault{FaultCode::refused, subject, "the server answers " + rcode_text(answer->rcode),
                    is_policy ? "let its update policy allow the key " + options_.key.name + " to change TXT records of this name" : answer->rcode == not_authoritative ? "give the primary server of the zone " + change.zone : "see the server's log"};
  }
  const std::string objection = signature_objection(*wire, *answer, options_.key, sealed->mac, std::time(nullptr));
  if (!objection.empty()) co_return Fault{FaultCode::refused, subject, "the answer " + objection, "see whether something stands between this node and the server"};
  co_return Done{};
}

asio::awaitable<Outcome<std::vector<Dns01Rfc2136::NameServer>>> Dns01Rfc2136::name_servers(std::string zone) {
  std::vector<NameServer> servers;
  for (const tls::SocketAddress& address : options_.check_servers) servers.push_back({address.text(), {address}});
  if (!servers.empty()) co_return servers;
  const auto answer = co_await ask(options_.server, zone, DnsType::ns);
  if (!answer) co_return answer.fault();
  for (const DnsRecord& record : answer->answers) {
    if (!record.is(DnsType::ns) || record.name != zone || servers.size() == most_name_servers) continue;
    const std::string name = record.target;
    const auto hosts = co_await resolver_.resolve_host(name, dns::Family::any);
    if (!hosts) co_return Fault{hosts.fault().code, "name server " + name + " of zone " + zone, "has no address: " + hosts.fault().text(), "correct the zone's NS records, or give the servers to check"};
    NameServer server;
    server.name = name;
    for (const dns::HostRecord& host : *hosts) {
      if (const auto address = tls::SocketAddress::parse(host.address, options_.check_port)) server.addresses.push_back(*address);
    }
    servers.push_back(std::move(server));
  }
  // A zone without NS records in sight: at least the primary must show it.
  if (servers.empty()) servers.push_back({options_.server.text(), {options_.server}});
  co_return servers;
}

asio::awaitable<std::string> Dns01Rfc2136::look(const NameServer& server, const DnsChange& change) {
  std::string said = server.name + " has no address";
  for (const tls::SocketAddress& address : server.addresses) {
    const auto answer = co_await ask(address, change.name, DnsType::txt);
    if (!answer) {
      said = answer.fault().text();
      continue;
    }
    const bool shows = std::any_of(answer->answers.begin(), answer->answers.end(), [&](const DnsRecord& record) { return record.is(DnsType::txt) && record.name == change.name && record.text == change.text; });
    co_return shows ? "" : server.name + " does not show the record yet";
  }
  co_return said;
}

asio::awaitable<Outcome<>> Dns01Rfc2136::wait_visible(DnsChange change) {
  const auto servers = co_await name_servers(change.zone);
  if (!servers) co_return servers.fault();
  const auto give_up = Clock::now() + options_.propagation;
  asio::steady_timer timer(engine_.context());
  for (size_t shown = 0; shown < servers->size();) {
    const std::string said = co_await look((*servers)[shown], change);
    if (said.empty()) {
      ++shown;
      continue;
    }
    if (Clock::now() >= give_up) {
      co_return Fault{FaultCode::timeout, "DNS record " + change.name, "is not at all name servers after " + std::to_string(options_.propagation.count() / 1000) + " s: " + said,
                      "see that the secondaries get the zone (NOTIFY, transfer), or give the servers to check"};
    }
    timer.expires_after(options_.look_again);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  co_return Done{};
}

asio::awaitable<Outcome<>> Dns01Rfc2136::present(ChallengeTask task) {
  const std::string wanted = challenge_record_name(task.domain);
  const auto name = co_await follow(wanted);
  if (!name) co_return name.fault();
  const std::string record = *name;
  const auto zone = co_await find_zone(record);
  if (!zone) co_return zone.fault();
  DnsChange change;
  change.zone = *zone;
  change.name = record;
  change.text = challenge_record_text(task.key_authorization);
  change.ttl_s = options_.ttl_s;
  // Before it is sent: an update whose answer is lost may have been made.
  added_[task.key_authorization] = change;
  const DnsChange addition = change;
  const auto updated = co_await update(std::move(change));
  if (!updated) co_return updated.fault();
  DnsChange shown = addition;
  co_return co_await wait_visible(std::move(shown));
}

asio::awaitable<Outcome<>> Dns01Rfc2136::cleanup(ChallengeTask task) {
  const auto added = added_.find(task.key_authorization);
  if (added == added_.end()) co_return Done{};
  DnsChange change = added->second;
  added_.erase(added);
  change.is_removal = true;
  co_return co_await update(std::move(change));
}

}  // namespace sallyport::acme
