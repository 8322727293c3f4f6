// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/pcapng.h"

#include <algorithm>
#include <cstring>

namespace sallyport::media {
namespace {

enum BlockType : uint32_t { section_block = 0x0a0d0d0a, interface_block = 1, statistics_block = 5, packet_block = 6 };
enum OptionCode : uint16_t {
  option_end = 0, option_comment = 1,
  section_application = 4,
  interface_name = 2, interface_description = 3, interface_time_resolution = 9,
  packet_flags = 2,
  statistics_lost = 5,
};
constexpr uint32_t byte_order_magic = 0x1a2b3c4d;
constexpr uint16_t link_type_ethernet = 1;
constexpr uint8_t nanoseconds = 9;  // ten to the minus nine
constexpr uint32_t direction_inbound = 1, direction_outbound = 2;
constexpr std::size_t text_limit = 4096;

template <class Number>
void append_number(std::string& out, Number number) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void append_padded(std::string& out, const void* bytes, std::size_t count) {
  out.append(static_cast<const char*>(bytes), count);
  out.append((4 - count % 4) % 4, '\0');
}

void append_option(std::string& out, OptionCode code, const void* bytes, std::size_t count) {
  append_number<uint16_t>(out, code);
  append_number<uint16_t>(out, static_cast<uint16_t>(count));
  append_padded(out, bytes, count);
}

void append_text(std::string& out, OptionCode code, std::string_view text) {
  if (!text.empty()) append_option(out, code, text.data(), std::min(text.size(), text_limit));
}

// Type and length before the body, the length once more behind it.
class Block {
 public:
  Block(std::string& out, BlockType type) : out_(out), begin_(out.size()) {
    append_number<uint32_t>(out, type);
    append_number<uint32_t>(out, 0);
  }
  ~Block() {
    append_number<uint32_t>(out_, 0);
    const auto length = static_cast<uint32_t>(out_.size() - begin_);
    std::memcpy(out_.data() + begin_ + 4, &length, sizeof length);
    std::memcpy(out_.data() + out_.size() - 4, &length, sizeof length);
  }
  Block(const Block&) = delete;

 private:
  std::string& out_;
  const std::size_t begin_;
};

void append_time(std::string& out, uint64_t unix_ns) {
  append_number(out, static_cast<uint32_t>(unix_ns >> 32));
  append_number(out, static_cast<uint32_t>(unix_ns));
}

}  // namespace

void append_section(std::string& out, std::string_view application, std::string_view comment) {
  const Block block(out, section_block);
  append_number(out, byte_order_magic);
  append_number<uint16_t>(out, 1);
  append_number<uint16_t>(out, 0);
  append_number<int64_t>(out, -1);  // its length is not known
  append_text(out, option_comment, comment);
  append_text(out, section_application, application);
  append_option(out, option_end, nullptr, 0);
}

void append_interface(std::string& out, std::string_view name, std::string_view description, uint32_t longest_frame_bytes) {
  const Block block(out, interface_block);
  append_number(out, link_type_ethernet);
  append_number<uint16_t>(out, 0);
  append_number(out, longest_frame_bytes);
  append_text(out, interface_name, name);
  append_text(out, interface_description, description);
  append_option(out, interface_time_resolution, &nanoseconds, sizeof nanoseconds);
  append_option(out, option_end, nullptr, 0);
}

void append_packet(std::string& out, const PcapngPacket& packet) {
  const Block block(out, packet_block);
  append_number(out, packet.interface);
  append_time(out, packet.unix_ns);
  append_number(out, static_cast<uint32_t>(packet.kept.size()));
  append_number(out, packet.frame_bytes);
  append_padded(out, packet.kept.data(), packet.kept.size());
  const uint32_t direction = packet.outbound ? direction_outbound : direction_inbound;
  append_option(out, packet_flags, &direction, sizeof direction);
  append_option(out, option_end, nullptr, 0);
}

void append_statistics(std::string& out, uint32_t interface, uint64_t unix_ns, uint64_t lost, std::string_view comment) {
  const Block block(out, statistics_block);
  append_number(out, interface);
  append_time(out, unix_ns);
  append_text(out, option_comment, comment);
  append_option(out, statistics_lost, &lost, sizeof lost);
  append_option(out, option_end, nullptr, 0);
}

}  // namespace sallyport::media
