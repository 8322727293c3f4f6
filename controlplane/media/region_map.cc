// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/region_map.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

namespace sallyport::media {
namespace {

constexpr uint64_t region_bytes_limit = uint64_t{16} << 30;
constexpr uint32_t flow_capacity_limit = 1u << 20;
constexpr int copy_attempts = 8;

// A worker writes while we read. Word by word with relaxed atomics: no torn words, and no data race by the letter.
void copy_words(void* out, const void* shared, size_t bytes) {
  auto* to = static_cast<unsigned char*>(out);
  const auto* from = static_cast<const unsigned char*>(shared);
  for (; bytes >= sizeof(uint64_t); bytes -= sizeof(uint64_t)) {
    const uint64_t word = __atomic_load_n(reinterpret_cast<const uint64_t*>(from), __ATOMIC_RELAXED);
    std::memcpy(to, &word, sizeof word);
    to += sizeof word;
    from += sizeof word;
  }
  for (; bytes > 0; --bytes) *to++ = __atomic_load_n(from++, __ATOMIC_RELAXED);
}

// Copies until two copies in a row agree, so that a latched address is never half old, half new. Under a constant stream of
// writes the last copy is taken: counters may then be of neighbouring packets.
template <class T>
void copy_settled(T& out, const void* shared, size_t bytes) {
  T again;
  copy_words(&out, shared, bytes);
  for (int attempt = 0; attempt < copy_attempts; ++attempt) {
    copy_words(&again, shared, bytes);
    if (std::memcmp(&out, &again, bytes) == 0) return;
    std::memcpy(static_cast<void*>(&out), &again, bytes);
  }
}

uint32_t load_acquire(const uint32_t& word) { return __atomic_load_n(&word, __ATOMIC_ACQUIRE); }

Fault bad_region(std::string cause) {
  return {FaultCode::invalid, "dataplane region", std::move(cause), "install both programs from one version"};
}

bool lies_within(uint64_t offset, uint64_t count, uint64_t each, uint64_t from, uint64_t bytes) {
  return offset % 64 == 0 && offset >= from && offset <= bytes && count * each <= bytes - offset;
}

Outcome<> check_header(const abi::RegionHeader& header, uint64_t bytes) {
  if (header.magic != abi::region_magic) return bad_region("has a wrong magic number");
  if (header.version != abi::abi_version || header.header_bytes != sizeof(abi::RegionHeader)) {
    return bad_region("has ABI version " + std::to_string(header.version) + ", ours is " +
                      std::to_string(abi::abi_version));
  }
  if (header.region_bytes != bytes) return bad_region("disagrees with its header about its size");
  if (header.worker_count == 0 || header.worker_count > abi::max_workers) return bad_region("has a bad worker count");
  if (header.flow_capacity == 0 || header.flow_capacity > flow_capacity_limit) {
    return bad_region("has a bad flow capacity");
  }
  const uint64_t workers_bytes = uint64_t{header.worker_count} * sizeof(abi::WorkerArea);
  const uint64_t links_bytes = uint64_t{abi::max_links} * sizeof(abi::LinkRecord);
  const uint64_t meters_bytes = uint64_t{header.flow_capacity} * sizeof(abi::FlowMeter);
  const bool fits =
      lies_within(header.workers_offset, header.worker_count, sizeof(abi::WorkerArea), sizeof header, bytes) &&
      lies_within(header.links_offset, abi::max_links, sizeof(abi::LinkRecord), header.workers_offset + workers_bytes,
                  bytes) &&
      lies_within(header.meters_offset, header.flow_capacity, sizeof(abi::FlowMeter), header.links_offset + links_bytes, bytes) &&
      lies_within(header.flows_offset, header.flow_capacity, sizeof(abi::FlowRecord),
                  header.meters_offset + meters_bytes, bytes);
  if (!fits) return bad_region("has areas outside itself");
  if (header.relay_port_min == 0 || header.relay_port_min % 2 != 0 || header.relay_port_max <= header.relay_port_min) {
    return bad_region("has a bad relay port range");
  }
  return Done{};
}

Outcome<> check_descriptor(int fd, uint64_t expected_bytes) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return bad_region(std::string("cannot be examined: ") + std::strerror(errno));
  if (static_cast<uint64_t>(status.st_size) != expected_bytes || expected_bytes < sizeof(abi::RegionHeader) ||
      expected_bytes > region_bytes_limit) {
    return bad_region("has " + std::to_string(status.st_size) + " bytes, announced were " +
                      std::to_string(expected_bytes));
  }
  // Without the seal a dying dataplane could shrink the region under us, and every access would be a SIGBUS.
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) return bad_region("is not sealed against shrinking");
  return Done{};
}

}  // namespace

