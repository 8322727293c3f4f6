// SPDX-License-Identifier: Apache-2.0
#pragma once
// AuditTrail: writes down every request that would change something, over the Unix socket and over HTTPS, done or refused: in the node's
// store (accounts/audit_log.h) and in the event log. Of a body only the members that name its object (RouteInfo::object) are written. What
// strangers are refused is written so many times a second, and counted beyond. On the API's executor.

#include <chrono>

#include "controlplane/accounts/audit_log.h"
#include "controlplane/api/event_log.h"
#include "controlplane/api/metrics.h"

namespace sallyport::api {

struct ApiRequest;

class AuditTrail {
 public:
  AuditTrail(accounts::AuditLog& log, EventLog& events, MetricRegistry& metrics);
  // Once its answer is known, before it is sent.
  void note(const ApiRequest& request, unsigned status);
  accounts::AuditLog& log() { return log_; }

 private:
  bool may_write();
  accounts::AuditLog& log_;
  EventLog& events_;
  CounterFamily& entries_;
  double tokens_;
  std::chrono::steady_clock::time_point filled_{};
  std::uint64_t unwritten_ = 0;
};

inline constexpr const char* stranger = "stranger";
bool is_change(const ApiRequest& request);  // anything but looking
std::string object_of(const ApiRequest& request);

}  // namespace sallyport::api
