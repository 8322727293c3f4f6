// SPDX-License-Identifier: Apache-2.0
#pragma once
// Named: bind9 on a free port of 127.0.0.1 with a dynamic zone "example.test", its key, and "delegated.test" beside it; as primary,
// or as a secondary of another one.

#include <filesystem>
#include <fstream>
#include <string>

#include "controlplane/acme/tsig.h"
#include "tests/unit/acme/acme_fixture.h"
#include "tests/unit/acme/child_process.h"

namespace sallyport::acme_test {

inline constexpr const char* tsig_secret = "c2FsbHlwb3J0IHRlc3Qga2V5IG9mIDMyIG9jdGV0cyE=";

class Named {
 public:
  static std::string objection() { return find_program("named").empty() ? "bind9 is not installed; scripts/install brings it" : ""; }

  // secondary_port: told of changes; 0: nobody. primary_port: this one is its secondary; 0: it is the primary.
  Named(AcmeTest& test, uint16_t port, uint16_t secondary_port = 0, uint16_t primary_port = 0) : test_(test), port_(port), is_secondary_(primary_port != 0) {
    folder_ = test.certificates.path("named-" + std::to_string(port_));
    std::filesystem::create_directory(folder_);
    const std::string others = secondary_port == 0 ? "notify no;" : "notify explicit; also-notify { 127.0.0.1 port " + std::to_string(secondary_port) + "; }; allow-transfer { 127.0.0.1; };";
    const std::string zone_kind = primary_port == 0 ? "type primary; update-policy { grant acme-key zonesub TXT; grant long-key zonesub TXT; }; " + others : "type secondary; primaries { 127.0.0.1 port " + std::to_string(primary_port) + "; }; masterfile-format text;";
    std::string config = "options { directory \"" + folder_ + "\"; listen-on port " + std::to_string(port_) + " { 127.0.0.1; }; listen-on-v6 { none; }; pid-file \"" + folder_ + "/pid\"; session-keyfile \"" + folder_ +
                         "/session.key\"; recursion no; dnssec-validation no; notify-delay 0; };\ncontrols { };\nkey \"acme-key\" { algorithm hmac-sha256; secret \"" + tsig_secret + "\"; };\n" +
                         "key \"long-key\" { algorithm hmac-sha512; secret \"" + tsig_secret + "\"; };\nkey \"other-key\" { algorithm hmac-sha256; secret \"" + tsig_secret + "\"; };\n";
    for (const char* zone : {"example.test", "delegated.test"}) {
      config += "zone \"" + std::string(zone) + "\" { file \"" + zone + ".db\"; " + zone_kind + " };\n";
      if (primary_port != 0) continue;
      std::string records = "$TTL 60\n@ SOA ns1 hostmaster 1 60 5 3600 5\n@ NS ns1\nns1 A 127.0.0.1\n* A 127.0.0.1\n";
      if (std::string_view(zone) == "example.test") records += "_acme-challenge.alias CNAME alias.delegated.test.\n_acme-challenge.round CNAME _acme-challenge.round\n";
      write(std::string(zone) + ".db", records);
    }
    write("named.conf", config);
    // A copy: the confinement that Debian has for the program's own path would keep it out of this folder.
    const std::string program = folder_ + "/named";
    std::filesystem::copy_file(find_program("named"), program);
    EXPECT_TRUE(process_.start({program, "-g", "-4", "-n", "1", "-c", folder_ + "/named.conf"}, {}, folder_ + "/log"));
  }
  awaitable<bool> ready() {
    const bool is_ready = co_await test_.eventually([this] { return says("running\n") && (!is_secondary_ || (says("example.test/IN: transferred") && says("delegated.test/IN: transferred"))) && answers_tcp(port_); });
    EXPECT_TRUE(is_ready) << log();
    co_return is_ready;
  }
  void stop() { process_.stop(); }

  uint16_t port() const { return port_; }
  tls::SocketAddress address() const { return *tls::SocketAddress::parse("127.0.0.1", port_); }
  std::string log() const { return process_.log(); }
  static TsigKey key(const std::string& name = "acme-key", const std::string& secret = tsig_secret) { return {name, TsigAlgorithm::hmac_sha256, std::make_shared<store::Secret>(secret)}; }

 private:
  bool says(const char* text) const { return log().find(text) != std::string::npos; }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ + "/" + name) << text; }

  AcmeTest& test_;
  uint16_t port_;
  bool is_secondary_;
  std::string folder_;
  ChildProcess process_;
};

}  // namespace sallyport::acme_test
