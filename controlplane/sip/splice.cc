// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/splice.h"

namespace sallyport::sip {

// By place; at one place insertions stand before what is replaced there, in their order.
bool Splice::stands_before(const Piece& a, const Piece& b) {
  if (a.begin != b.begin) return a.begin < b.begin;
  const bool a_inserts = a.begin == a.end, b_inserts = b.begin == b.end;
  return a_inserts != b_inserts ? a_inserts : a.order < b.order;
}

void Splice::reset(std::string_view source) {
  source_ = source;
  inserted_.clear();
  pieces_.clear();
  order_ = 0;
}

// Copies the parts behind what is already kept; returns where they begin.
std::uint32_t Splice::keep(Parts parts) {
  const auto from = static_cast<std::uint32_t>(inserted_.size());
  for (const std::string_view part : parts) inserted_.append(part);
  return from;
}

std::int32_t Splice::insert(std::uint32_t at, Parts parts, std::string_view head, std::string_view tail,
                            std::int32_t order) {
  const std::uint32_t from = keep({head});
  keep(parts);
  inserted_.append(tail);
  place({at, at, from, static_cast<std::uint32_t>(inserted_.size()) - from, order});
  return order;
}

void Splice::rewrite(std::int32_t insertion, Parts parts) {
  const std::uint32_t from = keep(parts);
  for (Piece& piece : pieces_) {
    if (piece.begin != piece.end || piece.order != insertion) continue;
    piece.from = from;
    piece.length = static_cast<std::uint32_t>(inserted_.size()) - from;
  }
}

void Splice::replace(std::uint32_t begin, std::uint32_t end, Parts parts, std::string_view tail) {
  if (begin == end) {
    std::erase_if(pieces_, [&](const Piece& old) { return old.begin == begin && old.end == begin && old.order == 0; });
  }
  const std::uint32_t from = keep(parts);
  inserted_.append(tail);
  place({begin, end, from, static_cast<std::uint32_t>(inserted_.size()) - from, 0});
}

void Splice::place(Piece piece) {
  const auto covers = [](const Piece& range, const Piece& inner) {
    // An insertion at the very begin of a range stands outside it and stays.
    return inner.begin == inner.end ? inner.begin > range.begin && inner.begin < range.end
                                    : inner.begin >= range.begin && inner.end <= range.end;
  };
  if (piece.begin != piece.end) std::erase_if(pieces_, [&](const Piece& old) { return covers(piece, old); });
  auto at = pieces_.end();
  for (auto old = pieces_.begin(); old != pieces_.end(); ++old) {
    if (old->begin != old->end) {
      // An edit of a part of what an earlier one replaced is void.
      const bool overlaps =
          piece.begin == piece.end ? covers(*old, piece) : piece.begin < old->end && piece.end > old->begin;
      if (overlaps) return;
    }
    if (at == pieces_.end() && stands_before(piece, *old)) at = old;
  }
  pieces_.insert(at, piece);
}

std::size_t Splice::growth_from(std::uint32_t begin) const {
  std::size_t growth = 0;
  for (const Piece& piece : pieces_) {
    if (piece.begin >= begin) growth += static_cast<std::size_t>(piece.length) - (piece.end - piece.begin);
  }
  return growth;
}

void Splice::serialise(std::string& out) const {
  out.reserve(out.size() + size_after());
  std::size_t copied = 0;
  for (const Piece& piece : pieces_) {
    out.append(source_.data() + copied, piece.begin - copied);
    out.append(inserted_.data() + piece.from, piece.length);
    copied = piece.end;
  }
  out.append(source_.data() + copied, source_.size() - copied);
}

}  // namespace sallyport::sip
