// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/tls_policy.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "controlplane/tls/certificate_verdict.h"
#include "controlplane/tls/tls_pending.h"

namespace sallyport::tls {
namespace {

constexpr const char* tls12_suites = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr const char* tls13_suites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* groups = "X25519:P-256:P-384";
constexpr int security_level = 2;  // 112 bits: RSA of 2048 bits or more, SHA-2
constexpr long session_lifetime_s = 7200;
constexpr long cached_sessions = 1024;  // TLS 1.2 clients without tickets
constexpr std::chrono::hours ticket_key_lifetime{12};

std::string wire_alpn(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& protocol : protocols) {
    wire += static_cast<char>(protocol.size());
    wire += protocol;
  }
  return wire;
}

// RFC 6066 3: a list with, in practice, one host_name. Empty when absent or malformed.
std::string_view sni_of(SSL* ssl) {
  const unsigned char* data = nullptr;
  size_t length = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &length) != 1 || length < 5) return {};
  const size_t list = static_cast<size_t>(data[0]) << 8 | data[1];
  const size_t name = static_cast<size_t>(data[3]) << 8 | data[4];
  if (list + 2 != length || data[2] != TLSEXT_NAMETYPE_host_name || name + 5 > length || name > 255) return {};
  return {reinterpret_cast<const char*>(data) + 5, name};
}

// The ClientHello's list of protocols holds this one and nothing else (of acme-tls/1: RFC 8737 3).
bool is_list_of(const unsigned char* list, size_t length, std::string_view protocol) {
  return !protocol.empty() && length == 1 + protocol.size() && list[0] == protocol.size() && std::memcmp(list + 1, protocol.data(), protocol.size()) == 0;
}

bool offers_only(SSL* ssl, std::string_view protocol) {
  const unsigned char* data = nullptr;
  size_t length = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &data, &length) != 1 || length < 2) return false;
  return (static_cast<size_t>(data[0]) << 8 | data[1]) == length - 2 && is_list_of(data + 2, length - 2, protocol);
}

std::string_view named_authorities(SSL* ssl) {
  const unsigned char* data = nullptr;
  size_t length = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_certificate_authorities, &data, &length) != 1) return {};
  return {reinterpret_cast<const char*>(data), length};
}

// A store with the authority of that key, if it is among what the peer presents; an empty one trusts nobody.
std::shared_ptr<X509_STORE> store_of_pinned(const std::string& key, STACK_OF(X509)* presented) {
  std::shared_ptr<X509_STORE> store(X509_STORE_new(), &X509_STORE_free);
  for (int i = 0; i < sk_X509_num(presented); ++i)
    if (key_digest(sk_X509_value(presented, i)) == key) X509_STORE_add_cert(store.get(), sk_X509_value(presented, i));
  return store;
}

}  // namespace

const char* name_of(HandshakeReason reason) {
  static constexpr std::array<const char*, handshake_reasons> names = {
      "timed_out", "closed", "reset", "protocol", "alert", "no_shared_version", "no_shared_cipher", "no_certificate", "untrusted_issuer",
      "expired", "not_yet_valid", "bad_signature", "wrong_usage", "name_mismatch", "no_credential", "other"};
  return names[static_cast<size_t>(reason)];
}

// RFC 5077 keys: made here, kept in memory only, replaced every 12 h; the one before still opens tickets.
struct TlsPolicy::TicketKeys {
  struct Key {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> cipher;
    std::array<unsigned char, 32> mac;
    bool is_set = false;
    ~Key() { OPENSSL_cleanse(this, sizeof *this); }
  };
  std::mutex mutex;
  Key current, previous;
  std::chrono::steady_clock::time_point made{};

  bool renew() {
    const auto now = std::chrono::steady_clock::now();
    if (current.is_set && now - made < ticket_key_lifetime) return true;
    Key fresh;
    fresh.is_set = RAND_bytes(fresh.name.data(), fresh.name.size()) == 1 && RAND_priv_bytes(fresh.cipher.data(), fresh.cipher.size()) == 1 &&
                   RAND_priv_bytes(fresh.mac.data(), fresh.mac.size()) == 1;
    if (!fresh.is_set) return false;
    previous = current;
    // Idle for two lifetimes: what the previous key sealed has expired.
    if (now - made > 2 * ticket_key_lifetime) previous.is_set = false;
    current = fresh;
    made = now;
    return true;
  }
};

