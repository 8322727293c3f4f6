// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/dataplane_link.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sallyport::media {

namespace {
constexpr uint32_t backoff_max_ms = 1000;
constexpr size_t max_waiting = 65536;

// Sends the hello, with the region's descriptor when one is offered.
bool send_hello(int fd, int region_fd) {
  abi::Hello hello;
  hello.region_offered = region_fd >= 0 ? 1 : 0;
  iovec part{&hello, sizeof hello};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (region_fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &region_fd, sizeof region_fd);
  }
  return sendmsg(fd, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof hello);
}

// The answer: region, wake and notify descriptors. False: nothing usable; descriptors that came are closed.
bool receive_welcome(int fd, abi::Welcome& welcome, int (&fds)[3]) {
  iovec part{&welcome, sizeof welcome};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  int taken = 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t at = 0; at < count; ++at) {
      int one;
      std::memcpy(&one, CMSG_DATA(header) + at * sizeof(int), sizeof one);
      if (taken < 3) fds[taken++] = one;
      else close(one);
    }
  }
  const bool good = got == static_cast<ssize_t>(sizeof welcome) && taken == 3 && welcome.magic == abi::region_magic && welcome.version == abi::abi_version;
  if (!good)
    while (taken > 0) close(fds[--taken]);
  return good;
}

}  // namespace

DataplaneLink::DataplaneLink(boost::asio::io_context& io, std::string socket_path)
    : io_(io), path_(std::move(socket_path)), timer_(io), socket_(io), notify_(io) {}

DataplaneLink::~DataplaneLink() {
  close_region();
  if (region_fd_ >= 0) close(region_fd_);
  if (wake_fd_ >= 0) close(wake_fd_);
}

void DataplaneLink::start() { try_connect(); }

void DataplaneLink::retry_later(std::string why) {
  if (why != state_text_ && log) log("dataplane: " + why);
  state_text_ = std::move(why);
  timer_.expires_after(std::chrono::milliseconds(backoff_ms_));
  backoff_ms_ = std::min(backoff_ms_ * 2, backoff_max_ms);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) try_connect();
  });
}

void DataplaneLink::try_connect() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path) return retry_later(path_ + ": socket path is too long");
  std::memcpy(address.sun_path, path_.data(), path_.size());
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return retry_later(fmt::format("no socket: {}", std::strerror(errno)));
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    close(fd);
    return retry_later(fmt::format("not running ({}: {})", path_, std::strerror(error)));
  }
  socket_.assign(fd);
  if (!send_hello(fd, region_fd_)) {
    socket_.close();
    return retry_later("hello could not be sent");
  }
  wait_socket();
}

void DataplaneLink::wait_socket() {
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
    if (error) return;
    if (connected_) {
      // The dataplane says nothing after its welcome: readable means that it is gone.
      char byte;
      const ssize_t got = recv(socket_.native_handle(), &byte, 1, MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno != EAGAIN)) return lost("dataplane ended");
      return wait_socket();
    }
    abi::Welcome welcome;
    int fds[3] = {-1, -1, -1};
    if (!receive_welcome(socket_.native_handle(), welcome, fds)) return lost("dataplane gave no usable answer; are both programs of one version?");
    close_region();
    if (region_fd_ >= 0) close(region_fd_);
    if (wake_fd_ >= 0) close(wake_fd_);
    region_fd_ = fds[0];
    wake_fd_ = fds[1];
    notify_.assign(fds[2]);
    if (const Outcome<> opened = open_region(region_fd_, welcome.region_bytes); !opened) return lost(opened.fault().text());
    connected_ = true;
    backoff_ms_ = 50;
    ++counters_.connects;
    counters_.adopted += welcome.adopted;
    state_text_ = "running";
    if (log) log(fmt::format("dataplane: connected, {} workers, {} flows{}", workers_, flow_capacity_, welcome.adopted ? ", running flows adopted" : ""));
    wait_notify();
    wait_socket();
    if (on_connected) on_connected(welcome.adopted != 0);
    drain();
  });
}

Outcome<> DataplaneLink::open_region(int region_fd, uint64_t region_bytes) {
  const auto bad = [](const char* cause) { return Fault{FaultCode::invalid, "shared region", cause, "restart the dataplane"}; };
  struct stat facts{};
  if (fstat(region_fd, &facts) != 0 || static_cast<uint64_t>(facts.st_size) < region_bytes || region_bytes < sizeof(abi::RegionHeader)) return bad("its size is wrong");
  void* mapped = mmap(nullptr, region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, region_fd, 0);
  if (mapped == MAP_FAILED) return bad("it cannot be mapped");
  region_ = static_cast<uint8_t*>(mapped);
  region_bytes_ = region_bytes;
  madvise(region_, region_bytes_, MADV_DONTDUMP);  // C's region holds media keys
  header_ = reinterpret_cast<const abi::RegionHeader*>(region_);
  workers_ = header_->worker_count;
  flow_capacity_ = header_->flow_capacity;
  workers_offset_ = header_->workers_offset;
  links_offset_ = header_->links_offset;
  flows_offset_ = header_->flows_offset;
  const auto fits = [&](uint64_t offset, uint64_t bytes) { return offset <= region_bytes_ && bytes <= region_bytes_ - offset; };
  if (header_->magic != abi::region_magic || header_->version != abi::abi_version) return bad("magic or version is wrong");
  if (workers_ == 0 || workers_ > abi::max_workers || flow_capacity_ == 0) return bad("its geometry is wrong");
  if (!fits(workers_offset_, uint64_t{workers_} * sizeof(abi::WorkerArea)) || !fits(links_offset_, abi::max_links * sizeof(abi::LinkRecord)) ||
      !fits(flows_offset_, uint64_t{flow_capacity_} * sizeof(abi::FlowRecord)))
    return bad("its parts lie outside of it");
  return Done{};
}

