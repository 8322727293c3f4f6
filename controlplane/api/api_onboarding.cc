// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/api_onboarding.h"

#include <boost/json.hpp>

#include "controlplane/api/api_body.h"
#include "controlplane/api/api_json.h"

namespace sallyport::api {

namespace json = boost::json;
using Answer = boost::asio::awaitable<ApiAnswer>;

namespace {

constexpr std::size_t default_limit = 1000;
constexpr std::int64_t default_code_life_s = 7 * 86400;
constexpr std::string_view section = "\n[unified_communications]\n", line = "activation_code_onboarding = true\n";

// The site as exported, with that one line in it or not.
std::string switched(std::string document, bool on) {
  if (const std::size_t at = document.find(line); at != std::string::npos) document.erase(at, line.size());
  if (!on) return document;
  const std::size_t at = document.find(section);
  if (at == std::string::npos) return document + std::string(section) + std::string(line);
  return document.insert(at + section.size(), line);
}

}  // namespace

Answer get_onboarding(const ApiRequest& request, ApiParts parts) {
  const std::size_t limit = number_parameter(request, "limit", default_limit);
  const auto view = co_await parts.node.onboarding(limit);
  if (!view) co_return answer_fault(view.fault());
  json::array authorities, codes, devices;
  for (const PhoneAuthorityView& each : view->authorities)
    authorities.emplace_back(json::object{{"zone", each.zone}, {"node", each.node}, {"subject", each.subject}, {"serial", each.serial}, {"fingerprint_sha256", each.fingerprint}, {"not_after", each.not_after}, {"pem", each.pem}});
  for (const OpenCodeView& each : view->codes) codes.emplace_back(json::object{{"device", each.device}, {"made", each.made}, {"expires", each.expires}, {"failures", each.failures}});
  for (const OnboardedView& each : view->devices)
    devices.emplace_back(json::object{{"device", each.device}, {"state", each.state}, {"serial", each.serial}, {"first", each.first}, {"issued", each.issued}, {"not_after", each.not_after}});
  co_return answer_json(json::object{{"role", view->role}, {"on", view->on}, {"listener", view->listener}, {"problem", view->problem}, {"endpoint_authorities", view->endpoint_authorities},
                                     {"authorities", std::move(authorities)}, {"codes", std::move(codes)}, {"devices", std::move(devices)}});
}

Answer post_onboarding(const ApiRequest& request, ApiParts parts) {
  const auto body = ApiBody::read(request, {"on"});
  if (!body) co_return answer_fault(body.fault());
  const bool on = body->flag("on");
  const auto document = parts.store.export_document();
  if (!document) co_return answer_fault(document.fault());
  const auto plan = parts.store.apply(switched(*document, on), "onboarding", request.actor + (on ? " by onboarding on" : " by onboarding off"));
  if (!plan) co_return answer_fault(plan.fault());
  if (plan->is_refused()) {
    const auto& refusal = plan->refusals.front();
    co_return answer_fault({FaultCode::conflict, "onboarding", refusal.cause, refusal.remedy});
  }
  parts.log.info("onboarding", request.actor + ": onboarding is switched " + (on ? "on" : "off"));
  co_return answer_json(json::object{{"on", on}});
}

Answer post_activation_code(const ApiRequest& request, ApiParts parts) {
  const auto body = ApiBody::read(request, {"device", "seconds"});
  if (!body) co_return answer_fault(body.fault());
  std::string device = body->text("device"), actor = request.actor;
  const std::int64_t seconds = body->number("seconds", default_code_life_s);
  const auto made = co_await parts.node.make_activation_code(std::move(device), seconds, std::move(actor));
  if (!made) co_return answer_fault(made.fault());
  parts.log.info("activation_code", request.actor + ": for " + made->device + ", until " + made->expires);
  co_return answer_json(json::object{{"device", made->device}, {"code", made->code}, {"expires", made->expires}}, 201);
}

Answer delete_onboarded(const ApiRequest& request, ApiParts parts) {
  std::string device = parameter(request, "device"), actor = request.actor;
  const auto done = co_await parts.node.withdraw_device(device, std::move(actor));
  if (!done) co_return answer_fault(done.fault());
  parts.log.info("activation_code", request.actor + ": " + device + " withdrawn");
  co_return answer_json(json::object{{"device", device}, {"withdrawn", true}});
}

}  // namespace sallyport::api
