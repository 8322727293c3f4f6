// SPDX-License-Identifier: Apache-2.0
#pragma once
// Session: the stream multiplex over one connection between C and E: HTTP/2 (RFC 9113, nghttp2) turned round. C dials and accepts channels,
// as HTTP/2's server; E, which may open no connection, opens them over C's, as its client. Keep-alive by PING; an orderly end by GOAWAY:
// channels that run go on, new ones are for another session. One thread, that of the stream's engine; lives by shared_ptr until closed.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "controlplane/multiplex/channel.h"
#include "controlplane/tls/stream.h"

struct nghttp2_session;

namespace sallyport::multiplex {

enum class Role : uint8_t { opens, accepts };

struct SessionSettings {
  uint32_t channels = 20'000;                  // at once, that the accepting side allows
  uint32_t window_bytes = 256 << 10;           // of a channel: what may wait for its reader
  uint32_t session_window_bytes = 16 << 20;    // of all channels together, on the wire and waiting for their readers' turn
  size_t waiting_limit_bytes = 64 << 20;       // of all channels together; beyond it the connection grants nothing until readers take some
  std::chrono::milliseconds keepalive{30'000};
  std::chrono::milliseconds answer{10'000};    // for a PING's answer, and for the answer to an opening
};

struct SessionCounters {
  uint64_t opened = 0, refused = 0, reset = 0, pings_answered = 0;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  // Accepting side: judges an opening. It answers by accept() or refuse(), at once or later.
  using OnChannel = std::function<void(const ChannelPtr&)>;

  static Outcome<std::shared_ptr<Session>> create(tls::StreamPtr stream, Role role, SessionSettings settings);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  OnChannel on_channel;                                    // none: openings are refused
  std::function<void(const std::string& reason)> on_end;   // once
  std::function<void(const std::string& reason)> on_retired;  // the other side takes no new channels; `reason` is its word, perhaps empty

  // Serves the connection until it ends.
  static boost::asio::awaitable<void> run(std::shared_ptr<Session> self);

  // Opening side. Fault: refused (with the other side's reason), no answer in time, the session is full, retired or closed.
  boost::asio::awaitable<Outcome<ChannelPtr>> open(std::string purpose, std::string name, Fields fields, Weight weight);
  // Accepting side: the channel is open from now on, or never was.
  void accept(const ChannelPtr& channel, const Fields& fields = {});
  void refuse(const ChannelPtr& channel, int status, std::string_view reason);

  // GOAWAY, with a word for the other side's log: no new channels; the session ends with its last one, or at the deadline.
  void retire(std::string_view reason, std::chrono::milliseconds deadline);
  void close(std::string_view reason = "closed here");
  // Asks by PING now, instead of when the next is due: a dead peer is found out the sooner.
  void ask_now();
  bool is_open() const;
  bool takes_channels() const { return is_open() && !is_retired_; }
  size_t channels() const { return channels_.size(); }
  const SessionCounters& counters() const { return counters_; }
  std::chrono::microseconds round_trip() const { return round_trip_; }  // of the last PING; 0: none yet
  tls::Stream& stream() { return *stream_; }
  boost::asio::io_context& context() { return context_; }

 private:
  friend class Channel;
  friend struct SessionCallbacks;
  struct Opening {
    Waiter<Outcome<ChannelPtr>> waiter;
    std::shared_ptr<boost::asio::steady_timer> deadline;
  };
  Session(tls::StreamPtr stream, Role role, SessionSettings settings);
  Outcome<> begin();
  void end(const std::string& reason);
  bool on_wire(std::string_view bytes);
  void flush();
  boost::asio::awaitable<void> flush_when_drained();
  boost::asio::awaitable<void> keep_alive();
  void await_answer(int32_t id, Waiter<Outcome<ChannelPtr>> waiter);
  void answer_opening(int32_t id, Outcome<ChannelPtr> outcome);
  void end_if_idle();
  Channel* find(int32_t id);
  void grant_session();
  // Buffers that channels pass on to each other instead of to the allocator.
  std::string take_spare();
  void give_spare(std::string buffer);
  // From nghttp2 (session_callbacks.cc), within on_wire() or flush().
  void on_opening(int32_t id);
  void on_answer(Channel& channel);
  void on_data(int32_t id, std::string_view bytes);
  void on_channel_closed(int32_t id, uint32_t error);
  void on_goaway(std::string_view reason);
  void on_pong();
  bool is_wire_full() const;
  bool put(std::string_view bytes);  // on the wire; false: the connection takes no more, and is lost
  // From a channel.
  void on_taken(Channel& channel, size_t bytes);
  void resume_sending(Channel& channel);
  void reset(Channel& channel, uint32_t error);

  tls::StreamPtr stream_;
  boost::asio::io_context& context_;
  const Role role_;
  const SessionSettings settings_;
  nghttp2_session* session_ = nullptr;  // null once it has ended
  std::unordered_map<int32_t, ChannelPtr> channels_;
  std::unordered_map<int32_t, Opening> openings_;
  boost::asio::steady_timer keepalive_timer_, retire_timer_;
  bool is_retired_ = false, is_ended_ = false;
  bool is_busy_ = false;           // within nghttp2: no second call may enter
  bool waits_for_drain_ = false;   // the connection's queue is full
  bool ping_pending_ = false;
  size_t waiting_bytes_ = 0;       // received and not taken, of all channels
  size_t ungranted_bytes_ = 0;     // of the session's window
  std::vector<std::string> spare_;
  std::string peer_reason_;
  std::chrono::steady_clock::time_point ping_sent_;
  std::chrono::microseconds round_trip_{0};
  SessionCounters counters_;
};

using SessionPtr = std::shared_ptr<Session>;

}  // namespace sallyport::multiplex
