// SPDX-License-Identifier: Apache-2.0
#include "perf/sip_phone_text.h"

#include <fmt/format.h>
#include <unistd.h>

#include "controlplane/sip/header_values.h"
#include "controlplane/sip/name_addr.h"

namespace sallyport::perf {

using sip::HeaderId;

namespace {

constexpr std::string_view sdp_offer =
    "v=0\r\no=- 3906789012 3906789012 IN IP4 192.168.1.20\r\ns=-\r\nc=IN IP4 192.168.1.20\r\nt=0 0\r\nm=audio 40376 RTP/SAVP 9 0 8 101\r\na=rtpmap:9 G722/8000\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtcp:40377\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\na=ssrc:1234567 cname:phone\r\na=ptime:20\r\na=sendrecv\r\n";

constexpr std::string_view number_mask = "00000000";

void write_number(std::string& text, size_t at, uint32_t value) { fmt::format_to_n(text.data() + at, 8, "{:08}", value); }

}  // namespace

SipPhoneText::SipPhoneText(uint32_t number, uint16_t port)
    : user_(fmt::format("u{:06}", number)), host_(fmt::format("127.0.0.1:{}", port)), unique_(fmt::format("{}-{:06}", getpid(), number)) {
  register_ = fmt::format(
      "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/TLS {1};branch=z9hG4bKr{4}-{2};rport;alias\r\nMax-Forwards: 70\r\nFrom: \"Phone {0}\" <sip:{0}@example.com>;tag=r{0}\r\n"
      "To: <sip:{0}@example.com>\r\nCall-ID: reg-{4}-9f8e7d6c5b4a@192.168.1.20\r\nCSeq: {2} REGISTER\r\n"
      "Contact: <sip:{0}@{1};transport=tls>;+sip.instance=\"<urn:uuid:2f6b1c1e-7a54-4c0a-9d3e-000000{3:06}>\";reg-id=1\r\n"
      "Supported: path, outbound, gruu\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY, REFER, UPDATE, MESSAGE, INFO\r\nUser-Agent: Load phone 1.0\r\n"
      "Authorization: Digest username=\"{0}\", realm=\"example.com\", nonce=\"ZTg4ZmFhYzM2ZTg4ZmFhYzM2\", uri=\"sip:example.com\", "
      "response=\"6629fae49393a05397450978507c4ef1\", algorithm=MD5, cnonce=\"0a4f113b\", qop=auth, nc=00000001\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n",
      user_, host_, number_mask, number, unique_);
  register_branch_at_ = register_.find(number_mask);
  register_cseq_at_ = register_.find("CSeq: ") + 6;
}

const std::string& SipPhoneText::register_request() {
  write_number(register_, register_branch_at_, ++branch_);
  write_number(register_, register_cseq_at_, ++registrations_);
  return register_;
}

std::string SipPhoneText::head(std::string_view method) const {
  return fmt::format("Via: SIP/2.0/TLS {};branch=z9hG4bK{}-{}-{};rport;alias\r\nMax-Forwards: 70\r\nFrom: \"Phone {}\" <sip:{}@example.com>;tag=c{}\r\n"
                     "Call-ID: call-{}-{}-5b4a9f8e@192.168.1.20\r\nCSeq: {} {}\r\n",
                     host_, method, unique_, branch_, user_, user_, calls_, unique_, calls_, method == "BYE" ? 2 : 1, method);
}

const std::string& SipPhoneText::invite(bool with_media) {
  ++calls_;
  ++branch_;
  const std::string_view body = with_media ? sdp_offer : std::string_view{};
  text_ = fmt::format("INVITE sip:called@example.com SIP/2.0\r\n{}To: <sip:called@example.com>\r\nContact: <sip:{}@{};transport=tls;ob>\r\nSupported: outbound, path, gruu, 100rel, timer, replaces\r\n"
                      "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY, REFER, UPDATE, MESSAGE, INFO\r\nUser-Agent: Load phone 1.0\r\n{}Content-Length: {}\r\n\r\n{}",
                      head("INVITE"), user_, host_, with_media ? "Content-Type: application/sdp\r\n" : "", body.size(), body);
  return text_;
}

const std::string& SipPhoneText::ack_and_bye(const sip::Message& response) {
  const auto contact = sip::parse_name_addr(response.value(HeaderId::contact));
  std::string routes;  // RFC 3261 12.1.2: the caller's route set is the Record-Route reversed
  for (const sip::HeaderValue& route : sip::values(response, HeaderId::record_route)) routes.insert(0, fmt::format("Route: {}\r\n", route.text));
  text_.clear();
  for (const std::string_view method : {"ACK", "BYE"}) {
    ++branch_;
    text_ += fmt::format("{} {} SIP/2.0\r\n{}{}To: {}\r\nContent-Length: 0\r\n\r\n", method, contact ? contact->uri.text : std::string_view{}, head(method), routes,
                         response.value(HeaderId::to));
  }
  return text_;
}

}  // namespace sallyport::perf
