// SPDX-License-Identifier: Apache-2.0
#pragma once
// ask_icmp(): one echo request over IPv4, half a second, in words. Never a verdict: firewalls drop ICMP and everything works (A21).

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <string>

#include "controlplane/tls/socket_address.h"

namespace sallyport::node {

boost::asio::awaitable<std::string> ask_icmp(boost::asio::io_context& io, tls::SocketAddress target);

}  // namespace sallyport::node
