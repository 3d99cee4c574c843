#include "net/stream.hpp"

#include <chrono>

#include "base/error.hpp"

namespace relais::net {
namespace {
// One TLS record and its overhead.
constexpr std::size_t record_size = 17 * 1024;
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
  if (reading_) transport_->cancel();
}

error_code stream::translated(const error_code& ec) noexcept {
  if (ec == errc::cancelled && expired_) return errc::timeout;
  return ec;
}

task<result<std::size_t>> stream::read_some(asio::mutable_buffer buffer) {
  for (;;) {
    if (tls_) {
      std::size_t n = 0;
      switch (tls_->read(static_cast<char*>(buffer.data()), buffer.size(), n)) {
        case tls_engine::step::done: co_return n;
        case tls_engine::step::failed: tls_failure_ = tls_->failure(); co_return tls_->error();
        case tls_engine::step::want_input: break;
      }
      // Key updates and alerts that reading has caused.
      if (const auto ec = co_await flush_tls()) co_return ec;
    }
    if (interrupted_) {
      interrupted_ = false;
      co_return errc::cancelled;
    }
    if (expired_) co_return errc::timeout;
    if (tls_) ciphertext_.resize(record_size);
    const auto target = tls_ ? asio::buffer(ciphertext_) : buffer;
    reading_ = true;
    auto got = co_await transport_->read_some(target);
    reading_ = false;
    if (!got) {
      if (got.error() == errc::cancelled && !expired_) interrupted_ = false;
      co_return translated(got.error());
    }
    if (!tls_) co_return *got;
    tls_->feed(std::string_view(ciphertext_).substr(0, *got));
  }
}

task<error_code> stream::flush_tls() {
  ciphertext_.clear();
  tls_->take_output(ciphertext_);
  if (ciphertext_.empty()) co_return error_code{};
  const auto ec = co_await transport_->write(asio::buffer(ciphertext_));
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
    if (expired_) co_return errc::timeout;
    ciphertext_.resize(record_size);
    const auto target = asio::buffer(ciphertext_);
    auto got = co_await transport_->read_some(target);
    if (!got) co_return translated(got.error());
    tls_->feed(std::string_view(ciphertext_).substr(0, *got));
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
