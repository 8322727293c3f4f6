// SPDX-License-Identifier: Apache-2.0
// The command `sallyport` as a process against a server with a fake node.
#include <gmock/gmock.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <fstream>

#include "tests/unit/api/command_process.h"
#include "tests/unit/api/fake_node.h"
#include "tests/unit/certificates/authority.h"

namespace sallyport::api {
namespace {

using testing::HasSubstr;

class CommandTest : public testing::Test {
 protected:
  Finished ask(std::vector<std::string> words) {
    words.insert(words.end(), {"--socket", api_.socket()});
    return run(words);
  }
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(api_.folder() + "/" + name) << text;
    return api_.folder() + "/" + name;
  }
  RunningApi api_;
};

constexpr const char* site = R"([[zone]]
name = "Traversal zone"
type = "uc_traversal"
user = "exampleauth"
password = "s3cret"
peers = ["e1.example.com"]
)";

TEST_F(CommandTest, EachViewHasATableAndJson) {
  struct Row {
    std::vector<std::string> words;
    const char* table;
    const char* json;
  };
  for (const Row& row : {Row{{"status"}, "no relay port is free", "\"alarms\""}, Row{{"zones"}, "PEER", "\"peers\""}, Row{{"registrations"}, "sip:user0@example.com", "\"aor\""},
                         Row{{"calls"}, "486 Busy Here", "\"end_reason\""}, Row{{"calls", "show", "7"}, "leg client, opus/48000/2", "\"legs\""}, Row{{"flows"}, "198.51.100.10:36002", "\"verbs\""},
                         Row{{"counters"}, "sallyport_sip_loops_total", "\"labels\""}, Row{{"history"}, "create flow key", "\"actor\""}, Row{{"traversal", "test"}, "zone \"Traversal zone\": passed", "\"steps\""}}) {
    Finished table = ask(row.words);
    EXPECT_EQ(table.code, 0) << row.words[0] << table.err;
    EXPECT_THAT(table.out, HasSubstr(row.table)) << row.words[0];
    std::vector<std::string> words = row.words;
    words.push_back("--json");
    Finished json = ask(words);
    EXPECT_EQ(json.code, 0);
    EXPECT_THAT(json.out, HasSubstr(row.json));
    boost::system::error_code error;
    boost::json::parse(json.out, error);
    EXPECT_FALSE(error) << row.words[0];
  }
}

TEST_F(CommandTest, ACertificateGoesFromRequestToServiceByCommands) {
  EXPECT_THAT(ask({"cert", "request", "server", "--preview"}).out, HasSubstr("DNS:c1.example.com   (this node)"));
  const Finished made = ask({"cert", "request", "server", "--key", "ecdsa-p256", "--name", "alias.example.com"});
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("DNS:alias.example.com"));
  EXPECT_THAT(ask({"cert", "request", "server"}).err, HasSubstr("one is open already"));
  EXPECT_THAT(ask({"cert", "requests"}).out, HasSubstr("ecdsa-p256"));
  const std::string pem = ask({"cert", "requests", "server"}).out;
  EXPECT_TRUE(pem.starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
  EXPECT_THAT(ask({"cert", "requests", "server", "--form", "decoded"}).out, HasSubstr("CN=c1.example.com"));
  const certificates::test::Authority authority;
  const std::string file = api_.folder() + "/answer.pem", ca = api_.folder() + "/ca.pem";
  std::ofstream(file) << authority.answer(pem, {});
  std::ofstream(ca) << authority.pem();
  EXPECT_THAT(ask({"cert", "upload", "server", file, "--dry-run"}).out, testing::AllOf(HasSubstr("would be installed for server"), HasSubstr("chain is incomplete")));
  EXPECT_THAT(ask({"trust", "add", "traversal", ca}).out, HasSubstr("trusted for traversal: CN=Test Root"));
  const Finished installed = ask({"cert", "upload", "server", file});
  EXPECT_EQ(installed.code, 0) << installed.err;
  EXPECT_THAT(installed.out, testing::AllOf(HasSubstr("installed for server"), HasSubstr("effect on connections: none"), testing::Not(HasSubstr("warning"))));
  EXPECT_THAT(ask({"cert", "list"}).out, testing::ContainsRegex("server +ECDSA P-256 .* upload +complete"));
  EXPECT_THAT(ask({"cert", "show", "server"}).out, HasSubstr("issuer      CN=Test Root"));
  EXPECT_THAT(ask({"cert", "show", "server", "--form", "pem"}).out, testing::Not(HasSubstr("PRIVATE")));
  EXPECT_THAT(ask({"cert", "explain", "--sni", "x.example.com"}).out, HasSubstr("server (rsa) is served"));
  EXPECT_EQ(ask({"cert", "explain", "--port", "99"}).code, 4);
  EXPECT_THAT(ask({"xmpp", "streams"}).out, AllOf(HasSubstr("0a1b2c3d4e5f  example.com  established"), HasSubstr("203.0.113.9:40312")));
  EXPECT_THAT(ask({"xmpp", "presence"}).out, AllOf(HasSubstr("imp1"), HasSubstr("failing"), HasSubstr("was refused"), HasSubstr("chat1.example.com  found")));
  EXPECT_THAT(ask({"xmpp", "discover"}).out, HasSubstr("are asked"));
  EXPECT_THAT(ask({"cert", "refusals"}).out, AllOf(HasSubstr("mra.example.org  3"), HasSubstr("(none)"), HasSubstr("203.0.113.9:40312"), HasSubstr("unknown CA (alert 48)")));
  EXPECT_THAT(ask({"history"}).out, HasSubstr("install certificate"));
}

