// SPDX-License-Identifier: Apache-2.0
// `sallyport capture`: writes what the control plane streams of a call's packets to a file of its own, which is whole after each block.
#include <fcntl.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <string_view>

#include "controlplane/cli/api_client.h"
#include "controlplane/cli/commands.h"
#include "controlplane/cli/dialogue.h"
#include "controlplane/cli/show.h"
#include "controlplane/cli/text_table.h"

namespace sallyport::cli {
namespace {

namespace json = boost::json;

std::uint32_t word_at(std::string_view bytes, std::size_t at) {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes.data() + at, sizeof word);
  return word;
}

// What the blocks that pass tell: how many packets, and at the end what was lost and why it ended.
class CaptureTally {
 public:
  // Chunks hold whole blocks. false: they do not, so the stream is damaged.
  bool take(std::string_view chunk) {
    while (!chunk.empty()) {
      if (chunk.size() < 12) return false;
      const std::uint32_t type = word_at(chunk, 0), length = word_at(chunk, 4);
      if (length < 12 || length % 4 != 0 || length > chunk.size()) return false;
      if (type == packet_block) ++packets;
      if (type == statistics_block && length >= 24) take_statistics(chunk.substr(20, length - 24));
      chunk.remove_prefix(length);
    }
    return true;
  }

  std::uint64_t packets = 0, lost = 0;
  std::string end;  // empty: it has not ended in good order

 private:
  static constexpr std::uint32_t statistics_block = 5, packet_block = 6;
  static constexpr std::uint32_t comment_option = 1, lost_option = 5;

  void take_statistics(std::string_view options) {
    while (options.size() >= 4) {
      const std::uint32_t code = word_at(options, 0) & 0xffff, length = word_at(options, 0) >> 16, padded = (length + 3) / 4 * 4;
      if (options.size() < 4 + padded) return;
      const std::string_view value = options.substr(4, length);
      if (code == comment_option) end = value;
      if (code == lost_option && length == 8) lost = word_at(value, 0) | std::uint64_t{word_at(value, 4)} << 32;
      options.remove_prefix(4 + padded);
    }
  }
};

// A new file, readable by its owner only, since it may hold what was said.
class CaptureFile {
 public:
  explicit CaptureFile(const std::string& path) : path_(path), descriptor_(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) {
    if (descriptor_ < 0) error_ = errno;
  }
  ~CaptureFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  CaptureFile(const CaptureFile&) = delete;

  bool write(std::string_view bytes) {
    while (!bytes.empty() && error_ == 0) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) error_ = errno;
      else bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return error_ == 0;
  }
  // Nothing came: leaves no empty file behind.
  void remove() { ::unlink(path_.c_str()); }
  bool has_failed() const { return error_ != 0; }
  std::string complaint() const {
    if (error_ == EEXIST) return path_ + ": exists already; choose another name or remove it";
    return path_ + ": cannot be written: " + std::strerror(error_) + "; check the path, its permissions and the space there";
  }

 private:
  std::string path_;
  int descriptor_;
  int error_ = 0;
};

std::string target_of(const Options& options) {
  return "/v1/calls/" + ApiClient::encode(options.argument) + "/capture?seconds=" + std::to_string(options.seconds) +
         (options.packets == 0 ? "" : "&packets=" + std::to_string(options.packets)) + (options.decrypted ? "&decrypted=1" : "");
}

}  // namespace

int run_capture(const Options& options) {
  CaptureFile file(options.file);
  if (file.has_failed()) return complain(file.complaint(), exit_error);
  CaptureTally tally;
  bool is_sound = true;
  const auto reply = ApiClient(options.endpoint).stream("POST", target_of(options), [&](std::string_view chunk) {
    is_sound = tally.take(chunk);
    return is_sound && file.write(chunk);
  });
  if (!reply || reply->status >= 400) {
    if (tally.packets == 0) file.remove();
    if (!reply) return complain(reply.fault().text(), exit_unreachable);
    if (options.json) std::cout << reply->body;
    return complain(error_text(reply->body, reply->status), exit_error);
  }
  if (file.has_failed()) return complain(file.complaint(), exit_error);
  if (options.json) {
    std::cout << json::serialize(json::object{{"file", options.file}, {"packets", tally.packets}, {"lost", tally.lost}, {"end", tally.end}}) << "\n";
  } else {
    std::cout << options.file << ": " << tally.packets << " packets, " << tally.lost << " lost" << (tally.end.empty() ? "" : "; " + printable(tally.end)) << "\n";
  }
  if (!is_sound) return complain("the stream is damaged; are both of the same version?", exit_error);
  if (tally.end.empty()) return complain("the control plane went away; " + options.file + " holds what came until then", exit_unreachable);
  return exit_done;
}

}  // namespace sallyport::cli
