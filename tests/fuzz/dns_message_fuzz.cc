// SPDX-License-Identifier: Apache-2.0
// Any bytes as a DNS answer: taken or refused, and never believed to be signed by a key that signed nothing.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "controlplane/acme/tsig.h"

using namespace sallyport;
using namespace sallyport::acme;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const TsigKey key{"acme-key", TsigAlgorithm::hmac_sha256, std::make_shared<store::Secret>("MDEyMzQ1Njc4OWFiY2RlZg==")};
  const std::string_view wire(reinterpret_cast<const char*>(data), size);
  const auto message = read_dns_message(wire);
  if (!message) return 0;
  if (signature_objection(wire, *message, key, "mac", 1000).empty()) std::abort();
  signature_complaint(*message);
  for (const DnsRecord& record : message->answers) {
    if (record.name.size() > 254 || record.offset >= size) std::abort();
  }
  return 0;
}