TEST_F(CommandTest, DomainsAndTrustAreChangedByCommands) {
  EXPECT_THAT(ask({"domain", "list"}).out, HasSubstr("no domains"));
  EXPECT_THAT(ask({"domain", "add", "Example.ORG"}).out, HasSubstr("domain example.org created"));
  EXPECT_EQ(ask({"domain", "add", "example.org"}).code, 1);
  EXPECT_THAT(ask({"domain", "add", "a_b.c"}).err, HasSubstr("domain \"a_b.c\""));
  EXPECT_THAT(ask({"domain", "list"}).out, testing::ContainsRegex("example.org +none"));
  EXPECT_THAT(ask({"domain", "delete", "example.org"}).out, HasSubstr("deleted"));
  EXPECT_THAT(ask({"trust", "list"}).out, HasSubstr("CN=File CA"));
  EXPECT_THAT(ask({"trust", "add", "everything", "/dev/null"}).err, HasSubstr("give one of traversal, call_control"));
  const certificates::test::Authority authority;
  const std::string ca = api_.folder() + "/ca.pem";
  std::ofstream(ca) << authority.pem();
  ASSERT_EQ(ask({"trust", "add", "traversal", ca}).code, 0);
  const std::string fingerprint = tls::describe_certificate(authority.certificate().get()).fingerprint_sha256.substr(0, 12);
  EXPECT_THAT(ask({"trust", "remove", "traversal", fingerprint, "--dry-run"}).out, HasSubstr("zone Traversal zone, peer e1.example.com"));
  EXPECT_THAT(ask({"trust", "remove", "traversal", fingerprint}).out, HasSubstr("removed"));
  EXPECT_THAT(ask({"trust", "remove", "traversal", fingerprint}).err, HasSubstr("is not trusted for that"));
  EXPECT_THAT(ask({"cert", "set"}).out, HasSubstr("mode                      two"));
  EXPECT_THAT(ask({"cert", "set", "mode", "single"}).out, HasSubstr("mode                      single"));
  EXPECT_THAT(ask({"cert", "set", "mode", "many"}).err, HasSubstr("give two or single"));
}

