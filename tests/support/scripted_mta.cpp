#include "support/scripted_mta.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace relais::testing {

using smtp::reply_id;
using smtp::server_event_kind;

scripted_mta::scripted_mta(const net::runtime& world, const endpoint& at, std::string hostname)
    : world_(world),
      hostname_(std::move(hostname)),
      listener_(*world.network.listen(at, false)),
      sessions_(world, [](const std::string& label, const std::string& what) {
        throw std::runtime_error(label + ": " + what);
      }) {
  sessions_.spawn("accept", accept());
}

void scripted_mta::stop() {
  listener_->close();
  sessions_.stop();
}

net::task<void> scripted_mta::accept() {
  for (;;) {
    auto accepted = co_await listener_->accept();
    if (!accepted) co_return;
    sessions_.spawn("session", serve(std::move(*accepted)));
  }
}

net::task<void> scripted_mta::serve(net::accepted_connection accepted) {
  net::stream stream(std::move(accepted.connection), world_);
  ++connections;
  visits.push_back(world_.clock.now());
  if (turns_away || (connections_at_a_time != 0 && open_now >= connections_at_a_time)) {
    const std::string words = "421 4.7.0 " + hostname_ + " too many connections\r\n";
    co_await stream.write(words);
    co_return co_await stream.close();
  }
  if (silent > 0) {
    --silent;
    std::string ignored(64, '\0');
    const auto target = net::asio::buffer(ignored);
    while (co_await stream.read_some(target)) {
    }
    co_return;
  }
  open_at_most = std::max(open_at_most, ++open_now);
  struct count {
    std::size_t& n;
    ~count() { --n; }
  };
  const count here{open_now};
  co_await talk(stream);
}

net::task<void> scripted_mta::talk(net::stream& stream) {
  auto left = std::numeric_limits<std::size_t>::max();
  if (!cuts.empty()) {
    left = cuts.front();
    cuts.pop_front();
  }
  bool is_cut = false;
  std::vector<std::size_t> unanswered;  // of `taken`
  unsigned messages = 0;
  smtp::server_options options;
  options.hostname = hostname_;
  options.extensions = extensions;
  options.limits.message_size = message_size;
  smtp::server_protocol protocol(options);
  protocol.greet();
  received message;
  std::string buffer(4096, '\0');
  for (;;) {
    const auto e = protocol.next();
    switch (e.kind) {
      case server_event_kind::need_input:
      case server_event_kind::quit:
      case server_event_kind::fatal: {
        if (is_cut) co_return;  // what was understood is done, and not answered
        const std::string octets(protocol.output());
        protocol.output_written(octets.size());
        if (co_await stream.write(octets)) co_return;
        for (const auto i : unanswered) taken[i].is_answered = true;
        unanswered.clear();
        if (e.kind != server_event_kind::need_input) co_return co_await stream.close();
        const auto target = net::asio::buffer(buffer);
        const auto got = co_await stream.read_some(target);
        if (!got) co_return;
        const auto heard = std::min(*got, left);
        octets_heard += heard;
        protocol.receive(std::string_view(buffer).substr(0, heard));
        if (left != std::numeric_limits<std::size_t>::max()) left -= heard;
        if (left == 0) is_cut = true;
        break;
      }
      case server_event_kind::mail:
        message = received{};
        message.reverse_path = e.address->text();
        message.mail = *e.mail;
        if (!drops.empty() && message.reverse_path == drops) {
          ++dropped;
          co_return;
        }
        if (!mail_answers.empty()) {
          protocol.reply(mail_answers.front());
          mail_answers.pop_front();
          break;
        }
        protocol.reply(messages_per_connection != 0 && messages >= messages_per_connection
                           ? reply_id::too_many_messages
                           : reply_id::sender_ok);
        break;
      case server_event_kind::rcpt:
        if (!rcpt_answers.empty()) {
          const auto answer = rcpt_answers.front();
          rcpt_answers.pop_front();
          if (answer != reply_id::recipient_ok) {
            protocol.reply(answer, e.address->text());
            break;
          }
        }
        if (message.forward_paths.size() >= recipients_per_message) {
          protocol.reply(reply_id::too_many_recipients);
          break;
        }
        message.forward_paths.push_back(e.address->text());
        message.rcpt.push_back(*e.rcpt);
        protocol.reply(reply_id::recipient_ok);
        break;
      case server_event_kind::data: protocol.reply(reply_id::start_data); break;
      case server_event_kind::content: message.content += e.text; break;
      case server_event_kind::end_of_data: {
        ++messages;
        if (thinking_time > duration{0}) co_await net::sleep_for(world_, thinking_time);
        const auto answer = judge_content(message, e);
        if (answer == reply_id::queued) unanswered.push_back(taken.size() - 1);
        protocol.reply(answer, "AT-REMOTE");
        break;
      }
      case server_event_kind::hello:
      case server_event_kind::reset: break;
      case server_event_kind::starttls:
      case server_event_kind::auth:
      case server_event_kind::auth_response:
      case server_event_kind::auth_cancelled:
      case server_event_kind::xclient:
      case server_event_kind::xforward: throw std::logic_error("scripted_mta offers no such thing");
    }
  }
}

reply_id scripted_mta::judge_content(received& message, const smtp::server_event& end) {
  attempts.push_back(world_.clock.now());
  auto answer = reply_id::queued;
  if (end.content_fault) answer = *end.content_fault;
  if (!answers.empty()) {
    answer = answers.front();
    answers.pop_front();
  }
  if (answer != reply_id::queued) return answer;
  message.when = world_.clock.now();
  taken.push_back(message);
  return answer;
}

}  // namespace relais::testing
