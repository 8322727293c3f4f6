// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/utc.h"

#include <ctime>

namespace sallyport::config {

std::string utc(std::int64_t unix_s) {
  const std::time_t time = unix_s;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[32] = "";
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace sallyport::config
