// Connections in the simulated world: hosts that greet, answer and break as a test says, their DNS,
// and a configuration in YAML.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "delivery/connections.hpp"
#include "net/stream.hpp"
#include "net/task_group.hpp"
#include "smtp/path.hpp"
#include "support/fake_resolver.hpp"
#include "support/sim_network.hpp"
#include "support/sim_world.hpp"

namespace relais::testing {

/// A host that speaks lines.
class mail_host {
 public:
  mail_host(sim_world& world, const listen_address& at);
  mail_host(const mail_host&) = delete;
  mail_host& operator=(const mail_host&) = delete;

  std::string greeting = "220 mx.test ESMTP";
  bool is_silent = false;  ///< takes connections and says nothing
  std::vector<std::string> keywords{"PIPELINING", "ENHANCEDSTATUSCODES"};
  SSL_CTX* tls = nullptr;  ///< offers STARTTLS
  bool breaks_tls = false;
  std::string auth = "235 2.7.0 welcome";
  bool garbles = false;           ///< what answers MAIL is no reply
  std::size_t most_commands = 0;  ///< that came at once

  std::size_t connections = 0, open = 0;
  std::size_t handshakes = 0, resumed = 0;
  std::vector<endpoint> remotes;
  std::vector<std::string> commands;  ///< of all connections
  std::vector<std::string> contents;
  std::string server_name;  ///< of the latest SNI
  std::string identity;     ///< of the latest client certificate

  std::size_t count(const std::string& command) const;
  /// To every connection that is open.
  void say(const std::string& line);
  void hang_up();
  void stop();
  bool is_idle() const noexcept { return sessions_.size() == 0; }

 private:
  net::task<void> accept();
  net::task<void> serve(net::accepted_connection accepted);
  net::task<bool> start_tls(net::stream& s);
  net::task<void> write(net::stream& s, std::string octets);
  std::string answer(const std::string& command, bool is_tls);

  const net::runtime& world_;
  std::unique_ptr<net::acceptor> listener_;
  net::task_group sessions_;
  std::set<net::stream*> streams_;
  std::size_t recipients_ = 0;
  bool is_content_ = false;
};

struct message_in_hand {
  explicit message_in_hand(std::vector<std::string> to,
                           std::string text = "Subject: x\r\n\r\nx\r\n")
      : content(std::move(text)) {
    for (const auto& t : to) {
      envelope.forward_paths.push_back(smtp::parse_address(t).value());
      out.what.recipients.push_back(out.what.recipients.size());
    }
    envelope.reverse_path = smtp::parse_address("a@here.test").value();
    out.what.message = &envelope;
    out.what.size = content.size();
    out.content = std::make_unique<delivery::content_in_memory>(content);
  }
  std::string content;
  smtp::envelope envelope;
  delivery::outgoing out;
};

struct recorded_notices final : event_sink {
  std::vector<std::string> texts;
  void emit(const event& e) noexcept override {
    if (const auto* n = std::get_if<events::notice>(&e)) texts.emplace_back(n->text);
  }
};

struct connections_scene {
  /// `yaml` comes behind "hostname: us.test" and the certificates to trust.
  explicit connections_scene(const std::string& yaml = {});
  ~connections_scene();
  connections_scene(const connections_scene&) = delete;
  connections_scene& operator=(const connections_scene&) = delete;

  /// A host at that address with port 25, which answers for `domain` with that preference.
  mail_host& add(const std::string& address, const std::string& domain = {},
                 std::uint16_t preference = 10, const std::string& name = {});
  mail_host& add_at(const listen_address& at);
  policy::next_hop hop(const std::string& recipient, const std::string& sender = "a@here.test");
  delivery::reached reach(const std::string& recipient, const delivery::unmet_need* need = nullptr);
  delivery::reached reach(const policy::next_hop& to, const delivery::unmet_need* need);
  /// Reaches it and gives it back; what was reached is told.
  std::string visit(const std::string& recipient);
  void give_back(const std::string& recipient, delivery::reached& what);
  void send(delivery::client_session& session, message_in_hand& m);
  void pass(duration time);
  duration elapsed() const { return world.clock.elapsed; }
  /// Connecting there takes till the deadline.
  void black_hole(const std::string& address) {
    world.connect_takes[*ip_address::parse(address)] = std::chrono::hours(1);
  }

  sim_world world{1};
  fake_resolver dns;
  recorded_notices notices;
  config::settings settings;
  std::unique_ptr<policy::routes> routes;
  std::unique_ptr<tls::client_contexts> contexts;
  std::unique_ptr<delivery::connections> pool;
  std::vector<std::unique_ptr<mail_host>> hosts;
  std::vector<std::string> connects;  ///< "192.0.2.1:25", in the order of their beginnings
  ip_address here = *ip_address::parse("198.51.100.1");
  net::task_group tasks;
};

/// PEM of an authority that nobody else knows: to read all those of the system takes long.
const std::string& some_authority();

}  // namespace relais::testing
