// SPDX-License-Identifier: Apache-2.0
#pragma once
// docs/metrics.md, made of the tables that the server emits metrics from: names, types, labels with every value they can have, meanings.

#include <string>

namespace sallyport::node {

std::string metric_page();

}  // namespace sallyport::node
