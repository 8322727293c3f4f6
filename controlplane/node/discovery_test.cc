// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/discovery_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "controlplane/certificates/slot.h"
#include "controlplane/config/fqdn.h"

namespace sallyport::node {

using api::DiscoveryView;
using boost::asio::awaitable;

namespace {

constexpr std::size_t most_domains = 100, most_hosts = 10;
// Name servers that do not answer cost seconds a question; what the administration interface waits for is a minute.
constexpr std::chrono::seconds patience{35};

using Clock = std::chrono::steady_clock;

// Names by which clients find that they are inside: outside they must lead nowhere.
constexpr const char* inside_services[] = {"_cisco-uds._tcp.", "_cuplogin._tcp."};
constexpr std::pair<const char*, const char*> outside_services[] = {{"_collab-edge._tls.", "collab_edge"}, {"_sips._tcp.", "sips"}};

class Report {
 public:
  explicit Report(std::string domain) { view_.domain = std::move(domain); }
  void add(const std::string& peer, const char* layer, const char* verdict, std::string detail) {
    const auto now = Clock::now();
    view_.steps.push_back({peer, layer, verdict, std::move(detail), static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::microseconds>(now - began_).count())});
    began_ = now;
    if (verdict == std::string_view("failed")) has_failed_ = true;
  }
  DiscoveryView view() && {
    view_.passed = !has_failed_;
    return std::move(view_);
  }

 private:
  DiscoveryView view_;
  bool has_failed_ = false;
  Clock::time_point began_ = Clock::now();
};

std::string text_of(const std::vector<dns::SrvRecord>& records) {
  std::string text;
  for (const dns::SrvRecord& record : records) text += fmt::format("{}{}:{} (priority {}, weight {})", text.empty() ? "" : ", ", record.target, record.port, record.priority, record.weight);
  return text;
}

// However they are written: an IPv6 address has many forms.
bool is_own_address(const config::NodeConfig& config, const std::string& text) {
  const auto address = tls::SocketAddress::parse(text, 0);
  const auto is_same = [&](const std::string& own) {
    const auto parsed = tls::SocketAddress::parse(own, 0);
    return address && parsed && *address == *parsed;
  };
  return std::any_of(config.addresses.begin(), config.addresses.end(), [&](const config::AddressSection& own) { return is_same(own.ip) || is_same(own.advertised); });
}

// Whether one of a host's addresses is this node's.
awaitable<bool> judge_host(Node& node, Report& report, std::string host, const char* layer) {
  const auto hosts = co_await node.resolver().resolve_host(host);
  if (!hosts) {
    report.add(host, layer, "failed", hosts.fault().text());
    co_return false;
  }
  std::string list;
  bool is_ours = false;
  for (const dns::HostRecord& record : *hosts) {
    list += (list.empty() ? "" : ", ") + record.address;
    is_ours |= is_own_address(node.config(), record.address);
  }
  report.add(host, layer, is_ours ? "passed" : "information", list + (is_ours ? ", this node" : ": no address of this node; right for another node of a cluster or a load balancer before it"));
  co_return is_ours;
}

void judge_sni(Node& node, Report& report, const std::string& host, const std::string& domain) {
  const std::string sni = sni_of_client(host, domain);
  const char* flow = sni == host ? "the host lies in the domain, so its name is asked for" : "the host lies elsewhere (several tenants), so its label is put before the domain";
  const auto snapshot = node.credentials().snapshot();
  if (snapshot->covers(sni)) {
    const auto explanation = snapshot->explain(sni);
    std::string served;
    for (const tls::HeldCredentialPtr& held : explanation.served) served += (served.empty() ? "" : " or ") + held->label();
    report.add(host, "sni", "passed", fmt::format("{}: {}; served is {}", sni, flow, served));
    return;
  }
  const bool has_domain = node.vault().snapshot()->has_domain(domain);
  report.add(host, "sni", "failed", fmt::format("{}: {}; no certificate here has that name, so clients refuse what they are shown; {}", sni, flow,
                                                has_domain ? fmt::format("request one with it: sallyport cert request domain/{} --name {}", domain, sni)
                                                           : fmt::format("create the domain and request a certificate: sallyport domain add {}, then sallyport cert request domain/{} --name {}", domain, domain, sni)));
}

awaitable<std::vector<std::string>> find_hosts(Node& node, Report& report, std::string domain) {
  std::vector<std::string> hosts;
  bool found_any = false;
  for (const auto& [service, layer] : outside_services) {
    const std::string name = service + domain;
    const auto records = co_await node.resolver().resolve_srv(name);
    if (!records) {
      report.add(name, layer, "information", records.fault().text());
      continue;
    }
    found_any = true;
    report.add(name, layer, "passed", text_of(*records));
    for (const dns::SrvRecord& record : *records)
      if (hosts.size() < most_hosts && std::find(hosts.begin(), hosts.end(), record.target) == hosts.end()) hosts.push_back(record.target);
  }
  if (!found_any) report.add(domain, "records", "failed", "neither record exists, so no client finds this node by the domain; publish _collab-edge._tls." + domain + " or _sips._tcp." + domain);
  co_return hosts;
}

awaitable<void> look_for_inside_services(Node& node, Report& report, std::string domain) {
  for (const char* service : inside_services) {
    const std::string name = service + domain;
    const auto records = co_await node.resolver().resolve_srv(name);
    if (records) report.add(name, "inside", "information", text_of(*records) + ": a client that sees this believes it is inside; make sure that the Internet does not see it");
  }
}

awaitable<DiscoveryView> test_domain(Node& node, std::string domain) {
  Report report(domain);
  const std::vector<std::string> hosts = co_await find_hosts(node, report, domain);
  bool leads_here = hosts.empty();
  for (const std::string& host : hosts) {
    const bool is_ours = co_await judge_host(node, report, host, "address");
    leads_here |= is_ours;
    judge_sni(node, report, host, domain);
  }
  if (!leads_here) report.add(domain, "node", "failed", "no record leads to an address of this node; correct the A or AAAA records, or, behind static NAT, advertised of the address");
  co_await look_for_inside_services(node, report, domain);
  co_return std::move(report).view();
}

// Phones open connections to the name in the Record-Route, and check it (RFC 5922).
awaitable<DiscoveryView> test_own_name(Node& node) {
  const std::string& written = node.config().sip.record_route_host.empty() ? node.config().node.fqdn : node.config().sip.record_route_host;
  const std::string host = config::lower_case(written);
  Report report(host);
  const bool is_ours = co_await judge_host(node, report, host, "own_name");
  if (!is_ours) report.add(host, "own_name", "failed", "the name of this node, by which phones return to it, does not lead to it");
  if (node.credentials().snapshot()->covers(host)) report.add(host, "sni", "passed", host + ": a certificate here has the name");
  else report.add(host, "sni", "failed", host + ": no certificate here has the name of this node; request one: sallyport cert request server");
  co_return std::move(report).view();
}

std::vector<std::string> domains_of(Node& node) {
  // B30: the edge domains are what clients look for; where none are set, the SIP domains stand for them.
  std::vector<std::string> list = node.name_facts().features.registration_domains;
  if (!list.empty()) return list;
  std::set<std::string> domains(node.config().sip.domains.begin(), node.config().sip.domains.end());
  const auto site = node.site_store().snapshot();
  for (const store::Zone& zone : site->zones) domains.insert(zone.sip_domains.begin(), zone.sip_domains.end());
  return {domains.begin(), domains.end()};
}

}  // namespace

