// SPDX-License-Identifier: Apache-2.0
#pragma once
// explain_alert(): a fatal TLS alert of the peer in words an operator can act on. An alert about a certificate names ours with
// issuer and serial, because the peer never says more than the number. Pure function; any thread.

#include <openssl/types.h>

#include "controlplane/tls/tls_policy.h"

namespace sallyport::tls {

// own: the certificate we presented; null: none. The result has reason, text, remedy and alert.
HandshakeFailure explain_alert(int alert, X509* own);

// The alert in an OpenSSL error code, -1: it is none.
int alert_of(unsigned long openssl_error);

// "2026-11-26 08:00:00 UTC"
std::string date_text(int64_t unix_s);

}  // namespace sallyport::tls
