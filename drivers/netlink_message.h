// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reading and writing rtnetlink messages with every length checked; views into the caller's buffer. Any thread.

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace sallyport::drivers {

struct NetlinkAttribute {
  uint16_t type = 0;
  std::span<const uint8_t> data;
};

// Splits a run of (length, type) records aligned to four bytes; stops at the first that does not fit.
template <class Item>
class NetlinkRun {
 public:
  explicit NetlinkRun(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  class iterator {
   public:
    explicit iterator(std::span<const uint8_t> rest) : rest_(rest) { load(); }
    Item operator*() const { return item_; }
    iterator& operator++() {
      rest_ = rest_.subspan(step_);
      load();
      return *this;
    }
    bool operator!=(std::nullptr_t) const { return valid_; }

   private:
    void load() { valid_ = read_item(rest_, item_, step_); }
    std::span<const uint8_t> rest_;
    Item item_{};
    size_t step_ = 0;
    bool valid_ = false;
  };
  iterator begin() const { return iterator(bytes_); }
  std::nullptr_t end() const { return nullptr; }

 private:
  std::span<const uint8_t> bytes_;
};

inline size_t netlink_step(size_t length, size_t available) {
  const size_t aligned = (length + 3) & ~size_t{3};
  return aligned > available ? available : aligned;
}

inline bool read_item(std::span<const uint8_t> rest, NetlinkAttribute& item, size_t& step) {
  rtattr header;
  if (rest.size() < sizeof header) return false;
  std::memcpy(&header, rest.data(), sizeof header);
  if (header.rta_len < sizeof header || header.rta_len > rest.size()) return false;
  item = {static_cast<uint16_t>(header.rta_type & NLA_TYPE_MASK), rest.subspan(sizeof header, header.rta_len - sizeof header)};
  step = netlink_step(header.rta_len, rest.size());
  return true;
}

struct NetlinkMessage {
  NetlinkMessage() = default;
  explicit NetlinkMessage(std::span<const uint8_t> message) : bytes(message) {
    if (bytes.size() >= sizeof header) std::memcpy(&header, bytes.data(), sizeof header);
  }
  nlmsghdr header{};
  std::span<const uint8_t> bytes;

  template <class Body>
  bool body(Body& out) const {
    if (bytes.size() < NLMSG_HDRLEN + sizeof(Body)) return false;
    std::memcpy(&out, bytes.data() + NLMSG_HDRLEN, sizeof out);
    return true;
  }
  template <class Body>
  NetlinkRun<NetlinkAttribute> attributes() const {
    constexpr size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(Body));
    return NetlinkRun<NetlinkAttribute>(bytes.size() > skip ? bytes.subspan(skip) : std::span<const uint8_t>{});
  }
};

inline bool read_item(std::span<const uint8_t> rest, NetlinkMessage& item, size_t& step) {
  nlmsghdr header;
  if (rest.size() < sizeof header) return false;
  std::memcpy(&header, rest.data(), sizeof header);
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size()) return false;
  item = NetlinkMessage(rest.first(header.nlmsg_len));
  step = netlink_step(header.nlmsg_len, rest.size());
  return true;
}

using NetlinkMessages = NetlinkRun<NetlinkMessage>;

template <class Body>
class NetlinkRequest {
 public:
  NetlinkRequest(uint16_t type, uint16_t flags) : bytes_(NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(Body))) {
    header_.nlmsg_type = type;
    header_.nlmsg_flags = flags;
  }
  Body& body() { return body_; }
  void attribute(uint16_t type, const void* data, size_t length) {
    rtattr header{static_cast<uint16_t>(sizeof(rtattr) + length), type};
    const size_t at = bytes_.size();
    bytes_.resize(at + NLMSG_ALIGN(header.rta_len));
    std::memcpy(bytes_.data() + at, &header, sizeof header);
    std::memcpy(bytes_.data() + at + sizeof header, data, length);
  }
  std::span<const uint8_t> bytes() {
    header_.nlmsg_len = static_cast<uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &header_, sizeof header_);
    std::memcpy(bytes_.data() + NLMSG_HDRLEN, &body_, sizeof body_);
    return bytes_;
  }

 private:
  std::vector<uint8_t> bytes_;
  nlmsghdr header_{};
  Body body_{};
};

}  // namespace sallyport::drivers
