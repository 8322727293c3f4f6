// SPDX-License-Identifier: Apache-2.0
#pragma once
// Backup: the store of a node (site.db) and the key that seals it (node.key) as one encrypted file: scrypt (RFC 7914) makes a key of the
// passphrase, AES-256-GCM seals and authenticates all of it, header included. Whoever has file and passphrase has every private key of
// the node. make_backup() may run beside a node; restore_backup() wants an empty state_dir. Both block; any thread.

#include <cstdint>
#include <string>
#include <string_view>

#include "controlplane/config/node_config.h"
#include "controlplane/store/secret.h"
#include "dataplane/abi/fault.h"

namespace sallyport::store {

inline constexpr std::size_t max_backup_bytes = 512u << 20;
inline constexpr std::size_t min_passphrase_chars = 12;

struct BackupInfo {
  std::string node, role, version;  // of the node it was made on
  std::string made;                 // UTC, RFC 3339
};

Outcome<std::string> make_backup(const std::string& state_dir, const BackupInfo& info, const Secret& passphrase);
// Reads the header only; proves nothing.
Outcome<BackupInfo> read_backup_header(std::string_view backup);
// All or nothing: state_dir is made if it is missing, and may hold neither store nor key.
Outcome<BackupInfo> restore_backup(std::string_view backup, const Secret& passphrase, const std::string& state_dir);

}  // namespace sallyport::store
