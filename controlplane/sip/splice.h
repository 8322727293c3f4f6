// SPDX-License-Identifier: Apache-2.0
#pragma once
// Splice: edits recorded over a constant text and applied in one pass; what no edit touches is copied verbatim and in
// order. The base of Edit (SIP) and SdpEdit. Owns the inserted text; the source must outlive it. Re-use it with
// reset(): it keeps its memory. Later edits win: a range that covers an earlier edit replaces it; an edit inside a
// removed range is dropped.

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

  // Replaces [begin, end) by the parts joined; precondition begin <= end <= source size. No parts: removes. An empty
  // range is a place: what replace() put there before goes.
  void replace(std::uint32_t begin, std::uint32_t end, Parts parts, std::string_view tail = {});
  void remove(std::uint32_t begin, std::uint32_t end) { replace(begin, end, {}); }
  // Several insertions at one place: `below` stands behind what was inserted there before, `above` in front of it.
  // The number returned names the insertion for rewrite().
  // `head` and `tail` frame the parts: the name of a header line, the end of any line.
  std::int32_t insert_below(std::uint32_t at, Parts parts, std::string_view head = {}, std::string_view tail = {}) {
    return insert(at, parts, head, tail, ++order_);
  }
  std::int32_t insert_above(std::uint32_t at, Parts parts, std::string_view head = {}, std::string_view tail = {}) {
    return insert(at, parts, head, tail, -++order_);
  }
  void rewrite(std::int32_t insertion, Parts parts);

  bool is_untouched() const { return pieces_.empty(); }
  std::size_t size_after() const { return source_.size() + growth_from(0); }
  // By how many bytes (modulo 2^64) the edits behind that offset change the length.
  std::size_t growth_from(std::uint32_t begin) const;
  // Appends the edited text. Reserves once.
  void serialise(std::string& out) const;
  std::string_view source() const { return source_; }

 private:
  struct Piece {
    std::uint32_t begin, end;    // of the source; begin == end: insertion
    std::uint32_t from, length;  // of inserted_
    std::int32_t order;
  };
  std::int32_t insert(std::uint32_t at, Parts parts, std::string_view head, std::string_view tail, std::int32_t order);
  std::uint32_t keep(Parts parts);
  void place(Piece piece);
  static bool stands_before(const Piece& a, const Piece& b);

  std::string_view source_;
  std::string inserted_;
  std::vector<Piece> pieces_;  // sorted by begin, insertions first, then by order
  std::int32_t order_ = 0;
};

}  // namespace sallyport::sip
