// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/site_files.h"

#include <toml++/toml.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

#include "controlplane/cli/dialogue.h"

namespace sallyport::cli {
namespace {

// PEM is ASCII; what else stands around it does not count, and must not break the document.
std::string literal_of(std::string_view text) {
  std::string safe = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') safe += '\\';
    if (c == '\n') safe += "\\n";
    else if (c >= 0x20 && c < 0x7f) safe += c;
    else if (c != '\r') safe += c == '\t' ? ' ' : '?';
  }
  return safe + "\"";
}

// "-" is a file like any other here, not standard input.
std::string path_of(const std::filesystem::path& folder, const std::string& name) { return ((folder.empty() ? "." : folder) / name).string(); }

}  // namespace

Outcome<> attach_files(std::string& document, const std::string& path) {
  toml::table root;
  try {
    root = toml::parse(document);
  } catch (const toml::parse_error&) {
    return Done{};
  }
  const toml::array* sections = root["trust"].as_array();
  if (sections == nullptr || root.contains("files")) return Done{};
  const std::filesystem::path folder = path == "-" ? std::filesystem::path() : std::filesystem::path(path).parent_path();
  std::set<std::string> known;
  std::string attached;
  for (const toml::node& section : *sections) {
    const toml::node* file = section.is_table() ? section.as_table()->get("file") : nullptr;
    if (file == nullptr || !file->is_string() || file->as_string()->get().empty()) continue;
    const std::string& name = file->as_string()->get();
    if (!known.insert(name).second) continue;
    std::string content;
    if (!read_file(path_of(folder, name), content)) {
      return Fault{FaultCode::missing, path + ":" + std::to_string(file->source().begin.line) + ": trust.file", path_of(folder, name) + " cannot be read: " + std::strerror(errno),
                   "names are relative to the document's folder; check the path and its permissions"};
    }
    attached += literal_of(name) + " = " + literal_of(content) + "\n";
  }
  if (!attached.empty()) document += "\n[files]\n" + attached;
  return Done{};
}

}  // namespace sallyport::cli
