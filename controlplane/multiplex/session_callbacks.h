// SPDX-License-Identifier: Apache-2.0
#pragma once
// What nghttp2 tells a Session, as its C callbacks. Internal to controlplane/multiplex.

#include <nghttp2/nghttp2.h>

#include "controlplane/multiplex/session.h"

namespace sallyport::multiplex {

// Null: no memory. The session is the callbacks' user data and must outlive it.
nghttp2_session* make_http2_session(Session& session, Role role, uint32_t channels);
// The channel's outgoing bytes; it must live until nghttp2 has closed the stream.
nghttp2_data_provider data_provider(Channel& channel);

}  // namespace sallyport::multiplex
