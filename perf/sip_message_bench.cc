// SPDX-License-Identifier: Apache-2.0
// What an edge proxy does to a message, ours beside sofia-sip's in one run: parse, add Via and two Record-Routes (REGISTER: a Path),
// decrement Max-Forwards, remove the top Route, replace the body, encode. "forward" also validates what a proxy must refuse.
// Usage: sip_message_bench [--quick] [--only PREFIX]; one JSON object a line, nanoseconds a message. Ours and the peer take turns in
// short batches and the median batch of each is reported, so that a busy machine weighs on both.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <sofia-sip/msg.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/msg_header.h>
#include <sofia-sip/msg_mclass.h>
#include <sofia-sip/sdp.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_protos.h>
#include <sofia-sip/sip_util.h>
#include <sofia-sip/su_alloc.h>

#include "controlplane/sip/body.h"
#include "controlplane/sip/edit.h"
#include "controlplane/sip/framer.h"
#include "controlplane/sip/grammar.h"
#include "controlplane/sip/sdp_edit.h"
#include "controlplane/sip/validate.h"
#include "controlplane/sip/via.h"
#include "tests/unit/sip/sample_messages.h"

namespace {

using namespace sallyport::sip;

constexpr const char* via_value = "SIP/2.0/TLS edge.example.com:7001;branch=z9hG4bK5f2a8d0c4b7e1936";
constexpr const char* inner_route = "<sip:BwEjRWeJq83vcymcUHrSqpnsuA@trav.edge.example.com:7001;transport=tls;lr>";
constexpr const char* outer_route = "<sip:BwEjRWeJq83vcymcUHrSqpnsuA@edge.example.com:5061;transport=tls;lr>";
constexpr const char* path_value = "<sip:BwEjRWeJq83vcymcUHrSqpnsuA@edge.example.com:5061;transport=tls;lr;ob>";

// A broken benchmark must not print a number.
void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "sip_message_bench: %s\n", what);
  std::abort();
}

// One thread's state, kept from message to message as a connection's thread keeps it.
struct Ours {
  Message message;
  Edit edit{message};
  Sdp sdp;
  SdpEdit sdp_edit{sdp};
  std::string body, out;

  void anchor() {
    const auto text = find_sdp(message);
    require(text && parse_sdp(*text, sdp).ok(), "sample has no SDP");
    sdp_edit.reset(sdp);
    sdp_edit.set_session_connection("198.51.100.10");
    std::uint16_t port = 36002;
    for (const SdpMedia& media : sdp.media()) {
      sdp_edit.set_port(media, port);
      if (const SdpLine* line = find_attribute(sdp.lines(media), "rtcp")) sdp_edit.replace(*line, "a=rtcp:36003");
      port = static_cast<std::uint16_t>(port + 2);
    }
    body.clear();
    sdp_edit.serialise(body);
    edit.replace_body_part(*text, body);
  }

  void forward_invite(std::string_view text, bool validate) {
    require(parse(text, message).ok(), "sample does not parse");
    if (validate) require(validate_request(message).ok(), "sample is invalid");
    edit.reset(message);
    edit.push_front(HeaderId::via, via_value);
    edit.push_front(HeaderId::record_route, outer_route);
    edit.push_front(HeaderId::record_route, inner_route);
    decrement_max_forwards();
    edit.remove(*first_value(message, HeaderId::route));
    anchor();
    out.clear();
    edit.serialise(out);
  }

  void forward_register(std::string_view text, bool validate) {
    require(parse(text, message).ok(), "sample does not parse");
    if (validate) require(validate_request(message).ok(), "sample is invalid");
    edit.reset(message);
    edit.push_front(HeaderId::via, via_value);
    edit.push_front(HeaderId::path, path_value);
    decrement_max_forwards();
    out.clear();
    edit.serialise(out);
  }

  void decrement_max_forwards() {
    const Header* header = message.first(HeaderId::max_forwards);
    const auto hops = parse_number(header->value, 255);
    char digits[4];
    const auto end = std::to_chars(digits, digits + sizeof digits, *hops - 1).ptr;
    edit.replace(*header, std::string_view(digits, static_cast<std::size_t>(end - digits)));
  }
};

