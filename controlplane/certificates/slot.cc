// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/slot.h"

#include <idn2.h>

#include "controlplane/config/fqdn.h"

namespace sallyport::certificates {
namespace {

constexpr std::string_view domain_prefix = "domain/";

}  // namespace

Outcome<std::string> domain_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  const std::string subject = "domain \"" + std::string(text.substr(0, 253)) + "\"";
  if (text.size() > 1024 || text.find('\0') != std::string_view::npos) return Fault{FaultCode::invalid, subject, "is too long", "give a name of at most 253 characters"};
  char* labels = nullptr;
  const int code = idn2_to_ascii_8z(std::string(text).c_str(), &labels, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
  if (code != IDN2_OK) return Fault{FaultCode::invalid, subject, std::string("is no domain name: ") + idn2_strerror(code), "correct it"};
  std::string name = config::lower_case(labels);
  idn2_free(labels);
  if (const std::string objection = config::fqdn_objection(name); !objection.empty()) return Fault{FaultCode::invalid, subject, objection, "give a name like 100.example-name.com"};
  return name;
}

Outcome<Slot> Slot::parse(std::string_view text) {
  if (text == "server") return Slot{SlotKind::server, {}};
  if (text == "client") return Slot{SlotKind::client, {}};
  if (text.starts_with(domain_prefix)) {
    auto name = domain_name(text.substr(domain_prefix.size()));
    if (!name) return name.fault();
    return Slot::of_domain(std::move(*name));
  }
  return Fault{FaultCode::invalid, "certificate slot \"" + std::string(text.substr(0, 253)) + "\"", "is none", "give server, client, or domain/NAME"};
}

std::string Slot::text() const { return kind == SlotKind::server ? "server" : kind == SlotKind::client ? "client" : std::string(domain_prefix) + domain; }

bool comes_before(const Slot& one, const Slot& other) {
  const auto rank = [](SlotKind kind) { return kind == SlotKind::client ? 0 : kind == SlotKind::domain ? 1 : 2; };
  return one.kind == other.kind ? one.domain < other.domain : rank(one.kind) < rank(other.kind);
}

}  // namespace sallyport::certificates
