// SPDX-License-Identifier: Apache-2.0
#pragma once
// The kernel's interface of a VLAN on a port: `ip link add link PORT name NAME type vlan id N`, whatever its name. Reads a file of
// /proc, for the calling thread's network namespace; housekeeping thread only. Empty: there is none.

#include <cstdint>
#include <string>

namespace sallyport::drivers {

std::string find_vlan_interface(const std::string& port_interface, uint16_t vlan);
// The same from the file's text.
std::string find_vlan_interface_in(const std::string& text, const std::string& port_interface, uint16_t vlan);

}  // namespace sallyport::drivers
