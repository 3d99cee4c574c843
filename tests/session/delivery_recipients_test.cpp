// Peers that take a few recipients at a time: the others follow at once, whatever becomes of those
// in front (RFC 5321 4.5.3.1.10).
#include <catch2/catch.hpp>

#include "support/delivery_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using smtp::reply_id;

smtp::envelope to_many(int count) {
  auto e = delivery_scene::letter();
  e.forward_paths.clear();
  for (int i = 0; i < count; ++i) {
    e.forward_paths.push_back(smtp::parse_address("r" + std::to_string(i) + "@far.test").value());
  }
  return e;
}

TEST_CASE("recipients beyond a limit do not wait for those in front that are refused for good") {
  delivery_scene s;
  // One at a time, and the first two are unknown.
  s.first->rcpt_answers = {
      reply_id::mailbox_unknown,     reply_id::too_many_recipients, reply_id::too_many_recipients,
      reply_id::too_many_recipients, reply_id::mailbox_unknown,     reply_id::too_many_recipients,
      reply_id::too_many_recipients, reply_id::recipient_ok,        reply_id::too_many_recipients};
  s.submit(to_many(4));
  s.run(1min);
  INFO(s.log.text());
  CHECK(s.log.count("status=deferred") == 0);
  CHECK(s.log.count("status=bounced") == 2);
  REQUIRE(s.first->taken.size() == 2);
  CHECK(s.first->taken[0].forward_paths == std::vector<std::string>{"r2@far.test"});
  CHECK(s.first->taken[1].forward_paths == std::vector<std::string>{"r3@far.test"});
  CHECK(s.left() == 0);
}

TEST_CASE("where nobody's fate was decided all wait") {
  delivery_scene s;
  s.first->rcpt_answers.assign(2, reply_id::too_many_recipients);
  s.submit(to_many(2));
  s.run(1min);
  INFO(s.log.text());
  CHECK(s.first->taken.empty());
  CHECK(s.log.count("status=deferred") == 2);
  s.run(1h);
  REQUIRE(s.first->taken.size() == 1);
  CHECK(s.first->taken[0].forward_paths.size() == 2);
  CHECK(s.left() == 0);
}

}  // namespace
}  // namespace relais::testing
