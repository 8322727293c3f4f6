// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether a FlowSpec or LinkSpec from the control plane may be obeyed by this worker. Changes nothing. Owner lcore only.

#include "dataplane/abi/command.h"

namespace sallyport::dataplane {

class Worker;

// `live` says that the flow exists already (modify): its own ports and IDs do not count as in use.
abi::CommandStatus check_flow(Worker& worker, const abi::FlowSpec& spec, bool live);
abi::CommandStatus check_link(Worker& worker, const abi::LinkSpec& spec);

// An RTCP flow may have no port of its own: RTCP that arrives on the RTP flow's port is passed to it (RFC 5761).
bool has_own_port(Worker& worker, const abi::FlowSpec& spec);

}  // namespace sallyport::dataplane
