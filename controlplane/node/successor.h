// SPDX-License-Identifier: Apache-2.0
#pragma once
// Successor: the program that is to replace the running control plane by exec(), and the question whether it may and can. It may when
// only root or the node's own user can have written it; it can when, asked with --check, it accepts node file and credentials.
// Nothing of the running node changes here.

#include <boost/asio/awaitable.hpp>
#include <string>
#include <string_view>

#include "dataplane/abi/fault.h"

namespace sallyport::node {

struct Successor {
  std::string binary;   // absolute
  std::string version;
};

// What a fit program prints for --check, before its version.
inline constexpr std::string_view successor_greeting = "takes over: sallyport-controlplane ";

// `binary` empty: the file this process was started from, as it is now. Ends within five seconds, whatever the program does.
boost::asio::awaitable<Outcome<Successor>> check_successor(std::string binary, std::string node_file);

}  // namespace sallyport::node
