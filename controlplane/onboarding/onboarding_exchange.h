// SPDX-License-Identifier: Apache-2.0
#pragma once
// What E asks C when a phone wants a certificate: over a channel "onboarding" of the stream multiplex E sends one JSON object in one line, C answers
// with one, and both finish. E, in the DMZ, holds neither codes nor the authority's key; it vouches for whose certificate the phone
// showed. A line is at most 32 kB, an exchange takes at most 15 s. One thread.

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "controlplane/multiplex/channel.h"
#include "dataplane/abi/fault.h"

namespace sallyport::onboarding {

inline constexpr std::string_view onboarding_purpose = "onboarding";
inline constexpr std::chrono::milliseconds onboarding_deadline{15'000};

struct OnboardingRequest {
  std::string device, code;  // both empty: renewal
  std::string request_pem;   // PKCS#10
  std::string shown_pem;     // the certificate that the phone showed to E
  std::string source;        // the phone's address
};

std::string format_onboarding_request(const OnboardingRequest& request);  // with the line's end
Outcome<OnboardingRequest> parse_onboarding_request(std::string_view line);
// The certificate, then its authority; PEM.
std::string format_onboarding_answer(const Outcome<std::string>& certificates_pem);
Outcome<std::string> parse_onboarding_answer(std::string_view line);  // what C refused comes back as that Fault

// E: over a channel that C accepted.
boost::asio::awaitable<Outcome<std::string>> ask_over(multiplex::ChannelPtr channel, OnboardingRequest request);

// C: answers one request over a channel that was accepted.
using Desk = std::function<Outcome<std::string>(const OnboardingRequest& request)>;
boost::asio::awaitable<void> answer_over(multiplex::ChannelPtr channel, Desk desk);

}  // namespace sallyport::onboarding
