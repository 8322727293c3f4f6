// SPDX-License-Identifier: Apache-2.0
#pragma once
// NodeKey: the key of this node that seals passwords and flow-token keys in the store (AES-256-GCM, a random nonce each). It lives
// in a file of mode 0600 beside the store, made at the first start; a copy of the store alone opens nothing. Wiped at destruction.
// Immutable after load; any thread.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "controlplane/store/secret.h"
#include "dataplane/abi/fault.h"

namespace sallyport::store {

class NodeKey {
 public:
  // may_create: false once something in the store is sealed; then a missing key file is a Fault, not a new key.
  static Outcome<NodeKey> load(const std::string& path, bool may_create);
  ~NodeKey();
  NodeKey(NodeKey&& other) noexcept;
  NodeKey& operator=(NodeKey&&) = delete;

  // purpose is authenticated, not stored: what was sealed for one thing cannot be put in the place of another.
  // Result: nonce (12 bytes), ciphertext, tag (16 bytes).
  Outcome<std::string> seal(std::string_view purpose, std::string_view plain) const;
  Outcome<Secret> open(std::string_view purpose, std::string_view sealed) const;

 private:
  NodeKey() = default;
  std::string path_;
  std::array<std::uint8_t, 32> key_{};
};

}  // namespace sallyport::store
