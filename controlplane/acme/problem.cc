// SPDX-License-Identifier: Apache-2.0
#include "controlplane/acme/problem.h"

#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace sallyport::acme {
namespace {

namespace json = boost::json;

constexpr std::string_view acme_types = "urn:ietf:params:acme:error:";
constexpr size_t most_subproblems = 8;

struct TypeMeaning {
  std::string_view type;
  FaultCode code;
  const char* remedy;
};

constexpr std::array meanings = {
    TypeMeaning{"accountDoesNotExist", FaultCode::missing, "let the account be registered again"},
    TypeMeaning{"badCSR", FaultCode::invalid, "make the key of another kind or size, or correct the names"},
    TypeMeaning{"badPublicKey", FaultCode::invalid, "make a key of another kind or size"},
    TypeMeaning{"badSignatureAlgorithm", FaultCode::invalid, "make the account key of the other kind"},
    TypeMeaning{"caa", FaultCode::refused, "let the domain's CAA records allow this authority, or remove them"},
    TypeMeaning{"connection", FaultCode::unreachable, "let the authority reach this node: address, firewall, NAT and the port of the challenge"},
    TypeMeaning{"dns", FaultCode::missing, "correct the domain's DNS records and see that every name server answers"},
    TypeMeaning{"externalAccountRequired", FaultCode::refused, "get a key ID and an HMAC key from the authority and configure them as external account"},
    TypeMeaning{"incorrectResponse", FaultCode::refused, "see that the name leads to this node and that nothing before it answers instead"},
    TypeMeaning{"invalidContact", FaultCode::invalid, "correct the contact address"},
    TypeMeaning{"unsupportedContact", FaultCode::invalid, "give a contact of the form mailto:admin@example.com"},
    TypeMeaning{"malformed", FaultCode::invalid, "report it: this node sent what the authority does not understand"},
    TypeMeaning{"rateLimited", FaultCode::exhausted, "wait until the authority's limit has passed; it is tried again by itself"},
    TypeMeaning{"rejectedIdentifier", FaultCode::refused, "the authority does not issue for this name: use another authority"},
    TypeMeaning{"serverInternal", FaultCode::unreachable, "wait; it is tried again by itself"},
    TypeMeaning{"tls", FaultCode::refused, "see that port 443 of the name leads to this node unbroken: no proxy may end TLS before it"},
    TypeMeaning{"unauthorized", FaultCode::refused, "see that the name leads to this node and that nothing before it answers instead"},
    TypeMeaning{"unsupportedIdentifier", FaultCode::refused, "the authority does not issue for this kind of name: use another authority"},
    TypeMeaning{"userActionRequired", FaultCode::refused, "do what the authority asks for, such as agreeing to new terms"},
};

const TypeMeaning* meaning_of(std::string_view type) {
  for (const TypeMeaning& meaning : meanings) {
    if (meaning.type == type) return &meaning;
  }
  return nullptr;
}

std::string text_member(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return "";
  const json::string& text = value->get_string();
  return shown({text.data(), text.size()});
}

std::string type_member(const json::object& object) {
  std::string type = text_member(object, "type");
  if (type.starts_with(acme_types)) type.erase(0, acme_types.size());
  return type == "about:blank" ? "" : type;
}

std::string with_type(const std::string& detail, const std::string& type) {
  if (detail.empty()) return type.empty() ? "it gives no reason" : type;
  return type.empty() ? detail : detail + " (" + type + ")";
}

}  // namespace

std::string shown(std::string_view text, size_t limit_bytes) {
  std::string result;
  for (const char c : text.substr(0, limit_bytes)) {
    const auto code = static_cast<unsigned char>(c);
    result += code < 0x20 || code == 0x7f ? ' ' : c;
  }
  // Not in the middle of a UTF-8 character.
  while (text.size() > limit_bytes && !result.empty() && (static_cast<unsigned char>(text[result.size()]) & 0xc0) == 0x80) result.pop_back();
  return result;
}

std::string Problem::text() const {
  std::string type_text = type;
  if (status != 0) type_text += (type_text.empty() ? "HTTP " : ", HTTP ") + std::to_string(status);
  std::string line = "the authority refuses: " + with_type(detail, type_text);
  for (const Subproblem& part : subproblems) line += "; " + (part.name.empty() ? "" : part.name + ": ") + with_type(part.detail, part.type);
  return line;
}

Fault Problem::fault(std::string subject) const {
  // The subproblem says what can be done; "compound" and the like do not.
  const TypeMeaning* meaning = meaning_of(type);
  for (size_t i = 0; i < subproblems.size() && meaning == nullptr; ++i) meaning = meaning_of(subproblems[i].type);
  if (meaning != nullptr) return Fault{meaning->code, std::move(subject), text(), meaning->remedy};
  if (status >= 500) return Fault{FaultCode::unreachable, std::move(subject), text(), "wait; it is tried again by itself"};
  return Fault{FaultCode::refused, std::move(subject), text(), "ask the authority"};
}

Problem read_problem(const json::object& object) {
  Problem problem;
  problem.type = type_member(object);
  problem.detail = text_member(object, "detail");
  if (problem.detail.empty()) problem.detail = text_member(object, "title");
  const json::value* status = object.if_contains("status");
  if (status != nullptr && status->is_int64() && status->get_int64() >= 100 && status->get_int64() < 600) problem.status = static_cast<unsigned>(status->get_int64());
  const json::value* parts = object.if_contains("subproblems");
  if (parts == nullptr || !parts->is_array()) return problem;
  for (const json::value& part : parts->get_array()) {
    if (problem.subproblems.size() == most_subproblems || !part.is_object()) break;
    Subproblem read;
    read.type = type_member(part.get_object());
    read.detail = text_member(part.get_object(), "detail");
    const json::value* identifier = part.get_object().if_contains("identifier");
    if (identifier != nullptr && identifier->is_object()) read.name = text_member(identifier->get_object(), "value");
    problem.subproblems.push_back(std::move(read));
  }
  return problem;
}

Problem problem_of(unsigned status, std::string_view media_type, std::string_view body) {
  Problem problem;
  boost::system::error_code error;
  // Some authorities say application/json; a page of HTML is of no use to anybody.
  const bool is_json = media_type.find("json") != std::string_view::npos;
  const json::value value = is_json ? json::parse({body.data(), body.size()}, error) : json::value();
  if (!error && value.is_object()) problem = read_problem(value.get_object());
  else problem.detail = "no problem document, but " + (media_type.empty() ? "no" : "\"" + shown(media_type, 60) + "\"") + " content";
  problem.status = status;
  return problem;
}

}  // namespace sallyport::acme
