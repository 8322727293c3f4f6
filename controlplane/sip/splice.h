// SPDX-License-Identifier: Apache-2.0
#pragma once
// Splice: edits recorded over a constant text and applied in one pass; what no edit touches is copied verbatim and in order.
// The base of Edit (SIP) and SdpEdit. Owns the inserted text; the source must outlive it. Re-use it with reset(): it keeps its memory.
// Later edits win: a range that covers an earlier edit replaces it; an edit inside a removed range is dropped.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::sip {

class Splice {
 public:
  using Parts = std::initializer_list<std::string_view>;

  explicit Splice(std::string_view source = {}) { reset(source); }
  void reset(std::string_view source);

  // Replaces [begin, end) by the parts joined; precondition begin <= end <= source size. No parts: removes.
  void replace(std::uint32_t begin, std::uint32_t end, Parts parts);
  void remove(std::uint32_t begin, std::uint32_t end) { replace(begin, end, {}); }
  // Several insertions at one place: `below` stands behind what was inserted there before, `above` in front of it.
  void insert_below(std::uint32_t at, Parts parts) { insert(at, parts, ++order_); }
  void insert_above(std::uint32_t at, Parts parts) { insert(at, parts, -++order_); }

  bool is_untouched() const { return pieces_.empty(); }
  std::size_t size_after() const;
  // Appends the edited text. Reserves once.
  void serialise(std::string& out) const;
  std::string_view source() const { return source_; }

 private:
  struct Piece {
    std::uint32_t begin, end;  // of the source; begin == end: insertion
    std::uint32_t from, length;  // of inserted_
    std::int32_t order;
  };
  void insert(std::uint32_t at, Parts parts, std::int32_t order);
  void place(Piece piece);

  std::string_view source_;
  std::string inserted_;
  std::vector<Piece> pieces_;  // sorted by begin, insertions first, then by order
  std::int32_t order_ = 0;
};

}  // namespace sallyport::sip
