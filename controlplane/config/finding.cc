// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/finding.h"

namespace sallyport::config {

Fault Finding::fault() const {
  std::string subject = file;
  if (line != 0) subject += ":" + std::to_string(line) + ":" + std::to_string(column);
  if (!key.empty()) subject += subject.empty() ? key : ": " + key;
  return Fault{code, subject, cause, remedy};
}

std::string Finding::text() const { return fault().text(); }

Fault first_fault(const Findings& findings) {
  Fault fault = findings.at(0).fault();
  if (findings.size() > 1) {
    fault.remedy += (fault.remedy.empty() ? "" : " ") + std::string("(") + std::to_string(findings.size() - 1) + " more)";
  }
  return fault;
}

}  // namespace sallyport::config
