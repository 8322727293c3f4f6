// SPDX-License-Identifier: Apache-2.0
#pragma once
// Solver: proves control of one name by one kind of challenge. present() returns when the authority may look; cleanup() takes it away
// again and is called for every present() that was begun, also after a Fault. Several names may be under way at once; no two tasks
// are the same. On the engine's thread; destroying a Solver takes away what it still presents, as far as that needs no waiting.

#include <boost/asio/awaitable.hpp>
#include <string>

#include "controlplane/acme/acme_resource.h"
#include "dataplane/abi/fault.h"

namespace sallyport::acme {

struct ChallengeTask {
  std::string domain;             // lower case, without "*."
  std::string token;              // of [A-Za-z0-9_-] only
  std::string key_authorization;  // token.thumbprint
};

class Solver {
 public:
  virtual ~Solver() = default;
  virtual ChallengeKind kind() const = 0;
  virtual boost::asio::awaitable<Outcome<>> present(ChallengeTask task) = 0;
  virtual boost::asio::awaitable<Outcome<>> cleanup(ChallengeTask task) = 0;
};

}  // namespace sallyport::acme
