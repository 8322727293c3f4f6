// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/certificate_names.h"

#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>
#include <optional>

namespace sallyport::tls {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return result;
}

std::string_view without_dot(std::string_view name) {
  return !name.empty() && name.back() == '.' ? name.substr(0, name.size() - 1) : name;
}

std::string name_text(const X509_NAME* name) {
  BIO* memory = BIO_new(BIO_s_mem());
  X509_NAME_print_ex(memory, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* data = nullptr;
  const long length = BIO_get_mem_data(memory, &data);
  std::string text(data, static_cast<size_t>(std::max(0L, length)));
  BIO_free(memory);
  return text;
}

std::string common_name_of(X509* certificate) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index < 0) return {};
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index));
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)), static_cast<size_t>(ASN1_STRING_length(value))};
}

std::string serial_text(X509* certificate) {
  BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr);
  if (number == nullptr) return {};
  char* hex = BN_bn2hex(number);
  std::string text = hex == nullptr ? "" : hex;
  OPENSSL_free(hex);
  BN_free(number);
  return text;
}

int64_t unix_time(const ASN1_TIME* time) {
  tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<int64_t>(timegm(&parts)) : 0;
}

std::string bytes_of(const ASN1_STRING* value) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)), static_cast<size_t>(ASN1_STRING_length(value))};
}

std::optional<CertificateName> other_name(const OTHERNAME& other) {
  char oid[64];
  OBJ_obj2txt(oid, sizeof oid, other.type_id, 1);
  if (other.value == nullptr) return std::nullopt;
  // RFC 6120 13.7.1.4: id-on-xmppAddr, a UTF8String. RFC 4985: id-on-dnsSRV, an IA5String.
  if (std::string_view(oid) == "1.3.6.1.5.5.7.8.5" && other.value->type == V_ASN1_UTF8STRING) {
    return CertificateName{NameKind::xmpp_address, bytes_of(other.value->value.utf8string)};
  }
  if (std::string_view(oid) == "1.3.6.1.5.5.7.8.7" && other.value->type == V_ASN1_IA5STRING) {
    return CertificateName{NameKind::srv, lower(bytes_of(other.value->value.ia5string))};
  }
  return std::nullopt;
}

std::optional<CertificateName> one_name(const GENERAL_NAME& entry) {
  std::optional<CertificateName> name;
  char text[INET6_ADDRSTRLEN] = "";
  switch (entry.type) {
    case GEN_DNS: name = CertificateName{NameKind::dns, lower(bytes_of(entry.d.dNSName))}; break;
    case GEN_URI: name = CertificateName{NameKind::uri, bytes_of(entry.d.uniformResourceIdentifier)}; break;
    case GEN_EMAIL: name = CertificateName{NameKind::email, bytes_of(entry.d.rfc822Name)}; break;
    case GEN_OTHERNAME: name = other_name(*entry.d.otherName); break;
    case GEN_IPADD: {
      const std::string raw = bytes_of(entry.d.iPAddress);
      if (raw.size() == 4) inet_ntop(AF_INET, raw.data(), text, sizeof text);
      if (raw.size() == 16) inet_ntop(AF_INET6, raw.data(), text, sizeof text);
      if (*text != 0) name = CertificateName{NameKind::ip, text};
      break;
    }
    default: break;
  }
  // A NUL inside a name is an attack on C string comparison; such an entry names nobody.
  if (name && name->value.find('\0') != std::string::npos) return std::nullopt;
  return name;
}

std::string canonical_ip(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  const std::string copy(text);
  unsigned char raw[16];
  char result[INET6_ADDRSTRLEN] = "";
  if (inet_pton(AF_INET, copy.c_str(), raw) == 1) inet_ntop(AF_INET, raw, result, sizeof result);
  if (*result == 0 && inet_pton(AF_INET6, copy.c_str(), raw) == 1) inet_ntop(AF_INET6, raw, result, sizeof result);
  return result;
}

bool dns_matches(std::string_view pattern, std::string_view host, WildcardRule wildcards) {
  pattern = without_dot(pattern);
  if (pattern == host) return !pattern.empty() && pattern.find('*') == std::string_view::npos;
  // RFC 9525 6.3: the star is the whole left label and stands for one label; RFC 5922 7.2 allows none for SIP.
  if (wildcards == WildcardRule::refuse || pattern.size() < 3 || pattern.substr(0, 2) != "*.") return false;
  const std::string_view parent = pattern.substr(2);
  if (parent.find('*') != std::string_view::npos || parent.find('.') == std::string_view::npos) return false;
  const size_t dot = host.find('.');
  return dot != std::string_view::npos && dot > 0 && host.substr(dot + 1) == parent;
}

// RFC 5922 7.1: a SIP URI with nothing but a host is a domain identity; one with user part, port or parameters is not.
std::string sip_uri_domain(std::string_view uri) {
  const std::string text = lower(uri);
  for (const std::string_view scheme : {std::string_view("sip:"), std::string_view("sips:")}) {
    if (text.compare(0, scheme.size(), scheme) != 0) continue;
    const std::string domain(without_dot(std::string_view(text).substr(scheme.size())));
    return domain.find_first_of("@;?:/") == std::string::npos ? domain : std::string();
  }
  return {};
}

