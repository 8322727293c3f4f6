// SPDX-License-Identifier: Apache-2.0
#include "controlplane/multiplex/session.h"

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controlplane/multiplex/session_callbacks.h"
#include "controlplane/tls/stream_engine.h"

namespace sallyport::multiplex {

namespace {

constexpr size_t wire_high_water_bytes = 128 << 10;  // queued for the connection; what waits longer stays with its channel, where priority counts
constexpr size_t wire_low_water_bytes = 64 << 10;
constexpr uint32_t frame_limit_bytes = 64 << 10;    // of what the other side sends: each frame costs, and a long one holds up the others
constexpr size_t reason_limit_bytes = 1024;
constexpr size_t spare_buffers = 8, spare_limit_bytes = 512 << 10;
constexpr std::string_view protocol = "sallyport";

nghttp2_nv field_of(std::string_view name, std::string_view value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())), reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

void append_fields(std::vector<nghttp2_nv>& all, const Fields& fields) {
  for (const auto& [name, value] : fields) all.push_back(field_of(name, value));
}

Fault fault(std::string cause) { return Fault{FaultCode::refused, "stream multiplex", std::move(cause), ""}; }

std::string printable(std::string_view text) {
  std::string clean(text.substr(0, reason_limit_bytes));
  std::replace_if(clean.begin(), clean.end(), [](unsigned char c) { return c < 0x20 || c > 0x7e; }, '?');
  // RFC 9113 8.2.1: a field's value neither begins nor ends with white space, and a cut may leave some.
  clean.erase(clean.find_last_not_of(' ') + 1);
  clean.erase(0, clean.find_first_not_of(' '));
  return clean;
}

}  // namespace

Session::Session(tls::StreamPtr stream, Role role, SessionSettings settings)
    : stream_(std::move(stream)),
      context_(stream_->engine().context()),
      role_(role),
      settings_(settings),
      keepalive_timer_(context_),
      retire_timer_(context_) {}

Session::~Session() {
  if (session_ != nullptr) nghttp2_session_del(session_);
}

Outcome<std::shared_ptr<Session>> Session::create(tls::StreamPtr stream, Role role, SessionSettings settings) {
  std::shared_ptr<Session> session(new Session(std::move(stream), role, settings));
  if (const Outcome<> begun = session->begin(); !begun) return begun.fault();
  return session;
}

Outcome<> Session::begin() {
  stream_->expect_bulk();
  session_ = make_http2_session(*this, role_, settings_.channels);
  if (session_ == nullptr) return Fault{FaultCode::exhausted, "stream multiplex", "no memory for a session", ""};
  std::vector<nghttp2_settings_entry> entries = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, settings_.window_bytes}, {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, frame_limit_bytes}};
  if (role_ == Role::accepts) {
    entries.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings_.channels});
    entries.push_back({NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1});
  } else {
    entries.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  }
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries.data(), entries.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, static_cast<int32_t>(settings_.session_window_bytes));
  return Done{};
}

boost::asio::awaitable<void> Session::run(std::shared_ptr<Session> self) {
  self->flush();
  const auto watch = [](std::shared_ptr<Session> session) -> boost::asio::awaitable<void> { co_await session->keep_alive(); };
  boost::asio::co_spawn(self->context_, watch(self), boost::asio::detached);
  tls::ByteReader reader = [raw = self.get()](std::string_view bytes) { return raw->on_wire(bytes); };
  const Outcome<> ended = co_await self->stream_->receive_each(std::move(reader));
  std::string reason = self->stream_->close_reason();
  if (reason.empty()) reason = ended ? "the other side closed the connection" : ended.fault().text();
  self->end(self->peer_reason_.empty() ? reason : self->peer_reason_);
}

void Session::end(const std::string& reason) {
  if (std::exchange(is_ended_, true)) return;
  keepalive_timer_.cancel();
  retire_timer_.cancel();
  if (stream_->is_open()) stream_->close(reason);  // one that closes already still sends what it has
  for (auto& [id, opening] : std::exchange(openings_, {})) {
    opening.deadline->cancel();
    if (opening.waiter) opening.waiter.post(context(), fault(reason));
  }
  for (auto& [id, channel] : std::exchange(channels_, {})) channel->on_closed(reason);
  nghttp2_session_del(std::exchange(session_, nullptr));
  // What the handlers hold often holds us.
  on_channel = nullptr;
  on_retired = nullptr;
  if (const auto told = std::exchange(on_end, nullptr)) told(reason);
}

bool Session::on_wire(std::string_view bytes) {
  is_busy_ = true;
  const ssize_t taken = nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  is_busy_ = false;
  if (taken < 0) {
    close(fmt::format("HTTP/2: {}", nghttp2_strerror(static_cast<int>(taken))));
    return false;
  }
  flush();
  return true;
}

