// SPDX-License-Identifier: Apache-2.0
#pragma once
// Handover: what a control plane leaves open for the one that replaces it by exec(): a document in a memory file whose descriptor
// stands in the environment. A document that does not read is ignored: the successor then starts as after a crash.

#include <string>
#include <vector>

#include "controlplane/proxy/client_access.h"
#include "controlplane/proxy/registration_table.h"
#include "dataplane/abi/fault.h"

namespace sallyport::node {

struct Handover {
  std::vector<int> sockets;  // bound; those of TCP listen
  std::vector<proxy::ClientAccess::KeptFlow> flows;
  std::vector<proxy::Registration> registrations;  // of those flows

  // Marks every descriptor to stay open over exec() and puts the document into the environment.
  Outcome<> leave() const;
  // Of this process, once: takes it out of the environment.
  static Handover take();
};

}  // namespace sallyport::node
