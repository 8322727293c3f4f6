// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/onboarding.h"

#include "controlplane/cli/dialogue.h"
#include "controlplane/cli/json_text.h"
#include "controlplane/cli/reply.h"
#include "controlplane/cli/show.h"
#include "controlplane/cli/text_table.h"

namespace sallyport::cli {
namespace {

namespace json = boost::json;

std::string show_onboarding(const json::value& value) {
  const json::value& on = member(value, "on");
  const bool is_e = at(value, "role") == "E", is_on = on.is_bool() && on.get_bool();
  std::string text;
  if (is_e) {
    text += is_on ? "phones are onboarded at " + (at(value, "listener").empty() ? "no port: " + printable(at(value, "problem")) : at(value, "listener")) + "\n" : "no C behind this node has onboarding switched on; its port is closed\n";
    text += "beside the authorities below, phones of " + at(value, "endpoint_authorities") + " authorities for endpoints may come (sallyport trust list --purpose endpoints)\n";
  } else {
    text += is_on ? "onboarding is on\n" : "onboarding is off; switch it on: sallyport onboarding on\n";
  }
  TextTable authorities({"CA CERTIFICATE FOR MTLS", "OF", "SERIAL", "NOT AFTER"});
  for (const json::value& each : items(member(value, "authorities"))) authorities.add({printable(at(each, "subject")), at(each, "node"), at(each, "serial"), at(each, "not_after")});
  if (!authorities.is_empty()) text += authorities.text();
  TextTable codes({"OPEN CODE FOR", "MADE", "UNTIL", "WRONG TRIES"});
  for (const json::value& each : items(member(value, "codes"))) codes.add({at(each, "device"), at(each, "made"), at(each, "expires"), at(each, "failures")});
  if (!codes.is_empty()) text += codes.text();
  TextTable devices({"PHONE", "STATE", "SERIAL", "FIRST", "ISSUED", "NOT AFTER"});
  for (const json::value& each : items(member(value, "devices"))) devices.add({at(each, "device"), at(each, "state"), at(each, "serial"), at(each, "first"), at(each, "issued"), at(each, "not_after")});
  if (!devices.is_empty()) text += devices.text();
  return text;
}

int turn(const Options& options, bool on) {
  return print(ApiClient(options.endpoint).post("/v1/onboarding", json::serialize(json::object{{"on", on}})), options, [on](const json::value&) {
    return std::string(on ? "onboarding is on; E opens its port now. A code for a phone: sallyport onboarding code NAME\n" : "onboarding is off; phones keep their certificates, none is onboarded or renewed any more\n");
  });
}

}  // namespace

int run_onboarding(const Options& options) { return print(ApiClient(options.endpoint).get("/v1/onboarding" + query({{"limit", std::to_string(options.limit)}})), options, show_onboarding); }
int run_onboarding_on(const Options& options) { return turn(options, true); }
int run_onboarding_off(const Options& options) { return turn(options, false); }

int run_onboarding_code(const Options& options) {
  const json::object body{{"device", options.onboarding.device}, {"seconds", std::int64_t{options.onboarding.hours} * 3600}};
  return print(ApiClient(options.endpoint).post("/v1/onboarding/codes", json::serialize(body)), options, [](const json::value& value) {
    return "activation code of " + at(value, "device") + ", once, until " + at(value, "expires") + ":\n\n  " + at(value, "code") + "\n\nIt is not shown again. Withdraw it: sallyport onboarding withdraw " + at(value, "device") + "\n";
  });
}

int run_onboarding_withdraw(const Options& options) {
  if (!is_confirmed(options, "The activation code of " + options.onboarding.device + " is not taken any more, and its certificates are not renewed. Withdraw them?")) return complain("nothing was changed", exit_negative);
  return print(ApiClient(options.endpoint).erase("/v1/onboarding/devices" + query({{"device", options.onboarding.device}})), options, [](const json::value& value) { return at(value, "device") + " is withdrawn\n"; });
}

int run_onboarding_authority(const Options& options) {
  return print(ApiClient(options.endpoint).get("/v1/onboarding"), options, [](const json::value& value) {
    std::string text;
    for (const json::value& each : items(member(value, "authorities"))) text += at(each, "pem");
    return text.empty() ? "none yet: it is made when onboarding is switched on\n" : text;
  });
}

}  // namespace sallyport::cli
