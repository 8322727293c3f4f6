// SPDX-License-Identifier: Apache-2.0
// The command `sallyport` over HTTPS as an account, and its commands for accounts and the audit log.
#include <gmock/gmock.h>

#include <fstream>

#include "tests/unit/api/command_process.h"
#include "tests/unit/api/running_administration.h"

namespace sallyport::api {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class RemoteCommandTest : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    const std::string path = server_.api.folder() + "/" + name;
    std::ofstream(path) << text;
    return path;
  }
  Finished local(std::vector<std::string> words) {
    words.insert(words.end(), {"--socket", server_.api.socket()});
    return run(words);
  }
  Finished remote(std::vector<std::string> words, const std::string& account = "anna") {
    words.insert(words.end(), {"--url", server_.url(), "--account", account, "--ca", server_.ca(), "--password-file", password_});
    return run(words);
  }
  std::size_t sessions() {
    std::size_t count = 0;
    server_.api.on_thread([&] { count = server_.api.door->sessions().list().size(); });
    return count;
  }
  RunningAdministration server_;
  std::string password_ = write("password", std::string(good_password) + "\n");
};

TEST_F(RemoteCommandTest, AccountsAreMadeListedChangedAndRemovedOnTheNodeItself) {
  const Finished made = local({"account", "add", "anna", "--role", "administer", "--new-password-file", password_});
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(made.out, "account anna made, role administer\n");
  EXPECT_THAT(local({"account", "list"}).out, testing::ContainsRegex("anna +administer"));
  EXPECT_EQ(local({"account", "role", "anna", "operate"}).out, "role of anna is operate from now on\n");
  EXPECT_THAT(local({"account", "password", "anna", "--new-password-file", write("short", "short")}).err, HasSubstr("is shorter than 12 characters"));
  EXPECT_EQ(local({"account", "password", "anna", "--new-password-file", password_}).code, 0);
  EXPECT_EQ(local({"account", "remove", "anna", "--yes"}).out, "account anna removed; its sessions have ended\n");
  EXPECT_THAT(local({"account", "list"}).out, HasSubstr("nobody can log in over HTTPS"));
  EXPECT_THAT(local({"account", "remove", "anna", "--yes"}).err, HasSubstr("there is none of that name"));
  EXPECT_EQ(local({"account", "add", "anna", "--role", "king"}).code, 2);
}

TEST_F(RemoteCommandTest, EachCommandLogsInDoesItsWorkAndLogsOut) {
  server_.add_account("anna", accounts::Role::administer);
  EXPECT_THAT(remote({"status"}).out, HasSubstr("no relay port is free"));
  EXPECT_THAT(remote({"calls", "show", "7"}).out, HasSubstr("leg client, opus/48000/2"));
  const Finished added = remote({"domain", "add", "tenant.example.com"});
  EXPECT_EQ(added.code, 0) << added.err;
  EXPECT_THAT(remote({"domain", "list"}).out, HasSubstr("tenant.example.com"));
  const std::string pcap = server_.api.folder() + "/7.pcap";
  EXPECT_THAT(remote({"capture", "7", "--file", pcap, "--packets", "3"}).out, HasSubstr("3 packets"));
  EXPECT_EQ(sessions(), 0u);
  const Finished audit = remote({"audit"});
  EXPECT_THAT(audit.out, AllOf(HasSubstr("account anna"), HasSubstr("POST /v1/domains"), HasSubstr("name=tenant.example.com")));
  EXPECT_THAT(remote({"audit", "--path", "/v1/domains", "--limit", "1"}).out, Not(HasSubstr("/v1/session")));
  EXPECT_THAT(remote({"account", "sessions"}).out, HasSubstr("anna"));
}

TEST_F(RemoteCommandTest, ARefusalSaysWhyAndHasItsExitCode) {
  server_.add_account("anna", accounts::Role::administer);
  server_.add_account("ben", accounts::Role::read);
  const Finished role = remote({"domain", "add", "tenant.example.com"}, "ben");
  EXPECT_EQ(role.code, 1);
  EXPECT_THAT(role.err, HasSubstr("is not for role read"));
  const Finished unknown = remote({"status"}, "nobody");
  EXPECT_EQ(unknown.code, 4);
  EXPECT_THAT(unknown.err, HasSubstr("name or password is wrong"));
  const Finished stranger = run({"status", "--url", server_.url(), "--account", "anna", "--ca", server_.certificates.ca("other"), "--password-file", password_});
  EXPECT_EQ(stranger.code, 3);
  EXPECT_THAT(stranger.err, AllOf(HasSubstr(server_.url()), HasSubstr("issuer")));
  EXPECT_EQ(run({"status", "--url", "https://127.0.0.1:1", "--account", "anna", "--ca", server_.ca(), "--password-file", password_}).code, 3);
  for (const char* url : {"http://127.0.0.1", "https://", "https://a/b", "https://a:b", "https://a@b"}) EXPECT_EQ(run({"status", "--url", url, "--account", "anna", "--ca", server_.ca(), "--password-file", password_}).code, 2) << url;
  EXPECT_EQ(run({"status", "--url", server_.url()}).code, 2);
  EXPECT_EQ(run({"status", "--account", "anna"}).code, 2);
  EXPECT_EQ(run({"keys", "--url", server_.url()}).code, 0);
}

}  // namespace
}  // namespace sallyport::api
