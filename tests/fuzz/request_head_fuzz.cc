// SPDX-License-Identifier: Apache-2.0
// Any bytes as the head of a request at the administration address: taken or refused; what is taken has one meaning.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "controlplane/api/request_head.h"

using namespace sallyport::api;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool is_plain(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  RequestHead head;
  const auto refused = read_request_head(bytes, head);
  if (refused) {
    require(refused->status >= 400 && refused->status < 600 && !refused->fault.cause.empty() && !reason_of(refused->status).empty());
  } else {
    require(bytes.ends_with("\r\n\r\n") && bytes.find("\n ") == std::string_view::npos && bytes.find("\n\t") == std::string_view::npos);
    require(!head.method.empty() && head.target.starts_with('/') && is_plain(head.target));
    for (const std::string* value : {&head.host, &head.cookie, &head.csrf, &head.origin, &head.fetch_site}) require(is_plain(*value));
  }
  std::string name;
  std::uint16_t port = 0;
  if (split_host(bytes, name, port)) require(!name.empty() && name.size() <= size);
  const std::string_view value = cookie_value(bytes, "__Host-sallyport");
  require(value.empty() || (value.data() >= bytes.data() && value.data() + value.size() <= bytes.data() + size && value.find(';') == std::string_view::npos));
  return 0;
}
