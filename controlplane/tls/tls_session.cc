// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/tls_session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>

#include "controlplane/tls/alert_text.h"
#include "controlplane/tls/tls_pending.h"

namespace sallyport::tls {

// The BIO below OpenSSL: reads from the bytes the caller just handed in, writes to the caller's chunk; no memory of its own.
struct MemoryBio {
  static TlsSession& session(BIO* bio) { return *static_cast<TlsSession*>(BIO_get_data(bio)); }
  static int read(BIO* bio, char* into, int size) {
    TlsSession& self = session(bio);
    BIO_clear_retry_flags(bio);
    if (self.input_ == nullptr || self.input_->empty()) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const size_t taken = std::min(self.input_->size(), static_cast<size_t>(size));
    std::memcpy(into, self.input_->data(), taken);
    self.input_->remove_prefix(taken);
    return static_cast<int>(taken);
  }
  static int write(BIO* bio, const char* from, int size) {
    TlsSession& self = session(bio);
    BIO_clear_retry_flags(bio);
    if (self.output_ == nullptr || size < 0) return -1;
    self.output_->append({from, static_cast<size_t>(size)});
    return size;
  }
  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }
  static const BIO_METHOD* method() {
    static const BIO_METHOD* const made = [] {
      BIO_METHOD* fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sallyport memory");
      BIO_meth_set_read(fresh, &read);
      BIO_meth_set_write(fresh, &write);
      BIO_meth_set_ctrl(fresh, &control);
      return fresh;
    }();
    return made;
  }
};

namespace {

// SSL_get_error() misreads what an earlier call on this thread left in the queue; clearing an empty queue is dear, so look first.
void forget_errors() {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

std::string last_reason() {
  const unsigned long code = ERR_peek_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "unexpected end" : reason;
}

}  // namespace

Outcome<std::unique_ptr<TlsSession>> TlsSession::make(std::shared_ptr<TlsPolicy> policy) {
  std::unique_ptr<TlsSession> session(new TlsSession());
  forget_errors();
  session->ssl_ = SSL_new(policy->context());
  BIO* bio = BIO_new(MemoryBio::method());
  if (session->ssl_ == nullptr || bio == nullptr) {
    BIO_free(bio);
    return Fault{FaultCode::exhausted, "TLS", "no memory for another session", "lower the connection limits or add memory"};
  }
  BIO_set_data(bio, session.get());
  BIO_set_init(bio, 1);
  SSL_set_bio(session->ssl_, bio, bio);
  session->pending_ = std::make_unique<Pending>();
  session->pending_->snapshot = policy->credentials()->snapshot();
  SSL_set_app_data(session->ssl_, session.get());
  session->policy_ = std::move(policy);
  return session;
}

Outcome<std::unique_ptr<TlsSession>> TlsSession::server(std::shared_ptr<TlsPolicy> policy, std::string name) {
  auto made = make(std::move(policy));
  if (!made) return made;
  (*made)->pending_->name = std::move(name);
  (*made)->pending_->peer_names = (*made)->policy_->peer_names();
  SSL_set_accept_state((*made)->ssl_);
  return made;
}

Outcome<std::unique_ptr<TlsSession>> TlsSession::client(std::shared_ptr<TlsPolicy> policy, const std::string& sni, std::vector<std::string> peer_names) {
  auto made = make(std::move(policy));
  if (!made) return made;
  TlsSession& session = **made;
  session.pending_->peer_names = std::move(peer_names);
  // RFC 6066 3: addresses are not permitted as server names; one ends in a digit or holds a colon.
  const bool is_address = sni.find(':') != std::string::npos || (!sni.empty() && sni.find_first_not_of("0123456789.") == std::string::npos);
  const std::string host = !sni.empty() && sni.back() == '.' ? sni.substr(0, sni.size() - 1) : sni;
  if (!host.empty() && !is_address) SSL_set_tlsext_host_name(session.ssl_, host.c_str());
  const ServedCredential served = session.pending_->snapshot->platform();
  for (const auto& own : {served.first, served.second}) {
    if (own != nullptr && SSL_use_cert_and_key(session.ssl_, own->certificate.get(), own->key.get(), own->chain.get(), 1) != 1) {
      const std::string reason = last_reason();
      return Fault{FaultCode::invalid, own->label, "cannot be used for TLS: " + reason, "issue a certificate with an RSA key of 2048 bits or more, or an ECDSA key"};
    }
  }
  SSL_set_connect_state(session.ssl_);
  return made;
}

TlsSession::~TlsSession() { SSL_free(ssl_); }

TlsSession::Step TlsSession::handshake(std::string_view& input, Chunk& output) {
  input_ = &input;
  output_ = &output;
  forget_errors();
  const int result = SSL_do_handshake(ssl_);
  const int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_, result);
  input_ = nullptr;
  output_ = nullptr;
  if (result == 1) {
    // A connection that lives for days would hold the staple it sent; OpenSSL frees what it has when it is given nothing.
    if (policy_->is_server() && policy_->options().staples != nullptr) SSL_set_tlsext_status_ocsp_resp(ssl_, nullptr, 0);
    pending_.reset();
    return Step::done;
  }
  if (error == SSL_ERROR_WANT_READ) return Step::want_input;
  HandshakeFailure described = describe_failure(error);
  pending_->failure = std::move(described);
  forget_errors();
  return Step::failed;
}