// Not from within nghttp2, which then flushes after its callbacks.
void Session::flush() {
  if (is_busy_ || is_ended_ || waits_for_drain_) return;
  is_busy_ = true;
  for (;;) {
    if (is_wire_full()) {
      waits_for_drain_ = true;
      const auto wait = [](std::shared_ptr<Session> session) -> boost::asio::awaitable<void> { co_await session->flush_when_drained(); };
      boost::asio::co_spawn(context(), wait(shared_from_this()), boost::asio::detached);
      break;
    }
    const uint8_t* bytes = nullptr;
    const ssize_t count = nghttp2_session_mem_send(session_, &bytes);
    if (count == 0 && is_wire_full()) continue;  // within a channel's bytes: put() would not have taken them
    if (count == 0) break;
    if (count < 0 || !put({reinterpret_cast<const char*>(bytes), static_cast<size_t>(count)})) {
      stream_->close(count < 0 ? nghttp2_strerror(static_cast<int>(count)) : "the connection takes no more");
      break;
    }
  }
  is_busy_ = false;
  end_if_idle();
}

bool Session::is_wire_full() const { return stream_->queued_bytes() >= wire_high_water_bytes; }

bool Session::put(std::string_view bytes) { return stream_->send(bytes) == tls::SendVerdict::queued; }

boost::asio::awaitable<void> Session::flush_when_drained() {
  const Outcome<> drained = co_await stream_->drain(wire_low_water_bytes);
  waits_for_drain_ = false;
  if (drained) flush();
}

boost::asio::awaitable<void> Session::keep_alive() {
  boost::system::error_code ignored;
  while (is_open()) {
    ping_pending_ = true;
    ping_sent_ = std::chrono::steady_clock::now();
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
    flush();
    keepalive_timer_.expires_after(settings_.answer);
    co_await keepalive_timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    if (is_ended_) co_return;
    if (ping_pending_) {
      close(fmt::format("no answer to PING in {} ms, the peer is silent", settings_.answer.count()));
      co_return;
    }
    keepalive_timer_.expires_after(settings_.keepalive);
    co_await keepalive_timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    if (is_ended_) co_return;
  }
}

void Session::on_pong() {
  if (!std::exchange(ping_pending_, false)) return;
  ++counters_.pings_answered;
  round_trip_ = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - ping_sent_);
  keepalive_timer_.cancel();
}

boost::asio::awaitable<Outcome<ChannelPtr>> Session::open(std::string purpose, std::string name, Fields fields, Weight weight) {
  const std::shared_ptr<Session> self = shared_from_this();
  if (role_ != Role::opens) co_return fault("this side accepts channels and opens none");
  if (!takes_channels()) co_return fault(is_open() ? "the other side takes no new channels" : "the connection is closed");
  if (channels_.size() >= settings_.channels) co_return fault(fmt::format("all {} channels are in use", settings_.channels));
  const std::string path = "/" + purpose;
  std::vector<nghttp2_nv> all = {field_of(":method", "CONNECT"), field_of(":protocol", protocol), field_of(":scheme", "https"), field_of(":path", path),
                                 field_of(":authority", name)};
  append_fields(all, fields);
  ChannelPtr channel(new Channel(*this, 0));
  const nghttp2_data_provider provider = data_provider(*channel);
  nghttp2_priority_spec priority;
  nghttp2_priority_spec_init(&priority, 0, static_cast<int32_t>(weight), 0);
  const int32_t id = nghttp2_submit_request(session_, &priority, all.data(), all.size(), &provider, nullptr);
  if (id < 0) co_return fault(nghttp2_strerror(id));
  channel->id_ = id;
  channel->purpose_ = std::move(purpose);
  channel->name_ = std::move(name);
  channels_.emplace(id, channel);
  auto begin = [self, id](Waiter<Outcome<ChannelPtr>> waiter) { self->await_answer(id, std::move(waiter)); };
  co_return co_await wait_for<Outcome<ChannelPtr>>(std::move(begin));
}

void Session::await_answer(int32_t id, Waiter<Outcome<ChannelPtr>> waiter) {
  auto deadline = std::make_shared<boost::asio::steady_timer>(context(), settings_.answer);
  Opening& opening = openings_[id];
  opening.waiter = std::move(waiter);
  opening.deadline = deadline;
  deadline->async_wait([weak = weak_from_this(), id](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || self == nullptr || self->is_ended_) return;
    self->answer_opening(id, fault(fmt::format("no answer in {} ms", self->settings_.answer.count())));
    if (Channel* channel = self->find(id)) self->reset(*channel, NGHTTP2_CANCEL);
  });
  flush();
}

void Session::answer_opening(int32_t id, Outcome<ChannelPtr> outcome) {
  const auto found = openings_.find(id);
  if (found == openings_.end()) return;
  Opening opening = std::move(found->second);
  openings_.erase(found);
  opening.deadline->cancel();
  ++(outcome ? counters_.opened : counters_.refused);
  opening.waiter.post(context(), std::move(outcome));
}

void Session::on_answer(Channel& channel) {
  if (channel.status_ == 200) {
    channel.is_answered_ = true;
    return answer_opening(channel.id_, channel.shared_from_this());
  }
  const std::string* reason = find_field(channel.fields_, "reason");
  answer_opening(channel.id_, fault(fmt::format("channel {} was refused with {}{}", channel.purpose_, channel.status_, reason == nullptr ? "" : ": " + printable(*reason))));
  reset(channel, NGHTTP2_NO_ERROR);
}

