// SPDX-License-Identifier: Apache-2.0
#pragma once
// The command `sallyport onboarding`.

#include "controlplane/cli/commands.h"

namespace sallyport::cli {

int run_onboarding(const Options& options);
int run_onboarding_on(const Options& options);
int run_onboarding_off(const Options& options);
int run_onboarding_code(const Options& options);
int run_onboarding_withdraw(const Options& options);
int run_onboarding_authority(const Options& options);

}  // namespace sallyport::cli
