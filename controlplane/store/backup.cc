// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/backup.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

#include "controlplane/store/sqlite_database.h"

namespace sallyport::store {
namespace {

// The file: this line; node, role, version and time, a line each; salt and nonce; sealed entries; tag.
constexpr std::string_view magic = "sallyport backup 1\n";
constexpr std::size_t salt_bytes = 16, nonce_bytes = 12, tag_bytes = 16, key_bytes = 32, max_header_line = 255;
// RFC 7914: N = 2^16, r = 8, p = 1 take 64 MiB and a fifth of a second, for each guess, too.
constexpr std::uint64_t scrypt_n = 1 << 16, scrypt_r = 8, scrypt_p = 1, scrypt_memory = 128u << 20;
constexpr const char* entries[] = {"site.db", "node.key"};

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

Fault system_fault(const std::string& subject, const char* cause, const char* remedy) { return {FaultCode::refused, subject, std::string(cause) + ": " + std::strerror(errno), remedy}; }

// A key of a passphrase, wiped when it goes.
struct DerivedKey {
  std::array<unsigned char, key_bytes> bytes{};
  ~DerivedKey() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
  bool derive(const Secret& passphrase, std::string_view salt) {
    const std::string_view text = passphrase.reveal();
    return EVP_PBE_scrypt(text.data(), text.size(), bytes_of(salt), salt.size(), scrypt_n, scrypt_r, scrypt_p, scrypt_memory, bytes.data(), bytes.size()) == 1;
  }
};

void append_entry(std::string& plain, std::string_view name, std::string_view content) {
  const auto append_number = [&](std::uint64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8) plain += static_cast<char>(number >> shift);
  };
  append_number(name.size());
  plain += name;
  append_number(content.size());
  plain += content;
}

bool take_part(std::string_view& plain, std::string_view& part) {
  if (plain.size() < 8) return false;
  std::uint64_t size = 0;
  for (int i = 0; i < 8; ++i) size = size << 8 | static_cast<unsigned char>(plain[static_cast<std::size_t>(i)]);
  plain.remove_prefix(8);
  if (size > plain.size()) return false;
  part = plain.substr(0, size);
  plain.remove_prefix(size);
  return true;
}

Outcome<std::string> read_whole(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string content;
  if (file) content.assign(std::istreambuf_iterator<char>(file), {});
  if (!file || file.bad()) return system_fault("backup: " + path, "cannot be read", "look at its owner and mode");
  return content;
}

// A consistent copy while others write: SQLite makes it.
Outcome<std::string> copy_database(const std::string& state_dir) {
  const std::string copy = state_dir + "/backup.tmp.db";  // one name, so that what a killed process left goes with the next backup
  ::unlink(copy.c_str());
  const mode_t before = ::umask(0077);
  Outcome<> done = Done{};
  try {
    SqliteDatabase database(state_dir + "/site.db");
    database.prepare("VACUUM INTO ?").bind(1, copy).run();
  } catch (const SqliteFailure& failure) {
    done = failure.fault;
  }
  ::umask(before);
  Outcome<std::string> content = done ? read_whole(copy) : Outcome<std::string>(done.fault());
  ::unlink(copy.c_str());
  return content;
}

Fault broken(const char* cause) { return {FaultCode::invalid, "backup", cause, "take another copy of the file"}; }

struct Parts {
  BackupInfo info;
  std::string_view header, salt, nonce, sealed, tag;
};

Outcome<Parts> split(std::string_view backup) {
  if (backup.size() > max_backup_bytes) return broken("is larger than 512 MiB");
  if (!backup.starts_with(magic)) return broken("is no backup of this program, or of a newer version");
  Parts parts;
  std::size_t at = magic.size();
  for (std::string* line : {&parts.info.node, &parts.info.role, &parts.info.version, &parts.info.made}) {
    const std::size_t end = backup.find('\n', at);
    if (end == std::string_view::npos || end - at > max_header_line) return broken("has a damaged header");
    *line = std::string(backup.substr(at, end - at));
    at = end + 1;
  }
  parts.header = backup.substr(0, at);
  if (backup.size() < at + salt_bytes + nonce_bytes + tag_bytes) return broken("is cut short");
  parts.salt = backup.substr(at, salt_bytes);
  parts.nonce = backup.substr(at + salt_bytes, nonce_bytes);
  parts.sealed = backup.substr(at + salt_bytes + nonce_bytes, backup.size() - at - salt_bytes - nonce_bytes - tag_bytes);
  parts.tag = backup.substr(backup.size() - tag_bytes);
  return parts;
}

// 0600, and there under its name only when it is whole.
Outcome<> write_file(const std::string& path, std::string_view content) {
  const std::string fresh = path + ".restoring";
  ::unlink(fresh.c_str());
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return system_fault("restore: " + path, "cannot be made", "look at the folder's owner and mode");
  bool fine = true;
  for (std::size_t at = 0; fine && at < content.size();) {
    const ssize_t count = ::write(file, content.data() + at, content.size() - at);
    fine = count > 0;
    at += fine ? static_cast<std::size_t>(count) : 0;
  }
  fine = fine && ::fsync(file) == 0;
  ::close(file);
  if (fine && ::rename(fresh.c_str(), path.c_str()) == 0) return Done{};
  const Fault fault = system_fault("restore: " + path, "cannot be written", "look at the free space of the disk");
  ::unlink(fresh.c_str());
  return fault;
}

}  // namespace

