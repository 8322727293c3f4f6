// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/alert_text.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <ctime>

namespace sallyport::tls {
namespace {

HandshakeReason reason_of(int alert) {
  switch (alert) {
    case SSL_AD_UNKNOWN_CA: return HandshakeReason::untrusted_issuer;
    case SSL_AD_CERTIFICATE_EXPIRED: return HandshakeReason::expired;
    case SSL_AD_UNSUPPORTED_CERTIFICATE: return HandshakeReason::wrong_usage;
    case SSL_AD_CERTIFICATE_REQUIRED: return HandshakeReason::no_certificate;
    case SSL_AD_PROTOCOL_VERSION: return HandshakeReason::no_shared_version;
    default: return HandshakeReason::alert;
  }
}

bool is_about_certificate(int alert) {
  switch (alert) {
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN: return true;
    default: return false;
  }
}

const char* remedy_without_certificate(int alert) {
  switch (alert) {
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_CERTIFICATE_REQUIRED: return "the peer wants a client certificate or another cipher suite: configure a certificate for this connection";
    case SSL_AD_PROTOCOL_VERSION: return "the peer must support TLS 1.2 or 1.3";
    case SSL_AD_UNRECOGNIZED_NAME: return "the peer has no certificate for the name we dialled";
    default: return "see the peer's log";
  }
}

std::string remedy_with_certificate(int alert, const PeerCertificate& own) {
  switch (alert) {
    case SSL_AD_UNKNOWN_CA: return "install the CA \"" + own.issuer + "\" in the peer's trusted CAs, or send its intermediate certificates with ours";
    case SSL_AD_CERTIFICATE_EXPIRED: return "it is valid until " + date_text(own.not_after_s) + ": renew it, or correct the peer's clock";
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
      if (!own.allows_client_auth) return "its extended key usage lacks clientAuth: have the CA issue it with clientAuth";
      if (!own.allows_server_auth) return "its extended key usage lacks serverAuth: have the CA issue it with serverAuth";
      return "check its key usage, and that of its CA";
    default: return "check its names (" + own.names_text() + ") and validity against what the peer expects; the peer's log has the reason";
  }
}

}  // namespace

std::string date_text(int64_t unix_s) {
  const time_t seconds = static_cast<time_t>(unix_s);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text;
}

int alert_of(unsigned long openssl_error) {
  const int reason = ERR_GET_REASON(openssl_error);
  const bool is_alert = ERR_GET_LIB(openssl_error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256;
  return is_alert ? reason - SSL_AD_REASON_OFFSET : -1;
}

HandshakeFailure explain_alert(int alert, X509* own) {
  HandshakeFailure failure;
  failure.alert = alert;
  failure.reason = reason_of(alert);
  const std::string name = std::string(SSL_alert_desc_string_long(alert)) + " (alert " + std::to_string(alert) + ")";
  if (own == nullptr || !is_about_certificate(alert)) {
    failure.text = "the peer refused the TLS handshake: " + name;
    failure.remedy = remedy_without_certificate(alert);
    return failure;
  }
  const PeerCertificate certificate = describe_certificate(own);
  failure.refuses_our_certificate = true;
  failure.text = "the peer refused our certificate serial " + certificate.serial + " for \"" + certificate.subject + "\", issued by \"" + certificate.issuer + "\": " + name;
  failure.remedy = remedy_with_certificate(alert, certificate);
  return failure;
}

}  // namespace sallyport::tls
