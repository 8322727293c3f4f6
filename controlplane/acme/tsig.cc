// SPDX-License-Identifier: Apache-2.0
#include "controlplane/acme/tsig.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <cstdlib>

#include "controlplane/sip/base64.h"

namespace sallyport::acme {
namespace {

constexpr uint16_t fudge_s = 300;
constexpr uint16_t class_any = 255;
constexpr size_t additional_count_at = 10;

const char* name_of(TsigAlgorithm algorithm) { return algorithm == TsigAlgorithm::hmac_sha256 ? "hmac-sha256" : "hmac-sha512"; }
const EVP_MD* digest_of(TsigAlgorithm algorithm) { return algorithm == TsigAlgorithm::hmac_sha256 ? EVP_sha256() : EVP_sha512(); }

std::string put_48(int64_t value) { return put_16(static_cast<uint16_t>(value >> 32)) + put_32(static_cast<uint32_t>(value)); }

// RFC 8945 4.2: what follows the algorithm's name.
struct TsigFields {
  int64_t time_s = 0;
  uint16_t fudge = fudge_s, original_id = 0, error = 0;
  std::string mac, other;
};

bool read_fields(std::string_view data, std::string& algorithm, TsigFields& fields) {
  size_t at = 0;
  auto name = read_name(data, at);
  const auto number = [&](size_t from) { return static_cast<uint16_t>(static_cast<unsigned char>(data[from]) << 8 | static_cast<unsigned char>(data[from + 1])); };
  if (!name || at + 10 > data.size()) return false;
  algorithm = std::move(*name);
  fields.time_s = static_cast<int64_t>(number(at)) << 32 | static_cast<int64_t>(number(at + 2)) << 16 | number(at + 4);
  fields.fudge = number(at + 6);
  const size_t mac_bytes = number(at + 8);
  at += 10;
  if (at + mac_bytes + 6 > data.size()) return false;
  fields.mac = std::string(data.substr(at, mac_bytes));
  at += mac_bytes;
  fields.original_id = number(at);
  fields.error = number(at + 2);
  const size_t other_bytes = number(at + 4);
  if (at + 6 + other_bytes != data.size()) return false;
  fields.other = std::string(data.substr(at + 6));
  return true;
}

// RFC 8945 4.3.3
std::string signed_variables(const TsigKey& key, const TsigFields& fields) {
  return wire_name(key.name).value() + put_16(class_any) + put_32(0) + wire_name(name_of(key.algorithm)).value() + put_48(fields.time_s) + put_16(fields.fudge) + put_16(fields.error) +
         put_16(static_cast<uint16_t>(fields.other.size())) + fields.other;
}

Outcome<std::string> mac_of(const TsigKey& key, std::string_view text) {
  const Fault bad{FaultCode::invalid, "TSIG key " + key.name, "is not base64", "copy the secret from the name server's configuration again"};
  if (key.secret == nullptr || key.secret->is_empty()) return bad;
  std::array<std::uint8_t, 512> secret{};
  const auto length = sip::decode_base64(sip::Base64::standard, key.secret->reveal(), secret);
  if (!length || *length == 0) return bad;
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned mac_bytes = 0;
  const bool fine = HMAC(digest_of(key.algorithm), secret.data(), static_cast<int>(*length), reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &mac_bytes) != nullptr;
  OPENSSL_cleanse(secret.data(), secret.size());
  if (!fine) return Fault{FaultCode::internal, "TSIG key " + key.name, "OpenSSL could not compute its HMAC", ""};
  return std::string(reinterpret_cast<const char*>(mac.data()), mac_bytes);
}

uint16_t additional_count(std::string_view wire) {
  return static_cast<uint16_t>(static_cast<unsigned char>(wire[additional_count_at]) << 8 | static_cast<unsigned char>(wire[additional_count_at + 1]));
}

}  // namespace

Outcome<SignedMessage> sign_message(std::string wire, const TsigKey& key, int64_t now_s) {
  if (!wire_name(key.name)) return Fault{FaultCode::invalid, "TSIG key \"" + key.name + "\"", "has no usable name", "copy the key's name from the name server's configuration"};
  TsigFields fields;
  fields.time_s = now_s;
  auto mac = mac_of(key, wire + signed_variables(key, fields));
  if (!mac) return mac.fault();
  const std::string data = wire_name(name_of(key.algorithm)).value() + put_48(now_s) + put_16(fields.fudge) + put_16(static_cast<uint16_t>(mac->size())) + *mac + wire.substr(0, 2) + put_16(0) + put_16(0);
  const uint16_t records = additional_count(wire);
  wire.replace(additional_count_at, 2, put_16(static_cast<uint16_t>(records + 1)));
  wire += wire_name(key.name).value() + put_16(static_cast<uint16_t>(DnsType::tsig)) + put_16(class_any) + put_32(0) + put_16(static_cast<uint16_t>(data.size())) + data;
  return SignedMessage{std::move(wire), std::move(*mac)};
}

std::string signature_objection(std::string_view wire, const DnsMessage& answer, const TsigKey& key, std::string_view request_mac, int64_t now_s) {
  if (answer.additional.empty() || !answer.additional.back().is(DnsType::tsig)) return "is not signed";
  const DnsRecord& record = answer.additional.back();
  std::string algorithm;
  TsigFields fields;
  if (!read_fields(record.data, algorithm, fields)) return "has a broken signature";
  if (wire_name(record.name) != wire_name(key.name) || algorithm != name_of(key.algorithm)) return "is signed by another key or algorithm";
  std::string body(wire.substr(0, record.offset));
  body.replace(0, 2, put_16(fields.original_id));
  body.replace(additional_count_at, 2, put_16(static_cast<uint16_t>(additional_count(wire) - 1)));
  const auto mac = mac_of(key, put_16(static_cast<uint16_t>(request_mac.size())) + std::string(request_mac) + body + signed_variables(key, fields));
  if (!mac || mac->size() != fields.mac.size() || CRYPTO_memcmp(mac->data(), fields.mac.data(), mac->size()) != 0) return "has a wrong signature";
  if (std::llabs(now_s - fields.time_s) > fields.fudge) return "was signed at another time than now";
  return "";
}

std::string signature_complaint(const DnsMessage& answer) {
  if (answer.additional.empty() || !answer.additional.back().is(DnsType::tsig)) return "";
  std::string algorithm;
  TsigFields fields;
  if (!read_fields(answer.additional.back().data, algorithm, fields)) return "";
  if (fields.error == 16) return "the secret of the TSIG key is not the server's (BADSIG)";
  if (fields.error == 17) return "the server does not know this TSIG key, or with another algorithm (BADKEY)";
  if (fields.error == 18) return "the clocks of this node and of the server differ by more than 5 minutes (BADTIME)";
  return fields.error == 0 ? "" : "the server refuses the TSIG signature with error " + std::to_string(fields.error);
}

}  // namespace sallyport::acme
