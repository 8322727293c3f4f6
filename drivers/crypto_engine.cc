// SPDX-License-Identifier: Apache-2.0
#include "drivers/crypto_engine.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace sallyport::drivers {
namespace {

constexpr size_t kSha1BlockBytes = 64;
constexpr size_t kSha1StateBytes = 20;

// One row a CPU generation, chosen once by create(). The narrow manager is SSE with SHA-NI, two lanes. The AVX-512 figures were
// measured on Sapphire Rapids, one packet to 32 of 36 to 1,216 bytes: the managers break even at 14 packets of one block, 7 of
// three, 4 of twenty. AVX2 has half the lanes. AVX and SSE hash four at a time without SHA-NI, which is always slower
// than SHA-NI; without SHA-NI the wide manager always wins.
struct VariantRow {
  IMB_ARCH arch;
  bool has_sha_ni;
  CryptoVariant variant;
};

constexpr uint32_t kNever = 1'000'000;
constexpr VariantRow kVariants[] = {
    {IMB_ARCH_AVX512, true, {"avx512", 16, 600, 150, 350, 130, 90}},
    {IMB_ARCH_AVX512, false, {"avx512-no-shani", 16, 0, 0, 1, kNever, kNever}},
    {IMB_ARCH_AVX2, true, {"avx2", 8, 600, 150, 350, 130, 90}},
    {IMB_ARCH_AVX2, false, {"avx2-no-shani", 8, 0, 0, 1, kNever, kNever}},
    {IMB_ARCH_AVX, true, {"avx", 4, kNever, kNever, kNever, 1, 1}},
    {IMB_ARCH_AVX, false, {"avx-no-shani", 4, 0, 0, 1, kNever, kNever}},
    {IMB_ARCH_SSE, true, {"sse", 2, kNever, kNever, kNever, 1, 1}},
    {IMB_ARCH_SSE, false, {"sse-no-shani", 4, 0, 0, 1, kNever, kNever}},
};

const CryptoVariant* find_variant(IMB_ARCH arch, bool has_sha_ni) {
  for (const VariantRow& row : kVariants)
    if (row.arch == arch && row.has_sha_ni == has_sha_ni) return &row.variant;
  return nullptr;
}

// Blocks of the inner hash: the message, one byte 0x80 and the 64-bit length.
uint64_t count_blocks(const IMB_JOB& job) { return (job.msg_len_to_hash_in_bytes + 9 + kSha1BlockBytes - 1) / kSha1BlockBytes; }

void submit_hashes(IMB_MGR* manager, std::span<IMB_JOB> jobs) {
  IMB_SUBMIT_HASH_BURST_NOCHECK(manager, jobs.data(), static_cast<uint32_t>(jobs.size()), IMB_AUTH_HMAC_SHA_1);
}

IMB_ARCH init_widest(IMB_MGR* manager, IMB_ARCH widest) {
  IMB_ARCH arch = IMB_ARCH_NONE;
  init_mb_mgr_auto(manager, &arch);
  if (arch <= widest) return arch;
  if (widest == IMB_ARCH_AVX2)
    init_mb_mgr_avx2(manager);
  else if (widest == IMB_ARCH_AVX)
    init_mb_mgr_avx(manager);
  else
    init_mb_mgr_sse(manager);
  return widest;
}

Fault no_engine(std::string cause, std::string remedy) {
  return {FaultCode::refused, "crypto engine", std::move(cause), std::move(remedy)};
}

}  // namespace

CryptoEngine::CryptoEngine(Manager wide, Manager narrow, const CryptoVariant* variant)
    : wide_(std::move(wide)), narrow_(std::move(narrow)), variant_(variant), gcm_scratch_(new gcm_context_data) {}

Outcome<CryptoEngine> CryptoEngine::create(IMB_ARCH widest) {
  Manager wide{alloc_mb_mgr(0)};
  Manager narrow{alloc_mb_mgr(0)};
  if (!wide || !narrow) return no_engine("no memory for an ipsec-mb manager", "raise the memory limit of the unit");

  constexpr uint64_t kNeeded = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_SSE4_2;
  if ((wide->features & kNeeded) != kNeeded)
    return no_engine("this CPU offers no AES-NI, PCLMULQDQ and SSE4.2", "enable them for the virtual machine, or use another CPU");

  const IMB_ARCH arch = init_widest(wide.get(), widest);
  init_mb_mgr_sse(narrow.get());
  for (IMB_MGR* manager : {wide.get(), narrow.get()}) {
    if (const int error = imb_get_errno(manager); error != 0)
      return no_engine(std::string("ipsec-mb: ") + imb_get_strerror(error), "reinstall libipsec-mb1");
    if ((manager->features & IMB_FEATURE_SELF_TEST) && !(manager->features & IMB_FEATURE_SELF_TEST_PASS))
      return no_engine("the self test of ipsec-mb fails on this CPU", "run on other hardware; this one computes wrongly");
  }
  const CryptoVariant* variant = find_variant(arch, wide->features & IMB_FEATURE_SHANI);
  if (!variant) return no_engine("ipsec-mb chose an unknown CPU variant", "install libipsec-mb1 1.3");
  return CryptoEngine(std::move(wide), std::move(narrow), variant);
}

