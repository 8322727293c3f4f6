// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/media/fake_dataplane.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>

namespace sallyport::media {
namespace {

using abi::CommandStatus;
using boost::system::error_code;

uint64_t now_ns() {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

FakeDataplane::FakeDataplane(boost::asio::io_context& context, std::string path, FakeShape shape)
    : context_(context), path_(std::move(path)), shape_(std::move(shape)), listener_(context), peer_(context), wake_(context), timer_(context) {
  make_region();
  notify_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  wake_.assign(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  unlink(path_.c_str());
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
  require(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && listen(fd, 4) == 0);
  listener_.assign(fd);
  accept();
  await_wake();
  beat();
}

FakeDataplane::~FakeDataplane() {
  *alive_ = false;
  unlink(path_.c_str());
  munmap(memory_, bytes_);
  close(region_fd_);
  close(notify_fd_);
}

void FakeDataplane::make_region() {
  const uint64_t workers_at = (sizeof(abi::RegionHeader) + 63) / 64 * 64;
  const uint64_t links_at = workers_at + shape_.workers * sizeof(abi::WorkerArea);
  const uint64_t meters_at = links_at + abi::max_links * sizeof(abi::LinkRecord);
  const uint64_t flows_at = meters_at + shape_.flows * sizeof(abi::FlowMeter);
  bytes_ = flows_at + shape_.flows * sizeof(abi::FlowRecord);
  region_fd_ = memfd_create("region", MFD_ALLOW_SEALING | MFD_CLOEXEC);
  require(region_fd_ >= 0 && ftruncate(region_fd_, static_cast<off_t>(bytes_)) == 0);
  if (shape_.sealed) require(fcntl(region_fd_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
  memory_ = static_cast<uint8_t*>(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, region_fd_, 0));
  require(memory_ != MAP_FAILED);
  auto& header = *new (memory_) abi::RegionHeader;
  header.magic = abi::region_magic;
  header.version = abi::abi_version;
  header.header_bytes = sizeof header;
  header.region_bytes = bytes_;
  header.epoch = std::random_device{}();
  header.worker_count = shape_.workers;
  header.flow_capacity = shape_.flows;
  header.workers_offset = workers_at;
  header.links_offset = links_at;
  header.meters_offset = meters_at;
  header.flows_offset = flows_at;
  header.relay_port_min = shape_.port_min;
  header.relay_port_max = shape_.port_max;
  for (size_t i = 0; i < shape_.slots.size(); ++i) {
    abi::AddressSlot& slot = header.slots[i];
    std::strncpy(slot.name, shape_.slots[i].first.c_str(), sizeof slot.name - 1);
    const bool six = shape_.slots[i].second.find(':') != std::string::npos;
    slot.address.family = six ? 6 : 4;
    require(inet_pton(six ? AF_INET6 : AF_INET, shape_.slots[i].second.c_str(), slot.address.ip) == 1);
    slot.in_use = 1;
  }
  for (uint32_t i = 0; i < shape_.workers; ++i) worker(i).asleep.store(1);
}

abi::WorkerArea& FakeDataplane::worker(uint32_t index) {
  return reinterpret_cast<abi::WorkerArea*>(memory_ + header().workers_offset)[index];
}
abi::FlowRecord& FakeDataplane::flow(uint32_t index) {
  return reinterpret_cast<abi::FlowRecord*>(memory_ + header().flows_offset)[index];
}
abi::FlowMeter& FakeDataplane::meter(uint32_t flow) {
  return reinterpret_cast<abi::FlowMeter*>(memory_ + header().meters_offset)[flow];
}
abi::LinkRecord& FakeDataplane::link(uint32_t index) {
  return reinterpret_cast<abi::LinkRecord*>(memory_ + header().links_offset)[index];
}

std::vector<abi::FlowSpec> FakeDataplane::live() const {
  std::vector<abi::FlowSpec> specs;
  auto* self = const_cast<FakeDataplane*>(this);
  for (uint32_t i = 0; i < self->header().flow_capacity; ++i) {
    if (self->flow(i).generation_live != 0) specs.push_back(self->flow(i).spec);
  }
  return specs;
}

void FakeDataplane::accept() {
  listener_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this, alive = alive_](const error_code& error) {
    if (error || !*alive) return;
    const int fd = accept4(listener_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      error_code ignored;
      peer_.close(ignored);
      peer_.assign(fd);
      greet();
    }
    accept();
  });
}

void FakeDataplane::greet() {
  peer_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this, alive = alive_](const error_code& error) {
    if (error || !*alive) return;
    abi::Hello hello;
    iovec part{&hello, sizeof hello};
    alignas(cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (recvmsg(peer_.native_handle(), &message, MSG_CMSG_CLOEXEC) != sizeof hello) return;
    ++hellos;
    const cmsghdr* passed = CMSG_FIRSTHDR(&message);
    if (passed != nullptr) {
      ++offers;
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(passed), sizeof fd);
      struct stat status {};
      fstat(fd, &status);
      // Adoption: the old flows go on in the old memory, under a new epoch.
      if (shape_.adopts && static_cast<uint64_t>(status.st_size) == bytes_ && !adopted_) {
        munmap(memory_, bytes_);
        close(region_fd_);
        region_fd_ = fd;
        memory_ = static_cast<uint8_t*>(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
        header().epoch += 1;
        adopted_ = true;
      } else {
        close(fd);
      }
    }
    abi::Welcome welcome;
    welcome.adopted = adopted_ ? 1 : 0;
    welcome.epoch = header().epoch;
    welcome.region_bytes = bytes_;
    const int fds[] = {region_fd_, wake_.native_handle(), notify_fd_};
    iovec answer{&welcome, sizeof welcome};
    std::memset(control, 0, sizeof control);
    msghdr sent{};
    sent.msg_iov = &answer;
    sent.msg_iovlen = 1;
    sent.msg_control = control;
    sent.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&sent);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fds);
    std::memcpy(CMSG_DATA(header), fds, sizeof fds);
    require(sendmsg(peer_.native_handle(), &sent, MSG_NOSIGNAL) == sizeof welcome);
  });
}

