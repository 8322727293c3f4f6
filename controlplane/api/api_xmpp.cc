// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/api_xmpp.h"

#include <boost/json.hpp>

#include "controlplane/api/node_view.h"

namespace sallyport::api {

namespace json = boost::json;

namespace {

constexpr std::size_t usual_limit = 1000;

}  // namespace

boost::asio::awaitable<ApiAnswer> get_xmpp_streams(const ApiRequest& request, ApiParts parts) {
  const std::size_t limit = number_parameter(request, "limit", usual_limit);
  const std::vector<XmppStreamView> streams = co_await parts.node.xmpp_streams(limit);
  json::array list;
  for (const XmppStreamView& each : streams)
    list.push_back(json::object{{"id", each.id}, {"domain", each.domain}, {"by", each.by}, {"source", each.source}, {"sni", each.sni}, {"tls", each.tls}, {"state", each.state}, {"since", each.since}, {"stanzas", each.stanzas},
                                {"from_client_bytes", each.from_client_bytes}, {"to_client_bytes", each.to_client_bytes}});
  co_return answer_json(list);
}

boost::asio::awaitable<ApiAnswer> get_presence(const ApiRequest&, ApiParts parts) {
  const std::vector<PresenceView> nodes = co_await parts.node.presence();
  json::array list;
  for (const PresenceView& each : nodes)
    list.push_back(json::object{{"name", each.name}, {"host", each.host}, {"port", each.port}, {"transport", each.transport}, {"priority", each.priority}, {"domains", json::array(each.domains.begin(), each.domains.end())},
                                {"state", each.state}, {"text", each.text}, {"streams", each.streams}, {"connects", each.connects}, {"failures", each.failures}, {"chat_nodes", json::array(each.chat_nodes.begin(), each.chat_nodes.end())}, {"discovery", each.discovery}});
  co_return answer_json(list);
}

boost::asio::awaitable<ApiAnswer> post_discovery_of_chat_nodes(const ApiRequest&, ApiParts parts) {
  const auto begun = co_await parts.node.find_chat_nodes();
  if (!begun) co_return answer_fault(begun.fault());
  co_return answer_json(json::object{{"begun", true}}, 202);
}

}  // namespace sallyport::api
