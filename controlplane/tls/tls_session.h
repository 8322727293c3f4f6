// SPDX-License-Identifier: Apache-2.0
#pragma once
// TlsSession: one TLS connection's state machine over memory: ciphertext in, plaintext out, and back; it never touches a socket.
// Owned by one Stream, used on its thread. Idle it holds only OpenSSL's state; record buffers are released between records.
// Any failure is final; what it put into output (an alert) should still be sent.

#include <openssl/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/tls/chunk.h"
#include "controlplane/tls/tls_policy.h"

namespace sallyport::tls {

class TlsSession {
 public:
  enum class Step : uint8_t { done, want_input, failed };
  enum class Read : uint8_t { want_input, more, ended, truncated, failed };

  // name: asked for by other means, such as the `to` of an XMPP stream; counts where the client sends no SNI.
  static Outcome<std::unique_ptr<TlsSession>> server(std::shared_ptr<TlsPolicy> policy, std::string name = {});
  static Outcome<std::unique_ptr<TlsSession>> client(std::shared_ptr<TlsPolicy> policy, const std::string& sni, std::vector<std::string> peer_names);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Consumes from input, appends to output. After failed: failure().
  Step handshake(std::string_view& input, Chunk& output);
  // The peer went away in the middle of the handshake; error 0: in order.
  HandshakeFailure interrupted(int error) const;
  const HandshakeFailure& failure() const;

  // Fills plain's tail; more: plain is full, call again. After failed: read_failure().
  Read read(std::string_view& input, Chunk& plain, Chunk& output);
  HandshakeFailure read_failure();
  bool write(std::string_view plain, Chunk& output);
  void close_notify(Chunk& output);
  void keep_buffers();  // between records: 33 kB for a connection that is never idle
  TlsFacts facts() const;
  std::vector<std::shared_ptr<X509>> peer_chain() const;  // as presented, leaf first

 private:
  struct Pending;  // what only a running handshake needs
  friend struct TlsPolicyCallbacks;
  friend struct MemoryBio;
  TlsSession() = default;
  static Outcome<std::unique_ptr<TlsSession>> make(std::shared_ptr<TlsPolicy> policy);
  HandshakeFailure describe_failure(int ssl_error) const;

  std::shared_ptr<TlsPolicy> policy_;
  SSL* ssl_ = nullptr;
  std::string_view* input_ = nullptr;  // only while a call runs
  Chunk* output_ = nullptr;
  bool input_ended_ = false;
  std::unique_ptr<Pending> pending_;
  std::string authority_;  // that vouches for the peer, where it is verified
};

}  // namespace sallyport::tls
