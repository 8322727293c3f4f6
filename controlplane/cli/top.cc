// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/top.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <iostream>

#include "controlplane/cli/api_client.h"
#include "controlplane/cli/show.h"
#include "controlplane/cli/top_picture.h"

namespace sallyport::cli {
namespace {

namespace json = boost::json;

volatile sig_atomic_t ended = 0;

double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Fault answer_fault(const std::string& cause) { return {FaultCode::internal, "control plane", cause, ""}; }

Outcome<json::value> ask(const ApiClient& client, const std::string& target) {
  auto reply = client.get(target);
  if (!reply) return reply.fault();
  if (reply->status >= 400) return answer_fault(error_text(reply->body, reply->status));
  json::error_code error;
  json::value parsed = json::parse(reply->body, error);
  if (error) return answer_fault("its answer is not JSON: " + error.message());
  return parsed;
}

Outcome<TopLook> look(const ApiClient& client, const Options& options) {
  const std::string limit = "limit=" + std::to_string(options.limit);
  TopLook result;
  result.at_s = now_s();
  for (const auto& [target, into] : {std::pair<std::string, json::value*>{"/v1/counters", &result.counters},
                                     {"/v1/flows?" + limit, &result.flows},
                                     {"/v1/status", &result.status},
                                     {"/v1/calls?active=1&quality=1&" + limit, &result.calls}}) {
    auto answer = ask(client, target);
    if (!answer) return answer.fault();
    *into = std::move(*answer);
  }
  return result;
}

// Signals arrive only while it waits, so none can be missed between looking and waiting.
class Patience {
 public:
  Patience() {
    struct sigaction action {};
    action.sa_handler = [](int) { ended = 1; };
    sigset_t mine;
    sigemptyset(&mine);
    for (const int signal : {SIGINT, SIGTERM}) {
      sigaction(signal, &action, nullptr);
      sigaddset(&mine, signal);
    }
    // A window that changes its size is drawn anew.
    action.sa_handler = [](int) {};
    sigaction(SIGWINCH, &action, nullptr);
    sigaddset(&mine, SIGWINCH);
    sigprocmask(SIG_BLOCK, &mine, &before_);
  }
  // False when the user has had enough.
  bool wait(double seconds) const {
    const double deadline_s = now_s() + seconds;
    for (double left_s = seconds; ended == 0 && left_s > 0; left_s = deadline_s - now_s()) {
      const timespec patience{static_cast<time_t>(left_s), static_cast<long>((left_s - static_cast<double>(static_cast<time_t>(left_s))) * 1e9)};
      ppoll(nullptr, 0, &patience, &before_);
    }
    return ended == 0;
  }

 private:
  sigset_t before_;
};

// The alternate screen, without a cursor; the shell's own comes back with the end.
class Screen {
 public:
  Screen() { std::cout << "\x1b[?1049h\x1b[?25l" << std::flush; }
  ~Screen() { std::cout << "\x1b[?25h\x1b[?1049l" << std::flush; }
  Screen(const Screen&) = delete;

  void draw(const std::string& text) const { std::cout << "\x1b[H\x1b[2J" << text << std::flush; }
  static winsize size() {
    winsize window{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0) window = {};
    return window;
  }
};

int complain(const Fault& fault) {
  std::cerr << "sallyport: " << fault.text() << "\n";
  return fault.code == FaultCode::unreachable ? exit_unreachable : exit_error;
}

int print_once(const ApiClient& client, const Options& options, const Patience& patience, const TopLook& first) {
  if (!patience.wait(options.interval_s)) return exit_done;
  const auto second = look(client, options);
  if (!second) return complain(second.fault());
  const TopPicture picture = picture_of(first, *second);
  std::cout << (options.json ? json::serialize(to_json(picture)) + "\n" : show_top(picture, 0, 0));
  return exit_done;
}

}  // namespace

int run_top(const Options& options) {
  const ApiClient client(options.endpoint);
  const Patience patience;
  auto before = look(client, options);
  if (!before) return complain(before.fault());
  if (options.once || options.json || isatty(STDOUT_FILENO) == 0) return print_once(client, options, patience, *before);
  const Screen screen;
  screen.draw("looking for " + std::to_string(options.interval_s) + " s ...\n");
  while (patience.wait(options.interval_s)) {
    auto now = look(client, options);
    const winsize size = Screen::size();
    // A control plane that restarts comes back.
    screen.draw(now ? show_top(picture_of(*before, *now), size.ws_col, size.ws_row) : now.fault().text() + "\n");
    if (now) before = std::move(now);
  }
  return exit_done;
}

}  // namespace sallyport::cli
