// Who gets which report: the sender, the postmaster or nobody; what it holds; how many at a time.
#include <catch2/catch.hpp>

#include "base/text.hpp"
#include "support/report_reader.hpp"
#include "support/settler_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using delivery::blame;
using delivery::outcome;
using delivery::verdict;

const std::string original = "Subject: hello\r\n\r\nbody\r\n";

smtp::envelope envelope_from(const std::string& from, const std::string& to = "a@far.test") {
  return {path_of(from), {path_of(to)}};
}

verdict refused() {
  verdict v(outcome::bounced, blame::recipient, "5.1.1",
            "host mx.far.test[198.51.100.25] said: 550 5.1.1 unknown (in reply to RCPT TO "
            "command)");
  v.remote_replied = true;
  v.diagnostic = "550 5.1.1 unknown";
  return v;
}

delivery::attempt by_mx() {
  delivery::attempt how;
  how.remote_mta = "mx.far.test";
  return how;
}

struct scene : settler_scene {
  explicit scene(sim_disk& disk) : settler_scene(disk) {
    settings.report.limit = 3;
    settings.report.limit_window = 1h;
    settings.retry.bounce_lifetime = 2h;
  }
  /// Accepts and refuses one message.
  std::shared_ptr<const queue::queued_message> fail(smtp::envelope envelope,
                                                    const std::string& what = original) {
    auto message = accept(std::move(envelope), what);
    const auto rest = settle(job(message), {refused()}, by_mx());
    CHECK(rest.recipients.empty());
    return message;
  }
};

TEST_CASE("a refusal is reported to the sender, and the report is in the queue") {
  sim_disk disk;
  scene s(disk);
  s.start();
  auto envelope = envelope_from("me@c.test");
  envelope.envelope_id = "QQ314159";
  envelope.recipient_options.resize(1);
  envelope.recipient_options[0].original_recipient = "rfc822;Bob@far.test";
  const auto message = s.fail(std::move(envelope));
  REQUIRE(s.queued.size() == 1);
  const auto& report = *s.queued[0];
  CHECK(report.is_report());
  CHECK(report.envelope->forward_paths[0].text() == "me@c.test");
  CHECK_FALSE(report.envelope->hold_until);
  CHECK(s.log.count("sender non-delivery notification: " + report.id.text()) == 1);
  const auto parts = parts_of(read_entity(s.content(report.id)));
  auto status = std::string_view(parts[1].body);
  CHECK(read_fields(status)[0] == fields::value_type{"Original-Envelope-Id", "QQ314159"});
  const auto one = read_fields(status);
  CHECK(one[0] == fields::value_type{"Original-Recipient", "rfc822; Bob@far.test"});
  CHECK(one[1] == fields::value_type{"Final-Recipient", "rfc822; a@far.test"});
  CHECK(one[4] == fields::value_type{"Remote-MTA", "dns; mx.far.test"});
  CHECK(one[5] == fields::value_type{"Diagnostic-Code", "smtp; 550 5.1.1 unknown"});
  CHECK(one[6].first == "Last-Attempt-Date");
  CHECK(one[7] == fields::value_type{"Final-Log-ID", message->id.text()});
  CHECK(parts[2].body == "Subject: hello\r\n");
}

TEST_CASE("RET decides what comes back") {
  sim_disk disk;
  scene s(disk);
  s.start();
  const auto returned = [&](smtp::dsn_return ret) {
    auto envelope = envelope_from("me@c.test");
    envelope.ret = ret;
    s.fail(std::move(envelope));
    return parts_of(read_entity(s.content(s.queued.back()->id)))[2].field("Content-Type");
  };
  CHECK(returned(smtp::dsn_return::unspecified) == "text/rfc822-headers");
  CHECK(returned(smtp::dsn_return::headers) == "text/rfc822-headers");
  CHECK(returned(smtp::dsn_return::full) == "message/rfc822");
}

