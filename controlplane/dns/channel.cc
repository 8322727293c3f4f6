// SPDX-License-Identifier: Apache-2.0
#include "controlplane/dns/channel.h"

#include <netdb.h>
#include <sys/time.h>

#include <algorithm>

namespace sallyport::dns {

using Descriptor = boost::asio::posix::stream_descriptor;

struct Channel::Question {
  std::shared_ptr<Channel> channel;
  std::string name;
  QuestionKind kind;
  OnAnswer on_answer;
};

Outcome<std::shared_ptr<Channel>> Channel::open(boost::asio::io_context& context, const ResolverOptions& options, const std::vector<std::string>& servers) {
  static const int library = ares_library_init(ARES_LIB_INIT_ALL);
  if (library != ARES_SUCCESS) return Fault{FaultCode::internal, "resolver", ares_strerror(library), ""};
  std::shared_ptr<Channel> channel(new Channel(context));
  ares_options settings{};
  settings.timeout = static_cast<int>(options.server_timeout.count());
  settings.tries = options.tries;
  settings.sock_state_cb = &Channel::on_socket_state;
  settings.sock_state_cb_data = channel.get();
  int status = ares_init_options(&channel->channel_, &settings, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
  if (status != ARES_SUCCESS) {
    channel->channel_ = nullptr;
    return Fault{FaultCode::invalid, "resolver", std::string("cannot read the system's DNS configuration: ") + ares_strerror(status), "check /etc/resolv.conf"};
  }
  if (servers.empty()) return channel;
  std::string list;
  for (const std::string& server : servers) list += (list.empty() ? "" : ",") + server;
  status = ares_set_servers_ports_csv(channel->channel_, list.c_str());
  if (status != ARES_SUCCESS) return Fault{FaultCode::invalid, "DNS servers " + list, ares_strerror(status), "write each as 192.0.2.53:53 or [2001:db8::53]:53"};
  return channel;
}

Channel::~Channel() { stop(); }

void Channel::stop() {
  timer_.cancel();
  if (channel_ == nullptr) return;
  ares_channel closing = std::exchange(channel_, nullptr);
  ares_destroy(closing);  // calls back every open question
  for (auto& [fd, socket] : sockets_) socket->descriptor->release();
  sockets_.clear();
}

void Channel::ask(const std::string& name, QuestionKind kind, OnAnswer on_answer) {
  auto* question = new Question{shared_from_this(), name, kind, std::move(on_answer)};
  const auto self = shared_from_this();
  if (kind == QuestionKind::srv || kind == QuestionKind::naptr) {
    ares_query(channel_, name.c_str(), 1, kind == QuestionKind::srv ? 33 : 35, &Channel::on_reply, question);  // class IN; RFC 2782, RFC 3403
  } else {
    ares_addrinfo_hints hints{};
    hints.ai_family = kind == QuestionKind::host_v4 ? AF_INET : kind == QuestionKind::host_v6 ? AF_INET6 : AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    ares_getaddrinfo(channel_, name.c_str(), nullptr, &hints, &Channel::on_hosts, question);
  }
  arm_timer();
}

void Channel::on_hosts(void* argument, int status, int, ares_addrinfo* result) {
  const std::unique_ptr<Question> question(static_cast<Question*>(argument));
  Answer answer;
  if (status == ARES_SUCCESS && result != nullptr) answer = read_hosts(result);
  if (answer.hosts.empty()) answer.fault = question_fault(question->name, question->kind, status == ARES_SUCCESS ? ARES_ENODATA : status);
  if (result != nullptr) ares_freeaddrinfo(result);
  question->on_answer(std::move(answer));
  // The last reference to a retired channel must not go inside its own callback.
  boost::asio::post(question->channel->context_, [channel = question->channel] {});
}

void Channel::on_reply(void* argument, int status, int, unsigned char* reply, int length) {
  const std::unique_ptr<Question> question(static_cast<Question*>(argument));
  Answer answer;
  if (status != ARES_SUCCESS) answer.fault = question_fault(question->name, question->kind, status);
  else answer = question->kind == QuestionKind::srv ? read_srv(question->name, reply, length) : read_naptr(question->name, reply, length);
  question->on_answer(std::move(answer));
  boost::asio::post(question->channel->context_, [channel = question->channel] {});
}

void Channel::on_socket_state(void* argument, ares_socket_t fd, int readable, int writable) {
  Channel& self = *static_cast<Channel*>(argument);
  auto found = self.sockets_.find(fd);
  if (readable == 0 && writable == 0) {  // c-ares closes it next
    if (found == self.sockets_.end()) return;
    found->second->descriptor->release();
    self.sockets_.erase(found);
    return;
  }
  if (found == self.sockets_.end()) {
    found = self.sockets_.emplace(fd, std::make_shared<Socket>()).first;
    found->second->descriptor = std::make_unique<Descriptor>(self.context_, fd);
  }
  Socket& socket = *found->second;
  socket.wants_read = readable != 0;
  socket.wants_write = writable != 0;
  if (socket.wants_read && !socket.waits_read) self.wait(fd, true);
  if (socket.wants_write && !socket.waits_write) self.wait(fd, false);
}

void Channel::wait(ares_socket_t fd, bool for_read) {
  const std::shared_ptr<Socket> socket = sockets_.at(fd);
  (for_read ? socket->waits_read : socket->waits_write) = true;
  socket->descriptor->async_wait(for_read ? Descriptor::wait_read : Descriptor::wait_write,
                                 [weak = weak_from_this(), socket, fd, for_read](const boost::system::error_code& error) {
                                   const auto self = weak.lock();
                                   (for_read ? socket->waits_read : socket->waits_write) = false;
                                   if (error || self == nullptr || self->channel_ == nullptr) return;
                                   ares_process_fd(self->channel_, for_read ? fd : ARES_SOCKET_BAD, for_read ? ARES_SOCKET_BAD : fd);
                                   const auto found = self->sockets_.find(fd);
                                   const bool is_same = found != self->sockets_.end() && found->second == socket;
                                   const bool wants = for_read ? socket->wants_read : socket->wants_write;
                                   const bool waits = for_read ? socket->waits_read : socket->waits_write;
                                   if (is_same && wants && !waits) self->wait(fd, for_read);
                                   self->arm_timer();
                                 });
}

void Channel::arm_timer() {
  if (channel_ == nullptr) return;
  timeval next{};
  if (ares_timeout(channel_, nullptr, &next) == nullptr) {
    timer_.cancel();
    return;
  }
  const auto delay = std::chrono::seconds(next.tv_sec) + std::chrono::microseconds(next.tv_usec);
  timer_.expires_after(std::max<std::chrono::microseconds>(delay, std::chrono::milliseconds(1)));
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || self == nullptr || self->channel_ == nullptr) return;
    ares_process_fd(self->channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    self->arm_timer();
  });
}

}  // namespace sallyport::dns
