// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/node_credentials.h"

#include <gtest/gtest.h>

#include "tests/unit/tls/certificate_factory.h"

namespace sallyport::node {
namespace {

// A presence server that takes SASL EXTERNAL would let any client outside in as the owner of the certificate that C shows.
TEST(NodeCredentials, PresenceServersAreShownNoCertificateAndTrustIsTheStoresAlone) {
  tls_test::CertificateFactory factory;
  const tls_test::Issued own = factory.leaf("node", {.subject_alt_names = "DNS:c1.inside.example.com"});
  config::TlsSection files;
  files.certificate = own.certificate_path;
  files.key = own.key_path;
  files.ca_file = factory.ca();
  const auto loaded = NodeCredentials::load(files, {}, {});
  ASSERT_TRUE(loaded) << loaded.fault().text();
  EXPECT_TRUE(loaded->call_control()->snapshot()->platform());
  EXPECT_FALSE(loaded->presence()->snapshot()->platform());
}

}  // namespace
}  // namespace sallyport::node
