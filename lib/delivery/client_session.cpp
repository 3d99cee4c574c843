// Setting up, closing, and the octets of both; transactions are in client_session_send.cpp.
#include "delivery/client_session.hpp"

#include <openssl/crypto.h>

#include <utility>

#include "base/error.hpp"

namespace relais::delivery {
namespace {
constexpr std::size_t read_size = 4 * 1024;
}  // namespace

client_session::client_session(const net::runtime& world, session_options options,
                               session_target target)
    : world_(world), options_(std::move(options)), target_(std::move(target)) {}

client_session::~client_session() = default;

std::string client_session::host_text() const {
  if (!target_.local_path.empty()) return "unix:" + target_.local_path;
  return target_.host.name + '[' + target_.host.address.text() + ']';
}

std::string client_session::relay_text() const {
  if (!target_.local_path.empty()) return host_text();
  return host_text() + ':' + std::to_string(target_.port);
}

net::task<bool> client_session::open() {
  const auto level = options_.tls.level;
  const bool is_up = co_await connect_and_set_up(level);
  if (is_up || !may_fall_back()) co_return is_up;
  fell_back_ = co_await connect_and_set_up(smtp::tls_level::none);
  co_return fell_back_;
}

net::task<bool> client_session::open(std::unique_ptr<net::transport> connected) {
  const auto level = options_.tls.level;
  const bool is_up = co_await set_up(std::move(connected), level);
  if (is_up || !may_fall_back()) co_return is_up;
  fell_back_ = co_await connect_and_set_up(smtp::tls_level::none);
  co_return fell_back_;
}

/// Opportunistic TLS (RFC 7435): a host that offers STARTTLS and cannot do it gets its mail in
/// clear.
bool client_session::may_fall_back() const noexcept {
  const bool tls_broke = failure_.step == smtp::client_step::starttls && !failure_.remote;
  return options_.tls.level == smtp::tls_level::may && tls_broke;
}

net::task<bool> client_session::connect_and_set_up(smtp::tls_level level) {
  usable_ = false;
  stream_.reset();
  failure_ = smtp::client_failure{};
  const auto limit = options_.timeouts.connect;
  result<std::unique_ptr<net::transport>> connected = make_error_code(errc::connection_failed);
  if (target_.local_path.empty()) {
    const endpoint to{target_.host.address, target_.port};
    connected = co_await world_.network.connect(to, limit, target_.source);
  } else {
    connected = co_await world_.network.connect_local(target_.local_path, limit);
  }
  if (!connected) {
    failure_.step = smtp::client_step::connect;
    failure_.error = connected.error();
    co_return false;
  }
  co_return co_await set_up(std::move(*connected), level);
}

net::task<bool> client_session::set_up(std::unique_ptr<net::transport> connected,
                                       smtp::tls_level level) {
  usable_ = is_mute_ = false;
  broken_ = {};
  armed_at_.reset();
  failure_ = smtp::client_failure{};
  stream_ = std::make_unique<net::stream>(std::move(connected), world_);
  smtp::client_options protocol_options;
  protocol_options.hostname = options_.hello;
  protocol_options.tls = level;
  protocol_options.login = options_.login;
  protocol_options.is_lmtp = options_.is_lmtp;
  protocol_options.use_pipelining = options_.use_pipelining;
  protocol_options.use_chunking = options_.use_chunking;
  protocol_options.prefers_data = options_.prefers_data;
  protocol_ = std::make_unique<smtp::client_protocol>(std::move(protocol_options));
  const auto reached = co_await drive();
  usable_ = reached == smtp::client_action::ready;
  co_return usable_;
}

/// Greeting to ready, and QUIT to its reply.
net::task<smtp::client_action> client_session::drive() {
  for (;;) {
    const auto action = protocol_->next();
    switch (action) {
      case smtp::client_action::need_input:
        // A failure of either shows up as `failed` in the next turn.
        if (co_await flush()) co_await fill();
        break;
      case smtp::client_action::start_tls:
        if (co_await flush()) co_await start_tls(options_.tls.level);
        break;
      case smtp::client_action::failed: failure_ = protocol_->failure(); co_return action;
      case smtp::client_action::want_content:
      case smtp::client_action::over:
      case smtp::client_action::ready:
      case smtp::client_action::closed: co_return action;
    }
  }
}

net::task<void> client_session::start_tls(smtp::tls_level level) {
  net::tls_parameters parameters;
  parameters.context = options_.tls_context;
  parameters.peer_name = target_.host.name;
  parameters.verify = level == smtp::tls_level::verify;
  parameters.verify_names = options_.tls.verify_names;
  parameters.session = options_.tls_session;
  stream_->expires_after(options_.timeouts.tls);
  auto ec = co_await stream_->start_tls(std::move(parameters));
  tls_failure_ = stream_->tls_failure();
  if (!ec && level == smtp::tls_level::fingerprint && !has_named_certificate()) {
    ec = make_error_code(errc::tls_failed);
  }
  armed_at_.reset();
  if (ec) {
    protocol_->tls_failed(ec);
  } else {
    protocol_->tls_started();
  }
}

bool client_session::has_named_certificate() {
  const auto shown = stream_->tls()->peer_fingerprint();
  bool is_named = false;
  for (const auto& named : options_.tls.fingerprints) {
    is_named |= !shown.empty() && named.size() == shown.size() &&
                CRYPTO_memcmp(named.data(), shown.data(), shown.size()) == 0;
  }
  if (!is_named) tls_failure_ = "certificate: its fingerprint " + shown + " is not a named one";
  return is_named;
}

void client_session::gather() {
  pending_ += protocol_->output();
  protocol_->output_written(protocol_->output().size());
}

/// One write for all that is due.
net::task<bool> client_session::flush() {
  if (pending_.empty()) {
    const auto octets = protocol_->output();
    if (octets.empty()) co_return true;
    // Straight from the protocol, which wipes secrets.
    if (!co_await write(octets, time_limit())) co_return false;
    protocol_->output_written(octets.size());
    co_return true;
  }
  gather();
  const bool is_written = co_await write(pending_, options_.timeouts.content);
  pending_.clear();
  co_return is_written;
}

net::task<bool> client_session::write(std::string_view octets, duration limit) {
  stream_->expires_after(limit);
  armed_at_.reset();
  const auto ec = co_await stream_->write(octets);
  if (!ec) co_return true;
  usable_ = false;
  if (protocol_->current() == nullptr || is_mute_) {
    protocol_->abort(ec);
    co_return false;
  }
  // What the peer said before it went away is still to be read.
  is_mute_ = true;
  broken_ = ec;
  protocol_->cut(ec);
  co_return false;
}

net::task<void> client_session::fill() {
  buffer_.resize(read_size);
  // One deadline for the whole reply: octets that drip in do not prolong it.
  if (armed_at_ != protocol_->replies()) {
    stream_->expires_after(is_mute_ ? options_.timeouts.quit : time_limit());
    armed_at_ = protocol_->replies();
  }
  const auto target = net::asio::buffer(buffer_);
  const auto got = co_await stream_->read_some(target);
  if (got) {
    protocol_->receive(std::string_view(buffer_).substr(0, *got));
    co_return;
  }
  usable_ = false;
  protocol_->abort(is_mute_ ? broken_ : got.error());
}

net::task<void> client_session::quit() {
  if (usable_ && protocol_->next() == smtp::client_action::ready) {
    protocol_->quit();
    co_await drive();
  }
  usable_ = false;
  if (stream_) co_await stream_->close();
}

void client_session::abandon() noexcept {
  usable_ = false;
  if (protocol_) protocol_->abort(make_error_code(errc::cancelled));
  stream_.reset();
}

bool client_session::is_quiet() const {
  return usable_ && stream_ && stream_->is_quiet();
}

smtp::local_fault client_session::fault_of(const smtp::transaction& t) const {
  for (const auto recipient : t.recipients) {
    const auto fault =
        protocol_->fault_of(*t.message, recipient, t.size, t.body, world_.clock.wall());
    if (fault != smtp::local_fault::none) return fault;
  }
  return smtp::local_fault::none;
}

duration client_session::time_limit() const {
  const auto& t = options_.timeouts;
  switch (protocol_->step()) {
    case smtp::client_step::connect: return t.connect;
    case smtp::client_step::greeting: return t.greeting;
    case smtp::client_step::hello:
    case smtp::client_step::starttls:
    case smtp::client_step::auth: return t.hello;
    case smtp::client_step::mail: return t.mail;
    case smtp::client_step::rcpt: return t.rcpt;
    case smtp::client_step::data: return t.data;
    case smtp::client_step::content: return t.end_of_data;
    case smtp::client_step::quit: return t.quit;
  }
  return t.mail;
}

}  // namespace relais::delivery