TEST_F(CommandTest, ANodePairsByItsCommands) {
  const Finished made = ask({"pair", "--seconds", "60"});
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(made.out, testing::AllOf(HasSubstr("sallyport join sp1-token"), HasSubstr("in 60 s"), HasSubstr("e1.example.com on TCP port 2222")));
  EXPECT_THAT(ask({"pair", "No such zone"}).err, HasSubstr("does not exist on this node"));
  EXPECT_EQ(ask({"pair", "--seconds", "9999"}).code, 2);
  EXPECT_THAT(ask({"pair", "list"}).out, testing::AllOf(HasSubstr("CN=Sallyport pair"), HasSubstr("c1.inside.example.com")));
  EXPECT_THAT(ask({"pair", "withdraw", "0011223344556677"}).out, HasSubstr("can no longer be used"));
  EXPECT_THAT(ask({"pair", "withdraw", "1"}).err, HasSubstr("is not known"));
  EXPECT_EQ(ask({"pair", "renew", "e1.example.com"}).code, 0);
  EXPECT_THAT(ask({"pair", "remove", "--yes", "c9.example.com"}).err, HasSubstr("is not paired with this node"));
  EXPECT_THAT(ask({"pair", "remove", "--yes", "c1.inside.example.com"}).out, HasSubstr("is paired no more"));
  EXPECT_THAT(ask({"join", "rubbish"}).err, HasSubstr("is damaged"));
  const Finished joined = ask({"join", "sp1-token"});
  EXPECT_EQ(joined.code, 0) << joined.err;
  EXPECT_THAT(joined.out, HasSubstr("next: "));
}

TEST_F(CommandTest, B37_PhonesAreOnboardedByItsCommands) {
  EXPECT_THAT(ask({"onboarding"}).out, testing::AllOf(HasSubstr("onboarding is on"), HasSubstr("CN=Sallyport onboarding"), HasSubstr("SEP001122334455"), HasSubstr("SEP001122334466"), HasSubstr("valid")));
  EXPECT_THAT(ask({"onboarding", "authority"}).out, HasSubstr("BEGIN CERTIFICATE"));
  EXPECT_THAT(ask({"onboarding", "code", "SEP001122334477"}).out, testing::AllOf(HasSubstr("0123-4567-8901-2345"), HasSubstr("not shown again")));
  EXPECT_THAT(ask({"onboarding", "code", "no phone"}).err, HasSubstr("holds a character"));
  EXPECT_EQ(ask({"onboarding", "code", "SEP001122334477", "--hours", "0"}).code, 2);
  EXPECT_THAT(ask({"onboarding", "withdraw", "SEP001122334466", "--yes"}).out, HasSubstr("is withdrawn"));
  EXPECT_THAT(ask({"onboarding", "withdraw", "SEP9", "--yes"}).err, HasSubstr("neither an activation code nor a certificate"));
}

TEST_F(CommandTest, B29_WhatClientsFindIsToldStepByStep) {
  const Finished failed = ask({"discovery", "test"});
  EXPECT_EQ(failed.code, 1);
  EXPECT_THAT(failed.out, testing::AllOf(HasSubstr("example.com: failed"), HasSubstr("mra.example.com: no certificate here has that name")));
  EXPECT_THAT(ask({"discovery", "test", "nobody.example"}).err, HasSubstr("serves no domain by name"));
}

