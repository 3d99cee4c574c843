#include "delivery/parcel.hpp"

#include "base/error.hpp"
#include "message/conversion.hpp"

namespace relais::delivery {
namespace {

// What is not larger is read in one; else piece by piece, the smaller ones when memory is scarce.
constexpr std::uint64_t read_whole = 1u << 20;
constexpr std::size_t piece_sizes[] = {256 * 1024, 64 * 1024, 16 * 1024};

// A conversion has the content in memory, and what becomes of it: three octets for one at worst.
constexpr std::uint64_t largest_conversion = 32u << 20;
constexpr std::uint64_t growth = 3;

/// Whether the peer may have to get another content than ours. What nobody declared as 8-bit is
/// looked at as well: old clients do not declare, and old servers strip the eighth bit.
bool may_need_conversion(const queue::queued_message& m, const smtp::server_features& peer) {
  return !peer.eight_bit_mime && m.envelope->body != smtp::body_type::binary_mime;
}

/// Beyond a part of the budget it would wait for memory for ever.
bool is_convertible(std::uint64_t size, const queue::memory_budget& budget) {
  return size <= largest_conversion && (growth + 1) * size <= budget.limit();
}

}  // namespace

void parcel::clear() {
  job = queue::delivery_job();
  out.content.reset();
  out.content_fault = error_code();
  is_loaded = false;
  lease_ = queue::memory_lease();
  whole_.reset();
  std::string().swap(converted_);
}

void loader::describe(parcel& p, std::uint64_t size) {
  auto& what = p.out.what;
  what.message = p.job.message->envelope.get();
  what.recipients.assign(p.job.recipients.begin(), p.job.recipients.end());
  what.size = size;
  what.body = what.message->body;
  what.now = clock_.wall();
  what.results.clear();
  what.was_begun = false;
  p.out.content_fault = error_code();
}

void loader::take_from_memory(parcel& p, std::string_view octets) {
  p.out.content = std::make_unique<content_in_memory>(octets);
  p.is_loaded = true;
}

bool loader::load_at_once(parcel& p, const smtp::server_features& peer) {
  const auto& m = *p.job.message;
  if (!m.content || may_need_conversion(m, peer)) return false;
  describe(p, m.content->content.size());
  take_from_memory(p, m.content->content);
  return true;
}

net::task<error_code> loader::load(parcel& p, smtp::server_features peer) {
  if (load_at_once(p, peer)) co_return error_code();
  const auto& m = *p.job.message;
  describe(p, m.size);
  p.lease_ = queue::memory_lease(budget_);
  const bool may_convert = may_need_conversion(m, peer) && options_.convert_8bit;
  p.whole_ = m.content;
  if (!p.whole_) {
    const bool must_be_whole = may_convert && is_convertible(m.size, budget_);
    if ((m.size <= read_whole || must_be_whole) && p.lease_.cover(m.size)) {
      auto read = co_await gate_.read(m.id);
      if (!read) co_return read.error();
      p.whole_ = std::move(*read);
    }
    // In pieces it could not be converted, and be refused for good for want of memory.
    if (!p.whole_ && must_be_whole) co_return make_error_code(errc::out_of_memory_budget);
  }
  if (!p.whole_) co_return co_await load_pieces(p);
  error_code fault;
  if (may_convert) fault = convert(p);
  if (!fault && !p.is_loaded) take_from_memory(p, p.whole_->content);
  co_return fault;
}

net::task<error_code> loader::load_pieces(parcel& p) {
  for (const auto piece : piece_sizes) {
    if (!p.lease_.cover(piece)) continue;
    auto opened = co_await gate_.open_content(p.job.message->id);
    if (!opened) co_return opened.error();
    p.out.content = std::make_unique<content_in_spool>(gate_, std::move(*opened), piece);
    p.is_loaded = true;
    co_return error_code();
  }
  co_return make_error_code(errc::out_of_memory_budget);
}

// What cannot be converted stays as it is: if it was declared as 8-bit, the protocol will say that
// this peer cannot take it; if nobody declared it, it goes on as it came, as Postfix does.
error_code loader::convert(parcel& p) {
  const auto& octets = p.whole_->content;
  auto& what = p.out.what;
  if (!message::is_8bit(octets)) {
    what.body = smtp::body_type::seven_bit;
    return {};
  }
  if (!is_convertible(octets.size(), budget_)) return {};
  if (!p.lease_.cover(p.lease_.octets() + growth * octets.size())) {
    return make_error_code(errc::out_of_memory_budget);
  }
  auto made = message::to_7bit(octets, options_.convert_signed);
  if (made.fault != message::conversion_fault::none) return {};
  p.converted_ = std::move(made.content);
  what.body = smtp::body_type::seven_bit;
  what.size = p.converted_.size();
  take_from_memory(p, p.converted_);
  return {};
}

}  // namespace relais::delivery