struct TlsPolicyCallbacks {
  static TlsSession* session_of(SSL* ssl) { return static_cast<TlsSession*>(SSL_get_app_data(ssl)); }

  // Such a handshake gets the challenge's certificate or none: what answers other protocols must never answer this one.
  static int answer_challenge(SSL* ssl, int* alert, TlsSession& session, const ChallengeResponder& challenges) {
    const std::string_view sni = sni_of(ssl);
    const auto answer = challenges.find(sni);
    if (answer && SSL_use_cert_and_key(ssl, answer->certificate.get(), answer->key.get(), nullptr, 1) == 1) return SSL_CLIENT_HELLO_SUCCESS;
    HandshakeFailure failure;
    failure.reason = HandshakeReason::no_credential;
    failure.text = "an ACME validation of the name \"" + std::string(sni.substr(0, 253)) + "\" came, but none is under way";
    session.pending_->failure = std::move(failure);
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_CLIENT_HELLO_ERROR;
  }

  static int client_hello(SSL* ssl, int* alert, void* argument) {
    TlsSession& session = *session_of(ssl);
    if (session.pending_ == nullptr) return SSL_CLIENT_HELLO_ERROR;
    const auto& challenges = static_cast<TlsPolicy*>(argument)->options_.challenges;
    if (challenges != nullptr && offers_only(ssl, challenge_protocol)) return answer_challenge(ssl, alert, session, *challenges);
    // After a HelloRetryRequest this runs again; the credential stays the one of the first ClientHello's snapshot.
    const std::string_view sent = sni_of(ssl);
    const std::string_view sni = sent.empty() ? std::string_view(session.pending_->name) : sent;
    const std::string& pairing = static_cast<TlsPolicy*>(argument)->options_.pairing_protocol;
    const bool is_pairing = !pairing.empty() && offers_only(ssl, pairing);
    // Who joins has no certificate yet; who renews shows his, and it is judged.
    if (is_pairing) SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
    ServedCredential served = is_pairing ? session.pending_->snapshot->first_asked() : session.pending_->snapshot->find_asked(named_authorities(ssl));
    const bool is_asked = static_cast<bool>(served);
    if (!is_asked && !is_pairing) served = session.pending_->snapshot->find(sni);
    if (!is_asked && !sni.empty() && !session.pending_->snapshot->covers(sni)) session.policy_->credentials_->uncovered().note(sni);
    const auto use = [ssl](const Credential& credential) {
      return SSL_use_cert_and_key(ssl, credential.certificate.get(), credential.key.get(), credential.chain.get(), 1) == 1;
    };
    // With one of each key family OpenSSL takes the one whose signature the client says it can verify.
    if (served && use(*served.first) && (served.second == nullptr || use(*served.second))) return SSL_CLIENT_HELLO_SUCCESS;
    HandshakeFailure failure;
    failure.reason = HandshakeReason::no_credential;
    failure.text = !served && is_pairing ? "a node wants to join, but this node pairs with none"
                   : !served ? "no certificate for the name \"" + std::string(sni.substr(0, 253)) + "\" and no platform certificate"
                           : served->label + ": certificate cannot be used for TLS";
    failure.remedy = is_pairing ? "make a join token first: sallyport pair" : "install a certificate for that name, or a platform certificate";
    session.pending_->failure = std::move(failure);
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_CLIENT_HELLO_ERROR;
  }

  // Only so that OpenSSL keeps the name for SSL_get_servername().
  static int server_name(SSL*, int*, void*) { return SSL_TLSEXT_ERR_OK; }

