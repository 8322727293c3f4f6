// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a TLS server shows, fetched without trusting it, and what is to be said of it before it is trusted (A12, B01 to B05, A14): who vouches
// for it, whether the name is in its SAN, whether it is self-signed. Nothing is sent over the connection but the handshake.

#include <boost/asio/awaitable.hpp>
#include <string>

#include "controlplane/api/node_view.h"
#include "controlplane/certificates/certificate_set.h"
#include "controlplane/node/node.h"

namespace sallyport::node {

boost::asio::awaitable<Outcome<api::ProbedView>> run_certificate_probe(Node& node, std::string host, std::uint16_t port, std::string purpose);

struct ProbeFindings {
  bool is_trusted = false;
  std::vector<std::string> texts;
};

// Pure; trust: of the purpose. chain: as it was presented, leaf first, not empty.
ProbeFindings findings_of(const std::vector<certificates::CertificatePtr>& chain, const std::string& host, X509_STORE* trust, const std::string& trust_origin, const std::string& purpose);

}  // namespace sallyport::node
