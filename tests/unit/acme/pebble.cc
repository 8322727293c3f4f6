// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/acme/pebble.h"

namespace sallyport::acme_test {
namespace {

std::string at(uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

}  // namespace

std::string Pebble::objection() {
  for (const char* program : {"pebble", "pebble-challtestsrv"}) {
    if (find_program(program).empty()) return std::string(program) + " is not installed; scripts/install brings it";
  }
  return "";
}

Pebble::Pebble(AcmeTest& test, PebbleOptions options) : test_(test), options_(std::move(options)) {
  port_ = free_port();
  management_port_ = free_port();
  http_port_ = free_port();
  tls_port_ = free_port();
  const std::string own = "pebble-" + std::to_string(port_);
  folder_ = test_.certificates.folder();
  tls_test::LeafWish wish;
  wish.subject_alt_names = "DNS:localhost,IP:127.0.0.1";
  const auto issued = test_.certificates.leaf(own, wish);
  std::string keys;
  for (const auto& [key_id, key] : options_.external_accounts) keys += (keys.empty() ? "\"" : ",\"") + key_id + "\":\"" + key + "\"";
  test_.certificates.write(own + ".json", "{\"pebble\":{\"listenAddress\":\"" + at(port_) + "\",\"managementListenAddress\":\"" + at(management_port_) + "\",\"certificate\":\"" + issued.certificate_path +
                                              "\",\"privateKey\":\"" + issued.key_path + "\",\"httpPort\":" + std::to_string(http_port_) + ",\"tlsPort\":" + std::to_string(tls_port_) +
                                              ",\"externalAccountBindingRequired\":" + (keys.empty() ? "false" : "true") + ",\"externalAccountMACKeys\":{" + keys + "}}}");
  if (options_.name_server.empty()) {
    name_port_ = free_port();
    challenge_port_ = free_port();
    EXPECT_TRUE(challenges_.start({find_program("pebble-challtestsrv"), "-defaultIPv6", "", "-dns01", at(name_port_), "-http01", "", "-https01", "", "-tlsalpn01", "", "-management", at(challenge_port_)}, {},
                                  test_.certificates.path(own + ".challenges.log")));
  }
  const std::string name_server = options_.name_server.empty() ? at(name_port_) : options_.name_server;
  EXPECT_TRUE(pebble_.start({find_program("pebble"), "-strict", "-config", test_.certificates.path(own + ".json"), "-dnsserver", name_server},
                            {"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=" + std::to_string(options_.refused_nonces_percent), "PEBBLE_AUTHZREUSE=" + std::to_string(options_.reused_authorizations_percent),
                             "PEBBLE_ALTERNATE_ROOTS=" + std::to_string(options_.alternate_roots)},
                            test_.certificates.path(own + ".log")));
}

awaitable<bool> Pebble::ready() {
  const bool is_ready = co_await test_.eventually([this] { return answers_tcp(port_) && answers_tcp(management_port_) && (challenge_port_ == 0 || answers_tcp(challenge_port_)); });
  EXPECT_TRUE(is_ready) << pebble_.log() << challenges_.log();
  co_return is_ready;
}

Authority Pebble::authority(const std::string& name) {
  return Authority{.name = name, .directory_url = "https://" + at(port_) + "/dir", .tls = test_.trust(test_.certificates.ca()), .account = {}, .key = test_.account_key()};
}

}  // namespace sallyport::acme_test
