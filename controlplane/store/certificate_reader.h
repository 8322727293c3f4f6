// SPDX-License-Identifier: Apache-2.0
#pragma once
// CertificateReader: the sections of a site document about certificates, read into a draft. Form only, as site_document.h. One thread.

#include <string_view>

#include "controlplane/store/certificate_draft.h"
#include "controlplane/store/toml_reader.h"

namespace sallyport::store {

class CertificateReader : TomlReader {
 public:
  CertificateReader(const std::string& file, CertificateDraft& draft, config::Findings& errors) : TomlReader(file, errors), draft_(draft) {}
  static bool knows(std::string_view section);
  void read(std::string_view section, toml::node& node);

 private:
  void read_certificates(toml::table& table);
  void read_trust(toml::table& table);
  void read_acme(toml::table& table);
  void read_acme_authority(toml::table& table);
  void read_files(toml::table& table);
  void read_placed(toml::node& node, const std::string& path, std::vector<PlacedText>& list);
  bool read_long_text(toml::node& node, const std::string& path, std::string& text);

  CertificateDraft& draft_;
};

}  // namespace sallyport::store
