// SPDX-License-Identifier: Apache-2.0
// sip_clients: phones on persistent TLS connections to an edge proxy: connects and registers all of them, prints "ready", then runs
// what each line of its standard input asks for and answers with one JSON object:
//   WORK WARM_MS MEASURE_MS RATE PIDS     WORK: register, call (INVITE 180 200 ACK BYE 200), call_media (the same with SDP)
// RATE 0 keeps a hundred under way, on one connection after the other; else so many are begun a second, each timed from when it was
// due. A hundred, and not one on every connection, because Kamailio drops connections when two thousand speak at once.
// PIDS are the processes whose CPU time is charged. Usage: sip_clients IP PORT CONNECTIONS
#include <fmt/format.h>
#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "controlplane/sip/message.h"
#include "perf/load_connection.h"
#include "perf/process_cpu.h"
#include "perf/sip_phone_text.h"

namespace {

using namespace sallyport;
using sip::Method;

uint64_t now_ns() { return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()); }

enum class Work : uint8_t { registration, call, call_media };

struct Order {
  Work work = Work::registration;
  uint64_t warm_ns = 0, measure_ns = 0, rate = 0;
  std::string pids;
};

constexpr uint32_t window = 100;

class Clients final : public perf::LoadProgram {
 public:
  Clients(const std::string& ip, uint16_t port, uint32_t count) : loop_(*this) {
    // Workers of a Kamailio on OpenSSL 3 spoil each other's handshakes when there are several at once.
    constexpr uint32_t handshakes_at_once = 1;
    for (uint32_t i = 0; i < count; ++i) {
      phones_.push_back({&loop_.connect_to(ip, port, {}, {}), nullptr, 0});
      phones_.back().text = std::make_unique<perf::SipPhoneText>(i, phones_.back().connection->local_port());
      while (i + 1 - answered_ >= handshakes_at_once) loop_.turn(-1);
    }
    while (answered_ < count) loop_.turn(-1);
  }

  std::string run(const Order& order) {
    order_ = order;
    latencies_us_.clear();
    completed_ = 0;
    is_running_ = true;
    if (order.rate == 0)
      for (uint32_t i = 0; i < window; ++i) begin_next(now_ns());
    due_ns_ = now_ns();
    spend(order.warm_ns);
    const perf::ProcessCpu measured(order.pids);
    latencies_us_.clear();
    completed_ = 0;
    const uint64_t cpu_before = measured.used_ns(), start_ns = now_ns();
    spend(order.measure_ns);
    const uint64_t cpu_ns = measured.used_ns() - cpu_before, took_ns = now_ns() - start_ns, done = completed_;
    is_running_ = false;
    finish();
    return fmt::format("{{\"completed\": {}, \"seconds\": {:.4f}, \"cpu_seconds\": {:.6f}, \"p50_us\": {}, \"p99_us\": {}}}", done, static_cast<double>(took_ns) * 1e-9,
                       static_cast<double>(cpu_ns) * 1e-9, quantile(0.5), quantile(0.99));
  }

  void on_established(perf::LoadConnection& connection) override { begin(phones_[connection.number()], now_ns()); }
  void on_message(perf::LoadConnection& connection, std::string_view text) override {
    if (!sip::parse(text, message_).ok() || !message_.is_response()) perf::give_up(fmt::format("a client got something that is no response: {}", text));
    if (message_.status() >= 300) perf::give_up(fmt::format("{} was answered {} {}", message_.method_text(), message_.status(), message_.reason()));
    Phone& phone = phones_[connection.number()];
    if (message_.status() < 200) return;
    if (message_.method() == Method::invite) return phone.connection->send(phone.text->ack_and_bye(message_));
    complete(phone);
  }

 private:
  struct Phone {
    perf::LoadConnection* connection;
    std::unique_ptr<perf::SipPhoneText> text;
    uint64_t began_ns;  // 0: idle
  };

  void begin(Phone& phone, uint64_t due_ns) {
    phone.began_ns = due_ns;
    ++under_way_;
    phone.connection->send(order_.work == Work::registration ? phone.text->register_request() : phone.text->invite(order_.work == Work::call_media));
  }

  void complete(Phone& phone) {
    if (phone.began_ns == 0) perf::give_up(fmt::format("an answer nobody waits for: {}", message_.text()));
    const uint64_t at_ns = now_ns();
    if (is_running_) latencies_us_.push_back(static_cast<uint32_t>((at_ns - phone.began_ns) / 1000));
    phone.began_ns = 0;
    --under_way_;
    ++completed_;
    ++answered_;
    if (is_running_ && order_.rate == 0) begin_next(at_ns);
  }

  void spend(uint64_t duration_ns) {
    const uint64_t end_ns = now_ns() + duration_ns;
    for (uint64_t now = now_ns(); now < end_ns; now = now_ns()) {
      if (order_.rate != 0) begin_due(now);
      const uint64_t wait_until = order_.rate == 0 ? end_ns : std::min(end_ns, due_ns_);
      loop_.turn(wait_until > now ? static_cast<int64_t>((wait_until - now) / 1000 + 1) : 0);
    }
  }

  // With no connection idle what is due stays due, and its time runs.
  void begin_due(uint64_t now) {
    for (; due_ns_ <= now; due_ns_ += 1'000'000'000 / order_.rate)
      if (!begin_next(due_ns_)) return;
  }

  // On the next idle connection; false: there is none.
  bool begin_next(uint64_t due_ns) {
    for (size_t looked = 0; looked < phones_.size(); ++looked) {
      Phone& phone = phones_[next_];
      next_ = (next_ + 1) % phones_.size();
      if (phone.began_ns != 0) continue;
      begin(phone, due_ns);
      return true;
    }
    return false;
  }

  void finish() {
    const uint64_t deadline_ns = now_ns() + 10'000'000'000;
    while (under_way_ > 0 && now_ns() < deadline_ns) loop_.turn(100'000);
    if (under_way_ > 0) perf::give_up(fmt::format("{} requests were never answered", under_way_));
  }

  uint32_t quantile(double part) {
    if (latencies_us_.empty()) return 0;
    const auto at = latencies_us_.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(latencies_us_.size() - 1));
    std::nth_element(latencies_us_.begin(), at, latencies_us_.end());
    return *at;
  }

  perf::LoadLoop loop_;
  std::vector<Phone> phones_;
  sip::Message message_;
  Order order_;
  std::vector<uint32_t> latencies_us_;
  uint64_t completed_ = 0, due_ns_ = 0;
  uint32_t under_way_ = 0, answered_ = 0;
  size_t next_ = 0;
  bool is_running_ = false;
};

Order parse_order(const std::string& line) {
  std::istringstream words(line);
  std::string work;
  uint64_t warm_ms = 0, measure_ms = 0;
  Order order;
  words >> work >> warm_ms >> measure_ms >> order.rate >> order.pids;
  if (work == "call") order.work = Work::call;
  else if (work == "call_media") order.work = Work::call_media;
  else if (work != "register") perf::give_up("unknown work: " + line);
  order.warm_ns = warm_ms * 1'000'000;
  order.measure_ns = measure_ms * 1'000'000;
  return order;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: sip_clients IP PORT CONNECTIONS\n");
    return 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::signal(SIGPIPE, SIG_IGN);
  Clients clients(argv[1], static_cast<uint16_t>(std::stoi(argv[2])), static_cast<uint32_t>(std::stoul(argv[3])));
  std::puts("ready");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    std::puts(clients.run(parse_order(line)).c_str());
    std::fflush(stdout);
  }
}
