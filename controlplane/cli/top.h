// SPDX-License-Identifier: Apache-2.0
#pragma once
// `sallyport top`: looks at the node every few seconds and shows a TopPicture. On a terminal it goes on until SIGINT or SIGTERM and leaves
// the screen as it found it; otherwise, or when asked to, it prints one picture and ends. One thread.

#include "controlplane/cli/commands.h"

namespace sallyport::cli {

int run_top(const Options& options);

}  // namespace sallyport::cli
