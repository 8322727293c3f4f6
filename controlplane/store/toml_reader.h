// SPDX-License-Identifier: Apache-2.0
#pragma once
// TomlReader: what readers of a site document's sections have in common: each value is read with its type and size judged, and a wrong one
// becomes a finding with its line. One thread; `file` and `errors` must outlive it.

#include <openssl/crypto.h>
#include <toml++/toml.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/finding.h"
#include "controlplane/config/near_word.h"
#include "controlplane/store/placed.h"

namespace sallyport::store {

class TomlReader {
 protected:
  static constexpr std::size_t max_text_bytes = 1024;
  static constexpr std::size_t max_list_size = 1000;

  TomlReader(const std::string& file, config::Findings& errors) : file_(file), errors_(errors) {}

  void refuse(const toml::source_region& where, std::string key, std::string cause, std::string remedy) {
    errors_.push_back({.file = file_,
                             .line = where.begin.line,
                             .column = where.begin.column,
                             .key = std::move(key),
                             .cause = std::move(cause),
                             .remedy = std::move(remedy)});
  }

  template <class Read>
  void read_list(toml::node& node, const char* kind, std::size_t limit, Read read) {
    toml::array* array = node.as_array();
    if (!array || (!array->empty() && !array->is_homogeneous(toml::node_type::table))) {
      return refuse(node.source(), kind, "must be a list of sections", std::string("write each as [[") + kind + "]]");
    }
    if (array->size() > limit) return refuse(node.source(), kind, "there are more than " + std::to_string(limit), "remove some");
    for (toml::node& element : *array) read(*element.as_table());
  }

  template <std::size_t Size>
  void refuse_unknown(const toml::table& table, const char* kind, const std::string_view (&known)[Size]) {
    for (auto&& [name, node] : table) {
      if (std::find(std::begin(known), std::end(known), name.str()) != std::end(known)) continue;
      std::string_view near = config::nearest_word(name.str(), {std::begin(known), std::end(known)});
      refuse(node.source(), std::string(kind) + "." + std::string(name.str()), "there is no such key", near.empty() ? "remove it" : "did you mean " + std::string(near) + "?");
    }
  }

  // Each returns false if the key is absent or wrong; a wrong one has been refused.
  bool read_text(toml::node& node, const std::string& path, std::string& text) {
    if (!node.is_string()) return refuse(node.source(), path, "must be a string", "put it in quotes"), false;
    text = node.as_string()->get();
    if (text.size() > max_text_bytes) return refuse(node.source(), path, "is longer than 1024 bytes", "shorten it"), false;
    auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (std::any_of(text.begin(), text.end(), is_control)) return refuse(node.source(), path, "holds a control character", "remove it"), false;
    return true;
  }

  void read_texts(toml::node& node, const std::string& path, bool one_is_enough, std::vector<std::string>& list, std::size_t most = max_list_size) {
    std::string text;
    if (one_is_enough && node.is_string()) {
      if (read_text(node, path, text)) list.push_back(text);
      return;
    }
    toml::array* array = node.as_array();
    if (!array) return refuse(node.source(), path, "must be a list of strings", "write it like [\"edge.example.com\"]");
    if (array->size() > most) return refuse(node.source(), path, "has more than " + std::to_string(most) + " elements", "remove some");
    for (toml::node& element : *array) {
      if (!read_text(element, path, text)) return;
      list.push_back(text);
    }
  }

  void read_password(toml::node& node, const std::string& path, PasswordDraft& password) {
    if (toml::table* table = node.as_table()) {
      bool keeps = table->size() == 1 && (*table)["keep"].value<bool>().value_or(false);
      if (!keeps) return refuse(node.source(), path, "must be a string or { keep = true }", "write the password in quotes, or { keep = true } to keep the stored one");
      password.kind = PasswordDraft::Kind::keep;
      return;
    }
    std::string text;
    if (!read_text(node, path, text)) return;
    password.kind = PasswordDraft::Kind::given;
    password.text = Secret(text);
    OPENSSL_cleanse(text.data(), text.size());
    std::string& parsed = node.as_string()->get();
    OPENSSL_cleanse(parsed.data(), parsed.size());
  }

  static void note_places(const toml::table& table, Places& places) {
    places[""] = {table.source().begin.line, table.source().begin.column};
    for (auto&& [name, node] : table) places[std::string(name.str())] = {node.source().begin.line, node.source().begin.column};
  }

  void read_flag(toml::table& table, const char* section, const char* key, bool& flag) {
    toml::node* node = table.get(key);
    if (node == nullptr) return;
    if (!node->is_boolean()) return refuse(node->source(), std::string(section) + "." + key, "must be true or false", "write it without quotes");
    flag = node->as_boolean()->get();
  }

  static Place place_of(const toml::node& node) { return {node.source().begin.line, node.source().begin.column}; }

 private:
  const std::string& file_;
  config::Findings& errors_;
};

}  // namespace sallyport::store
