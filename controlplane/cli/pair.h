// SPDX-License-Identifier: Apache-2.0
#pragma once
// The commands `sallyport pair` and `sallyport join`.

#include "controlplane/cli/commands.h"

namespace sallyport::cli {

int run_pair(const Options& options);
int run_pair_list(const Options& options);
int run_pair_withdraw(const Options& options);
int run_pair_renew(const Options& options);
int run_pair_remove(const Options& options);
int run_join(const Options& options);

}  // namespace sallyport::cli
