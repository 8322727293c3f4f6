// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/flow_program.h"

#include <cstring>
#include <string>

namespace sallyport::media {
namespace {

using abi::CommandStatus;
using abi::CommandType;

bool same_key(const abi::KeyMaterial& a, const abi::KeyMaterial& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

}  // namespace

const char* text(CommandStatus status) {
  switch (status) {
    case CommandStatus::done: return "done";
    case CommandStatus::bad_type: return "unknown command";
    case CommandStatus::bad_index: return "flow index out of bounds";
    case CommandStatus::stale_generation: return "the flow is no longer there";
    case CommandStatus::in_use: return "index, port or multiplexID belongs to another flow";
    case CommandStatus::bad_port: return "port outside the relay range";
    case CommandStatus::bad_link: return "unknown media link";
    case CommandStatus::bad_suite: return "unknown SRTP suite";
    case CommandStatus::bad_reference: return "reference to a flow of another worker";
    case CommandStatus::no_memory: return "out of memory";
  }
  return "unknown status";
}

FlowProgram::Entry::~Entry() { wipe(spec); }

FlowProgram::~FlowProgram() = default;

void FlowProgram::want(const abi::FlowSpec& spec, uint8_t modify_flags) {
  const auto [found, added] = entries_.try_emplace(spec.flow_index);
  Entry& entry = found->second;
  if (added) {
    entry.spec = spec;
    push({CommandType::add_flow, spec.flow_index, spec.generation, 0});
    return;
  }
  if (!same_key(entry.spec.open_key, spec.open_key)) modify_flags |= abi::modify_reset_open;
  if (!same_key(entry.spec.seal_key, spec.seal_key)) modify_flags |= abi::modify_reset_seal;
  if (modify_flags == 0 && std::memcmp(&entry.spec, &spec, sizeof spec) == 0) return;
  entry.spec = spec;
  entry.unanswered_flags |= modify_flags;
  ++entry.unanswered_changes;
  push({CommandType::modify_flow, spec.flow_index, spec.generation, modify_flags});
}

void FlowProgram::drop(uint32_t flow_index) {
  const auto found = entries_.find(flow_index);
  if (found == entries_.end() || found->second.removing) return;
  found->second.removing = true;
  wipe(found->second.spec);
  push({CommandType::remove_flow, flow_index, found->second.spec.generation, 0});
}

void FlowProgram::know(const abi::FlowSpec& spec) { entries_[spec.flow_index].spec = spec; }

const abi::FlowSpec* FlowProgram::wanted(uint32_t flow_index) const {
  const auto found = entries_.find(flow_index);
  return found == entries_.end() || found->second.removing ? nullptr : &found->second.spec;
}

void FlowProgram::push(const Step& step) {
  // Not connected: reconcile() makes up for it.
  if (!dataplane_.is_connected()) return;
  const uint32_t worker = dataplane_.owner(step.flow_index);
  steps_[worker].push_back(step);
  pump(worker);
}

void FlowProgram::pump(uint32_t worker) {
  auto& steps = steps_[worker];
  while (!steps.empty() && submit(worker, steps.front())) steps.pop_front();
}

bool FlowProgram::submit(uint32_t worker, const Step& step) {
  abi::Command command;
  command.type = step.type;
  command.flow_index = step.flow_index;
  command.generation = step.generation;
  command.modify_flags = step.flags;
  if (step.type != CommandType::remove_flow) {
    const abi::FlowSpec* spec = wanted(step.flow_index);
    // Dropped meanwhile: the removal that follows finds nothing, which is just as well.
    if (spec == nullptr || spec->generation != step.generation) return true;
    command.flow = *spec;
  } else {
    command.flow.flow_index = step.flow_index;
    command.flow.generation = step.generation;
  }
  const auto taken = dataplane_.submit(worker, command, [this, step](const Outcome<abi::Completion>& outcome) {
    complete(step, outcome);
  });
  wipe(command);
  return taken.has_value();
}

void FlowProgram::complete(const Step& step, const Outcome<abi::Completion>& outcome) {
  // Lost with the dataplane: reconcile() looks at what is there when it is back.
  if (!outcome) return;
  const auto found = entries_.find(step.flow_index);
  const bool is_current = found != entries_.end() && found->second.spec.generation == step.generation;
  if (step.type == CommandType::remove_flow) {
    // In the worker's order, so before whatever may come to this index next.
    if (outcome->status == CommandStatus::stale_generation && !step.is_second) remove_what_lives(step);
    if (is_current && found->second.removing) forget(step.flow_index);
  } else if (is_current && !found->second.removing) {
    Entry& entry = found->second;
    if (step.type == CommandType::modify_flow && entry.unanswered_changes > 0 && --entry.unanswered_changes == 0) {
      entry.unanswered_flags = 0;
    }
    if (outcome->status != CommandStatus::done) refuse(step, outcome->status);
  }
  pump(dataplane_.owner(step.flow_index));
}

// Refused, the dataplane has put its record right: nonsense in the region told us another generation than the one that lives.
bool FlowProgram::remove_what_lives(const Step& step) {
  const uint32_t live = dataplane_.region()->live_generation(step.flow_index);
  const abi::FlowSpec* spec = wanted(step.flow_index);
  if (live == 0 || live == step.generation || (spec != nullptr && spec->generation == live)) return false;
  push({CommandType::remove_flow, step.flow_index, live, 0, true});
  return true;
}

void FlowProgram::refuse(const Step& step, CommandStatus status) {
  // Installed twice around a dataplane's restart: the flow stands as it should.
  const bool is_there = dataplane_.region()->live_generation(step.flow_index) == step.generation;
  if (step.type == CommandType::add_flow && status == CommandStatus::in_use && is_there) return;
  // One that we knew nothing of has our place.
  if (step.type == CommandType::add_flow && status == CommandStatus::in_use && !step.is_second && remove_what_lives(step)) {
    return push({step.type, step.flow_index, step.generation, step.flags, true});
  }
  counters_.add(MediaCounter::commands_failed);
  if (on_refused) {
    on_refused(entries_[step.flow_index].spec.call_tag,
               Fault{FaultCode::conflict, "dataplane flow " + std::to_string(step.flow_index), text(status), ""});
  }
}

void FlowProgram::forget(uint32_t flow_index) {
  entries_.erase(flow_index);
  if (on_removed) on_removed(flow_index);
}

void FlowProgram::clear() {
  steps_.clear();
  entries_.clear();
}

void FlowProgram::reconcile() {
  steps_.clear();
  for (const LiveFlow& live : dataplane_.region()->live_flows()) {
    const abi::FlowSpec* spec = wanted(live.flow_index);
    if (spec != nullptr && spec->generation == live.generation) continue;
    const auto found = entries_.find(live.flow_index);
    if (found == entries_.end()) counters_.add(MediaCounter::flows_orphaned);
    push({CommandType::remove_flow, live.flow_index, live.generation, 0});
  }
  std::vector<uint32_t> gone, indices;
  for (const auto& [index, entry] : entries_) indices.push_back(index);
  for (const uint32_t index : indices) {
    const Entry& entry = entries_[index];
    const bool live = dataplane_.region()->live_generation(index) == entry.spec.generation;
    if (entry.removing) {
      if (!live) gone.push_back(index);
    } else if (!live) {
      counters_.add(MediaCounter::flows_reinstalled);
      push({CommandType::add_flow, index, entry.spec.generation, 0});
    } else if (entry.unanswered_changes > 0) {
      entries_[index].unanswered_changes = 1;
      push({CommandType::modify_flow, index, entry.spec.generation, entry.unanswered_flags});
    }
  }
  for (const uint32_t index : gone) forget(index);
}

size_t FlowProgram::waiting() const {
  size_t count = 0;
  for (const auto& [worker, steps] : steps_) count += steps.size();
  return count;
}

}  // namespace sallyport::media