bool CryptoEngine::wide_wins(std::span<const IMB_JOB> group) const {
  uint64_t longest = 0;
  uint64_t narrow_cost = 0;
  for (const IMB_JOB& job : group) {
    const uint64_t blocks = count_blocks(job);
    longest = std::max(longest, blocks);
    narrow_cost += variant_->narrow_packet_cost + blocks * variant_->narrow_block_cost;
  }
  const uint64_t wide_cost =
      variant_->wide_fixed_cost + group.size() * variant_->wide_packet_cost + longest * variant_->wide_block_cost;
  return wide_cost < narrow_cost;
}

void CryptoEngine::hash_sha1(std::span<IMB_JOB> jobs) {
  // Neighbouring groups for the same manager go in one call: each call ends by flushing lanes, which costs like a packet or two.
  size_t run = 0;
  bool run_is_wide = false;
  for (size_t at = 0; at < jobs.size();) {
    const size_t count = std::min<size_t>(jobs.size() - at, variant_->sha1_lanes);
    const bool is_wide = wide_wins(jobs.subspan(at, count));
    if (is_wide != run_is_wide && at > run) {
      submit_hashes(run_is_wide ? wide_.get() : narrow_.get(), jobs.subspan(run, at - run));
      run = at;
    }
    run_is_wide = is_wide;
    at += count;
  }
  if (run < jobs.size()) submit_hashes(run_is_wide ? wide_.get() : narrow_.get(), jobs.subspan(run));
}

void CryptoEngine::cipher_ctr(std::span<IMB_JOB> jobs, size_t key_length_bytes) {
  if (jobs.empty()) return;
  IMB_SUBMIT_CIPHER_BURST_NOCHECK(wide_.get(), jobs.data(), static_cast<uint32_t>(jobs.size()), IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT,
                                  key_length_bytes == 16 ? IMB_KEY_128_BYTES : IMB_KEY_256_BYTES);
}

void CryptoEngine::prepare_sha1_job(IMB_JOB& job) {
  job = {};
  job.hash_alg = IMB_AUTH_HMAC_SHA_1;
  job.cipher_mode = IMB_CIPHER_NULL;
  job.chain_order = IMB_ORDER_HASH_CIPHER;
  job.auth_tag_output_len_in_bytes = kSha1StateBytes;
}

void CryptoEngine::prepare_ctr_job(IMB_JOB& job) {
  job = {};
  job.cipher_mode = IMB_CIPHER_CNTR;
  job.cipher_direction = IMB_DIR_ENCRYPT;
  job.hash_alg = IMB_AUTH_NULL;
  job.chain_order = IMB_ORDER_CIPHER_HASH;
  job.iv_len_in_bytes = 16;
}

void CryptoEngine::expand_aes_key(const uint8_t* key, size_t key_length_bytes, uint8_t* round_keys) const {
  // The library always writes the decryption schedule too; counter mode has no use for it.
  alignas(16) uint8_t unused[15 * 16];
  if (key_length_bytes == 16)
    IMB_AES_KEYEXP_128(wide_.get(), key, round_keys, unused);
  else
    IMB_AES_KEYEXP_256(wide_.get(), key, round_keys, unused);
  explicit_bzero(unused, sizeof unused);
}

void CryptoEngine::expand_gcm_key(const uint8_t* key, size_t key_length_bytes, gcm_key_data& data) const {
  if (key_length_bytes == 16)
    IMB_AES128_GCM_PRE(wide_.get(), key, &data);
  else
    IMB_AES256_GCM_PRE(wide_.get(), key, &data);
}

void CryptoEngine::expand_hmac_key(std::span<const uint8_t> key, uint8_t* ipad_state, uint8_t* opad_state) const {
  uint8_t block[kSha1BlockBytes];
  for (auto [pad, state] : {std::pair<uint8_t, uint8_t*>{0x36, ipad_state}, {0x5c, opad_state}}) {
    std::memset(block, pad, sizeof block);
    for (size_t at = 0; at < std::min(key.size(), sizeof block); ++at) block[at] ^= key[at];
    IMB_SHA1_ONE_BLOCK(wide_.get(), block, state);
  }
  explicit_bzero(block, sizeof block);
}

void CryptoEngine::gcm_seal(const GcmCall& call, size_t key_length_bytes) {
  const auto seal = key_length_bytes == 16 ? wide_->gcm128_enc : wide_->gcm256_enc;
  seal(call.key, gcm_scratch_.get(), call.text, call.text, call.text_length_bytes, call.iv, call.aad, call.aad_length_bytes,
       call.tag, 16);
}

void CryptoEngine::gcm_open(const GcmCall& call, size_t key_length_bytes) {
  const auto open = key_length_bytes == 16 ? wide_->gcm128_dec : wide_->gcm256_dec;
  open(call.key, gcm_scratch_.get(), call.text, call.text, call.text_length_bytes, call.iv, call.aad, call.aad_length_bytes,
       call.tag, 16);
}

}  // namespace sallyport::drivers