// The same changes by sofia-sip's own means. The encoded message stays in its buffers: it is not charged for copying
// them together.
struct Sofia {
  msg_t* msg = nullptr;
  sip_t* sip = nullptr;

  void open(std::string_view text) {
    msg = msg_make(sip_default_mclass(), 0, text.data(), static_cast<ssize_t>(text.size()));
    sip = sip_object(msg);
    require(sip != nullptr && sip->sip_via != nullptr && sip->sip_cseq != nullptr,
            "sofia-sip does not parse the sample");
  }
  void insert(msg_header_t* header) {
    require(header != nullptr && msg_header_insert(msg, reinterpret_cast<msg_pub_t*>(sip), header) >= 0,
            "insert failed");
  }
  template <class T>
  void insert(T* header) {
    insert(reinterpret_cast<msg_header_t*>(header));
  }
  void decrement_max_forwards() {
    sip->sip_max_forwards->mf_count -= 1;
    msg_fragment_clear(sip->sip_max_forwards->mf_common);
  }
  void anchor(bool parse_sdp_too) {
    su_home_t* home = msg_home(msg);
    sip_payload_t* payload = nullptr;
    if (parse_sdp_too) {
      sdp_parser_t* parser =
          sdp_parse(home, sip->sip_payload->pl_data, static_cast<issize_t>(sip->sip_payload->pl_len), 0);
      sdp_session_t* session = sdp_session(parser);
      require(session != nullptr && session->sdp_connection != nullptr, "sofia-sip does not parse the SDP");
      session->sdp_connection->c_address = "198.51.100.10";
      unsigned port = 36002;
      for (sdp_media_t* media = session->sdp_media; media != nullptr; media = media->m_next, port += 2)
        media->m_port = port;
      char text[2048];
      sdp_printer_t* printer = sdp_print(home, session, text, sizeof text, 0);
      payload = sip_payload_make(home, sdp_message(printer));
      sdp_printer_free(printer);
      sdp_parser_free(parser);
    } else {
      payload = sip_payload_create(home, sip->sip_payload->pl_data, static_cast<isize_t>(sip->sip_payload->pl_len));
    }
    msg_header_remove(msg, reinterpret_cast<msg_pub_t*>(sip), reinterpret_cast<msg_header_t*>(sip->sip_payload));
    msg_header_remove(msg, reinterpret_cast<msg_pub_t*>(sip), reinterpret_cast<msg_header_t*>(sip->sip_content_length));
    insert(payload);
    insert(sip_content_length_create(home, static_cast<std::uint32_t>(payload->pl_len)));
  }
  std::size_t encode() {
    require(msg_serialize(msg, reinterpret_cast<msg_pub_t*>(sip)) >= 0 && msg_prepare(msg) > 0, "encoding failed");
    return static_cast<std::size_t>(msg_size(msg));
  }
  void forward_invite(std::string_view text, bool parse_sdp_too) {
    open(text);
    su_home_t* home = msg_home(msg);
    insert(sip_via_make(home, via_value));
    insert(sip_record_route_make(home, outer_route));
    insert(sip_record_route_make(home, inner_route));
    decrement_max_forwards();
    require(sip_route_remove(msg, sip) != nullptr, "no Route to remove");
    anchor(parse_sdp_too);
    benchmark::DoNotOptimize(encode());
    msg_destroy(msg);
  }
  void forward_register(std::string_view text) {
    open(text);
    su_home_t* home = msg_home(msg);
    insert(sip_via_make(home, via_value));
    insert(sip_path_make(home, path_value));
    decrement_max_forwards();
    benchmark::DoNotOptimize(encode());
    msg_destroy(msg);
  }
};

