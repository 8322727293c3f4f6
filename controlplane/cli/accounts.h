// SPDX-License-Identifier: Apache-2.0
#pragma once
// The commands `sallyport account` and `sallyport audit`.

#include "controlplane/cli/commands.h"

namespace sallyport::cli {

int run_accounts(const Options& options);
int run_add_account(const Options& options);
int run_account_password(const Options& options);
int run_account_role(const Options& options);
int run_remove_account(const Options& options);
int run_sessions(const Options& options);
int run_end_session(const Options& options);
int run_audit(const Options& options);

}  // namespace sallyport::cli
