// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finding: one thing wrong (or, as a warning, questionable) in a configuration document, with the place an operator can jump to.
// Lines and columns count from 1; 0 means that it is about the document as a whole. Plain value, any thread.

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/abi/fault.h"

namespace sallyport::config {

struct Finding {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::string key;  // "sip.client_port", "zone.peers"
  FaultCode code = FaultCode::invalid;
  std::string cause;   // "must be between 1 and 65535, is 70000"
  std::string remedy;  // "choose a port in that range"

  // "edge-e.toml:12:8: sip.client_port: must be ...; choose ..."
  std::string text() const;
  Fault fault() const;  // subject holds file, line, column and key
};

using Findings = std::vector<Finding>;

// The first as a Fault, saying how many follow. Precondition: not empty.
Fault first_fault(const Findings& findings);

}  // namespace sallyport::config
