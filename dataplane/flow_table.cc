// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow_table.h"

namespace sallyport::dataplane {

void FlowEntry::refresh_source_key() {
  if (arrival == abi::Arrival::multiplex) {
    source_key = source_key_of(arrival_multiplex_id);
    return;
  }
  const bool is_allowed = latch == abi::Latch::exact ? held == expected_source : latch != abi::Latch::none;
  source_key = is_allowed && held.family == 4 ? held.first_word() : 0;
}

Outcome<std::unique_ptr<FlowTable>> FlowTable::create(const Geometry& geometry, uint32_t slots) {
  std::unique_ptr<FlowTable> table(new FlowTable(geometry));
  const size_t flows = geometry.flow_capacity;
  const size_t multiplexed = size_t{abi::max_links} * abi::multiplex_index_limit * 2;
  const struct {
    size_t bytes;
    const char* purpose;
  } wanted[] = {
      {flows * sizeof(FlowEntry), "flow table"},
      {flows * sizeof(CandidateMemory), "candidate sources"},
      {flows * 2 * sizeof(SrtpContext), "SRTP keys"},
      {size_t{slots} * 65536 * sizeof(uint32_t), "port index"},
      {multiplexed * sizeof(uint32_t), "multiplexID index"},
      {multiplexed * sizeof(uint32_t), "confirmation index"},
  };
  for (size_t i = 0; i < std::size(wanted); ++i) {
    auto memory = ReservedMemory::reserve(wanted[i].bytes, wanted[i].purpose);
    if (!memory) return memory.fault();
    table->memory_[i] = std::move(*memory);
  }
  // Zero bytes are a free entry: generation 0 decides, every other field is set when the flow is added.
  table->entries_ = table->memory_[0].as<FlowEntry>();
  table->candidates_ = table->memory_[1].as<CandidateMemory>();
  // Zero bytes are an empty context (is_ready() false); contexts are wiped on removal, so no destructor needs to run.
  table->contexts_ = table->memory_[2].as<SrtpContext>();
  table->ports_ = table->memory_[3].as<uint32_t>();
  table->arrivals_ = table->memory_[4].as<uint32_t>();
  table->egresses_ = table->memory_[5].as<uint32_t>();
  return table;
}

}  // namespace sallyport::dataplane
