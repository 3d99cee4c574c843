// How a session begins: implicit TLS, the question whether the client may connect, the greeting;
// and what makes it begin anew: STARTTLS (RFC 3207), XCLIENT. XFORWARD is here, too.
#include "base/error.hpp"
#include "base/text.hpp"
#include "inbound/session.hpp"

namespace relais::inbound {

using smtp::reply_id;

/// False: the connection is of no use.
net::task<bool> session::begin(std::optional<reply_id> refusal) {
  if (profile_.implicit_tls) {
    auto context =
        context_.certificates.context(profile_.tls_minimum, profile_.ask_for_certificate);
    if (!context) {
      lost("no usable certificate for the connection");
      co_return false;
    }
    if (!co_await handshake(std::move(context))) co_return false;
  }
  offer_mechanisms();
  if (!refusal && context_.keeper.asks_at_connect(facts_)) {
    auto asked = co_await context_.keeper.at_connect(facts_);
    refusal = asked.refusal;
    if (refusal) log_refusal("CONNECT", *refusal, asked.argument, nullptr, asked.rule);
  } else if (refusal) {
    log_refusal("CONNECT", *refusal, context_.settings.hostname, nullptr, {});
  }
  context_.events.emit(events::connected{facts_.name, client_});
  if (!refusal && profile_.banner_delay > duration{0} && !facts_.is_trusted) {
    if (co_await talks_early()) {
      refusal = reply_id::synchronization_error;
      log_refusal("CONNECT", *refusal, {}, nullptr, "banner_delay");
    }
  }
  protocol_.greet(refusal);
  co_return true;
}

/// A client that does not wait for the greeting is a program that sends without listening.
net::task<bool> session::talks_early() {
  char octet = 0;
  stream_->expires_after(profile_.banner_delay);
  const auto target = net::asio::buffer(&octet, 1);
  const auto got = co_await stream_->read_some(target);
  armed_at_.reset();
  co_return got.has_value();
}

net::task<bool> session::handshake(std::shared_ptr<SSL_CTX> context) {
  net::tls_parameters parameters;
  parameters.context = context.get();
  parameters.role = net::tls_role::server;
  tls_context_ = std::move(context);
  stream_->expires_after(context_.settings.server_timeout.tls);
  armed_at_.reset();
  const auto error = co_await stream_->start_tls(std::move(parameters));
  if (error) {
    const auto reason = stream_->tls_failure().empty() ? error.message() : stream_->tls_failure();
    context_.events.emit(events::tls_failed{facts_.name, client_, reason});
    co_return false;
  }
  learn_certificate();
  co_return true;
}

/// What the handshake proved: a certificate may be a login (AUTH EXTERNAL), or trusted by itself.
void session::learn_certificate() {
  const auto& engine = *stream_->tls();
  channel_.is_tls = true;
  channel_.tls_exporter = engine.tls_exporter();
  channel_.tls_end_point = engine.tls_end_point();
  channel_.certificate_user = engine.peer_identity();
  // Behind XCLIENT a handshake is the proxy's, and proves nothing of the client.
  if (is_spoken_for_) channel_.certificate_user.clear();
  const auto fingerprint = is_spoken_for_ ? std::string() : engine.peer_fingerprint();
  std::string known;
  if (!fingerprint.empty()) {
    known = fingerprint;
    for (const auto& c : context_.settings.auth.certificates) {
      if (c.fingerprint == fingerprint) channel_.certificate_user = c.user;
    }
    if (context_.access.is_trusted_certificate(fingerprint)) {
      facts_.is_trusted = true;
      known += " (trusted)";
    }
    if (!channel_.certificate_user.empty()) known += " of " + channel_.certificate_user;
  }
  const auto description = engine.description();
  context_.events.emit(events::tls_established{facts_.name, client_, description, known});
}

void session::offer_mechanisms() {
  if (context_.authenticator == nullptr) return;
  protocol_.offer_mechanisms(context_.authenticator->mechanisms(channel_));
}

net::task<session::goes_on> session::on_starttls() {
  auto context = context_.certificates.context(profile_.tls_minimum, profile_.ask_for_certificate);
  if (!context) {
    reject("STARTTLS", reply_id::tls_unavailable, {}, nullptr);
    co_return goes_on::yes;
  }
  protocol_.reply(reply_id::starttls_ready);
  if (!co_await flush()) co_return goes_on::no;
  if (!co_await handshake(std::move(context))) co_return goes_on::no;
  protocol_.tls_started();
  // All that was said in clear is forgotten (RFC 3207 4.2).
  transaction_ = transaction{};
  facts_.hello.clear();
  forget_login();
  forget_origin();
  offer_mechanisms();
  choose_newlines();
  co_return goes_on::yes;
}

void session::forget_login() {
  login_.reset();
  mechanism_.clear();
  account_ = auth::account{};
  facts_.user.clear();
  is_bound_ = false;
}

void session::choose_newlines() {
  if (profile_.newlines != config::newline_choice::automatic) return;
  protocol_.set_newlines(facts_.is_exempt() ? smtp::newline_mode::normalize
                                            : smtp::newline_mode::reject);
}

namespace {

bool is_unavailable(std::string_view value) {
  return iequals(value, "[UNAVAILABLE]") || iequals(value, "[TEMPUNAVAIL]");
}

std::optional<ip_address> address_of(std::string_view value) {
  constexpr std::string_view v6 = "IPV6:";
  if (istarts_with(value, v6)) value.remove_prefix(v6.size());
  return ip_address::parse(value);
}

}  // namespace

/// A proxy that is trusted to say so speaks for another client: the session begins anew as its.
net::task<void> session::on_xclient(std::span<const smtp::client_attribute> attributes) {
  auto facts = facts_;
  facts.hello.clear();
  auto client = client_;
  for (const auto& [name, value] : attributes) {
    const bool unknown = is_unavailable(value);
    if (name == "ADDR" && !unknown) {
      const auto address = address_of(value);
      if (!address) co_return reject("XCLIENT", reply_id::bad_parameter_value, {}, nullptr);
      client.address = facts.address = *address;
      facts.name = "unknown";
      facts.user.clear();
      facts.is_trusted = profile_.trusts(*address);
    } else if (name == "PORT" && !unknown) {
      const auto port = parse_number(value);
      if (!port || *port > 65535) {
        co_return reject("XCLIENT", reply_id::bad_parameter_value, {}, nullptr);
      }
      client.port = static_cast<std::uint16_t>(*port);
    }
  }
  for (const auto& [name, value] : attributes) {
    if (name == "NAME") facts.name = is_unavailable(value) ? "unknown" : value;
    if (name == "LOGIN") facts.user = is_unavailable(value) ? "" : value;
  }
  transaction_ = transaction{};
  forget_login();
  forget_origin();
  facts_ = std::move(facts);
  client_ = client;
  channel_.client = client.address;
  // Nor is the proxy's certificate his.
  channel_.certificate_user.clear();
  is_spoken_for_ = true;
  offer_mechanisms();
  // Not bound to senders: the proxy has checked the login, and only it knows of them.
  account_.user = facts_.user;
  // Who is spoken for is no proxy himself, unless he is one of theirs.
  protocol_.offer_extensions(offered_to(client.address, context_.settings.policy, profile_));
  verdict asked;
  if (context_.keeper.asks_at_connect(facts_)) {
    const auto name = facts_.name;
    asked = co_await context_.keeper.at_connect(facts_);
    if (name != "unknown") facts_.name = name;
  }
  if (asked.is_refusal()) {
    co_return reject("XCLIENT", *asked.refusal, asked.argument, nullptr, asked.rule);
  }
  choose_newlines();
  protocol_.reply(reply_id::greeting);
  if (!facts_.user.empty()) protocol_.adopt_login();
}

/// Only for the log: where the message came from before it was filtered. Attributes may come in
/// several commands.
void session::on_xforward(std::span<const smtp::client_attribute> attributes) {
  for (const auto& [key, value] : attributes) {
    if (key == "NAME") origin_name_ = is_unavailable(value) ? "" : value;
    if (key == "ADDR") origin_address_ = is_unavailable(value) ? "" : value;
  }
  protocol_.reply(reply_id::ok);
}

}  // namespace relais::inbound
