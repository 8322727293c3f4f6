// SPDX-License-Identifier: Apache-2.0
// sallyport: the operator's command, a client of the control plane's REST interface on its Unix socket.

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <vector>

#include "controlplane/cli/commands.h"
#include "controlplane/cli/top.h"
#include "controlplane/config/near_word.h"

namespace {

using namespace sallyport::cli;
namespace config = sallyport::config;

constexpr const char* exit_codes =
    "Exit codes: 0 done; 1 the answer is no (a test failed, a document was refused); 2 wrong usage;\n"
    "3 the control plane does not run or does not answer; 4 it answered with an error.";

class CommandLine {
 public:
  CommandLine() {
    const char* from_environment = std::getenv("SALLYPORT_SOCKET");
    options_.socket = from_environment && *from_environment ? from_environment : "/run/sallyport/controlplane.sock";
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.footer(exit_codes);
    app_.set_version_flag("--version", SALLYPORT_VERSION);
    app_.add_option("--socket", options_.socket, "Control plane's socket; default $SALLYPORT_SOCKET or " + options_.socket);
    app_.add_flag("--json", options_.json, "Print JSON");
    add_views();
    add_calls();
    add_changes();
    add_files();
  }

  int run(int count, char** words) {
    try {
      app_.parse(count, words);
    } catch (const CLI::RequiredError& error) {
      if (app_.remaining().empty()) return fail(error);
      std::cerr << "sallyport: there is no command " << app_.remaining().front() << suggestion(app_.remaining().front()) << "; see sallyport --help\n";
      return exit_usage;
    } catch (const CLI::ParseError& error) {
      return fail(error);
    }
    return command_(options_);
  }

 private:
  int fail(const CLI::ParseError& error) {
    int code = app_.exit(error);
    return code == 0 ? exit_done : exit_usage;
  }

  std::string suggestion(const std::string& word) const {
    std::vector<std::string_view> names;
    for (const CLI::App* command : app_.get_subcommands(nullptr)) names.push_back(command->get_name());
    std::string_view near = config::nearest_word(word, names);
    return near.empty() ? "" : ", did you mean " + std::string(near) + "?";
  }

  CLI::App* add(CLI::App& parent, const std::string& name, const std::string& description, const std::string& example, int (*command)(const Options&)) {
    CLI::App* sub = parent.add_subcommand(name, description);
    sub->fallthrough();
    sub->footer("Example: " + example);
    sub->callback([this, command] {
      if (!command_) command_ = command;
    });
    return sub;
  }

  void add_limit(CLI::App* command) { command->add_option("--limit", options_.limit, "At most so many")->check(CLI::Range(1, 100000)); }

  void add_views() {
    add(app_, "status", "What the node is and how it does", "sallyport status", run_status);
    add(app_, "zones", "Traversal zones and the state of each peer", "sallyport zones --json", run_zones);
    add_limit(add(app_, "registrations", "Clients that are registered through this node", "sallyport registrations --limit 50", run_registrations));
    add_limit(add(app_, "flows", "Flows of the dataplane", "sallyport flows --json", run_flows));
    CLI::App* top = add(app_, "top", "Traffic, drops, worker load, the busiest and the worst calls; refreshed until Ctrl-C", "sallyport top\n         sallyport top --once", run_top);
    top->add_flag("--once", options_.once, "One picture, as without a terminal");
    top->add_option("--interval", options_.interval_s, "Seconds between two looks")->check(CLI::Range(1, 60));
    add_limit(top);
    add(app_, "counters", "The dataplane by stage, drop reason and worker; other counters that are not zero", "sallyport counters --all", run_counters)->add_flag("--all", options_.all, "Those that are zero too");
    add_limit(add(app_, "history", "Who changed the site, newest first", "sallyport history --limit 20", run_history));
    CLI::App* logs = add(app_, "logs", "Newest events of the control plane", "sallyport logs --follow", run_logs);
    logs->add_flag("--follow,-f", options_.follow, "Go on until interrupted");
    logs->add_option("--lines,-n", options_.lines, "So many lines first")->check(CLI::Range(0, 2000));
  }

  void add_calls() {
    CLI::App* calls = add(app_, "calls", "Calls, also those that ended lately", "sallyport calls --active\n         sallyport calls show 17", run_calls);
    calls->add_flag("--active", options_.active, "Only those that have not ended");
    add_limit(calls);
    calls->require_subcommand(0, 1);
    add(*calls, "show", "Both legs of a call: suite, packets, loss, jitter, addresses", "sallyport calls show 17", run_call)
        ->add_option("ID", options_.argument, "As `sallyport calls` lists it")
        ->required();
    CLI::App* capture = add(app_, "capture", "Writes a call's packets, as they come and go on both legs, for Wireshark or tcpdump", "sallyport capture 17 --file 17.pcap --seconds 20", run_capture);
    capture->add_option("CALL", options_.argument, "As `sallyport calls` lists it")->required();
    capture->add_option("--file,-f", options_.file, "A new file, pcapng")->required();
    capture->add_option("--seconds", options_.seconds, "End after so long")->check(CLI::Range(1, 3600));
    capture->add_option("--packets", options_.packets, "End after so many")->check(CLI::Range(1, 10'000'000));
    capture->add_flag("--decrypted", options_.decrypted, "What is said, in the clear; only on C, if media.decrypted_capture is on, and logged");
  }

  void add_changes() {
    CLI::App* traversal = app_.add_subcommand("traversal", "The connection between C and E");
    traversal->require_subcommand(1);
    traversal->fallthrough();
    add(*traversal, "test", "Tries the layers one by one: DNS, TCP, TLS, SAN, digest, UDP", "sallyport traversal test \"Traversal zone\"", run_traversal_test)
        ->add_option("ZONE", options_.argument, "Only this zone");
    CLI::App* apply = add(app_, "apply", "Shows what a site document changes, then applies it, all or nothing", "sallyport apply site.toml --dry-run", run_apply);
    apply->add_option("FILE", options_.argument, "Site document; - reads standard input")->required();
    apply->add_flag("--dry-run", options_.dry_run, "Only show the plan");
    apply->add_flag("--yes,-y", options_.yes, "Do not ask");
    add(app_, "upgrade", "Replaces the running control plane by a new program; media goes on, and nothing changes if it is not fit", "sallyport upgrade\n         sallyport upgrade --binary /opt/sallyport/bin/sallyport-controlplane", run_upgrade)
        ->add_option("--binary", options_.argument, "The new program; default the file that runs, as it is now");
    add(app_, "export", "The site as a document that apply takes; without passwords", "sallyport export > site.toml", run_export);
  }

  void add_files() {
    add(app_, "check-config", "Checks a node file; needs no control plane", "sallyport check-config /etc/sallyport/e1/node.toml", run_check_config)
        ->add_option("FILE", options_.argument, "Node file")
        ->required();
    CLI::App* keys = add(app_, "keys", "Explains the keys of a node file", "sallyport keys media", run_keys);
    keys->add_option("SECTION", options_.argument, "Only this section");
    keys->add_flag("--markdown", options_.markdown, "The page docs/configuration.md");
  }

  CLI::App app_{"Operates a Sallyport node. Each command has --help with an example.", "sallyport"};
  Options options_;
  int (*command_)(const Options&) = nullptr;
};

}  // namespace

int main(int count, char** words) {
  // `sallyport logs --follow | head` ends quietly.
  std::signal(SIGPIPE, SIG_DFL);
  return CommandLine().run(count, words);
}