void FakeDataplane::await_wake() {
  wake_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this, alive = alive_](const error_code& error) {
    if (error || !*alive) return;
    uint64_t ignored = 0;
    [[maybe_unused]] const ssize_t bytes = read(wake_.native_handle(), &ignored, sizeof ignored);
    execute_all();
    await_wake();
  });
}

void FakeDataplane::beat() {
  for (uint32_t i = 0; i < shape_.workers && beats; ++i) worker(i).heartbeat_ns.store(now_ns());
  timer_.expires_after(std::chrono::milliseconds(20));
  timer_.async_wait([this, alive = alive_](const error_code& error) {
    if (!error && *alive) beat();
  });
}

void FakeDataplane::raise(uint32_t index, const abi::Event& event) {
  require(worker(index).events.push(event));
  const uint64_t one = 1;
  require(write(notify_fd_, &one, sizeof one) == sizeof one);
}

void FakeDataplane::execute_all() {
  if (!executes) return;
  for (uint32_t i = 0; i < shape_.workers; ++i) {
    abi::Command command;
    while (worker(i).commands.pop_and_wipe(command)) {
      executed.push_back(command);
      abi::Completion completion;
      completion.id = command.id;
      completion.status = execute(i, command);
      completion.flow_index = command.flow_index;
      require(worker(i).completions.push(completion));
    }
  }
  const uint64_t one = 1;
  require(write(notify_fd_, &one, sizeof one) == sizeof one);
}

bool FakeDataplane::is_reference_good(uint32_t index, uint32_t reference) const {
  return reference == abi::no_flow || (reference < shape_.flows && reference % shape_.workers == index);
}

