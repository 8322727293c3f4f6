// SPDX-License-Identifier: Apache-2.0
#pragma once
// The messages that tests and benchmarks of the SIP layer start from: what a phone behind the edge sends and gets.

#include <string_view>

namespace sallyport::sip::samples {

// 1,306 bytes, SDES offer included.
inline constexpr std::string_view invite =
    "INVITE sip:bob@example.com SIP/2.0\r\n"
    "Via: SIP/2.0/TLS client.example.com:5061;branch=z9hG4bK74bf9;rport;alias\r\n"
    "Max-Forwards: 70\r\n"
    "Route: <sip:FtbEaTaXm5e2Xy8CNsh3KQ0_aa@edge.example.com:5061;transport=tls;lr>\r\n"
    "Route: <sip:proxy.example.com;transport=tls;lr>\r\n"
    "From: \"Alice\" <sip:alice@example.com>;tag=9fxced76sl\r\n"
    "To: <sip:bob@example.com>\r\n"
    "Call-ID: 3848276298220188511@client.example.com\r\n"
    "CSeq: 2 INVITE\r\n"
    "Contact: <sip:alice@192.0.2.101:5061;transport=tls;ob>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>\"\r\n"
    "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO, UPDATE\r\n"
    "Supported: outbound, path, gruu, 100rel, timer, replaces\r\n"
    "Session-Expires: 1800;refresher=uac\r\n"
    "Min-SE: 90\r\n"
    "User-Agent: ExamplePhone/4.2.1 (build 20210)\r\n"
    "X-Unknown-Header: kept, as it is; in its place\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: 437\r\n"
    "\r\n"
    "v=0\r\n"
    "o=alice 2890844526 2890844526 IN IP4 192.0.2.101\r\n"
    "s=-\r\n"
    "c=IN IP4 192.0.2.101\r\n"
    "t=0 0\r\n"
    "m=audio 49172 RTP/SAVP 96 9 0 8 101\r\n"
    "a=rtpmap:96 opus/48000/2\r\n"
    "a=fmtp:96 useinbandfec=1\r\n"
    "a=rtpmap:9 G722/8000\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-15\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n"
    "a=rtcp:49173 IN IP4 192.0.2.101\r\n"
    "a=ptime:20\r\n"
    "a=sendrecv\r\n";

inline constexpr std::string_view register_request =
    "REGISTER sip:example.com SIP/2.0\r\n"
    "Via: SIP/2.0/TLS client.example.com:5061;branch=z9hG4bKnashds7;rport\r\n"
    "Max-Forwards: 70\r\n"
    "From: \"Alice\" <sip:alice@example.com>;tag=a73kszlfl\r\n"
    "To: \"Alice\" <sip:alice@example.com>\r\n"
    "Call-ID: 1j9FpLxk3uxtm8tn@client.example.com\r\n"
    "CSeq: 2 REGISTER\r\n"
    "Contact: <sip:alice@192.0.2.101:5061;transport=tls;ob>;reg-id=1;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>\";expires=3600\r\n"
    "Supported: path, outbound, gruu\r\n"
    "Authorization: Digest username=\"alice\", realm=\"example.com\", nonce=\"ea9c8e88df84f1cec4341ae6cbe5a359\", opaque=\"\", uri=\"sip:example.com\", response=\"dfe56131d1958046689d83306477ecc\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"0a4f113b\"\r\n"
    "User-Agent: ExamplePhone/4.2.1\r\n"
    "Content-Length: 0\r\n"
    "\r\n";

// The 200 to it, with two Vias in one line.
inline constexpr std::string_view ok =
    "SIP/2.0 200 OK\r\n"
    "Via: SIP/2.0/TLS edge.example.com:5061;branch=z9hG4bKnashds7, SIP/2.0/TLS client.example.com:5061;branch=z9hG4bK74bf9;received=198.51.100.7;rport=40123\r\n"
    "From: \"Alice\" <sip:alice@example.com>;tag=9fxced76sl\r\n"
    "To: <sip:alice@example.com>;tag=8321234356\r\n"
    "Call-ID: 1j9FpLxk3uxtm8tn@client.example.com\r\n"
    "CSeq: 2 REGISTER\r\n"
    "Contact: <sip:alice@192.0.2.101:5061;transport=tls;ob>;expires=3600\r\n"
    "Content-Length: 0\r\n"
    "\r\n";

}  // namespace sallyport::sip::samples
