// SPDX-License-Identifier: Apache-2.0
#pragma once
// Files that a site document names ([[trust]] file = "ca.pem"): read here, where the document is, since the node may be another machine, and
// appended to it as a section [files], so that its lines stay where they are. One thread.

#include <string>

#include "dataplane/abi/fault.h"

namespace sallyport::cli {

// path: of the document; relative names are relative to its folder, those of standard input to the current one. A document that is no TOML
// is left to the node, which says what is wrong with it.
Outcome<> attach_files(std::string& document, const std::string& path);

}  // namespace sallyport::cli
