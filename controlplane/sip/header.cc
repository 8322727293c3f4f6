// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/header.h"

#include <array>
#include <cstddef>
#include <cstring>

#include "controlplane/sip/grammar.h"

namespace sallyport::sip {
namespace {

struct Row {
  HeaderId id;
  std::string_view head;  // name and ": "
  HeaderShape shape;
  char compact = 0;

  constexpr std::string_view name() const { return head.substr(0, head.size() - 2); }
};

using enum HeaderId;
using enum HeaderShape;

// In the order of the enumeration. Compact forms: RFC 3261 7.3.3, 3265, 3515, 3892, 3841, 4028, 4474, 6665.
constexpr Row rows[] = {
    {unknown, ": ", lines},
    {accept, "Accept: ", list},
    {accept_encoding, "Accept-Encoding: ", list},
    {accept_language, "Accept-Language: ", list},
    {alert_info, "Alert-Info: ", list},
    {allow, "Allow: ", list},
    {allow_events, "Allow-Events: ", list, 'u'},
    {authentication_info, "Authentication-Info: ", lines},
    {authorization, "Authorization: ", lines},
    {call_id, "Call-ID: ", single, 'i'},
    {call_info, "Call-Info: ", list},
    {contact, "Contact: ", list, 'm'},
    {content_disposition, "Content-Disposition: ", single},
    {content_encoding, "Content-Encoding: ", list, 'e'},
    {content_language, "Content-Language: ", list},
    {content_length, "Content-Length: ", single, 'l'},
    {content_type, "Content-Type: ", single, 'c'},
    {cseq, "CSeq: ", single},
    {date, "Date: ", single},
    {error_info, "Error-Info: ", list},
    {event, "Event: ", single, 'o'},
    {expires, "Expires: ", single},
    {feature_caps, "Feature-Caps: ", list},
    {flow_timer, "Flow-Timer: ", single},
    {from, "From: ", single, 'f'},
    {geolocation, "Geolocation: ", list},
    {history_info, "History-Info: ", list},
    {identity, "Identity: ", lines, 'y'},
    {in_reply_to, "In-Reply-To: ", list},
    {join, "Join: ", single},
    {max_breadth, "Max-Breadth: ", single},
    {max_forwards, "Max-Forwards: ", single},
    {mime_version, "MIME-Version: ", single},
    {min_expires, "Min-Expires: ", single},
    {min_se, "Min-SE: ", single},
    {organization, "Organization: ", single},
    {p_access_network_info, "P-Access-Network-Info: ", lines},
    {p_asserted_identity, "P-Asserted-Identity: ", list},
    {p_associated_uri, "P-Associated-URI: ", list},
    {p_preferred_identity, "P-Preferred-Identity: ", list},
    {path, "Path: ", list},
    {priority, "Priority: ", single},
    {privacy, "Privacy: ", lines},
    {proxy_authenticate, "Proxy-Authenticate: ", lines},
    {proxy_authorization, "Proxy-Authorization: ", lines},
    {proxy_require, "Proxy-Require: ", list},
    {rack, "RAck: ", single},
    {reason, "Reason: ", list},
    {record_route, "Record-Route: ", list},
    {refer_sub, "Refer-Sub: ", single},
    {refer_to, "Refer-To: ", single, 'r'},
    {referred_by, "Referred-By: ", single, 'b'},
    {replaces, "Replaces: ", single},
    {reply_to, "Reply-To: ", single},
    {require, "Require: ", list},
    {retry_after, "Retry-After: ", single},
    {route, "Route: ", list},
    {rseq, "RSeq: ", single},
    {server, "Server: ", single},
    {service_route, "Service-Route: ", list},
    {session_expires, "Session-Expires: ", single, 'x'},
    {sip_etag, "SIP-ETag: ", single},
    {sip_if_match, "SIP-If-Match: ", single},
    {subject, "Subject: ", single, 's'},
    {subscription_state, "Subscription-State: ", single},
    {supported, "Supported: ", list, 'k'},
    {target_dialog, "Target-Dialog: ", single},
    {timestamp, "Timestamp: ", single},
    {to, "To: ", single, 't'},
    {unsupported, "Unsupported: ", list},
    {user_agent, "User-Agent: ", single},
    {via, "Via: ", list, 'v'},
    {warning, "Warning: ", list},
    {www_authenticate, "WWW-Authenticate: ", lines},
};
constexpr std::size_t row_count = sizeof rows / sizeof rows[0];
static_assert(row_count == static_cast<std::size_t>(HeaderId::count_));

constexpr bool rows_match_enumeration() {
  for (std::size_t i = 0; i < row_count; ++i) {
    if (static_cast<std::size_t>(rows[i].id) != i) return false;
  }
  return true;
}
static_assert(rows_match_enumeration());

constexpr std::size_t slots = 512;

// Length, first, middle and last letter tell all names apart; the factors were searched so that no two share a slot,
// which is_perfect() asserts. A new name that collides wants new factors.
constexpr std::size_t hash(std::string_view name) {
  const unsigned first = static_cast<unsigned char>(lower(name.front()));
  const unsigned middle = static_cast<unsigned char>(lower(name[name.size() / 2]));
  const unsigned last = static_cast<unsigned char>(lower(name.back()));
  return (first * 161 + middle * 205 + last * 33 + name.size() * 33) % slots;
}

constexpr bool is_perfect() {
  std::array<bool, slots> taken{};
  for (std::size_t i = 1; i < row_count; ++i) {
    const std::size_t slot = hash(rows[i].name());
    if (taken[slot]) return false;
    taken[slot] = true;
  }
  return true;
}
static_assert(is_perfect());

template <class Word>
bool differs_beyond_case(const char* a, const char* b) {
  Word x, y;
  std::memcpy(&x, a, sizeof x);
  std::memcpy(&y, b, sizeof y);
  return ((x ^ y) & static_cast<Word>(0xdfdfdfdfdfdfdfdfull)) != 0;
}

// Compares but for bit 0x20 of each byte. Among printable characters of these names only letters have a partner there
// ("-" would need a CR), so this is case-insensitive equality. Two words that overlap cover every length of at least
// two.
bool is_same_name(const char* a, const char* b, std::size_t length) {
  if (length >= 8) {
    for (std::size_t i = 0; i + 8 < length; i += 8) {
      if (differs_beyond_case<std::uint64_t>(a + i, b + i)) return false;
    }
    return !differs_beyond_case<std::uint64_t>(a + length - 8, b + length - 8);
  }
  if (length >= 4) {
    return !differs_beyond_case<std::uint32_t>(a, b) &&
           !differs_beyond_case<std::uint32_t>(a + length - 4, b + length - 4);
  }
  return !differs_beyond_case<std::uint16_t>(a, b) &&
         !differs_beyond_case<std::uint16_t>(a + length - 2, b + length - 2);
}

struct Index {
  std::array<std::uint8_t, slots> row{};  // 0: free
  std::array<HeaderId, 256> compact{};
  constexpr Index() {
    for (std::size_t i = 1; i < row_count; ++i) {
      row[hash(rows[i].name())] = static_cast<std::uint8_t>(i);
      if (rows[i].compact != 0) {
        compact[static_cast<unsigned char>(rows[i].compact)] = rows[i].id;
        compact[static_cast<unsigned char>(rows[i].compact - 32)] = rows[i].id;
      }
    }
  }
};
constexpr Index header_index;

}  // namespace

HeaderId header_id(std::string_view name) {
  if (name.size() <= 1) return name.empty() ? unknown : header_index.compact[static_cast<unsigned char>(name[0])];
  const Row& row = rows[header_index.row[hash(name)]];  // row 0 for a free slot: its name is empty
  return row.head.size() == name.size() + 2 && is_same_name(row.head.data(), name.data(), name.size()) ? row.id
                                                                                                       : unknown;
}

std::string_view header_name(HeaderId id) {
  return rows[static_cast<std::size_t>(id)].name();
}
std::string_view header_head(HeaderId id) {
  return rows[static_cast<std::size_t>(id)].head;
}
HeaderShape header_shape(HeaderId id) {
  return rows[static_cast<std::size_t>(id)].shape;
}

}  // namespace sallyport::sip
