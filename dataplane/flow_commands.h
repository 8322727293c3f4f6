// SPDX-License-Identifier: Apache-2.0
#pragma once
// Commands of the control plane, carried out between bursts by the owner lcore: add, modify, remove flows and links.
// Everything in a command is checked against the geometry and the live tables first; what does not hold gets a status and
// changes nothing. Keys are wiped on removal, from the region and from the private contexts. restore() takes over what a
// former dataplane left in the region, by the same checks.

#include "dataplane/abi/command.h"

namespace sallyport::dataplane {

class Worker;

abi::CommandStatus execute(Worker& worker, const abi::Command& command);
void restore(Worker& worker);

}  // namespace sallyport::dataplane
