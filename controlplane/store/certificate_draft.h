// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a site document of format 2 says of certificates: domains, trust, ACME and how certificates are judged, as texts with their places.
// What these may be is the business of controlplane/certificates (certificate_part.h). Plain values, move-only for the secrets.

#include <map>
#include <string>
#include <vector>

#include "controlplane/store/placed.h"

namespace sallyport::store {

struct TrustDraft {
  std::vector<std::string> purposes;
  std::string pem;   // what is in the document
  std::string file;  // or the name of a file, whose content came along in [files]
  Places places;
};

struct AcmeAuthorityDraft {
  std::string name, directory_url, ca_file, preferred_root, profile, external_key_id;
  std::vector<std::string> contacts;
  PasswordDraft external_hmac_key;
  bool agrees_to_terms = false;
  Places places;
};

struct AcmeDraft {
  std::map<std::string, std::string> settings;  // those that are given
  PasswordDraft dns_key;
  std::vector<PlacedText> slots;
  Places places;
};

struct CertificateDraft {
  std::map<std::string, std::string> settings;  // those that are given
  Places places;                                // of [certificates]
  std::vector<PlacedText> domains;
  std::vector<TrustDraft> trust;
  AcmeDraft acme;
  std::vector<AcmeAuthorityDraft> acme_authorities;
  std::map<std::string, std::string> files;  // [files]: content by name
};

}  // namespace sallyport::store
