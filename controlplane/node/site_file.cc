// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/site_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <toml++/toml.h>

namespace sallyport::node {

namespace {

std::vector<std::string> texts(const toml::node_view<const toml::node>& value) {
  std::vector<std::string> out;
  if (const auto one = value.value<std::string>()) out.push_back(*one);
  if (const toml::array* array = value.as_array())
    for (const toml::node& element : *array)
      if (const auto text = element.value<std::string>()) out.push_back(*text);
  return out;
}

Fault at(const std::string& path, const toml::node& where, const std::string& cause, const std::string& remedy) {
  return Fault{FaultCode::invalid, fmt::format("{}:{}:{}", path, where.source().begin.line, where.source().begin.column), cause, remedy};
}

Outcome<ZoneSite> read_zone(const std::string& path, const toml::table& table, const config::NodeConfig& config, size_t number) {
  const toml::node_view<const toml::node> view(table);
  ZoneSite zone;
  zone.name = view["name"].value_or(std::string{});
  zone.user = view["user"].value_or(std::string{});
  zone.password = view["password"].value_or(std::string{});
  const int64_t port = view["port"].value_or(int64_t{config.traversal.port} + static_cast<int64_t>(number));
  zone.peers = texts(view["peers"]);
  zone.tls_verify_subject_names = texts(view["tls_verify_subject_name"]);
  for (std::string& name : texts(view["tls_verify_subject_names"])) zone.tls_verify_subject_names.push_back(std::move(name));
  if (zone.name.empty()) return at(path, table, "zone without a name", "set name");
  if (zone.user.empty() || zone.user.find(' ') != std::string::npos) return at(path, table, "zone " + zone.name + ": user is empty or holds a space", "set user to a name without spaces");
  if (port < 1 || port > 65535) return at(path, table, "zone " + zone.name + ": port is no port", "use 7001 for the first zone");
  zone.port = static_cast<uint16_t>(port);
  if (config.is_e()) {
    if (zone.tls_verify_subject_names.empty()) return at(path, table, "zone " + zone.name + ": tls_verify_subject_name is missing", "name the SAN that C's certificate carries");
    return zone;
  }
  if (zone.peers.empty()) return at(path, table, "zone " + zone.name + ": has no peer", "list the FQDN of each E node in peers");
  if (zone.peers.size() > 6) return at(path, table, fmt::format("zone {}: {} peers, at most 6 are taken", zone.name, zone.peers.size()), "remove some");
  if (zone.password.empty()) return at(path, table, "zone " + zone.name + ": password is missing", "set the password of user " + zone.user);
  return zone;
}

}  // namespace

std::string Site::ha1(std::string_view user, std::string_view realm, sip::DigestAlgorithm algorithm) const {
  for (const CredentialSite& credential : credentials)
    if (credential.name == user) return sip::digest_ha1(algorithm, user, realm, credential.password);
  return {};
}

Outcome<Site> load_site(const std::string& path, const config::NodeConfig& config) {
  Site site;
  if (!std::filesystem::exists(path)) return site;
  try {
    const toml::table root = toml::parse_file(path);
    if (const toml::array* zones = root["zone"].as_array()) {
      for (const toml::node& element : *zones) {
        const toml::table* table = element.as_table();
        if (table == nullptr) return at(path, element, "zone is no table", "write [[zone]]");
        Outcome<ZoneSite> zone = read_zone(path, *table, config, site.zones.size());
        if (!zone) return zone.fault();
        for (const ZoneSite& other : site.zones)
          if (other.name == zone->name) return at(path, *table, "zone " + zone->name + " stands twice", "give each zone a name of its own");
        site.zones.push_back(std::move(*zone));
      }
    }
    if (!config.is_e() && site.zones.size() > 1) return Fault{FaultCode::conflict, path, "C takes one UC traversal zone", "remove the others (A03)"};
    if (const toml::array* credentials = root["credential"].as_array()) {
      for (const toml::node& element : *credentials) {
        const toml::table* table = element.as_table();
        if (table == nullptr) return at(path, element, "credential is no table", "write [[credential]]");
        CredentialSite credential{(*table)["name"].value_or(std::string{}), (*table)["password"].value_or(std::string{})};
        if (credential.name.empty() || credential.name.find(' ') != std::string::npos) return at(path, *table, "credential name is empty or holds a space", "use a name without spaces");
        if (credential.password.empty()) return at(path, *table, "credential " + credential.name + ": password is missing", "set it");
        site.credentials.push_back(std::move(credential));
      }
    }
    return site;
  } catch (const toml::parse_error& error) {
    return Fault{FaultCode::invalid, fmt::format("{}:{}:{}", path, error.source().begin.line, error.source().begin.column), std::string(error.description()), "correct the TOML syntax"};
  }
}

Outcome<sip::FlowKey> load_flow_key(const std::string& path) {
  const auto failed = [&](const char* what) { return Fault{FaultCode::missing, "flow token key " + path, fmt::format("{}: {}", what, std::strerror(errno)), "make its directory writable for this user"}; };
  sip::FlowKey key;
  uint8_t bytes[33];
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    const ssize_t got = read(fd, bytes, sizeof bytes);
    close(fd);
    if (got != sizeof bytes) return Fault{FaultCode::invalid, "flow token key " + path, "is damaged", "remove it; flows of registered clients then have to be made anew"};
  } else {
    bytes[0] = 1;
    RAND_bytes(bytes + 1, 32);
    fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return failed("cannot be made");
    const bool written = write(fd, bytes, sizeof bytes) == sizeof bytes && fsync(fd) == 0;
    close(fd);
    if (!written) return failed("cannot be written");
  }
  key.generation = bytes[0];
  std::copy(bytes + 1, bytes + 33, key.secret.begin());
  return key;
}

}  // namespace sallyport::node
