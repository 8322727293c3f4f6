// SPDX-License-Identifier: Apache-2.0
// Site documents and node files of any bytes: each is taken or refused with findings, and what is taken is what export writes.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "controlplane/certificates/certificate_part.h"
#include "controlplane/config/node_file.h"
#include "controlplane/store/site_rules.h"
#include "controlplane/store/site_store.h"

using namespace sallyport;

namespace {

// Export of what was planned, applied to the planned site, must change nothing.
void check_round_trip(const store::PlannedSite& planned, config::Role role) {
  store::SiteConfig site;
  for (const store::PlannedZone& zone : planned.zones) site.zones.push_back(zone.zone);
  site.credentials = planned.credentials;
  site.unified = planned.unified;
  store::SiteDraft draft = store::read_site_document(store::write_site_document(site, role), "export");
  store::PlannedSite again = store::plan_site(draft, {role, store::default_zone_port, site, [](const std::string&, std::string_view) { return true; }});
  if (again.plan.is_refused() || !again.plan.lines.empty()) std::abort();
}

// Certificates, trust and ACME, planned against an empty store; what may be applied is applied, and its export changes nothing.
class EmptyNode {
 public:
  EmptyNode() {
    char pattern[] = "/tmp/sallyport-fuzz-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    site_ = std::move(*store::SiteStore::open({.state_dir = folder_, .role = config::Role::edge, .node_name = "fuzz"}));
    vault_ = std::move(*certificates::CertificateVault::open({.state_dir = folder_, .node_name = "fuzz", .node_fqdn = "fuzz.example.com"}));
    acme_ = std::move(*certificates::AcmeStore::open(folder_, config::Role::edge));
    site_->set_part(certificates::make_certificate_part(*vault_, *acme_, {}));
  }
  ~EmptyNode() { std::filesystem::remove_all(folder_); }
  void check(std::string_view text) {
    const auto plan = site_->apply(text, "fuzz", "fuzz");
    if (!plan) std::abort();
    if (plan->is_refused()) return;
    const auto again = site_->plan(*site_->export_document(), "export");
    if (!again || again->is_refused() || !again->lines.empty()) std::abort();
    const auto emptied = site_->apply("format = 2\n", "empty", "fuzz");
    if (!emptied || emptied->is_refused()) std::abort();
  }

 private:
  std::string folder_;
  std::unique_ptr<store::SiteStore> site_;
  std::unique_ptr<certificates::CertificateVault> vault_;
  std::unique_ptr<certificates::AcmeStore> acme_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  config::NodeFileResult node = config::check_node_text(text, "fuzz");
  if ((node.config == nullptr) == node.errors.empty()) std::abort();
  store::SiteConfig empty;
  for (config::Role role : {config::Role::edge, config::Role::core}) {
    store::SiteDraft draft = store::read_site_document(text, "fuzz");
    store::PlannedSite planned = store::plan_site(draft, {role, store::default_zone_port, empty, [](const std::string&, std::string_view) { return false; }});
    if (!planned.plan.is_refused()) check_round_trip(planned, role);
  }
  static EmptyNode empty_node;
  // A transaction waits for the disk: only what the newer format is about.
  if (text.find("format = 2") != std::string_view::npos) empty_node.check(text);
  return 0;
}
