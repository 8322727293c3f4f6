// SPDX-License-Identifier: Apache-2.0
#pragma once
// The commands `sallyport backup` and `sallyport restore`. Restoring needs no control plane: it fills an empty state_dir.

#include "controlplane/cli/commands.h"

namespace sallyport::cli {

struct BackupOptions {
  std::string file, passphrase_file, state_dir;
};
BackupOptions& backup_options();

int run_backup(const Options& options);
int run_restore(const Options& options);

}  // namespace sallyport::cli
