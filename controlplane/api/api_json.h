// SPDX-License-Identifier: Apache-2.0
#pragma once
// The JSON form of everything the administration interface shows; `sallyport --json` prints it unchanged, so names are stable.
// Members carry the names of the structs in node_view.h. Pure, any thread.

#include <boost/json/value.hpp>
#include <string>

#include "controlplane/api/event_log.h"
#include "controlplane/api/metrics.h"
#include "controlplane/api/node_view.h"
#include "controlplane/store/site_plan.h"
#include "controlplane/store/site_store.h"

namespace sallyport::api {

boost::json::value to_json(const StatusView& status);
boost::json::value to_json(const ZoneView& zone);
boost::json::value to_json(const RegistrationView& registration);
boost::json::value to_json(const CallView& call);
boost::json::value to_json(const FlowView& flow);
boost::json::value to_json(const TraversalTestView& test);
boost::json::value to_json(const DiscoveryView& view);
boost::json::value to_json(const ProbedView& view);
boost::json::value to_json(const UpgradeView& upgrade);
boost::json::value to_json(const LogLine& line);
boost::json::value to_json(const store::SitePlan& plan);
boost::json::value to_json(const store::HistoryEntry& entry);
boost::json::value to_json(const std::vector<Metric>& metrics);  // [{"name", "labels", "value"}]
boost::json::value to_json(const Fault& fault);                  // {"error": {"code", "subject", "cause", "remedy", "text"}}

template <class View>
boost::json::value to_json_list(const std::vector<View>& views);

const char* name_of(FaultCode code);  // "invalid", "missing", ...

}  // namespace sallyport::api
