// SPDX-License-Identifier: Apache-2.0
#pragma once
// CryptoEngine: the ipsec-mb managers of one lcore and the table of what suits this CPU.
// Owned by one lcore and used only there; built before the lcore starts, lives as long as it.
// Submitting is synchronous: when a call returns its jobs are done. No allocation, lock or exception after create().
// create() fails with a Fault when the CPU has no AES-NI or the library no working self test.

#include <intel-ipsec-mb.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/abi/fault.h"

namespace sallyport::drivers {

// What one CPU generation does best. Costs are in TSC cycles; only their ratios matter, to choose between the two managers.
struct CryptoVariant {
  const char* name;          // "avx512", as counters and logs show it
  uint32_t sha1_lanes;       // packets the wide manager hashes at once
  uint32_t wide_fixed_cost;  // of a group of up to sha1_lanes packets
  uint32_t wide_packet_cost;
  uint32_t wide_block_cost;  // of each 64-byte block of the group's longest packet
  uint32_t narrow_packet_cost;
  uint32_t narrow_block_cost;  // of each 64-byte block of every packet
};

class CryptoEngine {
 public:
  // The widest variant the CPU has, or a narrower one when told so (to test or compare it).
  static Outcome<CryptoEngine> create(IMB_ARCH widest = IMB_ARCH_AVX512);

  const CryptoVariant& variant() const { return *variant_; }

  // HMAC-SHA1 over caller-owned jobs whose constant fields prepare_sha1_job set. auth_tag_output must have room for
  // 20 bytes. Sort them longest first; groups too small or uneven for the wide manager go to the narrow one.
  void hash_sha1(std::span<IMB_JOB> jobs);
  // AES counter mode; key_length_bytes is 16 or 32; encrypting and deciphering are the same.
  void cipher_ctr(std::span<IMB_JOB> jobs, size_t key_length_bytes);

  static void prepare_sha1_job(IMB_JOB& job);
  static void prepare_ctr_job(IMB_JOB& job);

  // Expanded encryption round keys: 11 times 16 bytes or 15 times 16, at a 16-byte boundary.
  void expand_aes_key(const uint8_t* key, size_t key_length_bytes, uint8_t* round_keys) const;
  void expand_gcm_key(const uint8_t* key, size_t key_length_bytes, gcm_key_data& data) const;
  // SHA-1 states after the block key xor ipad and the block key xor opad, 20 bytes each, host order words.
  void expand_hmac_key(std::span<const uint8_t> key, uint8_t* ipad_state, uint8_t* opad_state) const;

  // AES-GCM with a 12-byte IV and a 16-byte tag, in place; the text may be empty.
  struct GcmCall {
    const gcm_key_data* key;
    const uint8_t* iv;
    const uint8_t* aad;
    uint64_t aad_length_bytes;
    uint8_t* text;
    uint64_t text_length_bytes;
    uint8_t* tag;
  };
  void gcm_seal(const GcmCall& call, size_t key_length_bytes);
  // Deciphers and computes the tag; the caller compares.
  void gcm_open(const GcmCall& call, size_t key_length_bytes);

 private:
  struct ManagerDeleter {
    void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
  };
  using Manager = std::unique_ptr<IMB_MGR, ManagerDeleter>;

  CryptoEngine(Manager wide, Manager narrow, const CryptoVariant* variant);
  bool wide_wins(std::span<const IMB_JOB> group) const;

  Manager wide_;
  Manager narrow_;
  const CryptoVariant* variant_;
  std::unique_ptr<gcm_context_data> gcm_scratch_;
};

}  // namespace sallyport::drivers
