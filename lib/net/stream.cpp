#include "net/stream.hpp"

#include <chrono>

#include "base/error.hpp"

namespace relais::net {
namespace {
// A pending read needs its buffer all the time that it waits: a line's worth for peers that send
// lines, a TLS record and its overhead for those that send content.
constexpr std::size_t idle_read = 1024;
constexpr std::size_t busy_read = 17 * 1024;
}  // namespace

stream::stream(std::unique_ptr<transport> connection, const runtime& world)
    : world_(world), transport_(std::move(connection)) {
  deadline_ = world_.alarms.make([this] {
    expired_ = true;
    transport_->cancel();
  });
}

stream::~stream() {
  transport_->close();
}

void stream::expires_after(duration limit) {
  expired_ = false;
  deadline_->set(world_.clock.now() + limit);
}

void stream::interrupt() noexcept {
  interrupted_ = true;
  if (reading_ && !handshaking_) transport_->cancel();
}

error_code stream::translated(const error_code& ec) noexcept {
  if (ec == errc::cancelled && expired_) return errc::timeout;
  return ec;
}

bool stream::is_quiet() const noexcept {
  return unread_.empty() && !(tls_ && tls_->has_input()) && transport_->is_quiet();
}

void stream::unread(std::string_view octets) {
  unread_.insert(0, octets);
}

task<result<std::size_t>> stream::read_some(asio::mutable_buffer buffer) {
  while (tls_) {
    std::size_t n = 0;
    switch (tls_->read(static_cast<char*>(buffer.data()), buffer.size(), n)) {
      case tls_engine::step::done: co_return n;
      case tls_engine::step::failed: tls_failure_ = tls_->failure(); co_return tls_->error();
      case tls_engine::step::want_input: break;
    }
    // Key updates and alerts that reading has caused.
    if (const auto ec = co_await flush_tls()) co_return ec;
    if (const auto ec = co_await feed_tls()) co_return ec;
  }
  co_return co_await read_clear(buffer);
}

task<result<std::size_t>> stream::read_clear(asio::mutable_buffer buffer) {
  if (interrupted_ && !handshaking_) {
    interrupted_ = false;
    co_return errc::cancelled;
  }
  if (expired_) co_return errc::timeout;
  if (!unread_.empty()) {
    const auto n = unread_.copy(static_cast<char*>(buffer.data()), buffer.size());
    unread_.erase(0, n);
    if (unread_.empty()) std::string().swap(unread_);
    co_return n;
  }
  reading_ = true;
  auto got = co_await transport_->read_some(buffer);
  reading_ = false;
  if (got) co_return *got;
  if (got.error() == errc::cancelled && !expired_) interrupted_ = false;
  co_return translated(got.error());
}

task<error_code> stream::feed_tls() {
  const auto wanted = busy_ ? busy_read : idle_read;
  if (ciphertext_.size() != wanted) ciphertext_ = std::string(wanted, '\0');
  const auto target = asio::buffer(ciphertext_);
  const auto got = co_await read_clear(target);
  if (!got) co_return got.error();
  tls_->feed(std::string_view(ciphertext_).substr(0, *got));
  busy_ = *got == wanted || (busy_ && *got > idle_read);
  co_return error_code{};
}

task<error_code> stream::flush_tls() {
  std::string octets;
  tls_->take_output(octets);
  if (octets.empty()) co_return error_code{};
  const auto all = asio::buffer(octets);
  const auto ec = co_await transport_->write(all);
  co_return translated(ec);
}

task<error_code> stream::write(std::string_view octets) {
  if (expired_) co_return errc::timeout;
  if (tls_) {
    if (tls_->write(octets) != tls_engine::step::done) {
      tls_failure_ = tls_->failure();
      co_return errc::tls_failed;
    }
    co_return co_await flush_tls();
  }
  const auto ec = co_await transport_->write(asio::buffer(octets.data(), octets.size()));
  co_return translated(ec);
}

task<error_code> stream::start_tls(tls_parameters parameters) {
  tls_.emplace(parameters);
  handshaking_ = true;
  const auto ec = co_await handshake();
  handshaking_ = false;
  co_return ec;
}

task<error_code> stream::handshake() {
  for (;;) {
    const auto step = tls_->handshake();
    // Also after a failure: the alert tells the peer why.
    const auto write_error = co_await flush_tls();
    if (step == tls_engine::step::failed) {
      tls_failure_ = tls_->failure();
      co_return errc::tls_failed;
    }
    if (write_error) co_return write_error;
    if (step == tls_engine::step::done) co_return error_code{};
    if (const auto ec = co_await feed_tls()) co_return ec;
  }
}

task<void> stream::close() {
  using namespace std::chrono_literals;
  if (tls_ && !expired_) {
    tls_->shutdown();
    expires_after(5s);
    co_await flush_tls();
  }
  deadline_->clear();
  transport_->close();
}

}  // namespace relais::net
