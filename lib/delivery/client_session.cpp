#include "delivery/client_session.hpp"

#include "base/error.hpp"

namespace relais::delivery {
namespace {
constexpr std::size_t read_size = 8 * 1024;
// Content goes out in blocks of this size, each with a deadline of its own (RFC 5321 4.5.3.2.5).
constexpr std::size_t block_size = 64 * 1024;
}  // namespace

client_session::client_session(const net::runtime& world, session_options options, dns::host host,
                               std::uint16_t port)
    : world_(world), options_(std::move(options)), host_(std::move(host)), port_(port) {}

client_session::~client_session() = default;

std::string client_session::host_text() const {
  return host_.name + '[' + host_.address.text() + ']';
}

std::string client_session::relay_text() const {
  return host_text() + ':' + std::to_string(port_);
}

net::task<bool> client_session::open() {
  if (co_await connect_and_set_up(options_.tls)) co_return true;
  const bool tls_broke = failure_.step == smtp::client_step::starttls && !failure_.remote;
  if (options_.tls != smtp::tls_level::may || !tls_broke) co_return false;
  // Opportunistic TLS (RFC 7435): a host that offers STARTTLS and cannot do it gets its mail in
  // clear.
  co_return co_await connect_and_set_up(smtp::tls_level::none);
}

net::task<bool> client_session::connect_and_set_up(smtp::tls_level level) {
  usable_ = false;
  armed_at_.reset();
  failure_ = smtp::client_failure{};
  const endpoint to{host_.address, port_};
  stream_.reset();
  auto connected = co_await world_.network.connect(to, options_.timeouts.connect);
  if (!connected) {
    failure_.step = smtp::client_step::connect;
    failure_.error = connected.error();
    co_return false;
  }
  stream_ = std::make_unique<net::stream>(std::move(*connected), world_);
  smtp::client_options protocol_options;
  protocol_options.hostname = options_.hostname;
  protocol_options.tls = level;
  protocol_options.login = options_.login;
  protocol_ = std::make_unique<smtp::client_protocol>(std::move(protocol_options));
  const auto reached = co_await drive();
  usable_ = reached == smtp::client_action::ready;
  co_return usable_;
}

net::task<void> client_session::send(const smtp::envelope& envelope,
                                     const std::vector<std::size_t>& recipients,
                                     content_source& content) {
  ++uses_;
  content_fault_ = {};
  const auto now = world_.clock.wall();
  protocol_->send(envelope, recipients, content.size(), now);
  auto reached = co_await drive();
  if (reached == smtp::client_action::want_content) {
    co_await send_content(content);
    reached = co_await drive();
  }
  usable_ = reached == smtp::client_action::ready;
}

smtp::local_fault client_session::fault_of(const smtp::envelope& envelope,
                                           const std::vector<std::size_t>& recipients,
                                           std::uint64_t size) const {
  for (const auto recipient : recipients) {
    const auto fault = protocol_->fault_of(envelope, recipient, size, world_.clock.wall());
    if (fault != smtp::local_fault::none) return fault;
  }
  return smtp::local_fault::none;
}

net::task<void> client_session::send_content(content_source& content) {
  armed_at_.reset();
  const bool is_chunk = protocol_->is_chunk();
  smtp::dot_stuffer stuffer;
  auto left = content.size();
  do {
    auto piece = co_await content.next();
    const bool is_sound = piece && piece->size() <= left && (left == 0 || !piece->empty());
    if (!is_sound) {
      content_fault_ = piece ? make_error_code(errc::corrupt) : piece.error();
      broken(content_fault_);
      // Cut off, under TLS without its farewell: nobody shall see an orderly end.
      stream_.reset();
      co_return;
    }
    left -= piece->size();
    bool sent = false;
    if (is_chunk) {
      sent = co_await send_raw(*piece);
    } else {
      sent = co_await send_piece(*piece, left == 0, stuffer);
    }
    if (!sent) co_return;
  } while (left > 0);
  protocol_->content_sent();
}

net::task<bool> client_session::send_piece(std::string_view piece, bool is_last,
                                           smtp::dot_stuffer& stuffer) {
  std::string block;
  do {
    block.clear();
    const auto part = piece.substr(0, block_size);
    piece.remove_prefix(part.size());
    stuffer.append(part, block);
    // The final dot leaves together with the last block: one packet for a small message.
    if (is_last && piece.empty()) stuffer.end(block);
    stream_->expires_after(options_.timeouts.content);
    if (const auto ec = co_await stream_->write(block)) {
      broken(ec);
      co_return false;
    }
  } while (!piece.empty());
  co_return true;
}

net::task<bool> client_session::send_raw(std::string_view piece) {
  while (!piece.empty()) {
    const auto block = piece.substr(0, block_size);
    piece.remove_prefix(block.size());
    stream_->expires_after(options_.timeouts.content);
    if (const auto ec = co_await stream_->write(block)) {
      broken(ec);
      co_return false;
    }
  }
  co_return true;
}

net::task<smtp::client_action> client_session::drive() {
  for (;;) {
    const auto action = protocol_->next();
    switch (action) {
      case smtp::client_action::need_input:
        // A failure of either shows up as `failed` in the next turn.
        if (co_await flush()) co_await fill();
        break;
      case smtp::client_action::want_content: co_await flush(); co_return action;
      case smtp::client_action::start_tls: {
        if (!co_await flush()) break;
        net::tls_parameters parameters;
        parameters.context = options_.tls_context;
        parameters.peer_name = options_.verify_name.empty() ? host_.name : options_.verify_name;
        parameters.verify = options_.tls == smtp::tls_level::verify;
        stream_->expires_after(options_.timeouts.tls);
        const auto ec = co_await stream_->start_tls(std::move(parameters));
        if (ec) {
          protocol_->tls_failed(ec);
        } else {
          protocol_->tls_started();
        }
        break;
      }
      case smtp::client_action::failed: failure_ = protocol_->failure(); co_return action;
      case smtp::client_action::ready:
      case smtp::client_action::closed: co_return action;
    }
  }
}

net::task<bool> client_session::flush() {
  while (!protocol_->output().empty()) {
    const auto octets = protocol_->output();
    stream_->expires_after(time_limit());
    armed_at_.reset();
    if (const auto ec = co_await stream_->write(octets)) {
      broken(ec);
      co_return false;
    }
    protocol_->output_written(octets.size());
  }
  co_return true;
}

net::task<bool> client_session::fill() {
  buffer_.resize(read_size);
  // One deadline for the whole reply: octets that drip in do not prolong it.
  if (armed_at_ != protocol_->replies()) {
    stream_->expires_after(time_limit());
    armed_at_ = protocol_->replies();
  }
  const auto target = net::asio::buffer(buffer_);
  const auto got = co_await stream_->read_some(target);
  if (!got) {
    broken(got.error());
    co_return false;
  }
  protocol_->receive(std::string_view(buffer_).substr(0, *got));
  co_return true;
}

void client_session::broken(error_code why) {
  usable_ = false;
  protocol_->abort(why);
}

net::task<void> client_session::quit() {
  if (usable_) {
    protocol_->quit();
    co_await drive();
  }
  usable_ = false;
  if (stream_) co_await stream_->close();
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
