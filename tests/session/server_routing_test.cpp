// What a session notes of its client for the routes that ask for it, and only for those.
#include <catch2/catch.hpp>

#include "users_scene.hpp"
#include "wire_situation.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

struct noted {
  smtp::envelope stored;
  std::string listener;  ///< that took it
};

/// A message of somebody who logged in. `row`: a route that does not match.
noted message_with(const config::route_settings& row) {
  noted found;
  situation s;
  s.client = stranger;
  s.configure = [row](relay_scene& r) {
    with_users(r);
    r.relay.settings.routes = {row};
  };
  offer o;
  o.auth = "PLAIN LOGIN";
  s.turns = {greeting,
             ehlo(o),
             turn("AUTH PLAIN " + plain("joe", "secret") + "\r\n",
                  "235 2.7.0 Authentication successful\r\n")
                 .awaited(),
             {"MAIL FROM:<joe@c.test>\r\n", mail.heard},
             rcpt,
             data,
             text,
             quit};
  s.afterwards = [&](relay_scene& r) {
    REQUIRE(r.relay.shut_down(1min));
    const auto all = r.relay.spooled();
    REQUIRE(all.size() == 1);
    found.stored = all[0].envelope;
    found.listener = r.relay.settings.listeners.at(0).address.text();
  };
  check_session(s);
  return found;
}

TEST_CASE("the login is part of the envelope if a route asks who logged in") {
  config::route_settings row;
  row.users = {"somebody"};
  const auto found = message_with(row);
  CHECK(found.stored.user == "joe");
  CHECK(found.stored.listener.empty());
}

TEST_CASE("the listener is part of the envelope if a route asks which one it was") {
  config::route_settings row;
  row.listeners = {"192.0.2.99:25"};
  const auto found = message_with(row);
  CHECK(found.stored.user.empty());
  CHECK(found.stored.listener == found.listener);
  CHECK_FALSE(found.listener.empty());
}

TEST_CASE("neither is part of the envelope if no route asks") {
  config::route_settings row;
  row.recipients = {"elsewhere.example"};
  const auto found = message_with(row);
  CHECK(found.stored.user.empty());
  CHECK(found.stored.listener.empty());
}

}  // namespace
}  // namespace relais::testing
