// Transactions of a session: one write per flight, content in blocks, and the next envelope in the
// packet that ends this content.
#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "delivery/client_session.hpp"

namespace relais::delivery {
namespace {
// Content goes out in blocks of about this size, each with a deadline of its own (RFC 5321
// 4.5.3.2.5); what is smaller waits for what follows it in the same flight.
constexpr std::size_t block_size = 64 * 1024;
// An idle session keeps no more than that.
constexpr std::size_t kept_size = 16 * 1024;
}  // namespace

net::task<void> client_session::send(outgoing& now, outgoing* ahead) {
  if (protocol_->current() != &now.what) {
    if (usable_ && !stream_->is_quiet()) co_await hear_surplus();
    begin(now);
    protocol_->send(now.what);
  }
  co_await transact(now, ahead);
  if (pending_.capacity() > kept_size) std::string().swap(pending_);
}

void client_session::begin(outgoing& next) {
  ++uses_;
  next.what.size = next.content->size();
  next.what.now = world_.clock.wall();
}

/// The peer spoke, or left, while nothing was asked: no answer to what is asked now.
net::task<void> client_session::hear_surplus() {
  buffer_.resize(kept_size);
  armed_at_.reset();
  stream_->expires_after(options_.timeouts.quit);
  const auto target = net::asio::buffer(buffer_);
  const auto got = co_await stream_->read_some(target);
  if (got) {
    protocol_->receive(std::string_view(buffer_).substr(0, *got));
  } else if (got.error() != errc::timeout) {  // else it was but TLS's own business
    protocol_->abort(got.error());
  }
}

net::task<void> client_session::transact(outgoing& now, outgoing* ahead) {
  bool is_offered = ahead != nullptr;
  for (;;) {
    if (is_offered && protocol_->can_go_ahead()) {
      is_offered = false;
      begin(*ahead);
      protocol_->begin_ahead(ahead->what);
      if (!ahead->what.was_begun) --uses_;
    }
    switch (protocol_->next()) {
      case smtp::client_action::need_input:
        if (co_await flush()) co_await fill();
        break;
      case smtp::client_action::want_content: {
        auto& whose = protocol_->content_of() == &now.what ? now : *ahead;
        co_await send_content(whose);
        break;
      }
      case smtp::client_action::over:
        // With what broke, one that is ahead ends here, untried.
        if (broken_) protocol_->abort(broken_);
        protocol_->finished();
        co_return settle_end();
      case smtp::client_action::start_tls:
      case smtp::client_action::ready:
      case smtp::client_action::failed:
      case smtp::client_action::closed: co_return settle_end();
    }
  }
}

/// Whether the session can go on.
void client_session::settle_end() {
  usable_ = protocol_->next() != smtp::client_action::failed;
  if (usable_) return;
  failure_ = protocol_->failure();
  // A content was cut off: nobody shall see an orderly end, under TLS neither.
  if (broken_ && !is_mute_) stream_.reset();
}

net::task<void> client_session::send_content(outgoing& whose) {
  gather();
  smtp::dot_stuffer stuffer;
  auto* const stuffed = protocol_->form() == smtp::content_form::dot_stuffed ? &stuffer : nullptr;
  auto left = whose.what.size;
  do {
    auto piece = co_await whose.content->next();
    if (!piece) co_return co_await give_up(whose, piece.error());
    const bool is_sound = piece->size() <= left && (left == 0 || !piece->empty());
    if (!is_sound) co_return co_await give_up(whose, make_error_code(errc::corrupt));
    left -= piece->size();
    if (!co_await append(*piece, stuffed)) co_return;
  } while (left > 0);
  // The end leaves together with the last block, and with what follows it.
  if (stuffed != nullptr) stuffer.end(pending_);
  protocol_->content_sent();
}

/// `stuffer`: null for a chunk.
net::task<bool> client_session::append(std::string_view piece, smtp::dot_stuffer* stuffer) {
  while (!piece.empty()) {
    const auto part = piece.substr(0, block_size - std::min(pending_.size(), block_size - 1));
    piece.remove_prefix(part.size());
    if (stuffer != nullptr) {
      stuffer->append(part, pending_);
    } else {
      pending_ += part;
    }
    if (pending_.size() >= block_size && !co_await flush()) co_return false;
  }
  co_return true;
}

/// The content cannot be read to its end: the peer must not take a part for the whole.
net::task<void> client_session::give_up(outgoing& whose, error_code why) {
  whose.content_fault = why;
  usable_ = false;
  if (protocol_->current() == &whose.what) {
    protocol_->abort(why);
    stream_.reset();
    pending_.clear();
    co_return;
  }
  // The one before it still waits for its reply.
  const bool is_written = co_await flush();
  if (!is_written) co_return;
  broken_ = why;
  protocol_->cut(why);
}

}  // namespace relais::delivery
