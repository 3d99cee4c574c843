#include "bench/relay/load.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "bench/relay/load_session.hpp"

namespace relais::bench {
namespace {

constexpr std::int64_t second = 1'000'000'000;

std::string lines_of(std::size_t size) {
  std::string text;
  while (text.size() + 2 < size) {
    const auto length = std::min<std::size_t>(70, size - text.size() - 2);
    text.append(length, static_cast<char>('a' + text.size() % 26)).append("\r\n");
  }
  return text;
}

}  // namespace

load::load(event_loop& loop, load_options options)
    : loop_(loop),
      options_(std::move(options)),
      tls_(SSL_CTX_new(TLS_client_method())),
      run_(fmt::format("{:x}.{}", now_ns(), ::getpid())) {
  SSL_CTX_set_session_cache_mode(tls_.get(),
                                 SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_set_app_data(tls_.get(), this);
  SSL_CTX_sess_set_new_cb(tls_.get(), remember);
  const auto header = content(0).size() - 3;
  body_ = lines_of(options_.size > header ? options_.size - header : 0);
}

load::~load() = default;

int load::remember(SSL* ssl, SSL_SESSION* session) {
  auto& self = *static_cast<load*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  self.session_.reset(session);
  return 1;  // ours now
}

void load::start() {
  begin_ = now_ns();
  last_ = begin_;
  auto count = options_.sessions;
  if (options_.messages > 0) count = std::min<std::size_t>(count, options_.messages);
  open_ = count;
  for (std::size_t i = 0; i < count; ++i) {
    sessions_.push_back(std::make_unique<load_session>(*this));
  }
  for (const auto& session : sessions_) session->start();
  loop_.at(begin_ + second, [this] { look_after(); });
}

void load::look_after() {
  if (now_ns() - last_ > 60 * second) {
    failed("nothing was accepted for a minute");
    loop_.stop();
    return;
  }
  for (const auto& session : sessions_) session->look_after();
  loop_.at(now_ns() + second, [this] { look_after(); });
}

bool load::next(std::uint64_t& number) {
  if (has_given_up()) return false;
  if (options_.messages > 0 && next_ >= options_.messages) return false;
  if (time_is_over()) return false;
  number = next_++;
  return true;
}

bool load::time_is_over() const {
  return options_.seconds > 0 && static_cast<double>(now_ns() - begin_) / 1e9 >= options_.seconds;
}

std::string load::recipient(std::uint64_t number, std::size_t index) const {
  if (options_.domains == 0) return fmt::format("user{}@{}", index, options_.domain);
  return fmt::format("user{}@d{}.{}", index, number % options_.domains, options_.domain);
}

std::string load::content(std::uint64_t number) const {
  return fmt::format(
      "Message-ID: <{:08}.{}@client.example>\r\n"
      "X-Sent: {:020}\r\n"
      "Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n"
      "From: <{}>\r\n"
      "To: <user@{}>\r\n"
      "Subject: message of the relay benchmark\r\n"
      "\r\n{}.\r\n",
      number, run_, now_ns(), sender(), options_.domain, body_);
}

void load::accepted(std::int64_t waited) {
  ++accepted_;
  refusals_in_a_row_ = 0;
  last_ = now_ns();
  waits_.add(waited);
}

void load::refused(const std::string& reply) {
  ++refused_;
  ++refusals_in_a_row_;
  sample_ = reply.substr(0, 200);
}

void load::failed(const std::string& why) {
  ++failures_;
  ++refusals_in_a_row_;
  sample_ = why;
}

void load::connected(bool was_resumed) {
  ++connections_;
  resumed_ += was_resumed ? 1 : 0;
}

void load::is_over() {
  if (--open_ == 0) loop_.stop();
}

std::string load::to_json() {
  std::string sample;
  for (const char c : sample_) {
    if (c >= ' ' && c < 0x7f && c != '"' && c != '\\') sample.push_back(c);
  }
  return fmt::format(
      R"({{"accepted": {}, "refused": {}, "failures": {}, "connections": {}, "resumed": {}, )"
      R"("gave_up": {}, "begin_ns": {}, "last_ns": {}, "seconds": {:.6f}, "cpu_seconds": {:.3f}, )"
      R"("wait_ms": {}, "sample": "{}"}})",
      accepted_, refused_, failures_, connections_, resumed_, has_given_up(), begin_, last_,
      static_cast<double>(last_ - begin_) / 1e9, processor_seconds(), waits_.to_json(), sample);
}

}  // namespace relais::bench
