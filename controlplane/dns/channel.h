// SPDX-License-Identifier: Apache-2.0
#pragma once
// Channel: one c-ares channel with its sockets and timer on Asio's reactor. Private to this folder; one thread.
// Lives by shared_ptr; every question holds it until c-ares has answered, so a reload can retire it without losing questions.
// stop() ends open questions with a Fault; it must run before the last reference goes.

#include <ares.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/dns/answer.h"

namespace sallyport::dns {

class Channel : public std::enable_shared_from_this<Channel> {
 public:
  using OnAnswer = std::function<void(Answer)>;

  static Outcome<std::shared_ptr<Channel>> open(boost::asio::io_context& context, const ResolverOptions& options, const std::vector<std::string>& servers);
  ~Channel();
  void ask(const std::string& name, QuestionKind kind, OnAnswer on_answer);
  void stop();

 private:
  struct Question;
  struct Socket {
    std::unique_ptr<boost::asio::posix::stream_descriptor> descriptor;
    bool wants_read = false, wants_write = false, waits_read = false, waits_write = false;
  };
  explicit Channel(boost::asio::io_context& context) : context_(context), timer_(context) {}
  static void on_socket_state(void* self, ares_socket_t fd, int readable, int writable);
  static void on_hosts(void* question, int status, int timeouts, ares_addrinfo* result);
  static void on_reply(void* question, int status, int timeouts, unsigned char* reply, int length);
  void wait(ares_socket_t fd, bool for_read);
  void arm_timer();

  boost::asio::io_context& context_;
  boost::asio::steady_timer timer_;
  ares_channel channel_ = nullptr;
  std::map<ares_socket_t, std::shared_ptr<Socket>> sockets_;
};

}  // namespace sallyport::dns
