#include "wire_situation.hpp"

#include <openssl/ssl.h>

#include <catch2/catch.hpp>
#include <memory>

#include "base/error.hpp"
#include "unit/tls/pki.hpp"

namespace relais::testing {

using namespace std::chrono_literals;

namespace {

constexpr duration patience = 2h;  // longer than any timeout of the relay

/// How the octets of a situation reach the relay.
struct wire_form {
  enum class kind : std::uint8_t { turn_by_turn, whole, octets, split } is = kind::turn_by_turn;
  std::size_t at = 0;  ///< of split: counted over all that is said
  bool pipelines = false;
  std::string name() const {
    const std::string how = pipelines ? "pipelined, " : "in lock-step, ";
    switch (is) {
      case kind::turn_by_turn: return how + "turn by turn";
      case kind::whole: return how + "whole";
      case kind::octets: return how + "octet by octet";
      case kind::split: break;
    }
    return how + "split at " + std::to_string(at);
  }
};

endpoint smtp_port() {
  return {simulated_relay::address, 25};
}

/// What is said without waiting in between.
struct flight {
  const turn* first = nullptr;
  std::string said;
  std::size_t replies = 0;  ///< complete ones, since the beginning, when all is answered
};

struct conversation {
  const situation& about;
  const wire_form form;
  relay_scene& scene;
  std::string heard;
  bool is_over = false;    ///< the client is
  bool is_closed = false;  ///< by the relay
};

// Lines whose fourth character is a space.
std::size_t complete_replies(std::string_view octets) {
  std::size_t n = 0;
  for (std::size_t at = 0; at < octets.size();) {
    const auto end = octets.find("\r\n", at);
    if (end == std::string_view::npos) break;
    if (end - at >= 4 && octets[at + 3] == ' ') ++n;
    at = end + 2;
  }
  return n;
}

std::vector<flight> flights_of(const situation& s, bool pipelines) {
  std::vector<flight> all;
  std::string heard;
  bool must_wait = true;
  for (const auto& t : s.turns) {
    if (must_wait || !pipelines || t.pause != duration{} || t.before || t.is_handshake) {
      all.push_back({&t, {}, 0});
    }
    all.back().said += t.said;
    heard += t.heard;
    all.back().replies = complete_replies(heard);
    must_wait = t.said.empty() || t.is_awaited;
  }
  return all;
}

/// The pieces in which `said` is written; `before`: octets that were said earlier.
std::vector<std::string_view> pieces_of(std::string_view said, std::size_t before,
                                        const wire_form& form) {
  std::vector<std::string_view> pieces;
  if (form.is == wire_form::kind::octets) {
    for (std::size_t i = 0; i < said.size(); ++i) pieces.push_back(said.substr(i, 1));
  } else if (form.is == wire_form::kind::split && form.at > before &&
             form.at < before + said.size()) {
    pieces = {said.substr(0, form.at - before), said.substr(form.at - before)};
  } else if (!said.empty()) {
    pieces = {said};
  }
  return pieces;
}

SSL_CTX* plain_client_context() {
  static const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(
      SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  return context.get();
}

net::tls_parameters client_tls(const situation& s) {
  net::tls_parameters parameters;
  parameters.context = s.client_tls != nullptr ? s.client_tls : plain_client_context();
  parameters.peer_name = "relay.test";
  return parameters;
}

/// False: the relay has closed the connection, or is silent.
net::task<bool> listen_for(net::stream& stream, conversation& c, std::size_t replies) {
  std::string buffer(4096, '\0');
  while (complete_replies(c.heard) < replies) {
    stream.expires_after(patience);
    const auto target = net::asio::buffer(buffer);
    const auto got = co_await stream.read_some(target);
    if (!got) {
      c.is_closed = got.error() == errc::peer_closed;
      co_return false;
    }
    c.heard.append(buffer, 0, *got);
  }
  co_return true;
}

net::task<bool> start_flight(net::stream& stream, conversation& c, const turn& first) {
  const auto& here = c.scene.world.runtime(c.about.client);
  const auto silence = first.pause;
  if (silence != duration{}) co_await net::sleep_for(here, silence);
  if (first.before) first.before(c.scene);
  if (!first.is_handshake) co_return true;
  stream.expires_after(patience);
  auto parameters = client_tls(c.about);
  const auto error = co_await stream.start_tls(std::move(parameters));
  if (error) c.heard += "no TLS: " + error.message() + " " + stream.tls_failure();
  co_return !error;
}

net::task<void> converse(conversation& c) {
  const auto& here = c.scene.world.runtime(c.about.client);
  auto connecting = c.about.socket.empty() ? here.network.connect(smtp_port(), 30s)
                                           : here.network.connect_local(c.about.socket, 30s);
  auto connected = co_await std::move(connecting);
  if (!connected) {
    c.heard = "not connected: " + connected.error().message();
    c.is_over = true;
    co_return;
  }
  net::stream stream(std::move(*connected), here);
  std::size_t before = 0;
  bool goes_on = true;
  for (const auto& f : flights_of(c.about, c.form.pipelines)) {
    goes_on = co_await start_flight(stream, c, *f.first);
    if (!goes_on) break;
    const auto pieces = pieces_of(f.said, before, c.form);
    for (const auto piece : pieces) co_await stream.write(piece);
    before += f.said.size();
    goes_on = co_await listen_for(stream, c, f.replies);
    if (!goes_on) break;
  }
  // Whatever comes behind the last expected reply is a mistake, and the relay has to close.
  constexpr auto everything = static_cast<std::size_t>(-1);
  if (goes_on) co_await listen_for(stream, c, everything);
  co_await stream.close();
  c.is_over = true;
}

net::task<void> stand_beside(relay_scene& scene, bystander who, std::size_t& ready) {
  const auto& here = scene.world.runtime(who.from);
  auto connected = co_await here.network.connect(smtp_port(), 30s);
  if (!connected) co_return;
  net::stream stream(std::move(*connected), here);
  co_await stream.write(who.said);
  std::string heard;
  std::string buffer(4096, '\0');
  bool is_counted = false;
  for (;;) {
    const auto target = net::asio::buffer(buffer);
    const auto got = co_await stream.read_some(target);
    if (!got) co_return;
    heard.append(buffer, 0, *got);
    if (is_counted || complete_replies(heard) < who.replies) continue;
    is_counted = true;
    ++ready;
  }
}

std::string with_placeholders(std::string heard) {
  constexpr std::string_view before = "queued as ";
  for (auto at = heard.find(before); at != std::string::npos; at = heard.find(before, at)) {
    at += before.size();
    heard.replace(at,
                  heard.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "abcdefghijklmnopqrstuvwxyz",
                                          at) -
                      at,
                  "ID");
  }
  return heard;
}

std::string expected_of(const situation& s) {
  std::string all;
  for (const auto& t : s.turns) all += t.heard;
  return all;
}

std::vector<wire_form> forms_of(const situation& s) {
  using enum wire_form::kind;
  std::size_t length = 0;
  for (const auto& t : s.turns) length += t.said.size();
  std::vector<wire_form> all{{turn_by_turn, 0, false}};
  if (s.only_by_turns) return all;
  if (s.may_pipeline) all.push_back({whole, 0, true});
  all.push_back({octets, 0, s.may_pipeline});
  for (std::size_t at = 1; at < length; ++at) all.push_back({split, at, s.may_pipeline});
  return all;
}

/// One authority: to read all those of the system takes longer than a session.
const std::string& authorities() {
  static const pki directory;
  static const auto saved = directory.make("authority", wanted_certificate());
  return saved.certificate;
}

void check_form(const situation& s, const wire_form& form) {
  relay_scene scene(form.at + 1);
  scene.relay.settings.delivery.tls_ca_file = authorities();
  scene.world.slowest_packet = 1ms;
  scene.world.cuts_writes = false;
  scene.relay.settings.relay.domains = {"here.test"};
  // Mail for it stays in the queue.
  scene.dns.fail("here.test", dns_failure::servfail);
  if (s.configure) s.configure(scene);
  scene.relay.start();
  std::size_t ready = 0;
  for (const auto& who : s.beside) {
    scene.clients.spawn("bystander", stand_beside(scene, who, ready));
  }
  scene.world.run_until([&] { return ready == s.beside.size(); }, 1min);
  REQUIRE(ready == s.beside.size());
  conversation c{s, form, scene, {}, false, false};
  scene.clients.spawn("client", converse(c));
  scene.world.run_until([&] { return c.is_over; }, 12h);
  INFO(form.name() << "\nlog:\n" << scene.relay.log.text());
  REQUIRE(with_placeholders(c.heard) == expected_of(s));
  REQUIRE(c.is_over);
  REQUIRE(c.is_closed);
  if (s.afterwards) s.afterwards(scene);
}

}  // namespace

turn turn::after(duration silence) const {
  auto changed = *this;
  changed.pause = silence;
  return changed;
}

turn turn::when(scene_action happened) const {
  auto changed = *this;
  changed.before = std::move(happened);
  return changed;
}

turn turn::under_tls() const {
  auto changed = *this;
  changed.is_handshake = true;
  return changed;
}

turn turn::awaited() const {
  auto changed = *this;
  changed.is_awaited = true;
  return changed;
}

turn ehlo(const offer& announced) {
  std::vector<std::string> lines{"relay.test greets c.test", "PIPELINING"};
  lines.push_back("SIZE " + announced.size);
  for (const auto* keyword :
       {"8BITMIME", "CHUNKING", "BINARYMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN"}) {
    lines.emplace_back(keyword);
  }
  if (announced.starttls) lines.emplace_back("STARTTLS");
  if (!announced.auth.empty()) lines.push_back("AUTH " + announced.auth);
  if (!announced.limits.empty()) lines.push_back("LIMITS " + announced.limits);
  if (announced.require_tls) lines.emplace_back("REQUIRETLS");
  if (!announced.future_release.empty()) {
    lines.push_back("FUTURERELEASE " + announced.future_release);
  }
  for (const auto* keyword : {"MT-PRIORITY", "DELIVERBY", "HELP"}) lines.emplace_back(keyword);
  if (announced.xclient) {
    lines.emplace_back("XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT");
  }
  if (announced.xforward) lines.emplace_back("XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE");
  std::string heard;
  for (const auto& line : lines) {
    heard += (&line == &lines.back() ? "250 " : "250-") + line + "\r\n";
  }
  return {"EHLO c.test\r\n", std::move(heard)};
}

void delivers(relay_scene& scene) {
  scene.dns.zone.erase("here.test");
  scene.dns.add_mx("here.test", 10, "mx.far.test");
  scene.remote_comes_up();
}

std::string delivered(relay_scene& scene, duration within) {
  scene.world.run_until([&] { return !scene.remote->taken.empty(); }, within);
  REQUIRE(scene.remote->taken.size() == 1);
  return scene.remote->taken[0].content;
}

void check_session(const situation& s) {
  for (const auto& form : forms_of(s)) check_form(s, form);
}

void check_reply(smtp::reply_id id, const situation& s) {
  // With and without its enhanced code, up to the place of its argument.
  std::string with, without;
  smtp::append_reply(with, id, true, smtp::names_host(smtp::row(id)) ? "relay.test" : "\x01");
  smtp::append_reply(without, id, false, smtp::names_host(smtp::row(id)) ? "relay.test" : "\x01");
  const auto heard = expected_of(s);
  const auto is_heard = [&](const std::string& reply) {
    const auto line = reply.substr(0, std::min(reply.find("\\x01"), reply.find("\r\n")));
    return heard.starts_with(line) || heard.find("\n" + line) != std::string::npos;
  };
  {
    INFO("the situation does not expect " << smtp::name_of(id));
    REQUIRE((is_heard(with) || is_heard(without)));
  }
  check_session(s);
}

}  // namespace relais::testing
