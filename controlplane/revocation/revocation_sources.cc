// SPDX-License-Identifier: Apache-2.0
#include "controlplane/revocation/revocation_sources.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

#include "controlplane/http/http_url.h"

namespace sallyport::revocation {
namespace {

constexpr long status_request = 5;  // RFC 6066, in the TLS feature extension

std::string usable(const GENERAL_NAME* name) {
  if (name == nullptr || name->type != GEN_URI) return {};
  const ASN1_IA5STRING* text = name->d.uniformResourceIdentifier;
  std::string url(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), static_cast<std::size_t>(ASN1_STRING_length(text)));
  return http::parse_http_url(url) ? url : std::string();
}

std::string ocsp_url_of(const X509* certificate) {
  const std::unique_ptr<AUTHORITY_INFO_ACCESS, decltype(&AUTHORITY_INFO_ACCESS_free)> access(static_cast<AUTHORITY_INFO_ACCESS*>(X509_get_ext_d2i(certificate, NID_info_access, nullptr, nullptr)), &AUTHORITY_INFO_ACCESS_free);
  for (int i = 0; access != nullptr && i < sk_ACCESS_DESCRIPTION_num(access.get()); ++i) {
    const ACCESS_DESCRIPTION* each = sk_ACCESS_DESCRIPTION_value(access.get(), i);
    if (OBJ_obj2nid(each->method) != NID_ad_OCSP) continue;
    if (std::string url = usable(each->location); !url.empty()) return url;
  }
  return {};
}

std::string crl_url_of(const X509* certificate) {
  const std::unique_ptr<CRL_DIST_POINTS, decltype(&CRL_DIST_POINTS_free)> points(static_cast<CRL_DIST_POINTS*>(X509_get_ext_d2i(certificate, NID_crl_distribution_points, nullptr, nullptr)), &CRL_DIST_POINTS_free);
  for (int i = 0; points != nullptr && i < sk_DIST_POINT_num(points.get()); ++i) {
    const DIST_POINT* point = sk_DIST_POINT_value(points.get(), i);
    // Lists of somebody else's, or of some reasons only, would have to be put together with others.
    if (point->reasons != nullptr || point->CRLissuer != nullptr || point->distpoint == nullptr || point->distpoint->type != 0) continue;
    const GENERAL_NAMES* names = point->distpoint->name.fullname;
    for (int k = 0; k < sk_GENERAL_NAME_num(names); ++k)
      if (std::string url = usable(sk_GENERAL_NAME_value(names, k)); !url.empty()) return url;
  }
  return {};
}

bool has_status_feature(const X509* certificate) {
  const std::unique_ptr<TLS_FEATURE, decltype(&TLS_FEATURE_free)> features(static_cast<TLS_FEATURE*>(X509_get_ext_d2i(certificate, NID_tlsfeature, nullptr, nullptr)), &TLS_FEATURE_free);
  for (int i = 0; features != nullptr && i < sk_ASN1_INTEGER_num(features.get()); ++i)
    if (ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features.get(), i)) == status_request) return true;
  return false;
}

}  // namespace

RevocationSources revocation_sources(const X509* certificate) { return {ocsp_url_of(certificate), crl_url_of(certificate), has_status_feature(certificate)}; }

bool may_name_sources(const X509* certificate) {
  for (const int extension : {NID_info_access, NID_crl_distribution_points, NID_tlsfeature})
    if (X509_get_ext_by_NID(certificate, extension, -1) >= 0) return true;
  return false;
}

}  // namespace sallyport::revocation