CommandStatus FakeDataplane::add(uint32_t index, const abi::FlowSpec& spec) {
  if (answer != CommandStatus::done) return answer;
  if (spec.flow_index >= shape_.flows || spec.flow_index % shape_.workers != index) return CommandStatus::bad_index;
  if (spec.generation == 0) return CommandStatus::stale_generation;
  abi::FlowRecord& record = flow(spec.flow_index);
  if (record.generation_live != 0) return CommandStatus::in_use;
  if (!is_reference_good(index, spec.rtcp_flow) || !is_reference_good(index, spec.destination_flow)) {
    return CommandStatus::bad_reference;
  }
  const bool by_port = spec.arrival == abi::Arrival::port;
  const uint16_t port = by_port ? spec.local_port : spec.egress_port;
  const uint16_t slot = by_port ? spec.local_slot : spec.egress_slot;
  if (port < shape_.port_min || port > shape_.port_max || slot >= shape_.slots.size()) return CommandStatus::bad_port;
  if ((port >> 1) % shape_.workers != index) return CommandStatus::bad_port;
  const uint16_t link_slot = by_port ? spec.egress_link : spec.arrival_link;
  if (link_slot >= abi::max_links || link(link_slot).state.generation_live == 0) return CommandStatus::bad_link;
  for (const abi::FlowSpec& other : live()) {
    const bool same_port = by_port && other.arrival == abi::Arrival::port && other.local_port == port && other.local_slot == slot;
    const bool same_id = !by_port && other.arrival == abi::Arrival::multiplex && other.media == spec.media && other.arrival_link == spec.arrival_link &&
                         abi::multiplex_index(other.arrival_multiplex_id) == abi::multiplex_index(spec.arrival_multiplex_id);
    if (same_port || same_id) return CommandStatus::in_use;
  }
  record.spec = spec;
  std::memset(static_cast<void*>(&record.state), 0, sizeof record.state);
  __atomic_store_n(&record.generation_live, spec.generation, __ATOMIC_RELEASE);
  return CommandStatus::done;
}

CommandStatus FakeDataplane::modify(uint32_t index, const abi::Command& command) {
  const uint32_t at = command.flow.flow_index;
  if (at >= shape_.flows || at % shape_.workers != index) return CommandStatus::bad_index;
  if (flow(at).generation_live != command.generation) return CommandStatus::stale_generation;
  flow(at).spec = command.flow;
  return CommandStatus::done;
}

CommandStatus FakeDataplane::execute(uint32_t index, const abi::Command& command) {
  switch (command.type) {
    case abi::CommandType::add_flow: return add(index, command.flow);
    case abi::CommandType::modify_flow: return modify(index, command);
    case abi::CommandType::remove_flow: {
      if (command.flow_index >= shape_.flows || command.flow_index % shape_.workers != index) return CommandStatus::bad_index;
      abi::FlowRecord& record = flow(command.flow_index);
      if (record.generation_live == 0 || record.generation_live != command.generation) return CommandStatus::stale_generation;
      __atomic_store_n(&record.generation_live, 0u, __ATOMIC_RELEASE);
      explicit_bzero(&record.spec, sizeof record.spec);
      return CommandStatus::done;
    }
    case abi::CommandType::add_link: {
      if (command.link_spec.link >= abi::max_links) return CommandStatus::bad_link;
      link(command.link_spec.link).spec = command.link_spec;
      link(command.link_spec.link).state.generation_live = command.link_spec.generation;
      return CommandStatus::done;
    }
    case abi::CommandType::remove_link:
      link(command.link).state.generation_live = 0;
      return CommandStatus::done;
    case abi::CommandType::none: break;
  }
  return CommandStatus::bad_type;
}

bool run_until(boost::asio::io_context& context, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  context.restart();
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    context.run_one_for(std::chrono::milliseconds(50));
    context.restart();
  }
  return true;
}

TestDirectory::TestDirectory() {
  char name[] = "/tmp/sallyport-media-XXXXXX";
  require(mkdtemp(name) != nullptr);
  path_ = name;
}

TestDirectory::~TestDirectory() { std::filesystem::remove_all(path_); }

}  // namespace sallyport::media
