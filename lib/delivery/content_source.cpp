#include "delivery/content_source.hpp"

#include <utility>

namespace relais::delivery {

net::task<result<std::string_view>> content_in_memory::next() {
  if (std::exchange(is_told_, true)) co_return std::string_view();
  co_return octets_;
}

net::task<result<std::string_view>> content_in_spool::next() {
  std::string().swap(piece_);
  auto from = from_;
  auto read = co_await gate_.next_piece(std::move(from), piece_size_);
  if (!read) co_return read.error();
  piece_ = std::move(*read);
  co_return std::string_view(piece_);
}

}  // namespace relais::delivery
