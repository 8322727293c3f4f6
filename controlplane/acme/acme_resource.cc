// SPDX-License-Identifier: Apache-2.0
#include "controlplane/acme/acme_resource.h"

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "controlplane/http/http_url.h"
#include "controlplane/acme/timestamp.h"
#include "controlplane/config/fqdn.h"

namespace sallyport::acme {
namespace {

namespace json = boost::json;

constexpr size_t most_authorizations = 100;
constexpr size_t most_challenges = 16;
constexpr size_t most_profiles = 32;
constexpr size_t longest_token = 256;

constexpr std::array status_names = {"pending", "processing", "ready", "valid", "invalid", "deactivated", "expired", "revoked"};
constexpr std::array challenge_names = {"http-01", "tls-alpn-01", "dns-01"};

// One JSON object of an answer. Each member is asked for by name; the first that is wrong stays as the fault.
class Members {
 public:
  Members(const std::string& subject, std::string_view body) : subject_(subject) {
    boost::system::error_code error;
    value_ = json::parse({body.data(), body.size()}, error);
    if (error) fail("its answer is no JSON: " + error.message());
    else if (!value_.is_object()) fail("its answer is no JSON object");
  }

  const json::object& object() const { return value_.is_object() ? value_.get_object() : none_; }

  std::string text(const json::object& object, const char* name, bool wanted, size_t limit_bytes = http::url_limit_bytes) {
    const json::value* member = object.if_contains(name);
    if (member == nullptr || member->is_null()) return wanted ? fail_member(name, "is missing") : "";
    if (!member->is_string()) return fail_member(name, "is not text");
    const json::string& value = member->get_string();
    if (value.size() > limit_bytes) return fail_member(name, "is longer than " + std::to_string(limit_bytes) + " bytes");
    if (wanted && value.empty()) return fail_member(name, "is empty");
    return std::string(value.data(), value.size());
  }

  std::string url(const json::object& object, const char* name, bool wanted) {
    std::string value = text(object, name, wanted);
    if (value.empty()) return value;
    const auto parsed = http::parse_https_url(value);
    if (!parsed) return fail_member(name, parsed.fault().cause);
    return value;
  }

  ResourceStatus status(const json::object& object) {
    const std::string name = text(object, "status", true, 32);
    const auto found = std::find(status_names.begin(), status_names.end(), name);
    if (found == status_names.end()) fail_member("status", "is \"" + shown(name) + "\", which is unknown");
    return static_cast<ResourceStatus>(found == status_names.end() ? 0 : found - status_names.begin());
  }

  bool flag(const json::object& object, const char* name) {
    const json::value* member = object.if_contains(name);
    if (member != nullptr && !member->is_bool()) fail_member(name, "is neither true nor false");
    return member != nullptr && member->is_bool() && member->get_bool();
  }

  const json::object& object(const json::object& object, const char* name, bool wanted) {
    const json::value* member = object.if_contains(name);
    if (member != nullptr && member->is_object()) return member->get_object();
    if (wanted || (member != nullptr && !member->is_null())) fail_member(name, "is no object");
    return none_;
  }

  const json::array& list(const json::object& object, const char* name, size_t most) {
    const json::value* member = object.if_contains(name);
    const bool fits = member != nullptr && member->is_array() && member->get_array().size() <= most;
    if (fits) return member->get_array();
    fail_member(name, member == nullptr || !member->is_array() ? "is no list" : "has more than " + std::to_string(most) + " entries");
    return no_list_;
  }

  std::optional<Problem> problem(const json::object& object) {
    const json::object& error = this->object(object, "error", false);
    if (error.empty()) return std::nullopt;
    return read_problem(error);
  }

  std::string fail_member(const char* name, const std::string& cause) { return fail(std::string("in its answer \"") + name + "\" " + cause); }
  std::string fail(std::string cause) {
    if (!fault_) fault_ = Fault{FaultCode::invalid, subject_, std::move(cause), "check the authority's address; if it is right, report it to the authority"};
    return "";
  }
  const std::optional<Fault>& fault() const { return fault_; }

 private:
  const std::string& subject_;
  json::value value_;
  json::object none_;
  json::array no_list_;
  std::optional<Fault> fault_;
};

bool is_token(std::string_view text) {
  return !text.empty() && text.size() <= longest_token &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; });
}

