// What delivery holds of a message, and for how long its memory is taken.
#include "queue/queued_message.hpp"

#include <catch2/catch.hpp>

#include "queue/sender_hash.hpp"

namespace relais::queue {
namespace {

std::shared_ptr<spool::message> message_of(std::size_t octets) {
  auto m = std::make_shared<spool::message>();
  m->id.value = 77;
  m->envelope.reverse_path = smtp::parse_address("a@s.example").value();
  m->envelope.forward_paths.push_back(smtp::parse_address("b@r.example").value());
  m->content.assign(octets, 'x');
  return m;
}

TEST_CASE("the memory of a content is given back with its last owner") {
  memory_budget budget(100'000);
  memory_lease lease(budget);
  REQUIRE(lease.cover(5000));
  auto made = make_queued(message_of(5000), std::move(lease));
  CHECK(made->id.value == 77);
  CHECK(made->size == 5000);
  REQUIRE(made->content);
  CHECK(made->content->content.size() == 5000);
  CHECK(made->envelope->forward_paths.size() == 1);
  CHECK_FALSE(made->is_report());
  const auto used = budget.used();
  CHECK(used > 5200);  // and the envelope
  CHECK(used < 6000);
  auto envelope = made->envelope;  // keeps the content, too
  made.reset();
  CHECK(budget.used() == used);
  CHECK(envelope->reverse_path.text() == "a@s.example");
  envelope.reset();
  CHECK(budget.used() == 0);
}

TEST_CASE("envelopes count as the contents do") {
  memory_budget budget(100'000);
  auto m = message_of(100);
  for (int i = 0; i < 2000; ++i) m->envelope.forward_paths.push_back(m->envelope.forward_paths[0]);
  memory_lease lease(budget);
  REQUIRE(lease.cover(100));
  const auto made = make_queued(std::move(m), std::move(lease));
  CHECK_FALSE(made->content);
  CHECK(made->envelope->forward_paths.size() == 2001);
  CHECK(budget.used() == 0);
}

TEST_CASE("a content that its lease does not cover stays on disk") {
  memory_budget budget(100'000);
  memory_lease lease(budget);
  REQUIRE(lease.cover(4999));
  const auto octets = message_of(5000);
  const std::weak_ptr<spool::message> alive = octets;
  auto source = octets;
  const auto made = make_queued(std::move(source), std::move(lease));
  CHECK_FALSE(made->content);
  CHECK(made->size == 5000);
  CHECK(made->envelope->forward_paths.size() == 1);
  CHECK(octets.use_count() == 1);
}

TEST_CASE("a large content stays on disk") {
  memory_budget budget(100'000);
  auto m = message_of(0);
  m->large.emplace();
  m->large->size = 1u << 30;
  const auto made = make_queued(std::move(m), memory_lease(budget));
  CHECK_FALSE(made->content);
  CHECK(made->size == 1u << 30);
  CHECK(made->envelope->reverse_path.text() == "a@s.example");
}

TEST_CASE("what the spool knows has no content") {
  spool::stored_message found;
  found.id.value = 5;
  found.envelope.forward_paths.push_back(smtp::parse_address("b@r.example").value());
  found.content_size = 9;
  found.next_hop = "[relay.example]";
  const auto made = make_queued(std::move(found));
  CHECK(made->id.value == 5);
  CHECK(made->is_report());
  CHECK(made->size == 9);
  CHECK(made->next_hop == "[relay.example]");
  CHECK_FALSE(made->content);
}

TEST_CASE("a mailing list is one sender whatever it writes into its reverse-paths") {
  const auto hash = [](const char* address, const char* user = "") {
    smtp::envelope e;
    e.reverse_path = smtp::parse_address(address).value();
    e.user = user;
    return sender_hash(e);
  };
  CHECK(hash("news@l.example") == hash("news+42=far.example@L.example"));
  CHECK(hash("news@l.example") == hash("news-43-bob@l.example"));
  CHECK(hash("news@l.example") == hash("news2026@l.example"));
  CHECK(hash("news@l.example") != hash("bob@l.example"));
  CHECK(hash("news@l.example") != hash("news@m.example"));
  CHECK(hash("42@l.example") != hash("43@l.example"));
  CHECK(hash("a@l.example", "printer") == hash("b@m.example", "printer"));
  CHECK(hash("a@l.example", "printer") != hash("a@l.example", "scanner"));
}

}  // namespace
}  // namespace relais::queue
