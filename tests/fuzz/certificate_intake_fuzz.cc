// SPDX-License-Identifier: Apache-2.0
// What an operator or an authority hands in, of any bytes: certificates, keys and requests are taken within their limits, or refused
// with a file, a cause and a remedy.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "controlplane/certificates/upload_verdict.h"

using namespace sallyport;
using namespace sallyport::certificates;

namespace {

void check(const Fault& fault) {
  if (fault.subject.empty() || fault.cause.empty() || fault.remedy.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto certificates = read_certificates(text, "fuzz", max_chain_certificates);
  if (!certificates) check(certificates.fault());
  if (certificates) {
    if (certificates->empty() || certificates->size() > max_chain_certificates) std::abort();
    const auto ordered = order_chain(*certificates, nullptr, "fuzz", {});
    if (!ordered) check(ordered.fault());
    if (ordered && ordered->certificates.size() > certificates->size()) std::abort();
    for (const CertificatePtr& certificate : *certificates) {
      const auto again = certificate_from_der(der_of(certificate.get()), "fuzz");
      if (!again) check(again.fault());
      decoded_text(certificate.get());
    }
  }
  const store::Secret passphrase("fuzz");
  const auto key = read_private_key(text, "fuzz", &passphrase);
  if (!key) check(key.fault());
  if (const auto request = read_request(text, "fuzz"); !request) check(request.fault());
  UploadContext context;
  context.node_fqdn = "edge.example.com";
  context.now_s = 1'790'000'000;
  Upload upload;
  upload.certificate = text;
  for (const SlotKind kind : {SlotKind::server, SlotKind::client, SlotKind::domain}) {
    context.slot = {kind, kind == SlotKind::domain ? "example.com" : ""};
    const auto verdict = judge_upload(upload, context);
    if (!verdict) check(verdict.fault());
    if (verdict && (verdict->chain.empty() || verdict->key == nullptr)) std::abort();
  }
  if (const auto slot = Slot::parse(text.substr(0, 300)); slot && !Slot::parse(slot->text())) std::abort();
  return 0;
}
