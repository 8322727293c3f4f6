// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/config_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <toml++/toml.h>

#include <fstream>
#include <iterator>
#include <set>

#include "controlplane/config/config_value.h"
#include "controlplane/config/node_file.h"

namespace sallyport::config {
namespace {

std::string source_file(const std::string& name) {
  std::ifstream file(std::string(SALLYPORT_SOURCE_DIR) + "/" + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string path_of(const ConfigKey& key) { return std::string(key.section) + "." + std::string(key.name); }

TEST(ConfigKey, EachDefaultObeysItsOwnRow) {
  for (const ConfigKey& key : config_keys()) {
    for (Role role : {Role::edge, Role::core}) {
      if (!key.is_for(role) || key.default_for(role).empty()) continue;
      toml::table table = toml::parse("value = " + std::string(key.default_for(role)));
      KeyValue value;
      auto objection = read_value(key, *table.get("value"), value);
      EXPECT_FALSE(objection.has_value()) << path_of(key) << ": " << (objection ? objection->cause : "");
    }
  }
}

TEST(ConfigKey, EachRowHasItsOwnNameAKnownSectionAndASentence) {
  std::set<std::string> seen, sections;
  for (const ConfigSection& section : config_sections()) sections.insert(std::string(section.name));
  for (const ConfigKey& key : config_keys()) {
    EXPECT_TRUE(seen.insert(path_of(key)).second) << path_of(key);
    EXPECT_TRUE(sections.contains(std::string(key.section))) << path_of(key);
    EXPECT_TRUE(key.sentence.ends_with('.')) << path_of(key);
    EXPECT_LE(key.min, key.max) << path_of(key);
  }
}

// A row bound to the wrong member would overwrite another key's value.
TEST(ConfigKey, EachRowIsBoundToAMemberOfItsOwn) {
  NodeConfig config;
  for (const ConfigSection& section : config_sections()) {
    if (section.append) section.append(config, 1);
  }
  std::int64_t next = 1;
  auto distinct = [&](const ConfigKey& key) {
    KeyValue value{.text = "t" + std::to_string(next), .integer = next, .texts = {"t" + std::to_string(next)}, .integers = {next}};
    if (key.name == "role") value.text = "C";
    ++next;
    return value;
  };
  std::vector<std::string> expected;
  for (const ConfigKey& key : config_keys()) {
    KeyValue value = distinct(key);
    key.set(config, value);
    expected.push_back(value.toml(key.type));
  }
  std::size_t row = 0;
  for (const ConfigKey& key : config_keys()) EXPECT_EQ(key.get(config, 0).toml(key.type), expected[row++]) << path_of(key);
}

TEST(ConfigKey, PageInDocsIsCurrent) {
  EXPECT_EQ(source_file("docs/configuration.md"), configuration_page()) << "run: sallyport keys --markdown > docs/configuration.md";
}

TEST(ConfigKey, PageAndHelpNameEveryKey) {
  std::string page = configuration_page(), help = configuration_help("");
  for (const ConfigKey& key : config_keys()) {
    EXPECT_THAT(page, testing::HasSubstr("| `" + std::string(key.name) + "` |")) << path_of(key);
    EXPECT_THAT(help, testing::HasSubstr("  " + std::string(key.name) + "  (")) << path_of(key);
  }
  EXPECT_EQ(configuration_help("no such section"), "");
}

// The example files are the second place an operator reads: every key of the role stands there, and is valid.
TEST(ConfigKey, ExampleFilesHoldEveryKeyOfTheirRole) {
  for (auto [file, role] : {std::pair("conf/edge-e.toml", Role::edge), std::pair("conf/edge-c.toml", Role::core)}) {
    std::string text = source_file(file);
    NodeFileResult result = check_node_text(text, file);
    for (const Finding& finding : result.errors) ADD_FAILURE() << finding.text();
    ASSERT_NE(result.config, nullptr) << file;
    EXPECT_EQ(result.config->node.role, role);
    toml::table root = toml::parse(text);
    for (const ConfigKey& key : config_keys()) {
      if (!key.is_for(role)) continue;
      const toml::node* section = root.get(key.section);
      ASSERT_NE(section, nullptr) << file << " " << key.section;
      const toml::table* table = section->is_array() ? (*section->as_array())[0].as_table() : section->as_table();
      bool is_commented_out = text.find("\n# " + std::string(key.name) + " = ") != std::string::npos;
      EXPECT_TRUE(table->contains(key.name) || is_commented_out) << file << " lacks " << path_of(key);
    }
  }
}

}  // namespace
}  // namespace sallyport::config
