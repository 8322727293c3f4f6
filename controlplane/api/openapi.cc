// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/openapi.h"

#include <algorithm>
#include <boost/json.hpp>

#include "controlplane/api/api_accounts.h"
#include "controlplane/api/api_routes.h"

namespace sallyport::api {
namespace {

namespace json = boost::json;

std::vector<std::string> names_of(std::string_view list) {
  std::vector<std::string> names;
  for_each_name(list, [&](std::string_view name) { names.emplace_back(name); });
  return names;
}

json::object schema_of(std::string_view name) {
  const bool is_flag = name == "dry_run" || name == "preview" || name == "on" || name == "agrees_to_terms";
  const bool is_list = name == "names" || name == "contacts";
  if (is_list) return {{"type", "array"}, {"items", json::object{{"type", "string"}}}};
  return {{"type", is_flag ? "boolean" : "string"}};
}

// Over HTTPS; the Unix socket asks for nothing.
json::array security_of(const RouteInfo& route) {
  if (is_login(route.method, route.path)) return {};
  json::object needed{{"session", json::array()}};
  if (route.method != "GET") needed["csrf"] = json::array();
  json::array either;
  either.push_back(std::move(needed));
  return either;
}

json::object security_schemes() {
  return {{"session", json::object{{"type", "apiKey"}, {"in", "cookie"}, {"name", session_cookie}, {"description", "Of POST /v1/session, over HTTPS only. x-sallyport-role tells which role an operation needs: read, operate or administer."}}},
          {"csrf", json::object{{"type", "apiKey"}, {"in", "header"}, {"name", csrf_field}, {"description", "csrf_token of POST or GET /v1/session."}}}};
}

json::object operation_of(const RouteInfo& route) {
  json::array parameters;
  if (route.path.ends_with('/') || route.path.find("{id}") != std::string_view::npos) parameters.push_back(json::object{{"name", "id"}, {"in", "path"}, {"required", true}, {"schema", json::object{{"type", "string"}}}});
  for (const std::string& name : names_of(route.query)) parameters.push_back(json::object{{"name", name}, {"in", "query"}, {"schema", json::object{{"type", "string"}}}});
  json::object operation{{"summary", route.about}, {"parameters", std::move(parameters)}, {"security", security_of(route)}};
  if (!is_login(route.method, route.path)) operation["x-sallyport-role"] = accounts::name_of(route.role);
  if (route.body == "*") {
    operation["requestBody"] = json::object{{"required", true}, {"content", json::object{{"application/toml", json::object{{"schema", json::object{{"type", "string"}}}}}}}};
  } else if (!route.body.empty()) {
    json::object properties;
    for (const std::string& name : names_of(route.body)) properties[name] = schema_of(name);
    json::object schema{{"type", "object"}, {"additionalProperties", false}, {"properties", std::move(properties)}};
    operation["requestBody"] = json::object{{"required", true}, {"content", json::object{{"application/json", json::object{{"schema", std::move(schema)}}}}}};
  }
  operation["responses"] = json::object{{"200", json::object{{"description", "Done"}}}, {"default", json::object{{"description", "Refused: subject, cause and remedy"}, {"content", json::object{{"application/json", json::object{{"schema", json::object{{"$ref", "#/components/schemas/Fault"}}}}}}}}}};
  return operation;
}

json::object fault_schema() {
  json::object properties;
  for (const char* name : {"code", "subject", "cause", "remedy", "text"}) properties[name] = json::object{{"type", "string"}};
  json::object error{{"type", "object"}, {"properties", std::move(properties)}};
  return {{"type", "object"}, {"properties", json::object{{"error", std::move(error)}}}};
}

void write(std::string& out, const json::value& value, std::size_t depth) {
  const std::string indent(2 * (depth + 1), ' ');
  const auto* object = value.if_object();
  const auto* array = value.if_array();
  if ((object == nullptr || object->empty()) && (array == nullptr || array->empty())) {
    out += json::serialize(value);
    return;
  }
  out += object != nullptr ? "{" : "[";
  bool is_first = true;
  const auto begin_item = [&] {
    out += is_first ? "\n" : ",\n";
    out += indent;
    is_first = false;
  };
  if (object != nullptr) {
    for (const auto& [name, member] : *object) {
      begin_item();
      out += json::serialize(json::value(name)) + ": ";
      write(out, member, depth + 1);
    }
  } else {
    for (const json::value& item : *array) {
      begin_item();
      write(out, item, depth + 1);
    }
  }
  out += "\n" + std::string(2 * depth, ' ') + (object != nullptr ? "}" : "]");
}

}  // namespace

std::string openapi_document() {
  json::object paths;
  for (const RouteInfo& route : route_list()) {
    const std::string path = std::string(route.path) + (route.path.ends_with('/') ? "{id}" : "");
    std::string method(route.method);
    for (char& c : method) c = static_cast<char>(c + 32);
    if (!paths.contains(path)) paths[path] = json::object();
    paths[path].as_object()[method] = operation_of(route);
  }
  const json::object document{{"openapi", "3.0.3"}, {"info", json::object{{"title", "Sallyport administration"}, {"version", "1"}}}, {"paths", std::move(paths)},
                              {"components", json::object{{"schemas", json::object{{"Fault", fault_schema()}}}, {"securitySchemes", security_schemes()}}}};
  std::string out;
  write(out, document, 0);
  return out + "\n";
}

}  // namespace sallyport::api
