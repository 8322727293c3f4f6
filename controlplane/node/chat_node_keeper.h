// SPDX-License-Identifier: Apache-2.0
#pragma once
// ChatNodeKeeper: C knows its chat node aliases by itself (B24): each presence server that has a user for it is asked which group chat services it has
// (xmpp/chat_node_discovery.h), at the start, every ten minutes, and when an operator wants. What was found stays until the server says
// otherwise. On the node's thread; run() of each server ends after stop().

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/tls/stream.h"

namespace sallyport::node {

// A presence server that may be asked, and as whom.
struct ChatNodeSource {
  std::string name;    // of the presence server
  std::string user, domain;
  std::string password_file;  // read anew each time
};

struct ChatNodeStatus {
  std::string server;
  std::vector<std::string> found;  // sorted
  std::string problem;             // of the last attempt; empty: it went well, or there was none
  bool was_asked = false;
};

class ChatNodeKeeper : public std::enable_shared_from_this<ChatNodeKeeper> {
 public:
  // A stream to that server for that domain, TLS up and judged.
  using Connect = std::function<boost::asio::awaitable<Outcome<tls::StreamPtr>>(std::string server, std::string domain)>;
  using Log = std::function<void(const std::string&)>;

  ChatNodeKeeper(boost::asio::io_context& io, const std::vector<ChatNodeSource>& sources, Connect connect, Log log);
  ~ChatNodeKeeper();

  void start();
  void stop();
  // All of them now.
  void look_again();
  std::function<void()> on_change;  // of aliases()

  std::vector<std::string> aliases() const;  // of all, each once
  const ChatNodeStatus* status(const std::string& server) const;  // null: it is not asked
  std::vector<ChatNodeStatus> all() const;
  std::uint64_t succeeded() const { return succeeded_; }
  std::uint64_t failed() const { return failed_; }

 private:
  struct Source;
  static boost::asio::awaitable<void> run(std::shared_ptr<ChatNodeKeeper> self, std::shared_ptr<Source> source);
  boost::asio::awaitable<Outcome<std::vector<std::string>>> look(const Source& source);
  void take(Source& source, const Outcome<std::vector<std::string>>& found);

  std::vector<std::shared_ptr<Source>> sources_;
  Connect connect_;
  Log log_;
  bool stopped_ = false;
  std::uint64_t succeeded_ = 0, failed_ = 0;
};

}  // namespace sallyport::node