// A certificate may hold any bytes; the text goes into logs, headers and JSON.
std::string printable(std::string_view value) {
  static constexpr char hex[] = "0123456789ABCDEF";
  std::string text;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) text += c;
    else text.append("\\").append(1, hex[byte >> 4]).append(1, hex[byte & 15]);
  }
  return text;
}

const char* kind_text(NameKind kind) {
  switch (kind) {
    case NameKind::dns: return "DNS:";
    case NameKind::uri: return "URI:";
    case NameKind::ip: return "IP:";
    case NameKind::email: return "email:";
    case NameKind::xmpp_address: return "XMPPAddress:";
    case NameKind::srv: return "SRVName:";
  }
  return "";
}

bool find_name(const PeerCertificate& certificate, std::string_view wanted, WildcardRule wildcards, NameVerdict& verdict) {
  const std::string address = canonical_ip(wanted);
  const auto match = [&](NameKind kind, auto&& equal) {
    for (const CertificateName& name : certificate.names) {
      if (name.kind != kind || !equal(name.value)) continue;
      verdict.matched = true;
      verdict.by = name;
      return true;
    }
    return false;
  };
  // An IP peer is proven by iPAddress alone: a DNS entry that looks like an address does not count (RFC 9525 6.4).
  if (!address.empty()) return match(NameKind::ip, [&](const std::string& value) { return value == address; });
  const std::string as_uri = sip_uri_domain(wanted);
  const std::string host = as_uri.empty() ? lower(without_dot(wanted)) : as_uri;
  if (host.empty()) return false;
  if (match(NameKind::uri, [&](const std::string& value) { return sip_uri_domain(value) == host; })) return true;
  // RFC 5922 7.1 would ignore DNS entries beside a SIP URI; CAs prove both alike, and many certificates carry both, so either counts.
  return match(NameKind::dns, [&](const std::string& value) { return dns_matches(value, host, wildcards); });
}

std::string digest_text(const unsigned char* digest, unsigned length) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; i < length; ++i) text.append(1, hex[digest[i] >> 4]).append(1, hex[digest[i] & 15]);
  return text;
}

}  // namespace

std::string PeerCertificate::names_text() const {
  std::string text;
  for (const CertificateName& name : names) text += (text.empty() ? "" : ", ") + std::string(kind_text(name.kind)) + printable(name.value);
  return text.empty() ? "none" : text;
}

std::string fingerprint_of(X509* certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  return X509_digest(certificate, EVP_sha256(), digest, &length) == 1 ? digest_text(digest, length) : std::string();
}

std::string key_digest(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return {};
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  const bool done = EVP_Digest(der, static_cast<size_t>(size), digest, &length, EVP_sha256(), nullptr) == 1;
  OPENSSL_free(der);
  return done ? digest_text(digest, length) : std::string();
}

PeerCertificate describe_certificate(X509* certificate) {
  PeerCertificate result;
  result.subject = name_text(X509_get_subject_name(certificate));
  result.common_name = common_name_of(certificate);
  result.issuer = name_text(X509_get_issuer_name(certificate));
  result.serial = serial_text(certificate);
  result.not_before_s = unix_time(X509_get0_notBefore(certificate));
  result.not_after_s = unix_time(X509_get0_notAfter(certificate));
  result.fingerprint_sha256 = fingerprint_of(certificate);
  if (auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr))) {
    for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
      if (auto name = one_name(*sk_GENERAL_NAME_value(names, i))) result.names.push_back(std::move(*name));
    }
    GENERAL_NAMES_free(names);
  }
  if (auto* usages = static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(certificate, NID_ext_key_usage, nullptr, nullptr))) {
    result.has_extended_key_usage = true;
    result.allows_client_auth = result.allows_server_auth = false;
    for (int i = 0; i < sk_ASN1_OBJECT_num(usages); ++i) {
      const int usage = OBJ_obj2nid(sk_ASN1_OBJECT_value(usages, i));
      result.allows_client_auth |= usage == NID_client_auth || usage == NID_anyExtendedKeyUsage;
      result.allows_server_auth |= usage == NID_server_auth || usage == NID_anyExtendedKeyUsage;
    }
    EXTENDED_KEY_USAGE_free(usages);
  }
  return result;
}

std::string shown_host_name(std::string_view sent) {
  const auto is_odd = [](char c) { return !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'); };
  std::string name = lower(without_dot(sent));
  if (name.size() > 253 || std::any_of(name.begin(), name.end(), is_odd)) name.clear();
  return name;
}

NameVerdict match_name(const PeerCertificate& certificate, std::string_view wanted, WildcardRule wildcards) {
  return match_names(certificate, {std::string(wanted)}, wildcards);
}

NameVerdict match_names(const PeerCertificate& certificate, const std::vector<std::string>& wanted, WildcardRule wildcards) {
  NameVerdict verdict;
  std::string list;
  bool only_in_cn = false;
  for (const std::string& name : wanted) {
    if (find_name(certificate, name, wildcards, verdict)) return verdict;
    list += (list.empty() ? "" : " or ") + name;
    only_in_cn |= lower(certificate.common_name) == lower(without_dot(name));
  }
  verdict.text = "certificate serial " + certificate.serial + ", issued by \"" + certificate.issuer + "\", lacks the name " + list + " in its SAN; its names are: " +
                 certificate.names_text();
  if (only_in_cn) verdict.text += " (the name stands in the CN, which does not count)";
  return verdict;
}

}  // namespace sallyport::tls
