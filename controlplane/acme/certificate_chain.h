// SPDX-License-Identifier: Apache-2.0
#pragma once
// CertificateChain: what an authority issued, read from PEM and judged against the request it was made for: same key, all names,
// valid now, fit for a TLS server, each certificate signed by the next. Nothing that fails this is handed on, so that the old
// certificate stays in use. Also the request itself, and the ID by which RFC 9773 knows a certificate. Pure; any thread.

#include <openssl/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/tls/certificate_names.h"
#include "dataplane/abi/fault.h"

struct X509_req_st;  // OpenSSL's X509_REQ

namespace sallyport::acme {

struct CertificateRequest {
  std::shared_ptr<X509_req_st> request;
  std::string der;
  std::vector<std::string> names;  // its DNS names, lower case, in order

  static Outcome<CertificateRequest> read(std::string der);
};

struct CertificateChain {
  std::string pem;  // normalised: leaf first, nothing else in it
  std::vector<std::shared_ptr<X509>> certificates;
  tls::PeerCertificate leaf;

  static Outcome<CertificateChain> read(std::string_view pem);
  std::string root_name() const;     // common name of who issued its last certificate
  std::string renewal_id() const;    // of the leaf; empty: it has no authority key identifier
};

// Empty: fine. Otherwise what is wrong with it.
std::string chain_objection(const CertificateChain& chain, const CertificateRequest& request, int64_t now_s);

// RFC 9773 4.1: base64url of the authority key identifier, a dot, base64url of the serial's octets.
std::string renewal_id(const X509* certificate);

}  // namespace sallyport::acme