void DataplaneLink::close_region() {
  if (region_ != nullptr) munmap(region_, region_bytes_);
  region_ = nullptr;
  header_ = nullptr;
}

void DataplaneLink::lost(const std::string& why) {
  const bool was_connected = connected_;
  connected_ = false;
  socket_.close();
  notify_.close();
  waiting_.clear();
  if (was_connected) {
    ++counters_.disconnects;
    if (on_lost) on_lost();
  } else if (region_fd_ >= 0 && header_ == nullptr) {
    // A region that was refused is not offered again.
    close(region_fd_);
    region_fd_ = -1;
  }
  backoff_ms_ = 50;
  retry_later(why);
}

abi::WorkerArea& DataplaneLink::area(uint32_t worker) const {
  return reinterpret_cast<abi::WorkerArea*>(region_ + workers_offset_)[worker];
}

bool DataplaneLink::submit(uint32_t worker, abi::Command command, OnCompletion done) {
  if (!connected_ || worker >= workers_ || waiting_.size() >= max_waiting) return false;
  command.id = next_command_++;
  abi::WorkerArea& target = area(worker);
  const bool pushed = target.commands.push(command);
  explicit_bzero(&command.flow.open_key, sizeof command.flow.open_key);
  explicit_bzero(&command.flow.seal_key, sizeof command.flow.seal_key);
  if (!pushed) {
    ++counters_.ring_full;
    return false;
  }
  ++counters_.commands;
  waiting_.emplace(command.id, std::move(done));
  if (target.asleep.load(std::memory_order_seq_cst) != 0) {
    const uint64_t one = 1;
    (void)!write(wake_fd_, &one, sizeof one);
  }
  return true;
}

void DataplaneLink::wait_notify() {
  notify_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
    if (error || !connected_) return;
    uint64_t count;
    (void)!read(notify_.native_handle(), &count, sizeof count);
    drain();
    if (connected_) wait_notify();
  });
}

void DataplaneLink::drain() {
  for (uint32_t worker = 0; connected_ && worker < workers_; ++worker) {
    abi::Completion completion;
    for (uint32_t left = abi::command_ring_capacity; left > 0 && area(worker).completions.pop(completion); --left) {
      const auto found = waiting_.find(completion.id);
      if (completion.status != abi::CommandStatus::done) {
        ++counters_.refused;
        if (log) log(fmt::format("dataplane: refused command for flow {} with status {}", completion.flow_index, static_cast<int>(completion.status)));
      }
      if (found == waiting_.end()) continue;
      const OnCompletion done = std::move(found->second);
      waiting_.erase(found);
      if (done) done(completion.status);
      if (!connected_) return;
    }
    abi::Event event;
    for (uint32_t left = abi::event_ring_capacity; left > 0 && area(worker).events.pop(event); --left) {
      ++counters_.events;
      if (on_event) on_event(event);
    }
  }
}

bool DataplaneLink::read_flow(uint32_t index, abi::FlowRecord& out) const {
  if (header_ == nullptr || index >= flow_capacity_) return false;
  std::memcpy(&out, region_ + flows_offset_ + uint64_t{index} * sizeof(abi::FlowRecord), sizeof out);
  explicit_bzero(&out.spec.open_key.key, sizeof out.spec.open_key.key);
  explicit_bzero(&out.spec.seal_key.key, sizeof out.spec.seal_key.key);
  return out.generation_live != 0;
}

bool DataplaneLink::read_link(uint32_t link, abi::LinkRecord& out) const {
  if (header_ == nullptr || link >= abi::max_links) return false;
  std::memcpy(&out, region_ + links_offset_ + link * sizeof(abi::LinkRecord), sizeof out);
  return out.state.generation_live != 0;
}

bool DataplaneLink::read_counters(uint32_t worker, abi::WorkerCounters& out) const {
  if (header_ == nullptr || worker >= workers_) return false;
  std::memcpy(&out, &area(worker).counters, sizeof out);
  return true;
}

std::vector<abi::FlowSpec> DataplaneLink::live_flows() const {
  std::vector<abi::FlowSpec> flows;
  abi::FlowRecord record;
  for (uint32_t index = 0; index < flow_capacity_; ++index)
    if (read_flow(index, record)) flows.push_back(record.spec);
  return flows;
}

int DataplaneLink::find_slot(std::string_view name) const {
  if (header_ == nullptr) return -1;
  for (uint32_t slot = 0; slot < abi::max_address_slots; ++slot) {
    const abi::AddressSlot& entry = header_->slots[slot];
    if (entry.in_use && std::string_view(entry.name, strnlen(entry.name, sizeof entry.name)) == name) return static_cast<int>(slot);
  }
  return -1;
}

}  // namespace sallyport::media
