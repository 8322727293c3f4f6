// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/edit.h"

#include <algorithm>
#include <charconv>

namespace sallyport::sip {
namespace {

constexpr std::string_view line_end = "\r\n";

}  // namespace

void Edit::reset(const Message& message) {
  message_ = &message;
  splice_.reset(message.text());
  removed_values_.clear();
  added_lines_.clear();
}

void Edit::replace_request_uri(std::string_view uri) {
  replace_part(message_->request_uri(), uri);
}

std::uint32_t Edit::front_of(HeaderId id) const {
  if (const Header* first = message_->first(id)) return first->begin;
  const Header* last_via = message_->last(HeaderId::via);
  return id == HeaderId::via || last_via == nullptr ? message_->headers_begin() : last_via->end;
}

void Edit::push_front(HeaderId id, Parts value) {
  splice_.insert_above(front_of(id), value, header_head(id), line_end);
}

void Edit::push_back(HeaderId id, Parts value) {
  const Header* last = message_->last(id);
  splice_.insert_below(last == nullptr ? message_->headers_end() : last->end, value, header_head(id), line_end);
}

void Edit::append(std::string_view name, std::string_view value) {
  splice_.insert_below(message_->headers_end(), {name, ": ", value, line_end});
}

void Edit::replace(const Header& header, std::string_view value) {
  replace_part(header.value, value);
}

void Edit::set(HeaderId id, std::string_view value) {
  if (const Header* first = message_->first(id)) {
    replace(*first, value);
    for (const Header* more = message_->next(*first); more != nullptr; more = message_->next(*more)) remove(*more);
    return;
  }
  const auto added = std::find_if(added_lines_.begin(), added_lines_.end(), [&](auto& a) { return a.id == id; });
  if (added != added_lines_.end()) {
    splice_.rewrite(added->insertion, {header_head(id), value, line_end});
  } else {
    added_lines_.push_back({id, splice_.insert_below(message_->headers_end(), {value}, header_head(id), line_end)});
  }
}

void Edit::remove(const Header& header) {
  splice_.remove(header.begin, header.end);
}

void Edit::remove_all(HeaderId id) {
  for (const Header* header = message_->first(id); header != nullptr; header = message_->next(*header)) remove(*header);
}

void Edit::replace(const HeaderValue& value, std::string_view text) {
  replace_part(value.text, text);
}

void Edit::remove(const HeaderValue& value) {
  removed_values_.push_back(value.text);
  cut_removed_values(*value.header);
}

// Cuts every run of removed values of one line together with the comma that would be left over.
void Edit::cut_removed_values(const Header& header) {
  const auto is_removed = [&](std::string_view text) {
    return std::any_of(removed_values_.begin(), removed_values_.end(),
                       [&](std::string_view removed) { return removed.data() == text.data(); });
  };
  constexpr std::uint32_t none = 0xffffffffu;
  std::uint32_t run_begin = none, kept_end = none, last_end = 0;
  for (const HeaderValue& value : values(header)) {
    const std::uint32_t begin = message_->offset(value.text);
    last_end = begin + static_cast<std::uint32_t>(value.text.size());
    if (is_removed(value.text)) {
      if (run_begin == none) run_begin = begin;
      continue;
    }
    if (run_begin != none) splice_.remove(run_begin, begin);
    run_begin = none;
    kept_end = last_end;
  }
  if (run_begin == none) return;
  if (kept_end == none) {
    remove(header);
  } else {
    splice_.remove(kept_end, last_end);
  }
}

void Edit::replace_part(std::string_view part, Parts text) {
  const std::uint32_t begin = message_->offset(part);
  splice_.replace(begin, begin + static_cast<std::uint32_t>(part.size()), text);
}

void Edit::insert_after(std::string_view part, Parts text) {
  splice_.insert_below(message_->offset(part) + static_cast<std::uint32_t>(part.size()), text);
}

void Edit::correct_content_length() {
  const std::uint32_t body_begin = message_->offset(message_->body());
  const std::size_t bytes = message_->body().size() + splice_.growth_from(body_begin);
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, bytes).ptr;
  set(HeaderId::content_length, std::string_view(digits, static_cast<std::size_t>(end - digits)));
}

void Edit::replace_body(std::string_view body, std::string_view content_type) {
  replace_part(message_->body(), body);
  if (body.empty()) {
    remove_all(HeaderId::content_type);
  } else if (!content_type.empty()) {
    set(HeaderId::content_type, content_type);
  }
  correct_content_length();
}

void Edit::replace_body_part(std::string_view part, std::string_view text) {
  replace_part(part, text);
  correct_content_length();
}

std::string Edit::serialise() const {
  std::string out;
  serialise(out);
  return out;
}

}  // namespace sallyport::sip