TEST_CASE("of what had to travel under TLS only the header comes back and under TLS") {
  sim_disk disk;
  scene s(disk);
  s.settings.report.postmaster = "postmaster@here.test";
  s.start();
  const bool is_report = GENERATE(false, true);  // the double bounce: it returns whole reports
  auto envelope = envelope_from(is_report ? "" : "me@c.test");
  envelope.ret = smtp::dsn_return::full;
  envelope.require_tls = true;
  s.fail(envelope);
  REQUIRE(s.queued.size() == 1);
  CHECK(s.queued[0]->envelope->require_tls);
  CHECK(s.stored(s.queued[0]->id).envelope.require_tls);
  const auto parts = parts_of(read_entity(s.content(s.queued[0]->id)));
  CHECK(parts[2].field("Content-Type") == "text/rfc822-headers");
  CHECK(parts[2].body == "Subject: hello\r\n");
}

TEST_CASE("a message larger than report.returned comes back as its header") {
  sim_disk disk;
  scene s(disk);
  s.settings.report.returned = 2_KiB;
  s.start();
  std::string large = original;
  while (large.size() < 4096) large += "another line\r\n";
  auto envelope = envelope_from("me@c.test");
  envelope.ret = smtp::dsn_return::full;
  s.fail(envelope, large);
  CHECK(parts_of(read_entity(s.content(s.queued.back()->id)))[2].field("Content-Type") ==
        "text/rfc822-headers");
  s.settings.report.returned = 1_MiB;
  s.fail(envelope, large);
  CHECK(parts_of(read_entity(s.content(s.queued.back()->id)))[2].body == large);
}

TEST_CASE("report.failed off: nothing is sent, the log tells") {
  sim_disk disk;
  scene s(disk);
  s.settings.report.failed = false;
  s.start();
  const auto message = s.fail(envelope_from("me@c.test"));
  CHECK(s.queued.empty());
  CHECK(s.log.count("report.failed is off") == 1);
  s.flush();
  CHECK_FALSE(s.is_stored(message->id));
}

TEST_CASE("a report that fails is dropped with a line, or goes to the postmaster, never further") {
  sim_disk disk;
  scene s(disk);
  s.start();
  const auto dropped = s.fail(envelope_from("", "me@c.test"));
  CHECK(s.queued.empty());
  CHECK(s.log.count(dropped->id.text() +
                    ": the report to <me@c.test> cannot be delivered and is dropped") == 1);
  s.flush();
  CHECK_FALSE(s.is_stored(dropped->id));

  sim_disk other;
  scene with(other);
  with.settings.report.postmaster = "postmaster@here.test";
  with.start();
  const auto report = with.fail(envelope_from("", "me@c.test"));
  REQUIRE(with.queued.size() == 1);
  CHECK(with.queued[0]->is_report());
  CHECK(with.queued[0]->envelope->forward_paths[0].text() == "postmaster@here.test");
  CHECK(with.log.count("postmaster notification: " + with.queued[0]->id.text()) == 1);
  const auto parts = parts_of(read_entity(with.content(with.queued[0]->id)));
  CHECK(parts[2].field("Content-Type") == "message/rfc822");  // the whole report
  CHECK(parts[2].body == original);

  const auto rest = with.settle(with.job(with.queued[0]), {refused()}, by_mx());
  CHECK(rest.recipients.empty());
  CHECK(with.queued.size() == 1);
  CHECK(with.log.count("the report to <postmaster@here.test> cannot be delivered and is dropped") ==
        1);
  with.flush();
  CHECK_FALSE(with.is_stored(with.queued[0]->id));
  CHECK_FALSE(with.is_stored(report->id));
}

