#include "bench/relay/load_session.hpp"

#include <fmt/format.h>

#include <system_error>

#include "bench/relay/load.hpp"

namespace relais::bench {

// Each step waits for one reply, but for `recipient`, which waits for as many as there are
// recipients.
class load_session::client final : public connection {
 public:
  client(load_session& session, descriptor socket)
      : connection(session.all_.loop(), std::move(socket), false),
        session_(session),
        all_(session.all_) {}
  void give_up_without_greeting() {
    if (step_ == step::greeting) ended("no greeting for seconds");
  }

 private:
  enum class step : std::uint8_t {
    greeting,
    hello,
    starttls,
    mail,
    recipient,
    data,
    content,
    quit,
    none
  };

  void connected() override;
  void received() override;
  void ended(const std::string& why) override;
  void understand(std::string_view reply);
  void greeted(std::string_view reply);
  void hear_recipient(std::string_view reply);
  void hear_final(std::string_view reply);
  void hear_refusal(std::string_view reply);
  void begin_message();
  void send_recipients();
  void message_over();
  void leave();
  void retire();

  load_session& session_;
  load& all_;
  step step_ = step::greeting;
  std::size_t recipients_heard_ = 0;
  std::int64_t asked_ = 0;  ///< when the final dot was sent
};

load_session::load_session(load& all) : all_(all) {}

load_session::~load_session() = default;

void load_session::start() {
  has_message_ = all_.next(message_);
  if (has_message_) {
    connect();
  } else {
    over();
  }
}

void load_session::connect() {
  ++connections_;
  connecting_since_ = now_ns();
  try {
    client_ = std::make_unique<client>(*this, begin_connect(all_.options().server));
  } catch (const std::system_error& error) {
    all_.failed(error.what());
    again_later();
  }
}

void load_session::again_later() {
  if (!has_message_ || all_.has_given_up() || all_.time_is_over()) {
    over();
    return;
  }
  constexpr std::int64_t wait = 100'000'000;
  all_.loop().at(now_ns() + wait, [this] { connect(); });
}

void load_session::look_after() {
  // Behind the end nobody waits long, but who has just begun to connect has not failed.
  const std::int64_t patience = all_.time_is_over() ? 1'000'000'000 : 5'000'000'000;
  if (client_ && now_ns() - connecting_since_ > patience) {
    client_->give_up_without_greeting();
  }
}

void load_session::over() {
  all_.is_over();
}

// --- one connection ------------------------------------------------------------------------------

void load_session::client::connected() {
  if (!is_encrypted()) return;  // the greeting comes
  step_ = step::hello;
  send("EHLO client.example\r\n");
}

void load_session::client::received() {
  std::size_t begin = 0, end = 0;
  while (is_open() && (end = arrived_.find('\n', begin)) != std::string::npos) {
    const auto line = std::string_view(arrived_).substr(begin, end + 1 - begin);
    begin = end + 1;
    if (line.size() < 5 || line[3] == '-') continue;
    const std::string reply(line.substr(0, line.find_last_not_of("\r\n") + 1));
    if (reply.size() >= 3) understand(reply);
  }
  if (begin > 0 && arrived_.size() >= begin) arrived_.erase(0, begin);
}

void load_session::client::understand(std::string_view reply) {
  const char kind = reply[0];
  const bool is_good = kind == '2' || (kind == '3' && step_ == step::data);
  if (step_ == step::quit) {
    retire();
  } else if (step_ == step::recipient) {
    hear_recipient(reply);
  } else if (step_ == step::content) {
    hear_final(reply);
  } else if (!is_good) {
    hear_refusal(reply);
  } else {
    greeted(reply);
  }
}

/// A good reply to something else than RCPT and the content: on to the next step.
void load_session::client::greeted(std::string_view) {
  switch (step_) {
    case step::greeting:
      step_ = step::hello;
      send("EHLO client.example\r\n");
      break;
    case step::hello:
      if (all_.options().starttls && !is_encrypted()) {
        step_ = step::starttls;
        send("STARTTLS\r\n");
      } else {
        all_.connected(was_resumed());
        begin_message();
      }
      break;
    case step::starttls: start_tls(all_.tls(), true, all_.session()); break;
    case step::mail:
      step_ = step::recipient;
      if (!all_.options().pipelines) send_recipients();
      break;
    case step::data:
      step_ = step::content;
      send(all_.content(session_.message_));
      asked_ = now_ns();
      break;
    default: break;
  }
}

void load_session::client::begin_message() {
  recipients_heard_ = 0;
  step_ = step::mail;
  send(fmt::format("MAIL FROM:<{}>\r\n", all_.sender()));
  if (!all_.options().pipelines) return;
  send_recipients();
  send("DATA\r\n");
}

/// One command; with pipelining all of them.
void load_session::client::send_recipients() {
  const auto count = all_.options().pipelines ? all_.options().recipients : recipients_heard_ + 1;
  std::string commands;
  for (auto i = recipients_heard_; i < count; ++i) {
    commands += fmt::format("RCPT TO:<{}>\r\n", all_.recipient(session_.message_, i));
  }
  send(commands);
}

void load_session::client::hear_recipient(std::string_view reply) {
  if (reply[0] != '2') {
    hear_refusal(reply);
    return;
  }
  if (++recipients_heard_ < all_.options().recipients) {
    if (!all_.options().pipelines) send_recipients();
    return;
  }
  step_ = step::data;
  if (!all_.options().pipelines) send("DATA\r\n");
}

void load_session::client::hear_final(std::string_view reply) {
  if (reply[0] != '2') {
    hear_refusal(reply);
    return;
  }
  all_.accepted(now_ns() - asked_);
  message_over();
}

void load_session::client::message_over() {
  session_.has_message_ = all_.next(session_.message_);
  if (!session_.has_message_ || all_.options().one_per_connection) {
    leave();
    return;
  }
  if (all_.options().pause <= 0) {
    begin_message();
    return;
  }
  step_ = step::none;
  const auto pause = static_cast<std::int64_t>(all_.options().pause * 1e9);
  loop_.at(now_ns() + pause, [&session = session_, connection = session_.connections_] {
    if (session.client_ && session.connections_ == connection) session.client_->begin_message();
  });
}

/// The message is tried again on another connection: a refusal in the middle of a pipeline leaves
/// nothing that could be relied on.
void load_session::client::hear_refusal(std::string_view reply) {
  all_.refused(std::string(reply));
  retire();
}

void load_session::client::leave() {
  step_ = step::quit;
  send("QUIT\r\n");
}

void load_session::client::ended(const std::string& why) {
  if (step_ != step::quit) all_.failed(why);
  retire();
}

/// This connection is done with; what the session does next depends on how far it came.
void load_session::client::retire() {
  const bool in_order = step_ == step::quit;
  auto& session = session_;
  close();
  loop_.bury(std::move(session.client_));
  if (!session.has_message_) {
    session.over();
  } else if (in_order) {
    session.connect();
  } else {
    session.again_later();
  }
}

}  // namespace relais::bench
