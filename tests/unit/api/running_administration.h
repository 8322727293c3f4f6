// SPDX-License-Identifier: Apache-2.0
#pragma once
// RunningAdministration: a RunningApi whose REST is served over HTTPS on 127.0.0.1 too, and Browser: an account that is logged in there.

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "controlplane/api/administration_server.h"
#include "controlplane/tls/stream_engine.h"
#include "tests/unit/api/fake_node.h"
#include "tests/unit/api/tls_client.h"
#include "tests/unit/tls/certificate_factory.h"

namespace sallyport::api {

inline constexpr const char* good_password = "correct horse battery";

struct HttpsAnswer {
  unsigned status = 0;
  std::string head, body;
};

inline HttpsAnswer answer_of(const std::string& text) {
  HttpsAnswer answer;
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos || text.size() < 12) return answer;
  answer.status = static_cast<unsigned>(std::atoi(text.c_str() + 9));
  answer.head = text.substr(0, end + 2);
  answer.body = text.substr(end + 4);
  return answer;
}

class RunningAdministration {
 public:
  explicit RunningAdministration(AdministrationOptions options = {}, accounts::DoorkeeperOptions door = RunningApi::cheap_door()) : api({}, door) {
    tls::CredentialSource source;
    const auto issued = certificates.leaf("server", leaf_wish());
    source.platform = {"platform", issued.certificate_path, issued.key_path};
    auto loaded = tls::CredentialStore::load(std::move(source));
    EXPECT_TRUE(loaded) << loaded.fault().text();
    credentials = *loaded;
    options.tls = *AdministrationServer::make_policy(credentials);
    options.address = *tls::SocketAddress::parse("127.0.0.1", 0);
    options.hosts = {"edge.example.com"};
    options.handshakes_per_source_per_s = 10000;
    api.on_thread([&] {
      engine_ = std::move(*tls::StreamEngine::create(api.io()));
      auto started = AdministrationServer::start(*engine_, options, api.parts());
      ASSERT_TRUE(started) << started.fault().text();
      server_ = std::move(*started);
      port = server_->listener().address().port();
    });
  }
  ~RunningAdministration() { stop(); }

  void stop() {
    if (engine_ == nullptr) return;
    api.on_thread([&] {
      server_.reset();
      engine_.reset();
    });
  }
  static tls_test::LeafWish leaf_wish() { return {.subject_alt_names = "DNS:edge.example.com,IP:127.0.0.1"}; }
  void add_account(const std::string& name, accounts::Role role, const std::string& password = good_password) {
    api.on_thread([&] {
      const auto hash = accounts::hash_password(store::Secret(password), RunningApi::cheap_door().passwords.cost);
      const auto added = api.accounts->add(name, role, *hash);
      EXPECT_TRUE(added) << added.fault().text();
    });
  }
  std::string host() const { return "127.0.0.1:" + std::to_string(port); }
  std::string url() const { return "https://" + host(); }
  std::string ca() { return certificates.ca(); }
  // On a connection of its own.
  std::string say(const std::string& bytes) {
    TlsClient client(port, ca());
    EXPECT_TRUE(client.is_secured());
    client.send(bytes);
    std::string text = client.read_to_end();
    EXPECT_TRUE(client.has_ended_well());
    return text;
  }
  HttpsAnswer ask(const std::string& method, const std::string& target, const std::string& body = "", const std::string& fields = "") { return answer_of(say(text_of(method, target, body, fields))); }
  std::string text_of(const std::string& method, const std::string& target, const std::string& body = "", const std::string& fields = "", bool keep = false) const {
    return method + " " + target + " HTTP/1.1\r\nHost: " + host() + "\r\n" + (keep ? "" : "Connection: close\r\n") + fields + (method == "GET" ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" + body;
  }
  HttpsAnswer log_in(const std::string& name, const std::string& password = good_password) {
    return ask("POST", "/v1/session", boost::json::serialize(boost::json::object{{"name", name}, {"password", password}}));
  }

  tls_test::CertificateFactory certificates;
  RunningApi api;
  std::shared_ptr<tls::CredentialStore> credentials;
  std::uint16_t port = 0;

 private:
  std::unique_ptr<tls::StreamEngine> engine_;
  std::unique_ptr<AdministrationServer> server_;
};

class Browser {
 public:
  Browser(RunningAdministration& server, const std::string& name, const std::string& password = good_password) : server_(server) {
    const HttpsAnswer answer = server.log_in(name, password);
    EXPECT_EQ(answer.status, 201u) << answer.body;
    const std::size_t at = answer.head.find("Set-Cookie: ");
    if (answer.status != 201 || at == std::string::npos) return;
    cookie = answer.head.substr(at + 12, answer.head.find(';', at) - at - 12);
    csrf = std::string(boost::json::parse(answer.body).at("csrf_token").as_string());
  }
  std::string fields() const { return "Cookie: " + cookie + "\r\nX-CSRF-Token: " + csrf + "\r\n"; }
  HttpsAnswer ask(const std::string& method, const std::string& target, const std::string& body = "", const std::string& more = "") { return server_.ask(method, target, body, fields() + more); }
  HttpsAnswer get(const std::string& target) { return ask("GET", target); }

  std::string cookie, csrf;

 private:
  RunningAdministration& server_;
};

}  // namespace sallyport::api
