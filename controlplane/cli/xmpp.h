// SPDX-License-Identifier: Apache-2.0
#pragma once
// sallyport xmpp: streams of clients, presence servers.

#include "controlplane/cli/commands.h"

namespace sallyport::cli {

int run_xmpp_streams(const Options& options);
int run_xmpp_presence(const Options& options);
int run_xmpp_discover(const Options& options);

}  // namespace sallyport::cli
