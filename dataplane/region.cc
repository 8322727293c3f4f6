// SPDX-License-Identifier: Apache-2.0
#include "dataplane/region.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <type_traits>

#include "dataplane/srtp_stream_state.h"

namespace sallyport::dataplane {

static_assert(sizeof(SrtpStreamState) == sizeof(abi::SrtpStreamState) && alignof(SrtpStreamState) <= alignof(abi::SrtpStreamState));

namespace {

constexpr int wanted_seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

constexpr uint64_t large_page_bytes = uint64_t{2} << 20;

constexpr uint64_t round_up(uint64_t bytes, uint64_t unit) { return (bytes + unit - 1) / unit * unit; }

Fault region_fault(const std::string& cause, const std::string& remedy) {
  return Fault{FaultCode::refused, "shared region", cause, remedy};
}

Outcome<int> make_sealed(uint64_t bytes, unsigned flags) {
  const int descriptor = memfd_create("sallyport-region", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
  if (descriptor < 0) return region_fault(std::strerror(errno), "");
  if (ftruncate(descriptor, static_cast<off_t>(bytes)) == 0 && fcntl(descriptor, F_ADD_SEALS, wanted_seals) == 0) return descriptor;
  Fault fault = region_fault(std::strerror(errno), "free memory or lower flows");
  close(descriptor);
  return fault;
}

}  // namespace

uint64_t Geometry::workers_offset() const { return round_up(sizeof(abi::RegionHeader), 4096); }
uint64_t Geometry::links_offset() const { return workers_offset() + worker_count * sizeof(abi::WorkerArea); }
uint64_t Geometry::meters_offset() const { return round_up(links_offset() + abi::max_links * sizeof(abi::LinkRecord), 4096); }
uint64_t Geometry::flows_offset() const { return meters_offset() + uint64_t{flow_capacity} * sizeof(abi::FlowMeter); }
uint64_t Geometry::region_bytes() const {
  return round_up(flows_offset() + uint64_t{flow_capacity} * sizeof(abi::FlowRecord), large_page_bytes);
}

Outcome<uint8_t*> Region::map(int descriptor, uint64_t bytes) {
  void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (base == MAP_FAILED) return region_fault(std::string("cannot be mapped: ") + std::strerror(errno), "free memory or lower flows");
  madvise(base, bytes, MADV_DONTDUMP);
  // Where the host allows it for shared memory: a flow's state then costs no miss of an address translation.
  madvise(base, bytes, MADV_HUGEPAGE);
  // Best effort: without CAP_IPC_LOCK the limit may be small, and swap is the operator's choice then.
  mlock2(base, bytes, MLOCK_ONFAULT);
  return static_cast<uint8_t*>(base);
}

Outcome<std::unique_ptr<Region>> Region::make(const Geometry& geometry, unsigned flags) {
  const uint64_t bytes = geometry.region_bytes();
  auto descriptor = make_sealed(bytes, flags);
  if (!descriptor) return descriptor.fault();
  // Large pages are promised to the mapping here or not at all, so none can be missing later.
  auto base = map(*descriptor, bytes);
  if (base) return std::unique_ptr<Region>(new Region(*descriptor, *base, geometry, false));
  close(*descriptor);
  return base.fault();
}

Outcome<std::unique_ptr<Region>> Region::create(const Geometry& geometry, RegionPages pages) {
  const uint64_t bytes = geometry.region_bytes();
  auto made = pages == RegionPages::large_if_free ? make(geometry, MFD_HUGETLB | MFD_HUGE_2MB) : make(geometry, 0);
  if (!made && pages == RegionPages::large_if_free) made = make(geometry, 0);
  if (!made) return made.fault();
  std::unique_ptr<Region> region = std::move(*made);
  abi::RegionHeader header;
  header.magic = abi::region_magic;
  header.version = abi::abi_version;
  header.header_bytes = sizeof header;
  header.region_bytes = bytes;
  header.worker_count = geometry.worker_count;
  header.flow_capacity = geometry.flow_capacity;
  header.workers_offset = geometry.workers_offset();
  header.links_offset = geometry.links_offset();
  header.meters_offset = geometry.meters_offset();
  header.flows_offset = geometry.flows_offset();
  header.relay_port_min = geometry.relay_port_min;
  header.relay_port_max = geometry.relay_port_max;
  getrandom(&header.epoch, sizeof header.epoch, 0);
  region->header() = header;
  return region;
}

Outcome<std::unique_ptr<Region>> Region::adopt(int descriptor, const Geometry& geometry) {
  const uint64_t bytes = geometry.region_bytes();
  struct stat status{};
  if (fstat(descriptor, &status) != 0 || static_cast<uint64_t>(status.st_size) != bytes) {
    return region_fault("the offered one has another size", "it belongs to another configuration; flows start anew");
  }
  const int seals = fcntl(descriptor, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) return region_fault("the offered one is not sealed", "");
  const int own = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
  if (own < 0) return region_fault(std::strerror(errno), "");
  auto base = map(own, bytes);
  if (!base) {
    close(own);
    return base.fault();
  }
  std::unique_ptr<Region> region(new Region(own, *base, geometry, true));
  abi::RegionHeader header = region->header();
  const bool agrees = header.magic == abi::region_magic && header.version == abi::abi_version &&
                      header.header_bytes == sizeof header && header.region_bytes == bytes &&
                      header.worker_count == geometry.worker_count && header.flow_capacity == geometry.flow_capacity &&
                      header.workers_offset == geometry.workers_offset() && header.links_offset == geometry.links_offset() &&
                      header.meters_offset == geometry.meters_offset() && header.flows_offset == geometry.flows_offset() && header.relay_port_min == geometry.relay_port_min &&
                      header.relay_port_max == geometry.relay_port_max;
  if (!agrees) return region_fault("the offered one has another layout", "it belongs to another version or configuration");
  getrandom(&header.epoch, sizeof header.epoch, 0);
  region->header().epoch = header.epoch;
  return region;
}

Region::Region(int descriptor, uint8_t* base, const Geometry& geometry, bool adopted)
    : descriptor_(descriptor), base_(base), geometry_(geometry), adopted_(adopted),
      workers_(reinterpret_cast<abi::WorkerArea*>(base + geometry.workers_offset())),
      links_(reinterpret_cast<abi::LinkRecord*>(base + geometry.links_offset())),
      meters_(reinterpret_cast<abi::FlowMeter*>(base + geometry.meters_offset())),
      flows_(reinterpret_cast<abi::FlowRecord*>(base + geometry.flows_offset())) {}

bool Region::has_large_pages() const {
  struct stat status{};
  return fstat(descriptor_, &status) == 0 && static_cast<uint64_t>(status.st_blksize) >= large_page_bytes;
}

Region::~Region() {
  munmap(base_, geometry_.region_bytes());
  close(descriptor_);
}

bool Region::is_untouched() const {
  for (uint32_t worker = 0; worker < geometry_.worker_count; ++worker) {
    if (workers_[worker].counters.commands != 0 || workers_[worker].commands.size() != 0) return false;
  }
  return !adopted_;
}

}  // namespace sallyport::dataplane