void read_challenge(Members& members, const json::object& object, std::vector<Challenge>& challenges) {
  const std::string type = members.text(object, "type", true, 64);
  const auto known = std::find(challenge_names.begin(), challenge_names.end(), type);
  if (known == challenge_names.end()) return;
  Challenge challenge;
  challenge.kind = static_cast<ChallengeKind>(known - challenge_names.begin());
  challenge.status = members.status(object);
  challenge.url = members.url(object, "url", true);
  challenge.token = members.text(object, "token", true, longest_token);
  // It becomes part of a path and of a file an operator's program may write.
  if (!members.fault() && !is_token(challenge.token)) members.fail_member("token", "holds characters that are not allowed");
  challenge.error = members.problem(object);
  challenges.push_back(std::move(challenge));
}

}  // namespace

const char* name_of(ResourceStatus status) { return status_names[static_cast<size_t>(status)]; }
const char* name_of(ChallengeKind kind) { return challenge_names[static_cast<size_t>(kind)]; }

Outcome<Directory> read_directory(const std::string& subject, std::string_view body) {
  Members members(subject, body);
  const json::object& top = members.object();
  Directory directory;
  directory.new_nonce = members.url(top, "newNonce", true);
  directory.new_account = members.url(top, "newAccount", true);
  directory.new_order = members.url(top, "newOrder", true);
  directory.revoke_certificate = members.url(top, "revokeCert", false);
  directory.key_change = members.url(top, "keyChange", false);
  directory.renewal_info = members.url(top, "renewalInfo", false);
  const json::object& meta = members.object(top, "meta", false);
  directory.terms_of_service = shown(members.text(meta, "termsOfService", false));
  directory.website = shown(members.text(meta, "website", false));
  directory.external_account_required = members.flag(meta, "externalAccountRequired");
  for (const auto& profile : members.object(meta, "profiles", false)) {
    if (directory.profiles.size() == most_profiles) break;
    directory.profiles.push_back(shown({profile.key().data(), profile.key().size()}, 64));
  }
  if (members.fault()) return *members.fault();
  return directory;
}

Outcome<Order> read_order(const std::string& subject, std::string_view body) {
  Members members(subject, body);
  const json::object& top = members.object();
  Order order;
  order.status = members.status(top);
  for (const json::value& entry : members.list(top, "authorizations", most_authorizations)) {
    const std::string_view text = entry.is_string() ? std::string_view(entry.get_string().data(), entry.get_string().size()) : std::string_view();
    if (const auto url = http::parse_https_url(text); !url) members.fail_member("authorizations", "names what is no URL: " + url.fault().cause);
    order.authorizations.emplace_back(text);
  }
  order.finalize = members.url(top, "finalize", true);
  order.certificate = members.url(top, "certificate", false);
  order.error = members.problem(top);
  if (members.fault()) return *members.fault();
  return order;
}

Outcome<Authorization> read_authorization(const std::string& subject, std::string_view body) {
  Members members(subject, body);
  const json::object& top = members.object();
  Authorization authorization;
  authorization.status = members.status(top);
  authorization.is_wildcard = members.flag(top, "wildcard");
  const json::object& identifier = members.object(top, "identifier", true);
  const std::string type = members.text(identifier, "type", true, 32);
  if (!members.fault() && type != "dns") members.fail_member("type", "is \"" + shown(type) + "\", not dns");
  authorization.domain = config::lower_case(members.text(identifier, "value", true, 253));
  if (!members.fault() && !config::is_fqdn(authorization.domain)) members.fail_member("value", "is no domain name");
  for (const json::value& entry : members.list(top, "challenges", most_challenges)) {
    if (entry.is_object()) read_challenge(members, entry.get_object(), authorization.challenges);
    else members.fail_member("challenges", "holds what is no object");
  }
  if (members.fault()) return *members.fault();
  return authorization;
}

Outcome<RenewalInfo> read_renewal_info(const std::string& subject, std::string_view body) {
  Members members(subject, body);
  const json::object& top = members.object();
  const json::object& window = members.object(top, "suggestedWindow", true);
  const auto start = parse_rfc3339(members.text(window, "start", true, 64)), end = parse_rfc3339(members.text(window, "end", true, 64));
  if (!members.fault() && (!start || !end)) members.fail_member("suggestedWindow", "holds no dates of RFC 3339");
  // RFC 9773 4.2: a window that ends before it begins is to be ignored.
  if (!members.fault() && *end <= *start) members.fail_member("suggestedWindow", "ends before it begins");
  RenewalInfo info;
  info.explanation_url = shown(members.text(top, "explanationURL", false));
  if (members.fault()) return *members.fault();
  info.start_s = *start;
  info.end_s = *end;
  return info;
}

}  // namespace sallyport::acme
