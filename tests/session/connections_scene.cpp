#include "session/connections_scene.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <stdexcept>

#include "config/load.hpp"
#include "unit/tls/pki.hpp"

namespace relais::testing {

using namespace std::chrono_literals;

namespace {
[[noreturn]] void escaped(const std::string& label, const std::string& what) {
  throw std::runtime_error(label + ": " + what);
}
}  // namespace

mail_host::mail_host(sim_world& world, const listen_address& at)
    : world_(world.runtime(at.is == listen_address::kind::inet
                               ? at.at.address
                               : *ip_address::parse("198.51.100.1"))),
      listener_(*world_.network.listen(at, false, 0600)),
      sessions_(world_, escaped) {
  sessions_.spawn("accept", accept());
}

std::size_t mail_host::count(const std::string& command) const {
  return static_cast<std::size_t>(std::ranges::count(commands, command));
}

void mail_host::stop() {
  listener_->close();
  sessions_.stop();
}

void mail_host::say(const std::string& line) {
  for (auto* s : streams_) sessions_.spawn("say", write(*s, line + "\r\n"));
}

void mail_host::hang_up() {
  for (auto* s : streams_) s->interrupt();
}

net::task<void> mail_host::write(net::stream& s, std::string octets) {
  co_await s.write(octets);
}

net::task<void> mail_host::accept() {
  for (;;) {
    auto accepted = co_await listener_->accept();
    if (!accepted) co_return;
    sessions_.spawn("session", serve(std::move(*accepted)));
  }
}

net::task<bool> mail_host::start_tls(net::stream& s) {
  if (breaks_tls) {
    co_await s.write("this is no handshake at all\r\n");
    co_return false;
  }
  net::tls_parameters p;
  p.context = tls;
  p.role = net::tls_role::server;
  ++handshakes;
  const auto failure = co_await s.start_tls(std::move(p));
  // A session of TLS 1.2 that goes on does not say it again.
  if (const auto name = s.tls()->server_name(); !name.empty()) server_name = name;
  if (failure) co_return false;
  if (s.tls()->is_resumed()) ++resumed;
  identity = s.tls()->peer_identity();
  co_return true;
}

std::string mail_host::answer(const std::string& command, bool is_tls) {
  const auto verb = command.substr(0, command.find(' '));
  if (verb == "EHLO" || verb == "LHLO") {
    auto all = keywords;
    if (tls != nullptr && !is_tls) all.emplace_back("STARTTLS");
    std::string text = "250-mx.test\r\n";
    for (const auto& k : all) text += "250-" + k + "\r\n";
    return text + "250 HELP\r\n";
  }
  if (verb == "AUTH") return auth + "\r\n";
  if (verb == "QUIT") return "221 2.0.0 mx.test\r\n";
  if (verb == "MAIL" && garbles) return "this is no reply\r\n";
  if (verb == "MAIL") recipients_ = 0;
  if (verb == "RCPT") ++recipients_;
  if (verb == "DATA") {
    is_content_ = true;
    contents.emplace_back();
    return "354 go on\r\n";
  }
  return "250 2.0.0 ok\r\n";
}

net::task<void> mail_host::serve(net::accepted_connection accepted) {
  struct presence {
    mail_host& host;
    net::stream stream;
    presence(mail_host& h, std::unique_ptr<net::transport> t)
        : host(h), stream(std::move(t), h.world_) {
      ++host.open;
      host.streams_.insert(&stream);
    }
    ~presence() {
      --host.open;
      host.streams_.erase(&stream);
    }
    presence(const presence&) = delete;
    presence& operator=(const presence&) = delete;
  };
  ++connections;
  is_content_ = false;
  remotes.push_back(accepted.remote);
  presence here(*this, std::move(accepted.connection));
  auto& s = here.stream;
  if (!is_silent) co_await s.write(greeting + "\r\n");
  std::string input, buffer(4096, '\0');
  for (;;) {
    const auto target = net::asio::buffer(buffer);
    const auto got = co_await s.read_some(target);
    if (!got) co_return;
    input.append(buffer, 0, *got);
    if (!is_content_) {
      const auto lines = static_cast<std::size_t>(std::ranges::count(input, '\n'));
      most_commands = std::max(most_commands, lines);
    }
    for (auto end = input.find("\r\n"); end != std::string::npos; end = input.find("\r\n")) {
      const auto line = input.substr(0, end);
      input.erase(0, end + 2);
      if (is_content_) {
        contents.back() += line + '\n';
        if (line != ".") continue;
        is_content_ = false;
        // LMTP: one reply per recipient; our own SMTP hosts have one recipient.
        for (std::size_t i = 0; i < recipients_; ++i) co_await s.write("250 2.0.0 taken\r\n");
        continue;
      }
      commands.push_back(line);
      if (line == "STARTTLS") {
        co_await s.write("220 2.0.0 go on\r\n");
        if (!co_await start_tls(s)) co_return;
        continue;
      }
      const auto said = answer(line, s.is_tls());
      co_await s.write(said);
      if (line == "QUIT") co_return co_await s.close();
    }
  }
}

const std::string& some_authority() {
  static const pki directory;
  static const auto saved = directory.make("authority", wanted_certificate());
  return saved.certificate;
}

connections_scene::connections_scene(const std::string& yaml)
    : tasks(world.runtime(here), escaped) {
  auto loaded =
      config::load_text("hostname: us.test\n" + yaml, "relais.yaml", config::process_environment());
  for (const auto& m : loaded.mistakes) UNSCOPED_INFO(m.to_text());
  REQUIRE(loaded.mistakes.empty());
  settings = std::move(loaded.values);
  if (settings.delivery.tls_ca_file.empty()) settings.delivery.tls_ca_file = some_authority();
  routes = std::make_unique<policy::routes>(settings);
  contexts = std::make_unique<tls::client_contexts>(delivery::client_contexts_of(*routes));
  delivery::connections_world around{
      world.runtime(here), settings, *routes, *contexts, dns, notices, [this](const endpoint& at) {
        return at == endpoint{here, 25};
      }};
  pool = std::make_unique<delivery::connections>(std::move(around));
  world.slowest_packet = 1ms;
  world.on_connect = [this](const endpoint& to) { connects.push_back(to.text()); };
}

connections_scene::~connections_scene() {
  pool->drain();
  pool->stop();
  tasks.stop();
  for (auto& h : hosts) h->stop();
  bool joined = false;
  net::task_group last(world.runtime(here), escaped);
  last.spawn("join", [](delivery::connections& p, bool& done) -> net::task<void> {
    done = co_await p.join(1min);
  }(*pool, joined));
  world.run_until(
      [&] {
        return joined && tasks.size() == 0 &&
               std::ranges::all_of(hosts, [](const auto& h) { return h->is_idle(); });
      },
      1h);
  world.run_until([&] { return last.size() == 0; }, 1h);
}

mail_host& connections_scene::add_at(const listen_address& at) {
  hosts.push_back(std::make_unique<mail_host>(world, at));
  return *hosts.back();
}

mail_host& connections_scene::add(const std::string& address, const std::string& domain,
                                  std::uint16_t preference, const std::string& name) {
  const auto called = name.empty() ? "mx" + std::to_string(hosts.size() + 1) + ".test" : name;
  if (!domain.empty()) dns.add_mx(domain, preference, called);
  dns.add_address(called, address);
  return add_at(endpoint{*ip_address::parse(address), 25});
}

policy::next_hop connections_scene::hop(const std::string& recipient, const std::string& sender) {
  const auto forward = smtp::parse_address(recipient).value();
  const auto reverse = smtp::parse_address(sender).value();
  return routes->find({forward, reverse});
}

delivery::reached connections_scene::reach(const policy::next_hop& to,
                                           const delivery::unmet_need* need) {
  delivery::reached got;
  bool is_done = false;
  tasks.spawn("reach",
              [](delivery::connections& p, policy::next_hop h, const delivery::unmet_need* n,
                 delivery::reached& result, bool& done) -> net::task<void> {
                result = co_await p.reach(std::move(h), n);
                done = true;
              }(*pool, to, need, got, is_done));
  REQUIRE(world.run_until([&] { return is_done; }, 24h));
  return got;
}

delivery::reached connections_scene::reach(const std::string& recipient,
                                           const delivery::unmet_need* need) {
  return reach(hop(recipient), need);
}

void connections_scene::give_back(const std::string& recipient, delivery::reached& what) {
  pool->give_back(hop(recipient), std::move(what.session));
}

void connections_scene::send(delivery::client_session& session, message_in_hand& m) {
  bool is_sent = false;
  tasks.spawn(
      "send",
      [](delivery::client_session& c, delivery::outgoing& out, bool& sent) -> net::task<void> {
        co_await c.send(out, nullptr);
        sent = true;
      }(session, m.out, is_sent));
  REQUIRE(world.run_until([&] { return is_sent; }, 1h));
}

std::string connections_scene::visit(const std::string& recipient) {
  auto got = reach(recipient);
  const bool is_there = got.session != nullptr;
  if (is_there) give_back(recipient, got);
  return is_there ? got.relay : "";
}

void connections_scene::pass(duration time) {
  bool is_over = false;
  world.at(world.clock.now() + time, [&] { is_over = true; });
  world.run_until([&] { return is_over; }, time);
}

}  // namespace relais::testing
