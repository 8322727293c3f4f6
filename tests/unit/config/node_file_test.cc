// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/node_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace sallyport::config {
namespace {

using testing::HasSubstr;

constexpr const char* edge_text = R"(
[node]
name = "e1"
role = "E"
fqdn = "edge.example.com"

[[address]]
name = "outside"
ip = "198.51.100.10"
port = "wan"

[[address]]
name = "inside"
ip = "2001:db8::10"
port = "wan"
advertised = "edge.example.com"

[[port]]
name = "wan"
profile = "packet"
device = "wan"

[tls]
certificate = "/etc/e.pem"
key = "/etc/e.key"
ca_file = "/etc/ca.pem"
)";

constexpr const char* core_text = R"(
[node]
name = "c1"
role = "C"
fqdn = "c1.example.com"
[[address]]
name = "inside"
ip = "10.20.0.10"
port = "lan"
[[port]]
name = "lan"
profile = "packet"
device = "lan"
[[call_control]]
name = "cm1"
host = "cm1.example.com"
[[call_control]]
name = "cm2"
host = "10.20.0.21"
transport = "tls"
port = 5061
[tls]
certificate = "/etc/c.pem"
key = "/etc/c.key"
ca_file = "/etc/ca.pem"
)";

std::string edited(std::string text, const std::string& from, const std::string& to) {
  std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

std::string all_errors(const std::string& text) {
  NodeFileResult result = check_node_text(text, "node.toml");
  std::string lines;
  for (const Finding& finding : result.errors) lines += finding.text() + "\n";
  EXPECT_EQ(result.config == nullptr, !result.errors.empty());
  return lines;
}

TEST(NodeFile, TakesDefaultsForWhatIsNotGiven) {
  NodeFileResult result = check_node_text(edge_text, "e.toml");
  ASSERT_NE(result.config, nullptr) << result.errors.at(0).text();
  const NodeConfig& config = *result.config;
  EXPECT_EQ(config.file, "e.toml");
  EXPECT_EQ(config.sip.client_port, 5061);
  EXPECT_EQ(config.sip.flow_timer_s, 120u);
  EXPECT_EQ(config.media.port_min, 36002);
  EXPECT_EQ(config.media.port_max, 59999);
  EXPECT_EQ(config.media.link_rtp_port, 36000);
  EXPECT_EQ(config.traversal.port, 7001);
  EXPECT_EQ(config.dataplane.flows, 16384u);
  EXPECT_THAT(config.media.suites, testing::ElementsAre("AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_256_CM_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"));
  EXPECT_EQ(config.ports.at(0).mtu, 1500u);
  EXPECT_EQ(config.addresses.size(), 2u);
  ASSERT_NE(config.address("inside"), nullptr);
  EXPECT_EQ(NodeConfig::advertised_host(*config.address("inside")), "edge.example.com");
  EXPECT_EQ(NodeConfig::advertised_host(*config.address("outside")), "198.51.100.10");
  EXPECT_EQ(config.address("nowhere"), nullptr);
}

TEST(NodeFile, ReadsCallControlInOrderAndWarnsOfTlsToAnAddress) {
  NodeFileResult result = check_node_text(core_text, "c.toml");
  ASSERT_NE(result.config, nullptr) << result.errors.at(0).text();
  ASSERT_EQ(result.config->call_control.size(), 2u);
  EXPECT_EQ(result.config->call_control[0].transport, "udp");
  EXPECT_EQ(result.config->call_control[1].port, 5061);
  EXPECT_EQ(result.config->traversal.local_port_min, 25000);
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_THAT(result.warnings[0].text(), HasSubstr("must have that address as a SAN"));
}

struct Mistake {
  const char* name;
  const char* base;
  const char* from;
  const char* to;
  const char* expected;
};

class NodeFileMistake : public testing::TestWithParam<Mistake> {};

TEST_P(NodeFileMistake, IsRefusedWithPlaceCauseAndRemedy) {
  const Mistake& mistake = GetParam();
  EXPECT_THAT(all_errors(edited(mistake.base, mistake.from, mistake.to)), HasSubstr(mistake.expected));
}

INSTANTIATE_TEST_SUITE_P(
    Each, NodeFileMistake,
    testing::Values(
        Mistake{"Syntax", edge_text, "role = \"E\"", "role = E", "node.toml:4:8: is not TOML"},
        Mistake{"DuplicateKey", edge_text, "role = \"E\"", "role = \"E\"\nrole = \"C\"", "node.toml:5:"},
        Mistake{"RoleMissing", edge_text, "role = \"E\"\n", "", "node.role: is missing; add role = \"E\" or role = \"C\""},
        Mistake{"RoleUnknown", edge_text, "role = \"E\"", "role = \"X\"", "node.toml:4:8: node.role: must be one of E, C, is \"X\""},
        Mistake{"UnknownKey", edge_text, "name = \"e1\"", "name = \"e1\"\nlog_levle = \"info\"", "node.toml:4:13: node.log_levle: there is no such key; did you mean log_level?"},
        Mistake{"UnknownSection", edge_text, "[tls]", "[media_relay]\nx = 1\n[tls]", "media_relay: there is no such section"},
        Mistake{"MisspeltSection", edge_text, "[tls]", "[meda]\nx = 1\n[tls]", "meda: there is no such section; did you mean media?"},
        Mistake{"WrongType", edge_text, "[tls]", "[sip]\nclient_port = \"5061\"\n[tls]", "node.toml:24:15: sip.client_port: must be an integer, is of type string"},
        Mistake{"OutOfBounds", edge_text, "[tls]", "[sip]\nclient_port = 70000\n[tls]", "must be between 1024 and 65535, is 70000"},
        Mistake{"NegativeNumber", edge_text, "[tls]", "[media]\nkeepalive_s = -1\n[tls]", "must be between 1 and 60, is -1"},
        Mistake{"NotAChoice", edge_text, "profile = \"packet\"", "profile = \"fast\"", "must be one of packet, xdp, vfio, memif, ring, is \"fast\""},
        Mistake{"NotAnIp", edge_text, "198.51.100.10", "198.51.100", "must be an IPv4 or IPv6 address, is \"198.51.100\""},
        Mistake{"NotAnFqdn", edge_text, "fqdn = \"edge.example.com\"", "fqdn = \"edge\"", "node.toml:5:8: node.fqdn: \"edge\" is not an FQDN"},
        Mistake{"RelativePath", edge_text, "/etc/e.key", "e.key", "tls.key: must be an absolute path"},
        Mistake{"MissingKey", edge_text, "ca_file = \"/etc/ca.pem\"\n", "", "tls.ca_file: is missing"},
        Mistake{"MissingSection", edge_text, "[tls]\ncertificate = \"/etc/e.pem\"\nkey = \"/etc/e.key\"\nca_file = \"/etc/ca.pem\"\n", "", "tls: is missing; add a section [tls]"},
        Mistake{"SectionNotRepeated", edge_text, "[[port]]", "[port]", "port: must be a list of sections; write each as [[port]]"},
        Mistake{"SectionAsList", edge_text, "[tls]", "[[tls]]", "tls: must be a section; write it as [tls]"},
        Mistake{"KeyOfTheOtherRole", edge_text, "[tls]", "[sip]\ninner_port = 5060\n[tls]", "sip.inner_port: is a key of role C; this node is E; remove it"},
        Mistake{"SectionOfTheOtherRole", edge_text, "[tls]", "[[call_control]]\nname = \"cm\"\nhost = \"cm\"\n[tls]", "call_control: is a section of the other role; this node is E"},
        Mistake{"XmppPortsAreOne", edge_text, "[tls]", "[xmpp]\nclient_port = 5222\ndirect_port = 5222\n[tls]", "xmpp.direct_port: is client_port too"},
        Mistake{"XmppOnThePortOfSip", edge_text, "[tls]", "[xmpp]\nclient_port = 5061\n[tls]", "xmpp.client_port: is the port SIP clients are taken on"},
        Mistake{"XmppUnauthenticatedStanzasLarger", edge_text, "[tls]", "[xmpp]\nclient_port = 5222\nstanza_bytes = 20000\n[tls]", "xmpp.unauthenticated_stanza_bytes: is above stanza_bytes"},
        Mistake{"XmppSourceAboveAll", edge_text, "[tls]", "[xmpp]\nclient_port = 5222\nconnections = 100\n[tls]", "xmpp.connections_per_source: is above connections"},
        Mistake{"NoCallControl", core_text, "[[call_control]]\nname = \"cm1\"\nhost = \"cm1.example.com\"\n[[call_control]]\nname = \"cm2\"\nhost = \"10.20.0.21\"\ntransport = \"tls\"\nport = 5061\n", "", "call_control: is missing: at least one is needed"},
        Mistake{"NameTwice", edge_text, "name = \"inside\"", "name = \"outside\"", "node.toml:13:8: address.name: \"outside\" is the name of another [[address]]"},
        Mistake{"AddressTwice", edge_text, "2001:db8::10", "198.51.100.10", "198.51.100.10 is the address of another slot"},
        Mistake{"NoSuchPort", edge_text, "port = \"wan\"", "port = \"lan\"", "node.toml:10:8: address.port: no [[port]] has the name \"lan\""},
        Mistake{"NoSuchAddress", edge_text, "[tls]", "[media]\nouter = \"dmz\"\n[tls]", "node.toml:24:9: media.outer: no [[address]] has the name \"dmz\""},
        Mistake{"DefaultAddressIsMissing", edge_text, "name = \"inside\"", "name = \"dmz\"", "media.link: no [[address]] has the name \"inside\""},
        Mistake{"VfioWithoutPci", edge_text, "profile = \"packet\"", "profile = \"vfio\"", "profile vfio needs a PCI address, not \"wan\""},
        Mistake{"VfioWithoutDomain", edge_text, "profile = \"packet\"\ndevice = \"wan\"", "profile = \"vfio\"\ndevice = \"3b:00.0\"", "profile vfio needs a PCI address, not \"3b:00.0\""},
        Mistake{"VfioNameTooLong", edge_text, "[tls]", "[[port]]\nname = \"outside-wider\"\nprofile = \"vfio\"\ndevice = \"net_af_packet_wan,iface=wan\"\n[tls]", "\"outside-wider\" is too long for its exception port sp-outside-wider"},
        Mistake{"KernelRate", edge_text, "device = \"wan\"", "device = \"wan\"\nkernel_packets_per_s = 0", "must be between 100 and 10000000, is 0"},
        Mistake{"PeerMac", edge_text, "device = \"wan\"", "device = \"wan\"\npeer_mac = \"02:00\"", "\"02:00\" is no MAC address"},
        Mistake{"InterfaceTooLong", edge_text, "device = \"wan\"", "device = \"a-very-long-interface\"", "is no interface name"},
        Mistake{"OddFirstPort", edge_text, "[tls]", "[media]\nport_min = 36003\n[tls]", "must be even: RTP takes even ports; use 36004"},
        Mistake{"EvenLastPort", edge_text, "[tls]", "[media]\nport_max = 40000\n[tls]", "must be odd: RTCP takes the port above RTP; use 39999"},
        Mistake{"RangeUpsideDown", edge_text, "[tls]", "[media]\nport_min = 50000\nport_max = 40001\n[tls]", "leaves fewer than 8 ports"},
        Mistake{"LinkPortInRange", edge_text, "[tls]", "[media]\nlink_rtp_port = 40000\n[tls]", "40000 lies in the range of relay ports"},
        Mistake{"LinkPortsEqual", edge_text, "[tls]", "[media]\nlink_rtcp_port = 36000\n[tls]", "is the same as link_rtp_port"},
        Mistake{"SuiteUnknown", edge_text, "[tls]", "[media]\nsuites = [\"ROT13\"]\n[tls]", "must be one of AEAD_AES_256_GCM"},
        Mistake{"SuiteTwice", edge_text, "[tls]", "[media]\nsuites = [\"AEAD_AES_256_GCM\", \"AEAD_AES_256_GCM\"]\n[tls]", "lists \"AEAD_AES_256_GCM\" twice"},
        Mistake{"NoSuite", edge_text, "[tls]", "[media]\nsuites = []\n[tls]", "must have 1 to 5 elements, has 0"},
        Mistake{"CoreTwice", edge_text, "[tls]", "[dataplane]\nlcores = [1, 1]\n[tls]", "lists 1 twice"},
        Mistake{"TimersUpsideDown", edge_text, "[tls]", "[sip]\nt1_ms = 5000\nt2_ms = 100\n[tls]", "sip.t1_ms: must not be above t2_ms"},
        Mistake{"OnboardingWherePhonesSpeakSip", edge_text, "[tls]", "[onboarding]\nport = 5061\n[tls]", "onboarding.port: is where phones speak SIP"},
        Mistake{"OnboardingPerSourceAboveAll", edge_text, "[tls]", "[onboarding]\nconnections = 10\n[tls]", "onboarding.connections_per_source: is above connections"},
        Mistake{"PresenceDiscoveryWithoutPassword", core_text, "[tls]", "[[presence]]\nname = \"imp1\"\nhost = \"imp1.example.com\"\ndomains = [\"example.com\"]\ndiscovery_user = \"edge@example.com\"\n[tls]", "presence.discovery_password_file: is missing beside the other"},
        Mistake{"PresenceDiscoveryUserIsNone", core_text, "[tls]", "[[presence]]\nname = \"imp1\"\nhost = \"imp1.example.com\"\ndomains = [\"example.com\"]\ndiscovery_user = \"edge\"\ndiscovery_password_file = \"/p\"\n[tls]", "is no user@domain"},
        Mistake{"PresenceDiscoveryUserOfAnotherDomain", core_text, "[tls]", "[[presence]]\nname = \"imp1\"\nhost = \"imp1.example.com\"\ndomains = [\"example.com\"]\ndiscovery_user = \"edge@example.net\"\ndiscovery_password_file = \"/p\"\n[tls]", "is of a domain that this server does not serve"},
        Mistake{"PerSourceAboveAll", edge_text, "[tls]", "[sip]\nconnections = 10\n[tls]", "sip.connections_per_source: is above connections"},
        Mistake{"DnsServer", edge_text, "[tls]", "[dns]\nservers = [\"dns.example.com\"]\n[tls]", "dns.servers: must be an IP address and a port"},
        Mistake{"MetricsWithoutPort", edge_text, "[tls]", "[api]\nmetrics_listen = \"127.0.0.1\"\n[tls]", "api.metrics_listen: must be an IP address and a port"},
        Mistake{"SocketTooLong", edge_text, "[tls]", "[api]\nsocket = \"/run/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n[tls]", "at most 107 are allowed"},
        Mistake{"LocalPortsUpsideDown", core_text, "[tls]", "[traversal]\nlocal_port_min = 29000\nlocal_port_max = 28000\n[tls]", "traversal.local_port_max: is below local_port_min"},
        Mistake{"BackOffUpsideDown", core_text, "[tls]", "[traversal]\nreconnect_min_ms = 50000\n[tls]", "traversal.reconnect_max_ms: is below reconnect_min_ms"},
        Mistake{"HalfAClientCertificate", core_text, "[tls]", "[tls]\nclient_key = \"/etc/x.key\"", "client_certificate and client_key belong together"},
        Mistake{"HostWithSpace", core_text, "cm1.example.com", "cm1 example", "must be a host name or an IP address"},
        Mistake{"AdministrationOnThePublicAddress", edge_text, "[tls]", "[administration]\nlisten = \"198.51.100.10:8443\"\n[tls]", "administration.listen: 198.51.100.10 is the address that clients reach"},
        Mistake{"AdministrationOnThePublicAddressInIpv6", edge_text, "[tls]", "[administration]\nlisten = \"[::ffff:198.51.100.10]:8443\"\n[tls]", "is the address that clients reach"},
        Mistake{"AdministrationOnThePublicMediaAddress", edge_text, "[tls]", "[sip]\nclient_address = \"inside\"\n[administration]\nlisten = \"198.51.100.10:8443\"\n[tls]", "is the address that clients reach"},
        Mistake{"AdministrationEverywhere", edge_text, "[tls]", "[administration]\nlisten = \"0.0.0.0:8443\"\n[tls]", "administration.listen: is every address of the node, the public ones too"},
        Mistake{"AdministrationEverywhereInIpv6", core_text, "[tls]", "[administration]\nlisten = \"[::]:8443\"\n[tls]", "is every address of the node"},
        Mistake{"AdministrationEverywhereByMapping", edge_text, "[tls]", "[administration]\nlisten = \"[::ffff:0.0.0.0]:8443\"\n[tls]", "is every address of the node"},
        Mistake{"AdministrationWithoutPort", edge_text, "[tls]", "[administration]\nlisten = \"127.0.0.1:0\"\n[tls]", "administration.listen: names no port"},
        Mistake{"AdministrationWhereCIsExpected", edge_text, "[tls]", "[administration]\nlisten = \"[2001:db8:0::10]:7001\"\n[tls]", "is where C is expected (traversal.port)"},
        Mistake{"AdministrationOnTheMultiplex", edge_text, "[tls]", "[administration]\nlisten = \"[2001:db8::10]:2222\"\n[tls]", "is where C is expected (traversal.multiplex_port)"},
        Mistake{"AdministrationOfCOnSip", core_text, "[tls]", "[administration]\nlisten = \"10.20.0.10:5060\"\n[tls]", "is where call control is taken (sip.inner_port)"},
        Mistake{"AdministrationOnMetrics", edge_text, "[tls]", "[api]\nmetrics_listen = \"127.0.0.1:9464\"\n[administration]\nlisten = \"127.0.0.1:9464\"\n[tls]", "administration.listen: is api.metrics_listen"},
        Mistake{"AdministrationTimesUpsideDown", edge_text, "[tls]", "[administration]\nsession_idle_s = 5000\nsession_s = 500\n[tls]", "administration.session_idle_s: is above session_s"},
        Mistake{"ZeroByte", edge_text, "name = \"e1\"", "name = \"e\\u00001\"", "holds a zero byte"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(NodeFile, AdministrationIsOffUnlessItHasAnAddressOfItsOwn) {
  NodeFileResult off = check_node_text(edge_text, "e.toml");
  ASSERT_NE(off.config, nullptr);
  EXPECT_EQ(off.config->administration.listen, "");
  for (const char* address : {"127.0.0.1:8443", "203.0.113.9:8443", "[2001:db8::10]:8443", "[::1]:443"}) {
    NodeFileResult on = check_node_text(edited(edge_text, "[tls]", (std::string("[administration]\nlisten = \"") + address + "\"\n[tls]").c_str()), "e.toml");
    ASSERT_NE(on.config, nullptr) << on.errors.at(0).text();
    EXPECT_EQ(on.config->administration.listen, address);
  }
}

TEST(NodeFile, ReportsEveryMistakeInDocumentOrder) {
  std::string text = edited(edited(edge_text, "198.51.100.10", "x"), "profile = \"packet\"", "profile = \"y\"");
  NodeFileResult result = check_node_text(text, "n");
  ASSERT_EQ(result.errors.size(), 2u);
  EXPECT_LT(result.errors[0].line, result.errors[1].line);
  EXPECT_THAT(first_fault(result.errors).text(), HasSubstr("(1 more)"));
}

TEST(NodeFile, SaysWhatIsWrongWithTheFileItself) {
  auto missing = load_node_config("/nonexistent/node.toml");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.fault().text(), HasSubstr("/nonexistent/node.toml: cannot be read: No such file"));
  auto folder = load_node_config("/");
  ASSERT_FALSE(folder);
  EXPECT_THAT(folder.fault().text(), HasSubstr("cannot be read"));
}

class ReloadTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/sallyport-config-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    write(core_text);
    auto loaded = load_node_config(path());
    ASSERT_TRUE(loaded) << loaded.fault().text();
    config_ = *loaded;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/node.toml"; }
  void write(const std::string& text) { std::ofstream(path()) << text; }

  std::string folder_;
  NodeConfig config_;
};

TEST_F(ReloadTest, TakesLiveChangesAndNamesThem) {
  write(edited(edited(core_text, "/etc/ca.pem", "/etc/other-ca.pem"), "role = \"C\"", "role = \"C\"\nlog_level = \"debug\""));
  auto reload = reload_node_file(config_);
  ASSERT_TRUE(reload) << reload.fault().text();
  ASSERT_EQ(reload->changes.size(), 2u);
  EXPECT_EQ(reload->changes[0].key, "node.log_level");
  EXPECT_EQ(reload->changes[0].before, "\"info\"");
  EXPECT_EQ(reload->changes[0].after, "\"debug\"");
  EXPECT_EQ(reload->changes[1].key, "tls.ca_file");
  EXPECT_EQ(reload->config.tls.ca_file, "/etc/other-ca.pem");
}

TEST_F(ReloadTest, RefusesWholeWhatNeedsARestart) {
  write(edited(edited(core_text, "10.20.0.10", "10.20.0.11"), "/etc/ca.pem", "/etc/other-ca.pem"));
  auto reload = reload_node_file(config_);
  ASSERT_FALSE(reload);
  EXPECT_EQ(reload.fault().code, FaultCode::conflict);
  EXPECT_THAT(reload.fault().text(), HasSubstr("address.inside.ip (\"10.20.0.10\" -> \"10.20.0.11\")"));
  EXPECT_THAT(reload.fault().text(), testing::Not(HasSubstr("ca_file")));
}

TEST_F(ReloadTest, ComparesRepeatedSectionsByName) {
  write(edited(edited(core_text, "name = \"cm2\"", "name = \"cm3\""), "[tls]", "[[call_control]]\nname = \"cm4\"\nhost = \"cm4\"\n[tls]"));
  auto after = load_node_config(path());
  ASSERT_TRUE(after) << after.fault().text();
  std::vector<std::string> keys;
  for (const ConfigChange& change : compare(config_, *after)) keys.push_back(change.key + " " + change.after);
  EXPECT_THAT(keys, testing::UnorderedElementsAre("call_control.cm2 removed", "call_control.cm3 added", "call_control.cm4 added"));
}

TEST_F(ReloadTest, AnUnchangedFileChangesNothingAndABrokenOneIsRefused) {
  auto same = reload_node_file(config_);
  ASSERT_TRUE(same);
  EXPECT_TRUE(same->changes.empty());
  write("[node");
  EXPECT_FALSE(reload_node_file(config_));
}

TEST(NodeConfigCompare, AnotherOrderOfAddressesNeedsARestart) {
  NodeConfig before = *check_node_text(edge_text, "n").config, after = before;
  std::swap(after.addresses[0], after.addresses[1]);
  auto changes = compare(before, after);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_FALSE(changes[0].applies_live);
}

}  // namespace
}  // namespace sallyport::config
