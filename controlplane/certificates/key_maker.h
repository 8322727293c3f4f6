// SPDX-License-Identifier: Apache-2.0
#pragma once
// make_key_aside(): makes a private key on a thread of its own and resumes on the caller's: RSA takes up to seconds, in which the node's
// thread has calls to carry. One key at a time; never cancelled in the middle.

#include <boost/asio/awaitable.hpp>

#include "controlplane/certificates/request.h"

namespace sallyport::certificates {

boost::asio::awaitable<Outcome<KeyPtr>> make_key_aside(KeyKind kind);

}  // namespace sallyport::certificates
