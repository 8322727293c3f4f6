// SPDX-License-Identifier: Apache-2.0
#include "controlplane/accounts/doorkeeper.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "tests/unit/store/state_folder.h"

namespace sallyport::accounts {
namespace {

namespace asio = boost::asio;
using std::chrono::seconds;

constexpr const char* right = "correct horse battery";

class DoorkeeperTest : public testing::Test {
 protected:
  DoorkeeperTest() : site_(folder_.open(config::Role::edge)) {
    auto opened = AccountStore::open(folder_.path());
    EXPECT_TRUE(opened) << opened.fault().text();
    accounts_ = std::move(*opened);
    options_.passwords.cost = {16, 8, 1};
    make();
    EXPECT_TRUE(accounts_->add("anna", Role::operate, *hash_password(store::Secret(right), options_.passwords.cost)));
  }
  void make() {
    door_ = std::make_unique<Doorkeeper>(*accounts_, options_, [this] { return now_; });
  }

  template <class Result>
  Result run(asio::awaitable<Result> work) {
    Result result{};
    asio::co_spawn(io_, std::move(work), [&](std::exception_ptr, Result got) { result = std::move(got); });
    io_.restart();
    io_.run();
    return result;
  }
  static std::shared_ptr<const store::Secret> secret(const std::string& text) { return std::make_shared<const store::Secret>(text); }
  Login log_in(const std::string& name, const std::string& password, const std::string& source = "192.0.2.7") { return run(door_->log_in(name, secret(password), source + ":40312", source)); }
  static asio::awaitable<std::optional<Fault>> changing(Doorkeeper& door, std::string id, std::shared_ptr<const store::Secret> before, std::shared_ptr<const store::Secret> after) {
    const auto changed = co_await door.change_password(id, before, after, "192.0.2.7");
    std::optional<Fault> fault;
    if (!changed) fault = changed.fault();
    co_return fault;
  }
  std::optional<Fault> change_password(const std::string& session, const std::string& old_password, const std::string& password) { return run(changing(*door_, session, secret(old_password), secret(password))); }
  Visitor visit(const std::string& token, Role needs, bool changes = false, const std::string& csrf = "") { return door_->judge({token, csrf, changes, needs}); }

