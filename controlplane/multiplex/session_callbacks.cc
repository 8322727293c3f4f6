// SPDX-License-Identifier: Apache-2.0
#include "controlplane/multiplex/session_callbacks.h"

#include <algorithm>
#include <charconv>

namespace sallyport::multiplex {

namespace {

constexpr size_t frame_head_bytes = 9;
constexpr size_t fields_limit = 16, field_limit_bytes = 4096, word_limit_bytes = 512;

std::string_view view_of(const uint8_t* bytes, size_t count) { return {reinterpret_cast<const char*>(bytes), count}; }

}  // namespace

// Friend of Session and Channel: one function a callback.
struct SessionCallbacks {
  static Session& of(void* user) { return *static_cast<Session*>(user); }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Session& session = of(user);
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    session.channels_.emplace(frame->hd.stream_id, ChannelPtr(new Channel(session, frame->hd.stream_id)));
    return 0;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name_bytes, size_t name_size, const uint8_t* value_bytes, size_t value_size, uint8_t,
                       void* user) {
    Channel* channel = of(user).find(frame->hd.stream_id);
    if (channel == nullptr) return 0;
    const std::string_view name = view_of(name_bytes, name_size), value = view_of(value_bytes, value_size);
    const bool is_word = name == ":path" || name == ":authority" || name == ":status";
    if (value.size() > (is_word ? word_limit_bytes : field_limit_bytes) || channel->fields_.size() >= fields_limit) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (name == ":path") {
      channel->purpose_ = value.substr(value.starts_with('/') ? 1 : 0);
    } else if (name == ":authority") {
      channel->name_ = value;
    } else if (name == ":status") {
      std::from_chars(value.data(), value.data() + value.size(), channel->status_);
    } else if (name == ":protocol") {
      channel->is_connect_ = value == "sallyport";
    } else if (!name.starts_with(':')) {
      channel->fields_.emplace_back(name, value);
    }
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Session& session = of(user);
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) session.on_pong();
    if (frame->hd.type == NGHTTP2_GOAWAY) session.on_goaway(view_of(frame->goaway.opaque_data, frame->goaway.opaque_data_len));
    Channel* channel = session.find(frame->hd.stream_id);
    if (channel == nullptr) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS) {
      if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) judge_opening(session, *channel);
      if (frame->headers.cat == NGHTTP2_HCAT_RESPONSE) session.on_answer(*channel);
      channel = session.find(frame->hd.stream_id);
    }
    const bool may_end = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (channel != nullptr && may_end && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) channel->on_finished();
    return 0;
  }

  static void judge_opening(Session& session, Channel& channel) {
    if (channel.is_connect_) return session.on_opening(channel.id_);
    session.refuse(channel.shared_from_this(), 405, "only extended CONNECT with :protocol sallyport is served");
  }

  static int on_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t count, void* user) {
    of(user).on_data(id, view_of(bytes, count));
    return 0;
  }

  static int on_stream_close(nghttp2_session*, int32_t id, uint32_t error, void* user) {
    of(user).on_channel_closed(id, error);
    return 0;
  }

  // How much goes into the next frame; its bytes follow in send_data().
  static ssize_t read(nghttp2_session*, int32_t, uint8_t*, size_t room, uint32_t* flags, nghttp2_data_source* source, void*) {
    Channel& channel = *static_cast<Channel*>(source->ptr);
    const size_t count = std::min(room, channel.unsent().size());
    if (count == channel.unsent_bytes() && channel.is_finished_) *flags |= NGHTTP2_DATA_FLAG_EOF;
    else if (count == 0) return NGHTTP2_ERR_DEFERRED;
    if (count != 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    return static_cast<ssize_t>(count);
  }

  static int send_data(nghttp2_session*, nghttp2_frame*, const uint8_t* head, size_t count, nghttp2_data_source* source, void* user) {
    Session& session = of(user);
    if (session.is_wire_full()) return NGHTTP2_ERR_WOULDBLOCK;
    Channel& channel = *static_cast<Channel*>(source->ptr);
    if (!session.put(view_of(head, frame_head_bytes)) || !session.put(channel.unsent().substr(0, count))) return NGHTTP2_ERR_CALLBACK_FAILURE;
    channel.take_unsent(count);
    channel.on_room();
    return 0;
  }

  static ssize_t frame_room(nghttp2_session*, uint8_t, int32_t, int32_t session_window, int32_t stream_window, uint32_t most, void*) {
    return std::min<ssize_t>({session_window, stream_window, static_cast<ssize_t>(most)});
  }
};

nghttp2_data_provider data_provider(Channel& channel) {
  nghttp2_data_provider provider{};
  provider.source.ptr = &channel;
  provider.read_callback = SessionCallbacks::read;
  return provider;
}

nghttp2_session* make_http2_session(Session& session, Role role, uint32_t channels) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0) return nullptr;
  if (nghttp2_option_new(&option) != 0) {
    nghttp2_session_callbacks_del(callbacks);
    return nullptr;
  }
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, SessionCallbacks::on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, SessionCallbacks::on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, SessionCallbacks::on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, SessionCallbacks::on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, SessionCallbacks::on_stream_close);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, SessionCallbacks::send_data);
  nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, SessionCallbacks::frame_room);
  nghttp2_option_set_no_auto_window_update(option, 1);
  // E may lose all of its clients at once, and resets their channels then: by default the thousandth reset would end the connection. Its
  // channels are limited already, and so is what one costs.
  nghttp2_option_set_stream_reset_rate_limit(option, uint64_t{2} * channels, channels / 4 + 1);
  // Idle and closed streams are of no use to us, and would be memory that the other side decides on.
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_peer_max_concurrent_streams(option, channels);
  nghttp2_session* made = nullptr;
  const int failed = role == Role::accepts ? nghttp2_session_server_new2(&made, callbacks, &session, option) : nghttp2_session_client_new2(&made, callbacks, &session, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  return failed == 0 ? made : nullptr;
}

}  // namespace sallyport::multiplex
