// SPDX-License-Identifier: Apache-2.0
#include "controlplane/zones/options_request.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include "controlplane/sip/digest.h"

namespace sallyport::zones {

using sip::HeaderId;

namespace {

std::string host_of(const std::string& name) { return name.find(':') == std::string::npos ? name : "[" + name + "]"; }

std::string uri_of(const OptionsWish& wish) { return fmt::format("sip:{}:{};transport=tls", host_of(wish.peer), wish.port); }

}  // namespace

uint32_t random_draw() {
  uint32_t value = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&value), sizeof value);
  return value;
}

std::string random_token() { return fmt::format("{:08x}{:08x}", random_draw(), random_draw()); }

std::string write_options(const OptionsWish& wish) {
  const std::string uri = uri_of(wish);
  return fmt::format(
      "OPTIONS {} SIP/2.0\r\nMax-Forwards: 70\r\nFrom: <sip:{}{}>;tag={}\r\nTo: <{}>\r\nCall-ID: {}@{}\r\nCSeq: {} OPTIONS\r\n"
      "Contact: <sip:{}:{};transport=tls>\r\n{}Content-Length: 0\r\n\r\n",
      uri, wish.username.empty() ? "" : wish.username + "@", wish.own_host, random_token(), uri, random_token(), wish.own_host, wish.cseq, wish.own_host, wish.port, wish.extra_lines);
}

std::optional<std::string> authorization_line(const sip::Message& response, const OptionsWish& wish, const std::string& password, std::string* algorithm) {
  for (const sip::Header* header = response.first(HeaderId::www_authenticate); header != nullptr; header = response.next(*header)) {
    const auto challenge = sip::parse_challenge(header->value);
    if (!challenge) continue;
    if (algorithm != nullptr) *algorithm = sip::digest_algorithm_text(challenge->algorithm);
    const sip::DigestCredentials answer = sip::answer_challenge(*challenge, wish.username, password, "OPTIONS", uri_of(wish), random_token());
    return "Authorization: " + sip::format_credentials(answer) + "\r\n";
  }
  return std::nullopt;
}

}  // namespace sallyport::zones
