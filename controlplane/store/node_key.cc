// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/node_key.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

namespace sallyport::store {
namespace {

constexpr std::size_t nonce_bytes = 12;
constexpr std::size_t tag_bytes = 16;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

Fault file_fault(const std::string& path, const std::string& cause, const std::string& remedy) {
  return Fault{FaultCode::refused, "node key " + path, cause, remedy};
}

Fault system_fault(const std::string& path, const char* action) {
  return file_fault(path, std::string(action) + ": " + std::strerror(errno), "let the service user own the folder");
}

// Written aside and linked into place, so that a crash leaves no half a key and two starts at once agree on one.
Outcome<> create(const std::string& path) {
  std::array<std::uint8_t, 32> key{};
  if (RAND_bytes(key.data(), static_cast<int>(key.size())) != 1) return file_fault(path, "no random bytes", "look at the entropy of this machine");
  std::string aside = path + "." + std::to_string(::getpid());
  Descriptor file(::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.number() < 0) return system_fault(aside, "cannot be made");
  bool written = ::write(file.number(), key.data(), key.size()) == static_cast<ssize_t>(key.size()) && ::fsync(file.number()) == 0;
  OPENSSL_cleanse(key.data(), key.size());
  Outcome<> result = Done{};
  if (!written) result = system_fault(aside, "cannot be written");
  if (written && ::link(aside.c_str(), path.c_str()) != 0 && errno != EEXIST) result = system_fault(path, "cannot be made");
  ::unlink(aside.c_str());
  return result;
}

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

Fault cipher_fault() { return Fault{FaultCode::internal, "node key", "AES-256-GCM is not available", "install OpenSSL with its default provider"}; }

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

}  // namespace

NodeKey::~NodeKey() { OPENSSL_cleanse(key_.data(), key_.size()); }

NodeKey::NodeKey(NodeKey&& other) noexcept : path_(std::move(other.path_)), key_(other.key_) { OPENSSL_cleanse(other.key_.data(), other.key_.size()); }

Outcome<NodeKey> NodeKey::load(const std::string& path, bool may_create) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) return system_fault(path, "cannot be read");
    if (!may_create) return file_fault(path, "is missing, but the store holds what it sealed", "restore it from a backup, or remove the store too and apply the site again");
    if (auto made = create(path); !made) return made.fault();
  }
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.number() < 0 || ::fstat(file.number(), &status) != 0) return system_fault(path, "cannot be read");
  if ((status.st_mode & 077) != 0) return file_fault(path, "can be read by others than its owner", "chmod 0600 it, and change the passwords it sealed");
  NodeKey key;
  key.path_ = path;
  bool whole = status.st_size == static_cast<off_t>(key.key_.size()) &&
               ::read(file.number(), key.key_.data(), key.key_.size()) == static_cast<ssize_t>(key.key_.size());
  if (!whole) return file_fault(path, "is not 32 bytes long", "restore it from a backup");
  return key;
}

Outcome<std::string> NodeKey::seal(std::string_view purpose, std::string_view plain) const {
  std::string sealed(nonce_bytes + plain.size() + tag_bytes, '\0');
  auto* out = reinterpret_cast<unsigned char*>(sealed.data());
  CipherContext context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int length = 0;
  bool done = context && RAND_bytes(out, nonce_bytes) == 1 &&
              EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key_.data(), out) == 1 &&
              EVP_EncryptUpdate(context.get(), nullptr, &length, bytes_of(purpose), static_cast<int>(purpose.size())) == 1 &&
              EVP_EncryptUpdate(context.get(), out + nonce_bytes, &length, bytes_of(plain), static_cast<int>(plain.size())) == 1 &&
              EVP_EncryptFinal_ex(context.get(), out + nonce_bytes + plain.size(), &length) == 1 &&
              EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, tag_bytes, out + nonce_bytes + plain.size()) == 1;
  if (!done) return cipher_fault();
  return sealed;
}

Outcome<Secret> NodeKey::open(std::string_view purpose, std::string_view sealed) const {
  Fault wrong{FaultCode::invalid, "node key " + path_, "does not open what the store holds", "restore the key that belongs to this store, or apply the site with its passwords again"};
  if (sealed.size() < nonce_bytes + tag_bytes) return wrong;
  std::string_view body = sealed.substr(nonce_bytes, sealed.size() - nonce_bytes - tag_bytes);
  std::string tag(sealed.substr(sealed.size() - tag_bytes));
  std::vector<unsigned char> plain(body.size() + 1);
  CipherContext context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int length = 0, rest = 0;
  bool ready = context && EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key_.data(), bytes_of(sealed)) == 1 &&
               EVP_DecryptUpdate(context.get(), nullptr, &length, bytes_of(purpose), static_cast<int>(purpose.size())) == 1 &&
               EVP_DecryptUpdate(context.get(), plain.data(), &length, bytes_of(body), static_cast<int>(body.size())) == 1 &&
               EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, tag_bytes, tag.data()) == 1;
  bool genuine = ready && EVP_DecryptFinal_ex(context.get(), plain.data() + length, &rest) == 1;
  Secret secret(genuine ? std::string_view(reinterpret_cast<char*>(plain.data()), body.size()) : std::string_view());
  OPENSSL_cleanse(plain.data(), plain.size());
  if (!ready) return cipher_fault();
  if (!genuine) return wrong;
  return secret;
}

}  // namespace sallyport::store
