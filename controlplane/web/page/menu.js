// SPDX-License-Identifier: Apache-2.0
// Which pages there are and where they stand, in the words of the specification. A page is an entry here: its place, the least role it
// is for, the role of the node if it is of one only, and a function that fills its element.
import {show_accounts, show_own_account} from "./accounts.js";
import {show_audit} from "./audit.js";
import {show_backup} from "./backup.js";
import {show_calls} from "./calls.js";
import {show_certificate_settings} from "./certificate_settings.js";
import {show_discovery} from "./discovery.js";
import {show_domain_certificates} from "./domain_certificates.js";
import {show_events} from "./events.js";
import {show_onboarding} from "./onboarding.js";
import {show_overview} from "./overview.js";
import {show_pair} from "./pair.js";
import {show_registrations} from "./registrations.js";
import {show_server_certificate} from "./server_certificate.js";
import {show_trusted_ca} from "./trusted_ca.js";
import {show_zones} from "./zones.js";
import {show_acme} from "./acme.js";

export const pages = [
  {place: ["Status", "Overview"], role: "read", show: show_overview},
  {place: ["Status", "Registrations"], role: "read", show: show_registrations},
  {place: ["Status", "Calls"], role: "read", show: show_calls},
  {place: ["Status", "Event log"], role: "read", show: show_events},
  {place: ["Configuration", "Zones", "Zones"], role: "read", show: show_zones},
  {place: ["Configuration", "Zones", "Pair"], role: "read", show: show_pair},
  {place: ["Maintenance", "Security", "Server certificate"], role: "read", show: show_server_certificate},
  {place: ["Maintenance", "Security", "Trusted CA certificate"], role: "read", show: show_trusted_ca},
  {place: ["Maintenance", "Security", "CA certificate for mTLS"], role: "read", show: show_onboarding},
  {place: ["Maintenance", "Security", "Domain certificates"], role: "read", show: show_domain_certificates},
  {place: ["Maintenance", "Security", "ACME"], role: "read", show: show_acme},
  {place: ["Maintenance", "Security", "Certificate settings"], role: "read", show: show_certificate_settings},
  {place: ["Maintenance", "Tools", "Service discovery"], role: "operate", node: "E", show: show_discovery},
  {place: ["Maintenance", "Backup"], role: "administer", show: show_backup},
  {place: ["Users", "Administrator accounts"], role: "administer", show: show_accounts},
  {place: ["Users", "Audit log"], role: "administer", show: show_audit},
  {place: ["Users", "My account"], role: "read", show: show_own_account},
];

export const path_of = (page) => `#/${page.place.map((word) => word.toLowerCase().replaceAll(" ", "-")).join("/")}`;
