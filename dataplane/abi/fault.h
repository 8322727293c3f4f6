// SPDX-License-Identifier: Apache-2.0
#pragma once
// Fault: how a function of the environment (files, sockets, configuration, peers) reports failure to its caller.
// Outcome<T>: either a T or a Fault. Any thread; owns its strings; never used on the packet path, where a verdict and a counter do.

#include <string>
#include <utility>
#include <variant>

namespace sallyport {

enum class FaultCode { invalid, missing, refused, unreachable, timeout, exhausted, conflict, internal };

struct Fault {
  FaultCode code = FaultCode::internal;
  std::string subject;  // what it is about: "zone edge-1: key file server.key"
  std::string cause;    // what is wrong: "is not readable by uid 990"
  std::string remedy;   // what the operator does: "grant it group read"

  // "subject: cause; remedy", the form every log line and API answer uses.
  std::string text() const {
    std::string line = subject.empty() ? cause : subject + ": " + cause;
    return remedy.empty() ? line : line + "; " + remedy;
  }
};

struct Done {};

template <class T = Done>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Outcome(Fault fault) : state_(std::in_place_index<1>, std::move(fault)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  // Precondition: has_value(); std::get aborts the broken invariant by throwing in code that does not catch it.
  T& value() { return std::get<0>(state_); }
  const T& value() const { return std::get<0>(state_); }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Fault& fault() const { return std::get<1>(state_); }

 private:
  std::variant<T, Fault> state_;
};

}  // namespace sallyport
