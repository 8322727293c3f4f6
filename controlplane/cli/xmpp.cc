// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/xmpp.h"

#include "controlplane/cli/json_text.h"
#include "controlplane/cli/reply.h"
#include "controlplane/cli/show.h"
#include "controlplane/cli/text_table.h"

namespace sallyport::cli {
namespace {

namespace json = boost::json;

std::string show_streams(const json::value& value) {
  TextTable table({"ID", "DOMAIN", "STATE", "SOURCE", "BY", "TLS", "SINCE", "STANZAS", "FROM CLIENT", "TO CLIENT"});
  for (const json::value& each : items(value))
    table.add({at(each, "id"), printable(at(each, "domain")), at(each, "state"), at(each, "source"), printable(at(each, "by")), at(each, "tls"), at(each, "since"), at(each, "stanzas"), at(each, "from_client_bytes"), at(each, "to_client_bytes")});
  return table.is_empty() ? std::string("no XMPP streams\n") : table.text();
}

std::string show_presence(const json::value& value) {
  TextTable table({"NAME", "HOST", "PORT", "STATE", "STREAMS", "FAILURES", "DOMAINS", "LAST"});
  for (const json::value& each : items(value)) {
    std::string domains;
    for (const json::value& domain : items(member(each, "domains"))) domains += (domains.empty() ? "" : " ") + std::string(domain.as_string());
    table.add({at(each, "name"), at(each, "host"), at(each, "port"), at(each, "state"), at(each, "streams"), at(each, "failures"), domains, printable(at(each, "text"))});
  }
  TextTable chat({"NAME", "CHAT NODES", "DISCOVERY"});
  for (const json::value& each : items(value)) {
    std::string nodes;
    for (const json::value& node : items(member(each, "chat_nodes"))) nodes += (nodes.empty() ? "" : " ") + std::string(node.as_string());
    if (at(each, "discovery") != "not asked") chat.add({at(each, "name"), printable(nodes), printable(at(each, "discovery"))});
  }
  if (!chat.is_empty()) return table.text() + chat.text();
  return table.is_empty() ? std::string("no presence servers; they stand in the node file of C: [[presence]]\n") : table.text();
}

}  // namespace

int run_xmpp_streams(const Options& options) { return print(ApiClient(options.endpoint).get("/v1/xmpp/streams?limit=" + std::to_string(options.limit)), options, show_streams); }
int run_xmpp_presence(const Options& options) { return print(ApiClient(options.endpoint).get("/v1/xmpp/presence"), options, show_presence); }

int run_xmpp_discover(const Options& options) {
  return print(ApiClient(options.endpoint).post("/v1/xmpp/discovery", "{}"), options, [](const json::value&) { return std::string("presence servers are asked for their chat nodes; see sallyport xmpp presence\n"); });
}

}  // namespace sallyport::cli