TEST_F(CommandTest, B01_B03_B05_WhatAServerShowsIsSaidBeforeItIsTrusted) {
  const Finished shown = ask({"trust", "probe", "call_control", "cm1.example.com"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, testing::AllOf(HasSubstr("port 5061, 192.0.2.50:5061, TLSv1.3: not trusted"), HasSubstr("are both self-signed and have one subject, CN=cm1"), HasSubstr("SHA-256  f8443")));
  EXPECT_THAT(ask({"trust", "probe", "call_control", "cm1.example.com", "--port", "9", "--port", "5061"}).out, HasSubstr("port 9: cm1.example.com: TCP connection was refused"));
  EXPECT_EQ(ask({"trust", "probe", "call_control", "cm1.example.com", "--port", "9"}).code, 4);
  EXPECT_EQ(ask({"trust", "probe", "call_control", "cm1.example.com", "--port", "0"}).code, 2);
}

TEST_F(CommandTest, ABackupIsWrittenToANewFileForItsOwnerOnly) {
  const std::string passphrase = write("passphrase", "correct horse battery\n"), brief = write("brief", "short\n"), file = api_.folder() + "/c1.backup";
  EXPECT_THAT(ask({"backup", file, "--passphrase-file", brief}).err, HasSubstr("fewer than 12"));
  EXPECT_FALSE(std::filesystem::exists(file)) << "left behind";
  const Finished made = ask({"backup", file, "--passphrase-file", passphrase});
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(std::filesystem::file_size(file), 26u);
  EXPECT_EQ(std::filesystem::status(file).permissions() & std::filesystem::perms(0777), std::filesystem::perms(0600));
  EXPECT_THAT(ask({"backup", file, "--passphrase-file", passphrase}).err, HasSubstr("name a new file"));
  EXPECT_THAT(ask({"restore", file, "--passphrase-file", passphrase, "--state-dir", api_.folder() + "/new"}).err, HasSubstr("backup: "));
  EXPECT_FALSE(std::filesystem::exists(api_.folder() + "/new/site.db"));
}

TEST_F(CommandTest, C29_C30_AcmeIsSetUpByCommandsAndByDnsOnlyOnC) {
  EXPECT_THAT(ask({"acme", "on", "server"}).err, HasSubstr("there is no authority to ask"));
  EXPECT_THAT(ask({"acme", "authority", "add", "le", "http://plain.example/directory"}).err, HasSubstr("no https URL"));
  EXPECT_THAT(ask({"acme", "authority", "add", "le", "https://acme.example/directory", "--external-key-id", "k1"}).err, HasSubstr("belong together"));
  ASSERT_EQ(ask({"acme", "authority", "add", "le", "https://acme.example/directory", "--contact", "mailto:a@example.com"}).code, 0);
  EXPECT_THAT(ask({"acme", "on", "server"}).err, testing::AllOf(HasSubstr("http-01: works on E only"), HasSubstr("dns-01")));
  EXPECT_EQ(ask({"acme", "set", "challenge", "dns-01"}).code, 0);
  const std::string secret = write("tsig", "c2VjcmV0\n");
  EXPECT_EQ(ask({"acme", "set", "dns_key", secret}).code, 0);
  EXPECT_EQ(ask({"acme", "on", "server"}).code, 0);
  EXPECT_THAT(ask({"acme", "on", "client"}).err, HasSubstr("issue no clientAuth"));
  EXPECT_THAT(ask({"acme", "on", "domain/nobody.example"}).err, HasSubstr("does not exist"));
  const std::string shown = ask({"acme", "status"}).out;
  EXPECT_THAT(shown, testing::AllOf(HasSubstr("failed: 429; next attempt soon"), HasSubstr("https://acme.example/directory"), HasSubstr("challenge dns-01"), testing::Not(HasSubstr("c2VjcmV0"))));
  EXPECT_THAT(ask({"acme", "set", "challenge", "telepathy"}).err, HasSubstr("give http-01, tls-alpn-01 or dns-01"));
  EXPECT_EQ(ask({"acme", "renew", "domain/example.org"}).code, 0);
  EXPECT_THAT(ask({"acme", "renew", "server"}).err, HasSubstr("is not kept by ACME"));
  EXPECT_THAT(ask({"acme", "authority", "rekey", "le"}).out, HasSubstr("has a new key"));
  EXPECT_THAT(ask({"acme", "authority", "rekey", "nobody"}).err, HasSubstr("no authority of that name"));
  EXPECT_EQ(ask({"acme", "off", "server"}).code, 0);
  EXPECT_EQ(ask({"acme", "authority", "delete", "le"}).code, 0);
  EXPECT_THAT(ask({"history"}).out, testing::AllOf(HasSubstr("ACME setting dns_key: changed"), testing::Not(HasSubstr("c2VjcmV0"))));
}

TEST_F(CommandTest, QualityIsShownForEachLegAndTheWorstIsNamed) {
  const auto shows = [](const std::vector<const char*>& words) {
    std::vector<testing::Matcher<std::string>> all;
    for (const char* word : words) all.emplace_back(HasSubstr(word));
    return testing::AllOfArray(all);
  };
  EXPECT_THAT(ask({"calls", "show", "7"}).out, shows({"worst leg     outside leg, from the phone: 4.0 % lost", "lowest MOS    3.98", "LOST %", "ROUND TRIP ms", "23.50", "measured",
                                                      "RTCP sealed, not seen here; MOS by assumed: as said"}));
  EXPECT_THAT(ask({"calls"}).out, shows({"WORST LEG", "outside leg, from the phone: 4.0 % lost", "3.98"}));
  EXPECT_THAT(ask({"flows"}).out, shows({"LOST %", "ROUND TRIP ms", "3.98"}));
  EXPECT_THAT(ask({"calls", "show", "7", "--json"}).out, shows({"\"loss_percent\":4", "\"round_trip_ms\":2.35E1", "\"mos\":3.98", "\"worst_leg\":\"outside", "\"multiplex_id\":null"}));
}

TEST_F(CommandTest, CountersAreShownByStageReasonAndWorker) {
  const std::string shown = ask({"counters"}).out;
  EXPECT_THAT(shown, testing::ContainsRegex("open +1000 +250 +5"));
  EXPECT_THAT(shown, testing::ContainsRegex("replay +open +5 +sequence number already seen"));
  EXPECT_THAT(shown, HasSubstr("HANDED OVER"));
  EXPECT_THAT(shown, HasSubstr("steering in force: hand-over"));
  EXPECT_THAT(shown, testing::Not(HasSubstr("sallyport_dataplane_drops_total"))) << "told above";
}

TEST_F(CommandTest, TopPrintsOnePictureWithoutATerminal) {
  Finished top = ask({"top", "--interval", "1"});
  EXPECT_EQ(top.code, 0) << top.err;
  EXPECT_THAT(top.out, testing::ContainsRegex("in   [1-9][0-9]* packets/s"));
  EXPECT_THAT(top.out, testing::AllOf(HasSubstr("worst calls"), HasSubstr("outside leg, from the phone: 4.0 % lost"), testing::Not(HasSubstr("\x1b"))));
  EXPECT_THAT(ask({"top", "--once", "--interval", "1", "--json"}).out, HasSubstr("\"packets_in_per_s\""));
  EXPECT_EQ(ask({"top", "--interval", "0"}).code, 2);
}

TEST_F(CommandTest, EveryConnectionOfTheMultiplexIsShown) {
  const Finished zones = ask({"zones"});
  EXPECT_THAT(zones.out, testing::AllOf(HasSubstr("1 of 2 active"), HasSubstr("CONNECTION"), HasSubstr("192.0.2.7:25001"), HasSubstr("0.41"), HasSubstr("connection refused")));
  EXPECT_THAT(ask({"zones", "--json"}).out, HasSubstr(R"("multiplex_connections":[{"number":1,"state":"active")"));
}

// What a peer put into its certificate must not reach the operator's terminal as an escape sequence.
TEST_F(CommandTest, TerminalNeverSeesEscapeSequencesOfAPeer) {
  Finished zones = ask({"zones"});
  EXPECT_THAT(zones.out, testing::AllOf(HasSubstr("certificate of \"c1.[31m\" lacks SAN"), testing::Not(HasSubstr("\x1b"))));
}

TEST_F(CommandTest, ApplyShowsThePlanAppliesItAndIsIdempotent) {
  std::string file = write("site.toml", site);
  Finished dry = ask({"apply", file, "--dry-run"});
  EXPECT_EQ(dry.code, 0) << dry.err;
  EXPECT_THAT(dry.out, HasSubstr("create zone \"Traversal zone\""));
  EXPECT_TRUE(api_.site->snapshot()->zones.empty());
  Finished done = ask({"apply", file, "--yes"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("applied, revision 2"));
  EXPECT_EQ(api_.site->snapshot()->zones.size(), 1u);
  EXPECT_THAT(ask({"apply", file}).out, HasSubstr("nothing to change"));
  std::string exported = write("export.toml", ask({"export"}).out);
  EXPECT_THAT(ask({"apply", exported, "--json"}).out, HasSubstr("\"lines\":[]"));
}

TEST_F(CommandTest, ApplyReadsFilesThatADocumentNamesFromItsOwnFolderAndTellsEachEffect) {
  const certificates::test::Authority authority("Root of a file"), other("Second root");
  write("ca.pem", "# \xc3\xa9 \"\"\" \\ \r\n" + authority.pem() + other.pem());
  const std::string file = write("site.toml", "format = 2\n[[trust]]\npurpose = \"call_control\"\nfile = \"ca.pem\"");
  Finished done = ask({"apply", file, "--yes"});
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_THAT(done.out, testing::AllOf(HasSubstr("create trust \"CN=Root of a file\": purpose: call_control"), HasSubstr("    effect on live users: none: it vouches from the next handshake on\n")));
  EXPECT_EQ(api_.vault->snapshot()->trust.size(), 2u);
  EXPECT_THAT(ask({"apply", file}).out, HasSubstr("nothing to change"));
  Finished removed = ask({"apply", write("empty.toml", "format = 2\n"), "--dry-run"});
  EXPECT_THAT(removed.out, HasSubstr("these would not connect again without it: zone Traversal zone, peer e1.example.com"));
  Finished missing = ask({"apply", write("other.toml", "format = 2\n[[trust]]\npurpose = \"call_control\"\nfile = \"nowhere/ca.pem\"\n")});
  EXPECT_EQ(missing.code, 4);
  EXPECT_THAT(missing.err, testing::AllOf(HasSubstr("other.toml:4: trust.file: "), HasSubstr("nowhere/ca.pem cannot be read"), HasSubstr("relative to the document's folder")));
  write("broken.pem", "no certificate");
  Finished broken = ask({"apply", write("third.toml", "format = 2\n[[trust]]\npurpose = \"call_control\"\nfile = \"broken.pem\"\n")});
  EXPECT_EQ(broken.code, 1);
  EXPECT_THAT(broken.out, HasSubstr("third.toml:4:8: trust.file: broken.pem"));
}

TEST_F(CommandTest, ARefusedSiteHasExitCodeOneAndNamesThePlace) {
  Finished refused = ask({"apply", write("bad.toml", "[[zone]]\nname = \n"), "--yes"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.out, testing::AllOf(HasSubstr("bad.toml:2:8: is not TOML"), HasSubstr("nothing was changed")));
  EXPECT_EQ(ask({"apply", "/nonexistent.toml"}).code, 4);
}

TEST_F(CommandTest, ExitCodesTellWhatHappened) {
  EXPECT_EQ(ask({"traversal", "test", "broken"}).code, 1);
  EXPECT_EQ(ask({"traversal", "test", "nowhere"}).code, 4);
  EXPECT_EQ(ask({"calls", "show", "99"}).code, 4);
  EXPECT_EQ(ask({"calls", "show"}).code, 2);
  EXPECT_EQ(ask({"nonsense"}).code, 2);
  EXPECT_EQ(run({}).code, 2);
}

TEST_F(CommandTest, LogsFollowPrintsNewLinesUntilTheControlPlaneStops) {
  api_.log->info("kind", "before");
  Command follow({"logs", "--follow", "--socket", api_.socket()});
  ASSERT_TRUE(follow.prints("before"));
  api_.log->warn("kind", "afterwards");
  EXPECT_TRUE(follow.prints("afterwards"));
  api_.stop();
  EXPECT_EQ(follow.wait().code, 0);
}

TEST_F(CommandTest, CaptureWritesAFileAndTellsWhatItHolds) {
  std::string path = api_.folder() + "/7.pcap";
  Finished done = ask({"capture", "7", "--file", path, "--packets", "5"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, path + ": 5 packets, 3 lost; done\n");
  EXPECT_EQ(std::filesystem::file_size(path), 28u + 5 * 32 + 48);
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  Finished again = ask({"capture", "7", "--file", path});
  EXPECT_EQ(again.code, 4);
  EXPECT_THAT(again.err, HasSubstr("exists already"));
  EXPECT_THAT(ask({"capture", "7", "--file", api_.folder() + "/8.pcap", "--packets", "1", "--json"}).out, HasSubstr("\"packets\":1,\"lost\":3,\"end\":\"done\""));
}

TEST_F(CommandTest, CaptureThatIsRefusedLeavesNoFileAndSaysWhy) {
  std::string path = api_.folder() + "/none.pcap";
  Finished unknown = ask({"capture", "99", "--file", path});
  EXPECT_EQ(unknown.code, 4);
  EXPECT_THAT(unknown.err, HasSubstr("call 99: is not known"));
  EXPECT_FALSE(std::filesystem::exists(path));
  Finished decrypted = ask({"capture", "7", "--file", path, "--decrypted"});
  EXPECT_EQ(decrypted.code, 4);
  EXPECT_THAT(decrypted.err, HasSubstr("E holds no media keys; capture on C"));
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_THAT(ask({"capture", "7", "--file", "/nonexistent/x.pcap"}).err, HasSubstr("cannot be written: No such file or directory"));
  EXPECT_EQ(ask({"capture", "7"}).code, 2);
  EXPECT_EQ(ask({"capture", "7", "--file", path, "--seconds", "0"}).code, 2);
  bool told = false;
  for (const LogLine& line : api_.log->lines_after(0, 1000)) told |= line.kind == "security" && line.text.find("may not capture call 7 DECRYPTED") != std::string::npos;
  EXPECT_TRUE(told);
}

TEST_F(CommandTest, CaptureEndsWithTheControlPlaneAndTheFileStays) {
  std::string path = api_.folder() + "/cut.pcap";
  Command capture({"capture", "7", "--file", path, "--socket", api_.socket()});
  for (int i = 0; i < 1000 && (!std::filesystem::exists(path) || std::filesystem::file_size(path) < 100); ++i) ::usleep(10'000);
  api_.stop();
  Finished cut = capture.wait();
  EXPECT_EQ(cut.code, 3);
  EXPECT_THAT(cut.err, HasSubstr("the control plane went away"));
  EXPECT_GE(std::filesystem::file_size(path), 100u);
}

TEST(Command, SaysThatTheControlPlaneDoesNotRun) {
  Finished run_without = run({"status", "--socket", "/tmp/sallyport-nobody.sock"});
  EXPECT_EQ(run_without.code, 3);
  EXPECT_THAT(run_without.err, testing::AllOf(HasSubstr("socket /tmp/sallyport-nobody.sock"), HasSubstr("the control plane does not run"), HasSubstr("systemctl start")));
}

TEST(Command, SocketCanComeFromTheEnvironment) {
  ::setenv("SALLYPORT_SOCKET", "/tmp/sallyport-from-environment.sock", 1);
  EXPECT_THAT(run({"status"}).err, HasSubstr("/tmp/sallyport-from-environment.sock"));
  ::unsetenv("SALLYPORT_SOCKET");
  EXPECT_THAT(run({"status", "--help"}).out, HasSubstr("Example: sallyport status"));
}

TEST(Command, CheckConfigNeedsNoControlPlane) {
  std::string conf = std::string(SALLYPORT_SOURCE_DIR) + "/conf/";
  Finished good = run({"check-config", conf + "edge-e.toml"});
  EXPECT_EQ(good.code, 0);
  EXPECT_THAT(good.out, HasSubstr("valid, node e1, role E"));
  Finished bad = run({"check-config", conf + "site-e.toml", "--json"});
  EXPECT_EQ(bad.code, 1);
  EXPECT_THAT(bad.out, HasSubstr("\"valid\":false"));
}

TEST(Command, EveryCommandHasHelpWithAnExample) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{"status"}, {"zones"}, {"registrations"}, {"calls"}, {"calls", "show"}, {"capture"}, {"flows"}, {"counters"}, {"top"}, {"history"},
                                                                                    {"traversal", "test"}, {"check-config"}, {"apply"}, {"export"}, {"logs"}, {"keys"}}) {
    std::vector<std::string> with_help = words;
    with_help.push_back("--help");
    Finished help = run(with_help);
    EXPECT_EQ(help.code, 0) << words[0];
    EXPECT_THAT(help.out, HasSubstr("Example: sallyport " + words[0]));
  }
}

}  // namespace
}  // namespace sallyport::api