  // OpenSSL asks after it has chosen between the certificates of a handshake, so that the one in use is the one that will be sent.
  static int status(SSL* ssl, void* argument) {
    const StaplePtr staple = static_cast<StapleBook*>(argument)->serve(SSL_get_certificate(ssl));
    if (staple == nullptr) return SSL_TLSEXT_ERR_NOACK;
    auto* copy = static_cast<unsigned char*>(OPENSSL_memdup(staple->response.data(), staple->response.size()));
    if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(staple->response.size()));  // takes it
    return SSL_TLSEXT_ERR_OK;
  }

  static int alpn_select(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* offered, unsigned offered_length, void* argument) {
    const TlsPolicyOptions& options = static_cast<TlsPolicy*>(argument)->options_;
    if ((options.challenges != nullptr && is_list_of(offered, offered_length, challenge_protocol)) || is_list_of(offered, offered_length, options.pairing_protocol)) {
      *out = offered + 1;
      *out_length = offered[0];
      return SSL_TLSEXT_ERR_OK;
    }
    const auto& wanted = options.alpn;
    for (const std::string& protocol : wanted) {
      for (unsigned at = 0; at + 1 <= offered_length && at + 1 + offered[at] <= offered_length; at += 1 + offered[at]) {
        if (offered[at] != protocol.size() || std::memcmp(offered + at + 1, protocol.data(), protocol.size()) != 0) continue;
        *out = offered + at + 1;
        *out_length = offered[at];
        return SSL_TLSEXT_ERR_OK;
      }
    }
    return options.strict_alpn ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
  }

  static int verify(X509_STORE_CTX* chain, void* argument) {
    auto& policy = *static_cast<TlsPolicy*>(argument);
    auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
    TlsSession& session = *session_of(ssl);
    if (!policy.options_.verify_peer) return 1;
    if (session.pending_ == nullptr) return 0;
    PeerQuestion question;
    question.leaf = X509_STORE_CTX_get0_cert(chain);
    question.presented_chain = X509_STORE_CTX_get0_untrusted(chain);
    question.trust = session.pending_->snapshot->trust();
    question.trust_origin = session.pending_->snapshot->trust_origin();
    question.peer_is_server = !policy.is_server();
    question.require_eku = policy.options_.require_eku;
    question.security_level = security_level;
    question.wildcards = policy.options_.wildcards;
    question.names = &session.pending_->peer_names;
    question.is_withdrawn = session.pending_->snapshot->is_withdrawn(question.leaf);
    std::shared_ptr<X509_STORE> pinned;
    if (!policy.options_.pinned_authority.empty()) {
      pinned = store_of_pinned(policy.options_.pinned_authority, question.presented_chain);
      question.trust = pinned.get();
      question.trust_origin = "the join token";
    }
    PeerVerdict verdict = judge_peer(question);
    X509_STORE_CTX_set_error(chain, verdict.x509_error);
    session.authority_ = std::move(verdict.authority);
    if (!verdict.failure) return 1;
    session.pending_->failure = std::move(verdict.failure);
    return 0;
  }

  static int ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int sealing) {
    TlsPolicy::TicketKeys& keys = *session_of(ssl)->policy_->tickets_;
    const std::lock_guard lock(keys.mutex);
    if (!keys.renew()) return -1;
    const TlsPolicy::TicketKeys::Key* key = &keys.current;
    if (sealing != 0) {
      std::memcpy(name, key->name.data(), key->name.size());
      if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
    } else {
      if (std::memcmp(name, key->name.data(), key->name.size()) != 0) key = &keys.previous;
      if (!key->is_set || std::memcmp(name, key->name.data(), key->name.size()) != 0) return 0;
    }
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<unsigned char*>(key->mac.data()), key->mac.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
    const bool ready = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher.data(), iv, sealing) == 1 && EVP_MAC_CTX_set_params(mac, parameters) == 1;
    if (!ready) return -1;
    return sealing == 0 && key == &keys.previous ? 2 : 1;  // 2: hand out a ticket of the current key
  }

  static bool configure(TlsPolicy& policy, SSL_CTX* context) {
    const TlsPolicyOptions& options = policy.options_;
    bool fine = SSL_CTX_set_min_proto_version(context, options.tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
                SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 && SSL_CTX_set_cipher_list(context, tls12_suites) == 1 &&
                SSL_CTX_set_ciphersuites(context, tls13_suites) == 1 && SSL_CTX_set1_groups_list(context, groups) == 1;
    SSL_CTX_set_security_level(context, security_level);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_cert_verify_callback(context, &verify, &policy);
    if (!policy.is_server()) {
      SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
      SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
      if (!options.named_authorities.empty()) {
        STACK_OF(X509_NAME)* names = sk_X509_NAME_new_null();
        for (const auto& authority : options.named_authorities) sk_X509_NAME_push(names, X509_NAME_dup(X509_get_subject_name(authority.get())));
        SSL_CTX_set0_CA_list(context, names);
      }
      const std::string alpn = wire_alpn(options.pairing_protocol.empty() ? options.alpn : std::vector<std::string>{options.pairing_protocol});
      return fine && (alpn.empty() || SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(alpn.data()), static_cast<unsigned>(alpn.size())) == 0);
    }
    SSL_CTX_set_client_hello_cb(context, &client_hello, &policy);
    SSL_CTX_set_tlsext_servername_callback(context, &server_name);
    if (options.staples != nullptr) {
      SSL_CTX_set_tlsext_status_cb(context, &status);
      SSL_CTX_set_tlsext_status_arg(context, options.staples.get());
    }
    if (!options.alpn.empty() || options.challenges != nullptr || !options.pairing_protocol.empty()) SSL_CTX_set_alpn_select_cb(context, &alpn_select, &policy);
    if (options.role == TlsRole::server_verifies_client) {
      // A resumed session skips the certificate check, so a withdrawn CA or name would live on in tickets: no resumption here.
      SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
      SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
      SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
      return fine && SSL_CTX_set_num_tickets(context, 0) == 1;
    }
    unsigned char scope[SSL_MAX_SID_CTX_LENGTH];
    fine = fine && RAND_bytes(scope, sizeof scope) == 1 && SSL_CTX_set_session_id_context(context, scope, sizeof scope) == 1;
    SSL_CTX_set_timeout(context, session_lifetime_s);
    SSL_CTX_sess_set_cache_size(context, cached_sessions);
    return fine && SSL_CTX_set_tlsext_ticket_key_evp_cb(context, &ticket_key) == 1 && SSL_CTX_set_num_tickets(context, 1) == 1;
  }
};

