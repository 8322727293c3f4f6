// SPDX-License-Identifier: Apache-2.0
#pragma once
// MachineReport: what this machine offers a dataplane, and what to change where it could offer more: hugepages, isolated cores, NUMA,
// crypto width, clock, steering. Only reads /sys and /proc; needs neither EAL nor rights. For `--self-test`.

#include <string>
#include <vector>

#include "dataplane/node_settings.h"

namespace sallyport::dataplane {

struct MachineFact {
  bool is_fine = true;
  std::string subject;  // "hugepages", "lcore 2", "port outside"
  std::string fact;
  std::string remedy;   // of what is not fine

  std::string text() const;  // "ok: SUBJECT: FACT" or "warning: SUBJECT: FACT; REMEDY"
};

// `root` stands before /sys and /proc (tests); `settings` null: nothing about lcores and ports.
std::vector<MachineFact> inspect_machine(const std::string& root, const NodeSettings* settings);

}  // namespace sallyport::dataplane
