// SPDX-License-Identifier: Apache-2.0
// `sallyport backup` and `sallyport restore`.
#include <fcntl.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <iostream>

#include "controlplane/cli/api_client.h"
#include "controlplane/cli/dialogue.h"
#include "controlplane/cli/show.h"
#include "controlplane/store/backup.h"

namespace sallyport::cli {
namespace {

constexpr std::uint32_t patience_s = 60;

}  // namespace

int run_backup(const Options& options) {
  const BackupOptions& wish = options.backup;
  std::string passphrase;
  if (!read_secret(wish.passphrase_file, passphrase)) return complain_unreadable(wish.passphrase_file);
  // Before the node works for it: whether it can be kept.
  const int file = ::open(wish.file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return complain(wish.file + ": cannot be made: " + std::strerror(errno) + "; name a new file", exit_error);
  std::string body = boost::json::serialize(boost::json::object{{"passphrase", passphrase}});
  const auto reply = ApiClient(options.endpoint).post("/v1/backup", body, patience_s);
  OPENSSL_cleanse(passphrase.data(), passphrase.size());
  OPENSSL_cleanse(body.data(), body.size());
  int code = exit_done;
  if (!reply) code = complain(reply.fault().text(), exit_unreachable);
  else if (reply->status >= 400) code = complain(error_text(reply->body, reply->status), reply->status < 500 ? exit_negative : exit_error);
  else if (::write(file, reply->body.data(), reply->body.size()) != static_cast<ssize_t>(reply->body.size()) || ::fsync(file) != 0) code = complain(wish.file + ": cannot be written: " + std::strerror(errno) + "; look at the free space of the disk", exit_error);
  ::close(file);
  if (code != exit_done) {
    ::unlink(wish.file.c_str());
    return code;
  }
  std::cout << "backup of " << reply->body.size() << " bytes written to " << wish.file << "; keep it and its passphrase apart: together they are every private key of the node\n";
  return exit_done;
}

int run_restore(const Options& options) {
  const BackupOptions& wish = options.backup;
  std::string passphrase, backup;
  if (!read_secret(wish.passphrase_file, passphrase)) return complain_unreadable(wish.passphrase_file);
  if (!read_file(wish.file, backup)) return complain_unreadable(wish.file);
  const store::Secret secret(passphrase);
  OPENSSL_cleanse(passphrase.data(), passphrase.size());
  const auto restored = store::restore_backup(backup, secret, wish.state_dir);
  if (!restored) return complain(restored.fault().text(), exit_negative);
  std::cout << "restored to " << wish.state_dir << ": node " << restored->node << " (" << restored->role << "), made " << restored->made << " by version " << restored->version << "; start the control plane\n";
  return exit_done;
}

}  // namespace sallyport::cli
