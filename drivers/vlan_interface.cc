// SPDX-License-Identifier: Apache-2.0
#include "drivers/vlan_interface.h"

#include <fstream>
#include <sstream>

namespace sallyport::drivers {

std::string find_vlan_interface_in(const std::string& text, const std::string& port_interface, uint16_t vlan) {
  // Two lines of titles, then "wan.100        | 100  | wan" for each.
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name, bar, other_bar, parent;
    uint32_t id = 0;
    if (words >> name >> bar >> id >> other_bar >> parent && bar == "|" && other_bar == "|" && id == vlan && parent == port_interface) return name;
  }
  return {};
}

std::string find_vlan_interface(const std::string& port_interface, uint16_t vlan) {
  // Not /proc/net, which is of the thread that leads the process.
  std::ifstream file("/proc/thread-self/net/vlan/config");
  std::ostringstream text;
  text << file.rdbuf();
  return find_vlan_interface_in(text.str(), port_interface, vlan);
}

}  // namespace sallyport::drivers
