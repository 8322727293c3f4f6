// SPDX-License-Identifier: Apache-2.0
#pragma once
// StreamKeys: the SDES side of a stream on C: choosing from an offer, making our own, matching an answer. E never includes this. Keys are
// shared between the states of an offer and wiped with the last of them; texts that hold keys are written once and by the caller wiped.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/sip/crypto_attribute.h"
#include "controlplane/sip/sdp.h"
#include "dataplane/abi/flow.h"

namespace sallyport::media {

struct StreamKey {
  sip::CryptoSuite suite = sip::CryptoSuite::aes_cm_128_hmac_sha1_80;
  uint8_t mki_bytes = 0;
  sip::MasterKey key;
};
using SharedKey = std::shared_ptr<const StreamKey>;
using Suites = std::vector<sip::CryptoSuite>;

struct TaggedKey {
  uint32_t tag = 0;
  SharedKey key;
};

// One side of a stream under SRTP. open: what the peer seals with; seal: what we told it we seal with.
struct SrtpLeg {
  uint32_t tag = 0;
  SharedKey open, seal;
  bool is_secured() const { return open && seal; }
};

bool has_keys(std::span<const sip::SdpLine> media_lines);
// The strongest (first of `allowed`) that is offered and readable; no key if there is none.
TaggedKey select_offered(std::span<const sip::SdpLine> media_lines, const Suites& allowed);
SharedKey fresh_key(sip::CryptoSuite suite);
// One a suite, tags from 1.
std::vector<TaggedKey> fresh_keys(const Suites& suites);
// The leg that the answer makes, when its tag and suite are those of one that we offered (RFC 4568 5.1.3); unsecured if not.
SrtpLeg match_answer(std::span<const sip::SdpLine> media_lines, std::span<const TaggedKey> offered);

abi::KeyMaterial key_material(const StreamKey& key);
// From the region, after a restart. nullptr: no such suite.
SharedKey from_material(const abi::KeyMaterial& material);
std::string_view suite_name(const SharedKey& key);

// A crypto line with a placeholder in the key's place: edits copy text about, and keys must not be left behind in their buffers.
struct KeyPlaceholder {
  std::string text;
  SharedKey key;
};
std::string crypto_line(const TaggedKey& offered, std::vector<KeyPlaceholder>& placeholders);
// Puts the keys in place in the finished description, which the caller wipes after sending. false: a placeholder is not there.
bool fill_in(std::string& sdp, const std::vector<KeyPlaceholder>& placeholders);

}  // namespace sallyport::media
