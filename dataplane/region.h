// SPDX-License-Identifier: Apache-2.0
#pragma once
// Region: the mapping of the shared memory of one node, and the geometry that was checked when it was made or adopted.
// All positions come from the checked geometry, never from the header a second time, so nothing the other side writes can
// lead outside. Made by the main thread; workers use the pointers. Kept out of core dumps, locked where the limit allows.

#include <cstdint>
#include <memory>

#include "dataplane/abi/fault.h"
#include "dataplane/abi/region.h"

namespace sallyport::dataplane {

struct Geometry {
  uint32_t worker_count = 1;
  uint32_t flow_capacity = 16384;
  uint16_t relay_port_min = 36002;
  uint16_t relay_port_max = 59999;

  uint64_t workers_offset() const;
  uint64_t links_offset() const;
  uint64_t meters_offset() const;
  uint64_t flows_offset() const;
  uint64_t region_bytes() const;
};

// Where the pages of the region come from: the host's reserved large pages when enough of them are free, or small ones. A worker with
// many flows touches lines all over the region: in small pages the address translations would miss more often than the lines.
enum class RegionPages : uint8_t { large_if_free, small };

class Region {
 public:
  // A new, sealed memfd, all zero but for the header.
  static Outcome<std::unique_ptr<Region>> create(const Geometry& geometry, RegionPages pages = RegionPages::large_if_free);
  // Takes over the region of a dataplane that died. Refused unless it is sealed and agrees with the geometry in every point.
  // The descriptor is duplicated.
  static Outcome<std::unique_ptr<Region>> adopt(int descriptor, const Geometry& geometry);
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  int descriptor() const { return descriptor_; }
  const Geometry& geometry() const { return geometry_; }
  bool is_adopted() const { return adopted_; }
  bool has_large_pages() const;
  // True while nobody has sent a command: only such a region is given up for an offered one.
  bool is_untouched() const;

  abi::RegionHeader& header() { return *reinterpret_cast<abi::RegionHeader*>(base_); }
  // Preconditions: below worker_count, max_links, flow_capacity.
  abi::WorkerArea& worker(uint32_t index) { return workers_[index]; }
  abi::LinkRecord& link(uint32_t index) { return links_[index]; }
  abi::FlowMeter& meter(uint32_t flow) { return meters_[flow]; }
  abi::FlowRecord& flow(uint32_t index) { return flows_[index]; }

 private:
  Region(int descriptor, uint8_t* base, const Geometry& geometry, bool adopted);
  static Outcome<std::unique_ptr<Region>> make(const Geometry& geometry, unsigned memfd_flags);
  static Outcome<uint8_t*> map(int descriptor, uint64_t bytes);

  int descriptor_;
  uint8_t* base_;
  Geometry geometry_;
  bool adopted_;
  abi::WorkerArea* workers_;
  abi::LinkRecord* links_;
  abi::FlowMeter* meters_;
  abi::FlowRecord* flows_;
};

}  // namespace sallyport::dataplane
