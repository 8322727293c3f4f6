// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/chat_node_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fstream>
#include <set>

#include "controlplane/xmpp/chat_node_discovery.h"

namespace sallyport::node {
namespace {

constexpr std::chrono::seconds interval{600}, first_pause{10};
constexpr std::size_t password_limit_bytes = 1024;

// The first line.
Outcome<std::string> password_in(const std::string& path) {
  std::ifstream file(path);
  std::string password;
  std::getline(file, password);
  if (!file && password.empty()) return Fault{FaultCode::missing, "password file " + path, "cannot be read, or is empty", "write the user's password into its first line, readable by the service user only (0600)"};
  if (password.size() > password_limit_bytes) return Fault{FaultCode::invalid, "password file " + path, "has a line of more than 1024 bytes", "write the password alone"};
  return password;
}

}  // namespace

struct ChatNodeKeeper::Source {
  Source(boost::asio::io_context& io, ChatNodeSource asked) : settings(std::move(asked)), timer(io) { status.server = settings.name; }
  const ChatNodeSource settings;
  ChatNodeStatus status;
  boost::asio::steady_timer timer;
  std::chrono::seconds pause = first_pause;  // after a failure
};

ChatNodeKeeper::ChatNodeKeeper(boost::asio::io_context& io, const std::vector<ChatNodeSource>& sources, Connect connect, Log log) : connect_(std::move(connect)), log_(std::move(log)) {
  for (const ChatNodeSource& source : sources) sources_.push_back(std::make_shared<Source>(io, source));
}

ChatNodeKeeper::~ChatNodeKeeper() = default;

void ChatNodeKeeper::start() {
  for (const auto& source : sources_) boost::asio::co_spawn(source->timer.get_executor(), run(shared_from_this(), source), boost::asio::detached);
}

void ChatNodeKeeper::stop() {
  stopped_ = true;
  for (const auto& source : sources_) source->timer.cancel();
}

void ChatNodeKeeper::look_again() {
  for (const auto& source : sources_) source->timer.cancel();
}

boost::asio::awaitable<void> ChatNodeKeeper::run(std::shared_ptr<ChatNodeKeeper> self, std::shared_ptr<Source> source) {
  while (!self->stopped_) {
    const auto found = co_await self->look(*source);
    if (self->stopped_) co_return;
    self->take(*source, found);
    source->timer.expires_after(found ? interval : source->pause);
    source->pause = found ? first_pause : std::min(2 * source->pause, interval);
    boost::system::error_code ignored;
    co_await source->timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }
}

boost::asio::awaitable<Outcome<std::vector<std::string>>> ChatNodeKeeper::look(const Source& source) {
  auto password = password_in(source.settings.password_file);
  if (!password) co_return password.fault();
  std::string server = source.settings.name, domain = source.settings.domain;
  auto connected = co_await connect_(std::move(server), std::move(domain));
  if (!connected) co_return connected.fault();
  tls::StreamPtr stream = std::move(*connected);
  xmpp::ChatNodeLogin login{source.settings.domain, source.settings.user, std::move(*password)};
  auto found = co_await xmpp::discover_chat_nodes(std::move(stream), std::move(login));
  co_return found;
}

void ChatNodeKeeper::take(Source& source, const Outcome<std::vector<std::string>>& found) {
  ChatNodeStatus& status = source.status;
  status.was_asked = true;
  if (!found) {
    ++failed_;
    const std::string problem = found.fault().text();
    if (problem != status.problem) log_("xmpp: chat nodes of " + status.server + " are not known: " + problem);
    status.problem = problem;
    return;
  }
  ++succeeded_;
  status.problem.clear();
  if (*found == status.found) return;
  status.found = *found;
  log_(found->empty() ? "xmpp: " + status.server + " has no group chat service" : fmt::format("xmpp: chat nodes of {}: {}", status.server, fmt::join(*found, ", ")));
  if (on_change) on_change();
}

std::vector<std::string> ChatNodeKeeper::aliases() const {
  std::set<std::string> all;
  for (const auto& source : sources_) all.insert(source->status.found.begin(), source->status.found.end());
  return {all.begin(), all.end()};
}

const ChatNodeStatus* ChatNodeKeeper::status(const std::string& server) const {
  const auto found = std::find_if(sources_.begin(), sources_.end(), [&](const auto& source) { return source->settings.name == server; });
  return found == sources_.end() ? nullptr : &(*found)->status;
}

std::vector<ChatNodeStatus> ChatNodeKeeper::all() const {
  std::vector<ChatNodeStatus> list;
  for (const auto& source : sources_) list.push_back(source->status);
  return list;
}

}  // namespace sallyport::node
