// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/response.h"

#include <string>

#include "controlplane/sip/cseq.h"
#include "controlplane/sip/grammar.h"
#include "controlplane/sip/header_values.h"
#include "controlplane/sip/name_addr.h"

namespace sallyport::sip {
namespace {

struct Phrase {
  int status;
  std::string_view text;
};
constexpr Phrase phrases[] = {
    {100, "Trying"},
    {180, "Ringing"},
    {181, "Call Is Being Forwarded"},
    {182, "Queued"},
    {183, "Session Progress"},
    {200, "OK"},
    {202, "Accepted"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {410, "Gone"},
    {413, "Request Entity Too Large"},
    {414, "Request-URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Unsupported URI Scheme"},
    {420, "Bad Extension"},
    {421, "Extension Required"},
    {423, "Interval Too Brief"},
    {429, "Provide Referrer Identity"},
    {430, "Flow Failed"},
    {439, "First Hop Lacks Outbound Support"},
    {440, "Max-Breadth Exceeded"},
    {480, "Temporarily Unavailable"},
    {481, "Call/Transaction Does Not Exist"},
    {482, "Loop Detected"},
    {483, "Too Many Hops"},
    {484, "Address Incomplete"},
    {486, "Busy Here"},
    {487, "Request Terminated"},
    {488, "Not Acceptable Here"},
    {489, "Bad Event"},
    {491, "Request Pending"},
    {493, "Undecipherable"},
    {494, "Security Agreement Required"},
    {500, "Server Internal Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Server Time-out"},
    {505, "Version Not Supported"},
    {513, "Message Too Large"},
    {600, "Busy Everywhere"},
    {603, "Decline"},
    {604, "Does Not Exist Anywhere"},
    {606, "Not Acceptable"},
};

void write_field(HeaderId id, std::string_view value, std::string& out) {
  out.append(header_name(id)).append(": ").append(value).append("\r\n");
}

void write_line(const Message& message, const Header& header, std::string& out) {
  out.append(message.text().substr(header.begin, header.end - header.begin));
}

void write_vias(const Message& request, std::string_view top_via, std::string& out) {
  const Header* line = request.first(HeaderId::via);
  if (line != nullptr && !top_via.empty()) {
    write_field(HeaderId::via, top_via, out);
    bool is_top = true;
    for (const HeaderValue& value : values(*line)) {
      if (!is_top) write_field(HeaderId::via, value.text, out);
      is_top = false;
    }
    line = request.next(*line);
  }
  for (; line != nullptr; line = request.next(*line)) write_line(request, *line, out);
}

void write_to(const Message& request, const ResponseSpec& spec, std::string& out) {
  const Header* to = request.first(HeaderId::to);
  if (to == nullptr) return;
  const NameAddr* party = request.to();
  // RFC 3261 8.2.6.2: every response but 100 carries a tag.
  if (party == nullptr || party->params.has("tag") || spec.status == 100 || spec.to_tag.empty()) {
    write_line(request, *to, out);
    return;
  }
  out.append(header_name(HeaderId::to)).append(": ").append(to->value);
  out.append(";tag=").append(spec.to_tag).append("\r\n");
}

void write_first(const Message& message, HeaderId id, std::string& out) {
  if (const Header* line = message.first(id)) write_line(message, *line, out);
}

// What ACK and CANCEL share with the INVITE they follow (RFC 3261 17.1.1.3, 9.1): one Via, the Route set, From,
// Call-ID, CSeq number.
void write_follower(const Message& sent, std::string_view method, const Message& to_of, std::string& out) {
  out.append(method).append(" ").append(sent.request_uri()).append(" SIP/2.0\r\n");
  if (const auto via = first_value(sent, HeaderId::via)) write_field(HeaderId::via, via->text, out);
  for (const Header* route = sent.first(HeaderId::route); route != nullptr; route = sent.next(*route)) {
    write_line(sent, *route, out);
  }
  write_field(HeaderId::max_forwards, "70", out);
  write_first(sent, HeaderId::from, out);
  write_first(to_of, HeaderId::to, out);
  write_first(sent, HeaderId::call_id, out);
  const auto cseq = parse_cseq(sent.value(HeaderId::cseq));
  write_field(HeaderId::cseq, std::to_string(cseq ? cseq->number : 0).append(" ").append(method), out);
}

}  // namespace

std::string_view reason_phrase(int status) {
  for (const Phrase& phrase : phrases) {
    if (phrase.status == status) return phrase.text;
  }
  constexpr std::string_view classes[] = {
      "", "Progress", "OK", "Redirection", "Request Failure", "Server Failure", "Global Failure"};
  return status >= 100 && status < 700 ? classes[status / 100] : std::string_view();
}

void write_response(const Message& request, const ResponseSpec& spec, std::string& out, std::string_view top_via) {
  out.append("SIP/2.0 ").append(std::to_string(spec.status)).append(" ");
  out.append(spec.reason.empty() ? reason_phrase(spec.status) : spec.reason).append("\r\n");
  write_vias(request, top_via, out);
  write_first(request, HeaderId::from, out);
  write_to(request, spec, out);
  write_first(request, HeaderId::call_id, out);
  write_first(request, HeaderId::cseq, out);
  // RFC 3261 8.2.6.1: a 100 echoes the Timestamp.
  if (spec.status == 100) write_first(request, HeaderId::timestamp, out);
  out.append(spec.extra_lines);
  if (!spec.body.empty() && !spec.content_type.empty()) write_field(HeaderId::content_type, spec.content_type, out);
  write_field(HeaderId::content_length, std::to_string(spec.body.size()), out);
  out.append("\r\n").append(spec.body);
}

std::string warning_value(int code, std::string_view agent, std::string_view text) {
  return std::to_string(code).append(" ").append(agent).append(" ").append(quote(text));
}

void write_ack(const Message& sent, const Message& response, std::string& out) {
  write_follower(sent, "ACK", response, out);
  out.append("Content-Length: 0\r\n\r\n");
}

void write_cancel(const Message& sent, std::string& out, std::string_view reason_value) {
  write_follower(sent, "CANCEL", sent, out);
  if (!reason_value.empty()) write_field(HeaderId::reason, reason_value, out);
  out.append("Content-Length: 0\r\n\r\n");
}

}  // namespace sallyport::sip