void check_outputs() {
  Ours ours;
  ours.forward_invite(samples::invite, true);
  Message after;
  require(parse(ours.out, after).ok() && after.count(HeaderId::via) == 2 && after.count(HeaderId::record_route) == 2 &&
              after.count(HeaderId::route) == 1 && after.value(HeaderId::max_forwards) == "69" &&
              after.body().find("m=audio 36002 ") != std::string_view::npos,
          "our INVITE is not what was asked for");
  Sofia sofia;
  sofia.open(ours.out);
  require(sofia.sip->sip_record_route != nullptr && sofia.sip->sip_record_route->r_next != nullptr,
          "sofia-sip disagrees");
  msg_destroy(sofia.msg);
}

class Runner {
 public:
  Runner(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
      if (std::strcmp(argv[i], "--quick") == 0) batches_ = 101;
      else if (std::strcmp(argv[i], "--only") == 0 && i + 1 < argc) only_ = argv[++i];
      else require(false, "usage: sip_message_bench [--quick] [--only PREFIX]");
    }
  }

  using Work = std::function<void()>;
  void compare(const std::string& name, const Work& ours, const char* peer_name, const Work& peer) {
    if (!name.starts_with(only_)) return;
    std::vector<double> our_ns, peer_ns;
    for (int i = 0; i < batches_; ++i) {
      our_ns.push_back(batch_ns(ours));
      peer_ns.push_back(batch_ns(peer));
    }
    const double our_median = median(our_ns), peer_median = median(peer_ns);
    std::printf("{\"name\": \"%s\", \"value\": %.1f, \"unit\": \"ns/message\", \"better\": \"lower\", \"peer\": \"%s\", \"peer_value\": %.1f, \"ratio\": %.3f}\n",
                name.c_str(), our_median, peer_name, peer_median, peer_median / our_median);
    std::fflush(stdout);
  }
  void alone(const std::string& name, const Work& ours) {
    if (!name.starts_with(only_)) return;
    std::vector<double> our_ns;
    for (int i = 0; i < batches_; ++i) our_ns.push_back(batch_ns(ours));
    std::printf("{\"name\": \"%s\", \"value\": %.1f, \"unit\": \"ns/message\", \"better\": \"lower\"}\n", name.c_str(), median(our_ns));
    std::fflush(stdout);
  }

 private:
  static double batch_ns(const Work& work) {
    constexpr int messages = 200;
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < messages; ++i) work();
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / messages;
  }
  static double median(std::vector<double>& values) {
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
    return values[values.size() / 2];
  }

  int batches_ = 1001;
  std::string only_;
};

}  // namespace

int main(int argc, char** argv) {
  Runner runner(argc, argv);
  check_outputs();
  Ours ours;
  Sofia sofia;
  const std::string_view invite = samples::invite, registration = samples::register_request;
  constexpr const char* peer = "sofia-sip";
  runner.compare("sip/invite_parse", [&] { benchmark::DoNotOptimize(parse(invite, ours.message).ok()); }, peer, [&] { sofia.open(invite), msg_destroy(sofia.msg); });
  // The peer keeps its SDP as it is: less work than ours does.
  runner.compare("sip/invite_parse_edit", [&] { ours.forward_invite(invite, false), benchmark::DoNotOptimize(ours.out.data()); }, peer,
                 [&] { sofia.forward_invite(invite, false); });
  runner.compare("sip/invite_forward", [&] { ours.forward_invite(invite, true), benchmark::DoNotOptimize(ours.out.data()); }, "sofia-sip with SDP",
                 [&] { sofia.forward_invite(invite, true); });
  runner.compare("sip/register_parse_edit", [&] { ours.forward_register(registration, false), benchmark::DoNotOptimize(ours.out.data()); }, peer,
                 [&] { sofia.forward_register(registration); });
  runner.compare("sip/register_forward", [&] { ours.forward_register(registration, true), benchmark::DoNotOptimize(ours.out.data()); }, peer,
                 [&] { sofia.forward_register(registration); });
  Framer framer(Framer::Side::accepted);
  runner.alone("sip/framer_invite", [&] {
    framer.feed(invite);
    std::string_view frame;
    require(framer.next(frame) == Framer::Event::message, "sample is not framed");
    require(framer.next(frame) == Framer::Event::need_more, "sample is framed twice");
  });
  return 0;
}