  store::StateFolder folder_;
  std::unique_ptr<store::SiteStore> site_;
  std::unique_ptr<AccountStore> accounts_;
  asio::io_context io_{1};
  std::chrono::steady_clock::time_point now_{seconds(100000)};
  DoorkeeperOptions options_;
  std::unique_ptr<Doorkeeper> door_;
};

TEST_F(DoorkeeperTest, LetsInByNameAndPasswordAndSaysNothingAboutWhichWasWrong) {
  const Login in = log_in("anna", right);
  EXPECT_EQ(in.verdict, LoginVerdict::accepted);
  EXPECT_EQ(in.token.size(), 64u);
  for (const auto& [name, password] : {std::pair("anna", "correct horse batterz"), std::pair("nobody", right), std::pair("", ""), std::pair("ANNA", right)}) {
    const Login refused = log_in(name, password, std::string("source of ") + name);
    EXPECT_EQ(refused.verdict, LoginVerdict::refused) << name;
    EXPECT_TRUE(refused.token.empty());
  }
}

TEST_F(DoorkeeperTest, ASessionMayWhatItsAccountMayAtThisMoment) {
  const std::string token = log_in("anna", right).token, csrf = door_->sessions().csrf_token(token);
  EXPECT_EQ(visit(token, Role::read).judgement, Judgement::admitted);
  EXPECT_EQ(visit(token, Role::operate, true, csrf).judgement, Judgement::admitted);
  EXPECT_EQ(visit(token, Role::administer, true, csrf).judgement, Judgement::role);
  EXPECT_EQ(visit(token, Role::operate, true).judgement, Judgement::csrf);
  EXPECT_EQ(visit("", Role::read).judgement, Judgement::no_session);
  ASSERT_TRUE(accounts_->set_role("anna", Role::read, LastAdministrator::may_go));
  EXPECT_EQ(visit(token, Role::operate, true, csrf).judgement, Judgement::role);
  ASSERT_TRUE(accounts_->set_role("anna", Role::administer, LastAdministrator::may_go));
  EXPECT_EQ(visit(token, Role::administer, true, csrf).judgement, Judgement::admitted);
  EXPECT_EQ(visit(token, Role::administer, true, csrf).account, "anna");
}

TEST_F(DoorkeeperTest, AnotherPasswordOrARemovedAccountEndsItsSessions) {
  const std::string first = log_in("anna", right).token;
  ASSERT_TRUE(accounts_->set_password("anna", *hash_password(store::Secret("another long passphrase"), options_.passwords.cost)));
  EXPECT_EQ(visit(first, Role::read).judgement, Judgement::no_session);
  EXPECT_FALSE(door_->may_go_on(first, Role::read));
  const std::string second = log_in("anna", "another long passphrase").token;
  EXPECT_TRUE(door_->may_go_on(second, Role::operate));
  EXPECT_FALSE(door_->may_go_on(second, Role::administer));
  ASSERT_TRUE(accounts_->remove("anna", LastAdministrator::may_go));
  EXPECT_EQ(visit(second, Role::read).judgement, Judgement::no_session);
  ASSERT_TRUE(accounts_->add("anna", Role::administer, *hash_password(store::Secret(right), options_.passwords.cost)));
  EXPECT_EQ(visit(second, Role::read).judgement, Judgement::no_session);
}

TEST_F(DoorkeeperTest, WhoChangesTheirOwnPasswordStaysAndTheirOtherSessionsEnd) {
  const std::string here = log_in("anna", right).token, elsewhere = log_in("anna", right).token;
  const std::string id = visit(here, Role::read).session;
  EXPECT_EQ(change_password(id, "correct horse batterz", "another long passphrase")->code, FaultCode::refused);
  EXPECT_EQ(visit(elsewhere, Role::read).judgement, Judgement::admitted);
  const auto fault = change_password(id, right, "another long passphrase");
  EXPECT_FALSE(fault) << fault->text();
  EXPECT_EQ(visit(here, Role::read).judgement, Judgement::admitted);
  EXPECT_EQ(visit(elsewhere, Role::read).judgement, Judgement::no_session);
  EXPECT_EQ(log_in("anna", right).verdict, LoginVerdict::refused);
  EXPECT_EQ(log_in("anna", "another long passphrase").verdict, LoginVerdict::accepted);
}

TEST_F(DoorkeeperTest, GuessingIsSlowedDownAlikeForAccountsThatExistAndThatDoNot) {
  for (const char* name : {"anna", "nobody"}) {
    make();
    std::vector<LoginVerdict> verdicts;
    for (int count = 0; count < 10; ++count) verdicts.push_back(log_in(name, "wrong but long enough", "stranger").verdict);
    EXPECT_EQ(std::count(verdicts.begin(), verdicts.end(), LoginVerdict::refused), 6) << name;
    const Login late = log_in(name, right, "stranger");
    EXPECT_EQ(late.verdict, LoginVerdict::too_fast);
    EXPECT_EQ(late.wait, seconds(1));
  }
}

TEST_F(DoorkeeperTest, WhatIsAskedAtOnceIsBoundedAndNotHeldAgainstWhoAsked) {
  options_.passwords.most_waiting = 2;
  make();
  std::vector<LoginVerdict> verdicts;
  for (int count = 0; count < 5; ++count) {
    const std::string source = "source" + std::to_string(count);
    asio::co_spawn(io_, door_->log_in("anna", secret(right), source, source), [&](std::exception_ptr, Login login) { verdicts.push_back(login.verdict); });
  }
  io_.restart();
  io_.run();
  EXPECT_EQ(std::count(verdicts.begin(), verdicts.end(), LoginVerdict::accepted), 2);
  EXPECT_EQ(std::count(verdicts.begin(), verdicts.end(), LoginVerdict::overloaded), 3);
  EXPECT_EQ(log_in("anna", right, "source4").verdict, LoginVerdict::accepted);
  EXPECT_EQ(door_->counters().logins[static_cast<std::size_t>(LoginVerdict::overloaded)], 3u);
}

TEST_F(DoorkeeperTest, AChangeOfPasswordThatFoundNoRoomIsNotHeldAgainstWhoAsked) {
  options_.passwords.most_waiting = 1;
  make();
  const std::string id = visit(log_in("anna", right).token, Role::read).session;
  std::vector<std::string> causes;
  for (int count = 0; count < 20; ++count)
    asio::co_spawn(io_, changing(*door_, id, secret("correct horse batterz"), secret("another long passphrase")), [&](std::exception_ptr, std::optional<Fault> fault) { causes.push_back(fault->cause); });
  io_.restart();
  io_.run();
  EXPECT_EQ(std::count(causes.begin(), causes.end(), "the old one is another"), 1);
  EXPECT_EQ(std::count(causes.begin(), causes.end(), "too many are being checked at this moment"), 19);
  const auto fault = change_password(id, right, "another long passphrase");
  EXPECT_FALSE(fault) << fault->text();
}

TEST_F(DoorkeeperTest, ASessionThatAsksTooFastIsToldSo) {
  const std::string token = log_in("anna", right).token;
  int admitted = 0;
  for (int count = 0; count < 200; ++count) admitted += visit(token, Role::read).judgement == Judgement::admitted ? 1 : 0;
  EXPECT_EQ(admitted, 60);
  EXPECT_EQ(visit(token, Role::read).judgement, Judgement::too_fast);
  now_ += seconds(1);
  EXPECT_EQ(visit(token, Role::read).judgement, Judgement::admitted);
}

}  // namespace
}  // namespace sallyport::accounts
