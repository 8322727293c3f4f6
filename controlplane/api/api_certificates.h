// SPDX-License-Identifier: Apache-2.0
#pragma once
// The paths of the administration interface for certificates, requests, domains and trust; see api_routes.h. Private keys go in,
// never out.

#include <boost/asio/awaitable.hpp>

#include "controlplane/api/api_routes.h"

namespace sallyport::api {

using CertificateAnswer = boost::asio::awaitable<ApiAnswer>;

CertificateAnswer get_certificates(const ApiRequest& request, ApiParts parts);
CertificateAnswer post_certificate(const ApiRequest& request, ApiParts parts);
CertificateAnswer delete_certificate(const ApiRequest& request, ApiParts parts);
CertificateAnswer post_certificate_check(const ApiRequest& request, ApiParts parts);
CertificateAnswer get_explanation(const ApiRequest& request, ApiParts parts);
CertificateAnswer get_refusals(const ApiRequest& request, ApiParts parts);
CertificateAnswer get_requests(const ApiRequest& request, ApiParts parts);
CertificateAnswer post_request(const ApiRequest& request, ApiParts parts);
CertificateAnswer delete_request(const ApiRequest& request, ApiParts parts);
CertificateAnswer get_domains(const ApiRequest& request, ApiParts parts);
CertificateAnswer post_domain(const ApiRequest& request, ApiParts parts);
CertificateAnswer delete_domain(const ApiRequest& request, ApiParts parts);
CertificateAnswer get_trust(const ApiRequest& request, ApiParts parts);
CertificateAnswer post_trust(const ApiRequest& request, ApiParts parts);
CertificateAnswer delete_trust(const ApiRequest& request, ApiParts parts);
CertificateAnswer post_trust_probe(const ApiRequest& request, ApiParts parts);
CertificateAnswer get_acme(const ApiRequest& request, ApiParts parts);
CertificateAnswer post_acme_authority(const ApiRequest& request, ApiParts parts);
CertificateAnswer delete_acme_authority(const ApiRequest& request, ApiParts parts);
CertificateAnswer post_acme_setting(const ApiRequest& request, ApiParts parts);
CertificateAnswer post_acme_slot(const ApiRequest& request, ApiParts parts);
CertificateAnswer post_acme_key(const ApiRequest& request, ApiParts parts);
CertificateAnswer post_acme_renewal(const ApiRequest& request, ApiParts parts);
CertificateAnswer post_backup(const ApiRequest& request, ApiParts parts);
CertificateAnswer get_certificate_settings(const ApiRequest& request, ApiParts parts);
CertificateAnswer post_certificate_setting(const ApiRequest& request, ApiParts parts);

}  // namespace sallyport::api
