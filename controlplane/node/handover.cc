// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/handover.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>

namespace sallyport::node {

namespace {

namespace json = boost::json;
constexpr const char* variable = "SALLYPORT_HANDOVER";
constexpr size_t most_bytes = 64 << 20;

bool stays_open(int fd) { return ::fcntl(fd, F_SETFD, 0) == 0; }

Fault failed(const char* step) { return {FaultCode::internal, "handover", std::string(step) + " failed: " + std::strerror(errno), "restart the service; media goes on"}; }

std::string read_all(int fd) {
  std::string text;
  char buffer[16384];
  ssize_t bytes = 0;
  while (text.size() < most_bytes && (bytes = ::pread(fd, buffer, sizeof buffer, static_cast<off_t>(text.size()))) > 0) text.append(buffer, static_cast<size_t>(bytes));
  return text;
}

const json::array& list_of(const json::object& document, std::string_view key) {
  static const json::array none;
  const json::value* list = document.if_contains(key);
  return list == nullptr || !list->is_array() ? none : list->get_array();
}

std::string text_of(const json::object& entry, std::string_view key) {
  const json::value* value = entry.if_contains(key);
  return value == nullptr || !value->is_string() ? std::string() : std::string(value->get_string());
}

uint64_t number_of(const json::object& entry, std::string_view key) {
  const json::value* value = entry.if_contains(key);
  return value == nullptr ? 0 : value->is_uint64() ? value->get_uint64() : value->is_int64() && value->get_int64() > 0 ? static_cast<uint64_t>(value->get_int64()) : 0;
}

std::optional<proxy::ClientAccess::KeptFlow> flow_of(const json::object& entry) {
  const auto local = tls::SocketAddress::parse_with_port(text_of(entry, "local")), remote = tls::SocketAddress::parse_with_port(text_of(entry, "remote"));
  const auto fd = static_cast<int>(number_of(entry, "fd"));
  if (!local || !remote || fd <= STDERR_FILENO) return std::nullopt;
  return proxy::ClientAccess::KeptFlow{fd, number_of(entry, "hop"), *local, *remote};
}

proxy::Registration registration_of(const json::object& entry) {
  proxy::Registration one;
  one.aor = text_of(entry, "aor");
  one.contact = text_of(entry, "contact");
  one.instance = text_of(entry, "instance");
  one.reg_id = static_cast<uint32_t>(number_of(entry, "reg_id"));
  one.user_agent = text_of(entry, "user_agent");
  one.source = text_of(entry, "source");
  one.flow_id = number_of(entry, "hop");
  one.since_ms = number_of(entry, "since_ms");
  one.expires_ms = number_of(entry, "expires_ms");
  return one;
}

}  // namespace

Outcome<> Handover::leave() const {
  json::object document;
  json::array& list = (document["sockets"] = json::array()).get_array();
  for (const int fd : sockets) {
    if (!stays_open(fd)) return failed("keeping a socket open");
    list.push_back(fd);
  }
  json::array kept;
  for (const proxy::ClientAccess::KeptFlow& flow : flows) {
    if (!stays_open(flow.fd)) return failed("keeping a connection open");
    kept.push_back(json::object{{"fd", flow.fd}, {"hop", flow.hop_id}, {"local", flow.local.text()}, {"remote", flow.remote.text()}});
  }
  json::array known;
  for (const proxy::Registration& one : registrations)
    known.push_back(json::object{{"aor", one.aor}, {"contact", one.contact}, {"instance", one.instance}, {"reg_id", one.reg_id}, {"user_agent", one.user_agent},
                                 {"source", one.source}, {"hop", one.flow_id}, {"since_ms", one.since_ms}, {"expires_ms", one.expires_ms}});
  document["flows"] = std::move(kept);
  document["registrations"] = std::move(known);
  const std::string text = json::serialize(document);
  const int file = ::memfd_create("sallyport-handover", 0);
  if (file < 0) return failed("memfd_create()");
  if (::pwrite(file, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) return failed("writing");
  ::setenv(variable, std::to_string(file).c_str(), 1);
  return Done{};
}

Handover Handover::take() {
  Handover taken;
  const char* number = std::getenv(variable);
  if (number == nullptr) return taken;
  const int file = std::atoi(number);
  ::unsetenv(variable);
  const std::string text = file > STDERR_FILENO ? read_all(file) : std::string();
  if (file > STDERR_FILENO) ::close(file);
  json::error_code error;
  const json::value document = json::parse(text, error);
  if (error || !document.is_object()) return taken;
  for (const json::value& entry : list_of(document.get_object(), "sockets"))
    if (entry.is_int64() && entry.get_int64() > STDERR_FILENO) taken.sockets.push_back(static_cast<int>(entry.get_int64()));
  for (const json::value& entry : list_of(document.get_object(), "flows"))
    if (entry.is_object())
      if (const auto flow = flow_of(entry.get_object())) taken.flows.push_back(*flow);
  for (const json::value& entry : list_of(document.get_object(), "registrations"))
    if (entry.is_object()) taken.registrations.push_back(registration_of(entry.get_object()));
  return taken;
}

}  // namespace sallyport::node
