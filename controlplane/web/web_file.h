// SPDX-License-Identifier: Apache-2.0
#pragma once
// WebFile: a file of the administration page, part of the program: controlplane/web/page/ as it stood when the program was built. What it
// holds is known to everybody and the same for all; nothing of a node is in it. Constant, any thread.

#include <span>
#include <string_view>

namespace sallyport::web {

struct WebFile {
  std::string_view path;          // "/", "/web/3f2a.../app.js"
  std::string_view content_type;
  std::string_view etag;          // with its quotation marks
  bool is_immutable = false;      // another content has another path
  std::string_view body;
};

std::span<const WebFile> web_files();
const WebFile* find_web_file(std::string_view path);  // null: there is none
// Whether what a browser has is this file: the value of If-None-Match, a list of entity tags (RFC 9110 13.1.2).
bool has_current(std::string_view if_none_match, const WebFile& file);

}  // namespace sallyport::web