Outcome<std::shared_ptr<TlsPolicy>> TlsPolicy::create(TlsPolicyOptions options, std::shared_ptr<CredentialStore> credentials) {
  for (const std::string& protocol : options.alpn) {
    if (protocol.empty() || protocol.size() > 255) return Fault{FaultCode::invalid, "ALPN protocol \"" + protocol + "\"", "is not 1 to 255 bytes long", "correct it"};
  }
  if (credentials == nullptr) return Fault{FaultCode::invalid, "TLS policy", "has no credentials", "load a CredentialStore first"};
  std::shared_ptr<TlsPolicy> policy(new TlsPolicy());
  policy->options_ = std::move(options);
  policy->peer_names_ = policy->options_.peer_names;
  policy->credentials_ = std::move(credentials);
  policy->tickets_ = std::make_unique<TicketKeys>();
  policy->context_ = SSL_CTX_new(policy->is_server() ? TLS_server_method() : TLS_client_method());
  if (policy->context_ == nullptr || !TlsPolicyCallbacks::configure(*policy, policy->context_)) {
    const unsigned long code = ERR_get_error();
    return Fault{FaultCode::internal, "TLS policy", std::string("OpenSSL refused it: ") + (code == 0 ? "no reason given" : ERR_reason_error_string(code)),
                 "check the system's OpenSSL configuration"};
  }
  return policy;
}

TlsPolicy::~TlsPolicy() { SSL_CTX_free(context_); }

void TlsPolicy::set_peer_names(std::vector<std::string> names) {
  const std::lock_guard lock(mutex_);
  peer_names_ = std::move(names);
}

std::vector<std::string> TlsPolicy::peer_names() const {
  const std::lock_guard lock(mutex_);
  return peer_names_;
}

}  // namespace sallyport::tls
