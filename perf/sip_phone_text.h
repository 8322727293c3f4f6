// SPDX-License-Identifier: Apache-2.0
#pragma once
// SipPhoneText: the requests of a phone under load, written once a connection as real phones write them; what changes from request to
// request (branch, CSeq, Call-ID) has a fixed width and is written over in place. Also the SDP of both ends, SRTP as outside clients must.

#include <cstdint>
#include <string>
#include <string_view>

#include "controlplane/sip/message.h"

namespace sallyport::perf {

inline constexpr std::string_view sdp_answer =
    "v=0\r\no=- 4711 4711 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 36000 RTP/SAVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-15\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\na=sendrecv\r\n";

class SipPhoneText {
 public:
  // `number` makes user, tags and Call-ID; `port` is the connection's own.
  SipPhoneText(uint32_t number, uint16_t port);

  // Valid until the next call.
  const std::string& register_request();
  // A new call; `with_media`: an SDP offer. The rest of its dialog is written from the 200 to it.
  const std::string& invite(bool with_media);
  // ACK and BYE of the dialog that this 200 confirms, one behind the other.
  const std::string& ack_and_bye(const sip::Message& response);

 private:
  std::string head(std::string_view method) const;

  const std::string user_, host_, unique_;  // unique_: over processes, so that no branch or Call-ID comes twice
  uint32_t branch_ = 0, registrations_ = 0, calls_ = 0;
  std::string register_, text_;
  size_t register_branch_at_ = 0, register_cseq_at_ = 0;
};

}  // namespace sallyport::perf