void Session::on_opening(int32_t id) {
  const ChannelPtr channel = channels_.at(id);
  if (!on_channel) return refuse(channel, 404, "no channel is taken here");
  on_channel(channel);
}

void Session::accept(const ChannelPtr& channel, const Fields& fields) {
  if (channel->session_ != this || std::exchange(channel->is_answered_, true)) return;
  std::vector<nghttp2_nv> all = {field_of(":status", "200")};
  append_fields(all, fields);
  const nghttp2_data_provider provider = data_provider(*channel);
  nghttp2_submit_response(session_, channel->id_, all.data(), all.size(), &provider);
  ++counters_.opened;
  flush();
}

void Session::refuse(const ChannelPtr& channel, int status, std::string_view reason) {
  if (channel->session_ != this || std::exchange(channel->is_answered_, true)) return;
  const std::string number = std::to_string(status), text = printable(reason);
  const std::vector<nghttp2_nv> all = {field_of(":status", number), field_of("reason", text)};
  nghttp2_submit_response(session_, channel->id_, all.data(), all.size(), nullptr);
  ++counters_.refused;
  flush();
}

void Session::on_data(int32_t id, std::string_view bytes) {
  Channel* channel = find(id);
  if (channel == nullptr) {
    nghttp2_session_consume(session_, id, bytes.size());
    return;
  }
  waiting_bytes_ += bytes.size();
  channel->unread_bytes_ += bytes.size();
  channel->on_bytes(bytes);
  // A reader's own window holds it up, not the connection, unless all of them together hold too much.
  ungranted_bytes_ += bytes.size();
  grant_session();
}

void Session::grant_session() {
  if (ungranted_bytes_ == 0 || waiting_bytes_ > settings_.waiting_limit_bytes) return;
  nghttp2_session_consume_connection(session_, std::exchange(ungranted_bytes_, 0));
}

void Session::on_taken(Channel& channel, size_t bytes) {
  waiting_bytes_ -= bytes;
  channel.unread_bytes_ -= bytes;
  nghttp2_session_consume_stream(session_, channel.id_, bytes);
  grant_session();
  flush();
}

void Session::on_channel_closed(int32_t id, uint32_t error) {
  const auto found = channels_.find(id);
  if (found == channels_.end()) return;
  const ChannelPtr channel = std::move(found->second);
  channels_.erase(found);
  waiting_bytes_ -= channel->unread_bytes_;
  grant_session();
  const std::string reason = error == NGHTTP2_NO_ERROR ? "" : error == NGHTTP2_REFUSED_STREAM ? "the other side takes no new channels" : nghttp2_http2_strerror(error);
  if (error != NGHTTP2_NO_ERROR) ++counters_.reset;
  answer_opening(id, fault(reason.empty() ? "closed before it was answered" : reason));
  channel->on_closed(reason);
}

void Session::resume_sending(Channel& channel) {
  if (!channel.is_answered_) return;
  nghttp2_session_resume_data(session_, channel.id_);
  flush();
}

// Whatever it still has to send is dropped.
void Session::reset(Channel& channel, uint32_t error) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, channel.id_, error);
  flush();
}

void Session::retire(std::string_view reason, std::chrono::milliseconds deadline) {
  if (!is_open() || std::exchange(is_retired_, true)) return;
  const std::string word = printable(reason);
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                        reinterpret_cast<const uint8_t*>(word.data()), word.size());
  retire_timer_.expires_after(deadline);
  retire_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self != nullptr) self->close("retired, and the time for its channels is over");
  });
  flush();
}

void Session::on_goaway(std::string_view reason) {
  peer_reason_ = printable(reason);
  if (std::exchange(is_retired_, true)) return;
  if (on_retired) on_retired(peer_reason_);
}

void Session::end_if_idle() {
  if (is_retired_ && channels_.empty() && !is_ended_ && stream_->is_open() && nghttp2_session_want_write(session_) == 0) stream_->close_after_send();
}

void Session::close(std::string_view reason) { stream_->close(reason); }

void Session::ask_now() {
  if (!ping_pending_) keepalive_timer_.cancel();
}

bool Session::is_open() const { return !is_ended_ && stream_->is_open(); }

std::string Session::take_spare() {
  if (spare_.empty()) return {};
  std::string buffer = std::move(spare_.back());
  spare_.pop_back();
  return buffer;
}

void Session::give_spare(std::string buffer) {
  constexpr size_t within_itself = std::string().capacity();
  if (buffer.capacity() <= within_itself || buffer.capacity() > spare_limit_bytes || spare_.size() >= spare_buffers) return;
  buffer.clear();
  spare_.push_back(std::move(buffer));
}

Channel* Session::find(int32_t id) {
  const auto found = channels_.find(id);
  return found == channels_.end() ? nullptr : found->second.get();
}

}  // namespace sallyport::multiplex