TEST_CASE("a storm of reports to one sender is spread, and its end is in the log") {
  sim_disk disk;
  scene s(disk);
  s.start();
  for (int i = 0; i < 12; ++i) s.fail(envelope_from("victim@c.test"));
  // Three at once, three in each of the two hours that a report may live.
  REQUIRE(s.queued.size() == 9);
  std::size_t held = 0;
  for (const auto& report : s.queued) {
    if (!report->envelope->hold_until) continue;
    ++held;
    CHECK(*report->envelope->hold_until > s.world.clock.wall());
    CHECK(*report->envelope->hold_until <= s.world.clock.wall() + 2h);
    CHECK(s.stored(report->id).envelope.hold_until == report->envelope->hold_until);
  }
  CHECK(held == 6);
  CHECK(s.log.count("more than 3 reports to one address (report.limit): held back") == 6);
  // The loss of information is told, each time, with name and reason.
  CHECK(s.log.count("too many reports to <victim@c.test> (report.limit): it is not told that "
                    "<a@far.test> failed: host mx.far.test[198.51.100.25] said: 550") == 3);
  s.fail(envelope_from("other@c.test"));
  CHECK(s.queued.size() == 10);
  CHECK_FALSE(s.queued.back()->envelope->hold_until);
}

TEST_CASE("a warning is never put off: late it would be no news") {
  sim_disk disk;
  scene s(disk);
  s.settings.report.limit = 1;
  s.start();
  const auto message = s.accept(envelope_from("me@c.test"), original);
  s.pass(4h);
  s.fail(envelope_from("me@c.test"));
  const verdict later(outcome::deferred, blame::recipient, "4.2.0", "busy");
  const auto rest = s.settle(s.job(message), {later}, by_mx());
  CHECK(rest.warnings == 1);
  CHECK(s.queued.size() == 1);
  CHECK(s.log.count("it is not told that <a@far.test> is delayed: busy") == 1);
}

TEST_CASE("one report tells of failure, success and delay; put off, only of what is final") {
  sim_disk disk;
  scene s(disk);
  s.settings.report.limit = 1;
  s.start();
  smtp::envelope envelope(path_of("me@c.test"),
                          {path_of("a@far.test"), path_of("b@far.test"), path_of("c@far.test")});
  envelope.recipient_options.resize(3);
  envelope.recipient_options[1].notify.success = true;
  const verdict later(outcome::deferred, blame::recipient, "4.2.0", "busy");
  const verdict sent(outcome::delivered, blame::none, "2.0.0", "250 ok");
  const auto first = s.accept(envelope, original);
  const auto second = s.accept(envelope, original);
  s.pass(4h);
  s.settle(s.job(first), {refused(), sent, later}, by_mx());
  s.settle(s.job(second), {refused(), sent, later}, by_mx());
  REQUIRE(s.queued.size() == 2);
  const auto actions = [&](std::size_t report) {
    const auto parts = parts_of(read_entity(s.content(s.queued[report]->id)));
    auto status = std::string_view(parts[1].body);
    read_fields(status);
    std::string all;
    while (!status.empty())
      for (const auto& [name, value] : read_fields(status))
        if (name == "Action") all += value + " ";
    return all;
  };
  CHECK(actions(0) == "failed relayed delayed ");
  CHECK(actions(1) == "failed relayed ");
  CHECK(s.queued[1]->envelope->hold_until);
}

TEST_CASE("a report to a UTF-8 reverse-path needs SMTPUTF8, any other does not") {
  sim_disk disk;
  scene s(disk);
  s.start();
  s.fail(envelope_from("j\xc3\xb6@c.test", "\xc3\xa9@far.test"));
  CHECK(s.queued[0]->envelope->smtputf8);
  CHECK(s.queued[0]->envelope->body == smtp::body_type::eight_bit_mime);
  s.fail(envelope_from("me@c.test", "\xc3\xa9@far.test"));
  CHECK_FALSE(s.queued[1]->envelope->smtputf8);
  CHECK(s.queued[1]->envelope->body == smtp::body_type::eight_bit_mime);
  s.fail(envelope_from("me@c.test"));
  CHECK(s.queued[2]->envelope->body == smtp::body_type::seven_bit);
}

TEST_CASE("without memory to spare a report goes without the original") {
  sim_disk disk;
  scene s(disk);
  s.settings.limits.memory = 1_B;
  s.start();
  s.fail(envelope_from("me@c.test"));
  REQUIRE(s.queued.size() == 1);
  CHECK_FALSE(s.queued[0]->content);
  CHECK(parts_of(read_entity(s.content(s.queued[0]->id)))[2].body.empty());
}

}  // namespace
}  // namespace relais::testing