uint64_t FlowCounters::lost() const {
  if (reception.received == 0) return reception.lost_before;
  const uint64_t expected = uint64_t{reception.highest_extended_seq} - reception.base_extended_seq + 1;
  return reception.lost_before + (expected > reception.received ? expected - reception.received : 0);
}

double FlowCounters::jitter_ms(uint32_t clock_rate_hz) const {
  return clock_rate_hz == 0 ? 0 : reception.jitter_q4 / 16.0 * 1000.0 / clock_rate_hz;
}

void wipe(abi::FlowSpec& spec) {
  explicit_bzero(&spec.open_key, sizeof spec.open_key);
  explicit_bzero(&spec.seal_key, sizeof spec.seal_key);
}

void wipe(abi::Command& command) {
  wipe(command.flow);
  explicit_bzero(command.link_spec.key, sizeof command.link_spec.key);
}

Outcome<RegionMap> RegionMap::map(int fd, uint64_t expected_bytes) {
  RegionMap region;
  region.fd_ = fd;
  if (auto checked = check_descriptor(fd, expected_bytes); !checked) return checked.fault();
  void* memory = mmap(nullptr, expected_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return bad_region(std::string("cannot be mapped: ") + std::strerror(errno));
  region.memory_ = memory;
  region.bytes_ = expected_bytes;
  // C's region holds media keys: not in a core dump of ours either.
  madvise(memory, expected_bytes, MADV_DONTDUMP);
  copy_words(&region.header_, memory, sizeof region.header_);
  if (auto checked = check_header(region.header_, expected_bytes); !checked) return checked.fault();
  for (abi::AddressSlot& slot : region.header_.slots) slot.name[sizeof slot.name - 1] = '\0';
  region.header_.crypto[sizeof region.header_.crypto - 1] = '\0';
  region.header_.profile[sizeof region.header_.profile - 1] = '\0';
  region.header_.steering[sizeof region.header_.steering - 1] = '\0';
  auto* base = static_cast<unsigned char*>(memory);
  region.workers_ = reinterpret_cast<abi::WorkerArea*>(base + region.header_.workers_offset);
  region.links_ = reinterpret_cast<const abi::LinkRecord*>(base + region.header_.links_offset);
  region.meters_ = reinterpret_cast<const abi::FlowMeter*>(base + region.header_.meters_offset);
  region.flows_ = reinterpret_cast<const abi::FlowRecord*>(base + region.header_.flows_offset);
  return region;
}

RegionMap::RegionMap(RegionMap&& other) noexcept { *this = std::move(other); }

RegionMap& RegionMap::operator=(RegionMap&& other) noexcept {
  if (this == &other) return *this;
  unmap();
  fd_ = std::exchange(other.fd_, -1);
  memory_ = std::exchange(other.memory_, nullptr);
  bytes_ = std::exchange(other.bytes_, 0);
  header_ = other.header_;
  workers_ = other.workers_;
  links_ = other.links_;
  meters_ = other.meters_;
  flows_ = other.flows_;
  return *this;
}

RegionMap::~RegionMap() { unmap(); }

void RegionMap::unmap() {
  if (memory_ != nullptr) munmap(memory_, bytes_);
  if (fd_ >= 0) close(fd_);
  memory_ = nullptr;
  fd_ = -1;
}

std::optional<uint16_t> RegionMap::slot(const char* name) const {
  for (uint16_t i = 0; i < abi::max_address_slots; ++i) {
    if (header_.slots[i].in_use != 0 && std::strcmp(header_.slots[i].name, name) == 0) return i;
  }
  return std::nullopt;
}

bool RegionMap::same_geometry(const RegionMap& other) const {
  const abi::RegionHeader& a = header_;
  const abi::RegionHeader& b = other.header_;
  if (a.worker_count != b.worker_count || a.flow_capacity != b.flow_capacity) return false;
  if (a.relay_port_min != b.relay_port_min || a.relay_port_max != b.relay_port_max) return false;
  for (uint32_t i = 0; i < abi::max_address_slots; ++i) {
    if (a.slots[i].in_use != b.slots[i].in_use || !(a.slots[i].address == b.slots[i].address)) return false;
    if (std::strcmp(a.slots[i].name, b.slots[i].name) != 0) return false;
  }
  return true;
}

abi::WorkerCounters RegionMap::counters(uint32_t worker) const {
  abi::WorkerCounters copy;
  if (worker < header_.worker_count) copy_words(&copy, &workers_[worker].counters, sizeof copy);
  return copy;
}

uint64_t RegionMap::heartbeat_ns(uint32_t worker) const {
  return workers_[worker].heartbeat_ns.load(std::memory_order_relaxed);
}

std::vector<LiveFlow> RegionMap::live_flows() const {
  std::vector<LiveFlow> flows;
  for (uint32_t i = 0; i < header_.flow_capacity; ++i) {
    const uint32_t generation = load_acquire(flows_[i].generation_live);
    if (generation == 0) continue;
    LiveFlow flow{i, generation, 0, 0};
    copy_words(&flow.call_tag, &flows_[i].spec.call_tag, sizeof flow.call_tag);
    copy_words(&flow.stream_tag, &flows_[i].spec.stream_tag, sizeof flow.stream_tag);
    if (load_acquire(flows_[i].generation_live) == generation) flows.push_back(flow);
  }
  return flows;
}

uint32_t RegionMap::live_generation(uint32_t flow_index) const {
  return flow_index < header_.flow_capacity ? load_acquire(flows_[flow_index].generation_live) : 0;
}

std::optional<abi::FlowSpec> RegionMap::flow_spec(uint32_t flow_index, uint32_t generation) const {
  if (generation == 0 || live_generation(flow_index) != generation) return std::nullopt;
  abi::FlowSpec spec;
  copy_words(&spec, &flows_[flow_index].spec, sizeof spec);
  if (live_generation(flow_index) == generation) return spec;
  wipe(spec);
  return std::nullopt;
}

std::optional<FlowCounters> RegionMap::flow_counters(uint32_t flow_index, uint32_t generation) const {
  if (generation == 0 || live_generation(flow_index) != generation) return std::nullopt;
  constexpr size_t bytes = offsetof(abi::FlowState, open_state);
  alignas(8) unsigned char raw[bytes];
  copy_settled(raw, &flows_[flow_index].state, bytes);
  abi::FlowMeter meter;
  copy_settled(meter, &meters_[flow_index], sizeof meter);
  if (live_generation(flow_index) != generation) return std::nullopt;
  abi::FlowState state;
  std::memcpy(static_cast<void*>(&state), raw, bytes);
  return FlowCounters{meter.packets, meter.bytes, state.dropped, state.first_packet_ns, meter.last_packet_ns, state.latched,
                      state.last_drop, state.auth_failures_in_row, state.latch_moves, meter.reception};
}

std::optional<abi::RtcpObservation> RegionMap::rtcp_observation(uint32_t flow_index, uint32_t generation) const {
  if (generation == 0 || live_generation(flow_index) != generation) return std::nullopt;
  abi::RtcpObservation observation;
  copy_settled(observation, &flows_[flow_index].state.rtcp, sizeof observation);
  if (live_generation(flow_index) != generation) return std::nullopt;
  return observation;
}

abi::LinkState RegionMap::link_state(uint16_t link) const {
  abi::LinkState state;
  if (link < abi::max_links) copy_settled(state, &links_[link].state, sizeof state);
  return state;
}

abi::LinkSpec RegionMap::link_spec(uint16_t link) const {
  abi::LinkSpec spec;
  if (link < abi::max_links && load_acquire(links_[link].state.generation_live) != 0) {
    copy_words(&spec, &links_[link].spec, sizeof spec);
  }
  return spec;
}

}  // namespace sallyport::media