std::string sni_of_client(const std::string& host, const std::string& service_domain) {
  if (host == service_domain || host.ends_with("." + service_domain)) return host;
  return host.substr(0, host.find('.')) + "." + service_domain;
}

awaitable<Outcome<std::vector<DiscoveryView>>> run_discovery_test(Node& node, std::string domain) {
  if (!node.config().is_e()) co_return Fault{FaultCode::refused, "discovery test", "is E's: clients outside find E, and this node is C", "run it there"};
  std::vector<std::string> domains;
  if (domain.empty()) {
    domains = domains_of(node);
  } else {
    auto name = certificates::domain_name(domain);
    if (!name) co_return name.fault();
    domains.push_back(std::move(*name));
  }
  if (domains.empty()) co_return Fault{FaultCode::missing, "discovery test", "this node serves no domain by name", "give one: sallyport discovery test example.com"};
  if (domains.size() > most_domains) domains.resize(most_domains);
  // What was published a moment ago is wanted.
  node.resolver().clear_cache();
  std::vector<DiscoveryView> views;
  DiscoveryView own = co_await test_own_name(node);
  views.push_back(std::move(own));
  const auto end = Clock::now() + patience;
  for (const std::string& each : domains) {
    if (Clock::now() >= end) {
      Report late(each);
      late.add(each, "records", "failed", "not tried: the name servers took too long for the domains before; test it by itself");
      views.push_back(std::move(late).view());
      continue;
    }
    DiscoveryView view = co_await test_domain(node, each);
    views.push_back(std::move(view));
  }
  co_return views;
}

}  // namespace sallyport::node