HandshakeFailure TlsSession::describe_failure(int) const {
  if (pending_->failure) return *pending_->failure;
  HandshakeFailure failure;
  const unsigned long code = ERR_peek_error();
  const int reason = ERR_GET_REASON(code);
  if (const int alert = alert_of(code); alert >= 0) {
    failure = explain_alert(alert, SSL_get_certificate(ssl_));
    const char* sent = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
    if (policy_->is_server() && sent != nullptr) failure.sni = shown_host_name(sent);
    return failure;
  }
  failure.text = "TLS handshake failed: " + last_reason();
  failure.reason = HandshakeReason::protocol;
  if (ERR_GET_LIB(code) != ERR_LIB_SSL) return failure;
  switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      failure.reason = HandshakeReason::no_certificate;
      failure.text = "the peer presented no certificate, and this port requires one";
      failure.remedy = "configure a client certificate on the peer";
      break;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_UNKNOWN_PROTOCOL:
      failure.reason = HandshakeReason::no_shared_version;
      failure.remedy = "the peer must support TLS 1.2 or 1.3";
      break;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
      failure.reason = HandshakeReason::no_shared_cipher;
      failure.remedy = "the peer must support ECDHE (X25519, P-256 or P-384) with AES-GCM or ChaCha20-Poly1305";
      break;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_BAD_RECORD_TYPE:
      failure.text = "the peer does not speak TLS on this port: " + last_reason();
      failure.remedy = "check port and transport on the peer";
      break;
    default: break;
  }
  return failure;
}

HandshakeFailure TlsSession::interrupted(int error) const {
  HandshakeFailure failure;
  failure.reason = error == 0 ? HandshakeReason::closed : HandshakeReason::reset;
  failure.text = error == 0 ? "the peer closed the connection during the TLS handshake" : std::string("the connection broke during the TLS handshake: ") + std::strerror(error);
  failure.remedy = "see the peer's log: it may have refused our address or certificate";
  return failure;
}

const HandshakeFailure& TlsSession::failure() const { return *pending_->failure; }

TlsSession::Read TlsSession::read(std::string_view& input, Chunk& plain, Chunk& output) {
  input_ = &input;
  output_ = &output;
  forget_errors();
  Read verdict = Read::more;
  while (plain.tail_room() > 0) {
    size_t bytes = 0;
    const int result = SSL_read_ex(ssl_, plain.tail(), plain.tail_room(), &bytes);
    if (result == 1) {
      plain.grew(bytes);
      if (!input.empty() || SSL_has_pending(ssl_) == 1) continue;
      verdict = Read::want_input;  // asking once more would only make OpenSSL allocate and release its record buffer
      break;
    }
    const int error = SSL_get_error(ssl_, result);
    verdict = error == SSL_ERROR_WANT_READ ? Read::want_input : error == SSL_ERROR_ZERO_RETURN ? Read::ended : Read::failed;
    break;
  }
  input_ = nullptr;
  output_ = nullptr;
  return verdict;
}

HandshakeFailure TlsSession::read_failure() {
  const unsigned long code = ERR_peek_error();
  HandshakeFailure failure;
  failure.reason = HandshakeReason::protocol;
  failure.text = "TLS record refused: " + last_reason();
  // With TLS 1.3 a client learns only now that the server refused its certificate.
  if (const int alert = alert_of(code); alert >= 0) failure = explain_alert(alert, SSL_get_certificate(ssl_));
  forget_errors();
  return failure;
}

bool TlsSession::write(std::string_view plain, Chunk& output) {
  output_ = &output;
  forget_errors();
  size_t written = 0;
  const bool fine = plain.empty() || (SSL_write_ex(ssl_, plain.data(), plain.size(), &written) == 1 && written == plain.size());
  output_ = nullptr;
  return fine;
}

void TlsSession::close_notify(Chunk& output) {
  output_ = &output;
  forget_errors();
  if (SSL_is_init_finished(ssl_)) SSL_shutdown(ssl_);
  forget_errors();
  output_ = nullptr;
}

std::vector<std::shared_ptr<X509>> TlsSession::peer_chain() const {
  std::vector<std::shared_ptr<X509>> chain;
  // A server's copy of it lacks the leaf.
  STACK_OF(X509)* presented = SSL_get_peer_cert_chain(ssl_);
  if (SSL_is_server(ssl_) == 1) {
    if (X509* leaf = SSL_get1_peer_certificate(ssl_)) chain.emplace_back(leaf, &X509_free);
  }
  for (int i = 0; i < sk_X509_num(presented); ++i) {
    X509* link = sk_X509_value(presented, i);
    if (X509_up_ref(link) == 1) chain.emplace_back(link, &X509_free);
  }
  return chain;
}

void TlsSession::keep_buffers() { SSL_clear_mode(ssl_, SSL_MODE_RELEASE_BUFFERS); }

TlsFacts TlsSession::facts() const {
  TlsFacts facts;
  facts.version = SSL_get_version(ssl_);
  const char* cipher = SSL_get_cipher_name(ssl_);
  facts.cipher = cipher == nullptr ? "" : cipher;
  if (const char* sni = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name)) facts.sni = sni;
  for (char& c : facts.sni) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  const unsigned char* alpn = nullptr;
  unsigned alpn_length = 0;
  SSL_get0_alpn_selected(ssl_, &alpn, &alpn_length);
  facts.alpn.assign(reinterpret_cast<const char*>(alpn), alpn_length);
  facts.resumed = SSL_session_reused(ssl_) == 1;
  facts.authority = authority_;
  if (X509* peer = SSL_get0_peer_certificate(ssl_)) facts.peer = describe_certificate(peer);
  return facts;
}

}  // namespace sallyport::tls