Outcome<std::string> make_backup(const std::string& state_dir, const BackupInfo& info, const Secret& passphrase) {
  if (passphrase.reveal().size() < min_passphrase_chars) return Fault{FaultCode::invalid, "backup: passphrase", "has fewer than 12 characters", "take a longer one: the file holds every private key of the node"};
  auto database = copy_database(state_dir);
  if (!database) return database.fault();
  auto key_file = read_whole(state_dir + "/node.key");
  if (!key_file) return key_file.fault();
  std::string plain;
  plain.reserve(database->size() + key_file->size() + 64);
  append_entry(plain, entries[0], *database);
  append_entry(plain, entries[1], *key_file);
  OPENSSL_cleanse(key_file->data(), key_file->size());
  std::string backup(magic);
  for (const std::string* line : {&info.node, &info.role, &info.version, &info.made}) backup += line->substr(0, max_header_line) + "\n";
  const std::string header = backup;
  std::string salt(salt_bytes, '\0'), nonce(nonce_bytes, '\0'), sealed(plain.size(), '\0'), tag(tag_bytes, '\0');
  DerivedKey key;
  const CipherContext context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int length = 0;
  const bool done = context && RAND_bytes(bytes_of(salt), salt_bytes) == 1 && RAND_bytes(bytes_of(nonce), nonce_bytes) == 1 && key.derive(passphrase, salt) &&
                    EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.bytes.data(), bytes_of(nonce)) == 1 &&
                    EVP_EncryptUpdate(context.get(), nullptr, &length, bytes_of(header), static_cast<int>(header.size())) == 1 &&
                    EVP_EncryptUpdate(context.get(), bytes_of(sealed), &length, bytes_of(plain), static_cast<int>(plain.size())) == 1 &&
                    EVP_EncryptFinal_ex(context.get(), bytes_of(sealed) + length, &length) == 1 && EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, tag_bytes, tag.data()) == 1;
  OPENSSL_cleanse(plain.data(), plain.size());
  if (!done) return Fault{FaultCode::internal, "backup", "OpenSSL could not seal it", "look at memory and entropy of this machine"};
  return backup + salt + nonce + sealed + tag;
}

Outcome<BackupInfo> read_backup_header(std::string_view backup) {
  auto parts = split(backup);
  if (!parts) return parts.fault();
  return parts->info;
}

Outcome<BackupInfo> restore_backup(std::string_view backup, const Secret& passphrase, const std::string& state_dir) {
  auto parts = split(backup);
  if (!parts) return parts.fault();
  DerivedKey key;
  const CipherContext context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  std::string plain(parts->sealed.size(), '\0'), tag(parts->tag);
  int length = 0;
  const bool genuine = context && key.derive(passphrase, parts->salt) && EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.bytes.data(), bytes_of(parts->nonce)) == 1 &&
                       EVP_DecryptUpdate(context.get(), nullptr, &length, bytes_of(parts->header), static_cast<int>(parts->header.size())) == 1 &&
                       EVP_DecryptUpdate(context.get(), bytes_of(plain), &length, bytes_of(parts->sealed), static_cast<int>(parts->sealed.size())) == 1 &&
                       EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, tag_bytes, tag.data()) == 1 && EVP_DecryptFinal_ex(context.get(), bytes_of(plain) + length, &length) == 1;
  const auto refuse = [&](Fault fault) {
    OPENSSL_cleanse(plain.data(), plain.size());
    return fault;
  };
  if (!genuine) return refuse({FaultCode::refused, "backup", "does not open: the passphrase is another, or the file was changed", "check the passphrase, then the copy"});
  if (::mkdir(state_dir.c_str(), 0700) != 0 && errno != EEXIST) return refuse(system_fault("restore: state_dir " + state_dir, "cannot be made", "make it, owned by the service user"));
  for (const char* entry : entries) {
    struct stat status {};
    if (::lstat((state_dir + "/" + entry).c_str(), &status) == 0) return refuse({FaultCode::conflict, "restore: " + state_dir + "/" + entry, "is there already", "restore into an empty state_dir, or move this one away first"});
  }
  std::string_view rest = plain, name, content;
  for (const char* entry : entries) {
    if (!take_part(rest, name) || !take_part(rest, content) || name != entry) return refuse(broken("holds other things than a node's store"));
    if (const Outcome<> done = write_file(state_dir + "/" + entry, content); !done) {
      for (const char* each : entries) ::unlink((state_dir + "/" + each).c_str());
      return refuse(done.fault());
    }
  }
  OPENSSL_cleanse(plain.data(), plain.size());
  return parts->info;
}

}  // namespace sallyport::store
