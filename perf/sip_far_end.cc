// SPDX-License-Identifier: Apache-2.0
// sip_far_end: what stands behind an edge proxy under load: answers REGISTER with 200, INVITE with 180 and 200, BYE with 200.
// Behind Kamailio it listens for the proxy's TLS connection; for E it dials the traversal port and authenticates, as C does.
// Usage: sip_far_end listen IP PORT CERTIFICATE KEY
//        sip_far_end dial IP PORT CERTIFICATE KEY OWN_NAME USER PASSWORD
// Prints "ready" when it can answer, then runs until its standard input closes or it is killed.
#include <fmt/format.h>
#include <sys/prctl.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "controlplane/sip/digest.h"
#include "controlplane/sip/header_values.h"
#include "controlplane/sip/message.h"
#include "controlplane/sip/name_addr.h"
#include "controlplane/sip/response.h"
#include "perf/load_connection.h"
#include "perf/sip_phone_text.h"

namespace {

using namespace sallyport;
using sip::HeaderId;
using sip::Method;

struct Login {
  std::string peer, own_name, user, password;
};

class FarEnd final : public perf::LoadProgram {
 public:
  FarEnd(std::string record_route, Login login) : record_route_(std::move(record_route)), login_(std::move(login)) {}

  void on_established(perf::LoadConnection& connection) override {
    if (!login_.user.empty()) ask(connection, {});
  }

  void on_message(perf::LoadConnection& connection, std::string_view text) override {
    if (!sip::parse(text, message_).ok()) perf::give_up("far end: a message does not parse");
    if (message_.is_response()) return on_response(connection);
    out_.clear();
    answer();
    if (!out_.empty()) connection.send(out_);
  }

 private:
  void answer() {
    switch (message_.method()) {
      case Method::register_: return accept_registration();
      case Method::invite: return accept_call();
      case Method::ack: return;
      default: return respond(200, {}, {});
    }
  }

  void respond(int status, std::string_view lines, std::string_view body) {
    sip::ResponseSpec spec;
    spec.status = status;
    spec.to_tag = "far-end-tag";
    spec.extra_lines = lines;
    spec.content_type = "application/sdp";
    spec.body = body;
    sip::write_response(message_, spec, out_);
  }

  void accept_registration() {
    lines_.clear();
    for (const sip::Header* path = message_.first(HeaderId::path); path != nullptr; path = message_.next(*path))
      lines_.append("Path: ").append(path->value).append("\r\n");
    lines_.append("Contact: ").append(message_.value(HeaderId::contact)).append(";expires=3600\r\nRequire: outbound\r\nSupported: path, outbound, gruu\r\nServer: far end\r\n");
    respond(200, lines_, {});
  }

  // A proxy of its own right, as C is: it stands in the dialog's route set itself.
  void accept_call() {
    lines_ = record_route_;
    for (const sip::Header* route = message_.first(HeaderId::record_route); route != nullptr; route = message_.next(*route))
      lines_.append("Record-Route: ").append(route->value).append("\r\n");
    lines_.append("Contact: <sip:called@127.0.0.1:7001;transport=tls>\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE\r\nServer: far end\r\n");
    respond(180, lines_, {});
    respond(200, lines_, message_.body().empty() ? std::string_view{} : session_answer());
  }

  // As C it says for which of E's streams it answers.
  std::string_view session_answer() {
    body_ = perf::sdp_answer;
    constexpr std::string_view mark = "a=x-sallyport-mux:";
    const size_t begin = message_.body().find(mark);
    if (begin != std::string_view::npos) body_.append(message_.body().substr(begin, message_.body().find('\n', begin) + 1 - begin));
    return body_;
  }

  void ask(perf::LoadConnection& connection, const std::string& authorization) {
    ++cseq_;
    connection.send(fmt::format(
        "OPTIONS {0} SIP/2.0\r\nVia: SIP/2.0/TLS {1}:7001;branch=z9hG4bKfar{2};rport\r\nMax-Forwards: 70\r\nFrom: <sip:{3}@{1}>;tag=far{2}\r\nTo: <{0}>\r\n"
        "Call-ID: far-end-{2}@{1}\r\nCSeq: {2} OPTIONS\r\nContact: <sip:127.0.0.1:7001;transport=tls>\r\n{4}Content-Length: 0\r\n\r\n",
        uri(), login_.own_name, cseq_, login_.user, authorization));
  }

  std::string uri() const { return "sip:" + login_.peer + ";transport=tls"; }

  void on_response(perf::LoadConnection& connection) {
    if (message_.status() == 200) return say_ready();
    const auto challenge = sip::parse_challenge(message_.value(HeaderId::www_authenticate));
    if (message_.status() != 401 || !challenge || cseq_ > 2) perf::give_up(fmt::format("far end: the edge answered OPTIONS with {} {}", message_.status(), message_.reason()));
    const auto credentials = sip::answer_challenge(*challenge, login_.user, login_.password, "OPTIONS", uri(), "0123456789abcdef");
    ask(connection, "Authorization: " + sip::format_credentials(credentials) + "\r\n");
  }

  static void say_ready() {
    std::puts("ready");
    std::fflush(stdout);
  }

  const std::string record_route_;
  const Login login_;
  sip::Message message_;
  std::string out_, lines_, body_;
  uint32_t cseq_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if ((mode != "listen" || argc != 6) && (mode != "dial" || argc != 9)) {
    std::fprintf(stderr, "usage: sip_far_end listen IP PORT CERTIFICATE KEY\n       sip_far_end dial IP PORT CERTIFICATE KEY OWN_NAME USER PASSWORD\n");
    return 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::signal(SIGPIPE, SIG_IGN);
  const auto port = static_cast<uint16_t>(std::stoi(argv[3]));
  Login login;
  if (mode == "dial") login = {fmt::format("{}:{}", argv[2], port), argv[6], argv[7], argv[8]};
  FarEnd far_end("Record-Route: <sip:127.0.0.1:7001;transport=tls;lr>\r\n", login);
  perf::LoadLoop loop(far_end);
  if (mode == "listen") {
    loop.listen_at(argv[2], port, argv[4], argv[5]);
    std::puts("ready");
    std::fflush(stdout);
  } else {
    loop.connect_to(argv[2], port, argv[4], argv[5]);
  }
  for (;;) loop.turn(-1);
}
