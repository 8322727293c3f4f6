// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/digest_hash.h"

#include <openssl/evp.h>

#include <cstdlib>
#include <memory>

namespace sallyport::store {
namespace {

std::string ha1(const EVP_MD* algorithm, std::string_view user, std::string_view realm, std::string_view password) {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  bool good = context && EVP_DigestInit_ex(context.get(), algorithm, nullptr) == 1;
  for (std::string_view part : {user, std::string_view(":"), realm, std::string_view(":"), password}) {
    good = good && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  }
  // Both digests are built into OpenSSL's default provider; without them no credential could ever be checked.
  if (!good || EVP_DigestFinal_ex(context.get(), digest, &length) != 1) std::abort();
  std::string hex;
  for (unsigned i = 0; i < length; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

}  // namespace

std::string ha1_md5(std::string_view user, std::string_view realm, std::string_view password) { return ha1(EVP_md5(), user, realm, password); }
std::string ha1_sha256(std::string_view user, std::string_view realm, std::string_view password) { return ha1(EVP_sha256(), user, realm, password); }

}  // namespace sallyport::store
