// What an envelope asks for on its way out, with two hosts for far.test that offer what each test
// says.
#include <catch2/catch.hpp>

#include "support/delivery_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using smtp::extension;

smtp::extension_set without(const std::vector<extension>& missing) {
  auto set = smtp::extension_set::usual();
  for (const auto e : missing) set.remove(e);
  return set;
}

using scene = delivery_scene;

TEST_CASE("what a message asks for arrives at a host that offers it") {
  scene s;
  auto e = scene::letter();
  e.ret = smtp::dsn_return::headers;
  e.envelope_id = "id+2B1";
  e.priority = 3;
  e.by = smtp::deliver_by{s.world.clock.wall() + 1h, true, false};
  e.recipient_options.resize(1);
  e.recipient_options[0].notify.success = true;
  e.recipient_options[0].original_recipient = "rfc822;jim@old.test";
  s.submit(e);
  s.run(1h);
  REQUIRE(s.first->taken.size() == 1);
  const auto& got = s.first->taken[0];
  CHECK(got.mail.ret == smtp::dsn_return::headers);
  CHECK(got.mail.envelope_id == "id+2B1");
  CHECK(got.mail.priority == 3);
  REQUIRE(got.mail.by);
  CHECK(got.mail.by->seconds > 3500);
  CHECK(got.mail.by->seconds < 3600);
  REQUIRE(got.rcpt.size() == 1);
  CHECK(got.rcpt[0].notify.success);
  CHECK(got.rcpt[0].original_recipient == "rfc822;jim@old.test");
  CHECK(s.home->taken.empty());  // success is the next host's to tell
}

TEST_CASE("binary content passes octet for octet, in one chunk") {
  scene s;
  auto e = scene::letter();
  e.body = smtp::body_type::binary_mime;
  std::string content = "Subject: x\r\n\r\n.\r\n.\n\r \n.dot\r\n.\r\n";
  content += std::string(1, '\0') + std::string(200'000, '\xff') + "\r";
  s.submit(e, content);
  s.run(1h);
  REQUIRE(s.first->taken.size() == 1);
  CHECK(s.first->taken[0].content == content);
  CHECK(s.first->taken[0].mail.body == smtp::body_type::binary_mime);
}

struct need_row {
  std::string name;
  std::string status;  ///< of the report, where no host offers it
  std::vector<extension> missing;
  void (*ask)(smtp::envelope&, wall_time now);
};

TEST_CASE("where one host lacks what a message needs, another may have it") {
  const auto r = GENERATE(values<need_row>({
      {"BINARYMIME",
       "5.6.3",
       {extension::binary_mime},
       [](smtp::envelope& e, wall_time) { e.body = smtp::body_type::binary_mime; }},
      {"CHUNKING",
       "5.6.3",
       {extension::chunking},
       [](smtp::envelope& e, wall_time) { e.body = smtp::body_type::binary_mime; }},
      {"SMTPUTF8 of a header",
       "5.6.7",
       {extension::smtputf8},
       [](smtp::envelope& e, wall_time) { e.smtputf8 = true; }},
      {"SMTPUTF8 of an address",
       "5.6.7",
       {extension::smtputf8},
       [](smtp::envelope& e, wall_time) {
         e.smtputf8 = true;
         e.forward_paths[0] = smtp::parse_address("j\xc3\xb6@far.test").value();
       }},
      {"DELIVERBY",
       "5.3.3",
       {extension::deliver_by},
       [](smtp::envelope& e, wall_time now) { e.by = smtp::deliver_by{now + 1h, true, false}; }},
  }));
  DYNAMIC_SECTION(r.name) {
    scene s;
    s.first->extensions = without(r.missing);
    auto e = scene::letter();
    r.ask(e, s.world.clock.wall());
    SECTION("it is there") {
      s.submit(e);
      s.run(1h);
      INFO(s.log.text());
      CHECK(s.first->taken.empty());
      CHECK(s.second->taken.size() == 1);
      CHECK(s.home->taken.empty());
    }
    SECTION("nobody has it") {
      s.second->extensions = s.first->extensions;
      s.submit(e);
      s.run(1h);
      INFO(s.log.text());
      CHECK(s.first->taken.empty());
      CHECK(s.second->taken.empty());
      REQUIRE(s.home->taken.size() == 1);
      CHECK(has(s.reports(), "Action: failed\r\nStatus: " + r.status + "\r\n"));
      CHECK(s.first->connections == 1);
      CHECK(s.second->connections == 1);
    }
    SECTION("the other host cannot be asked now") {
      s.second->stop();
      s.run(1s);
      s.second.reset();
      s.submit(e);
      s.run(10min);
      INFO(s.log.text());
      CHECK(s.home->taken.empty());
      CHECK(s.log.count("status=deferred") > 0);
      s.second = s.host("198.51.100.2", "mx2.far.test");
      s.run(1h);
      CHECK((r.name == "DELIVERBY" || s.second->taken.size() == 1));
    }
  }
}

TEST_CASE("recipients that one host cannot take go elsewhere, the others do not wait") {
  scene s;
  s.first->extensions = without({extension::smtputf8});
  auto e = scene::letter();
  e.forward_paths.push_back(smtp::parse_address("j\xc3\xb6@far.test").value());
  s.submit(e);
  s.run(1h);
  REQUIRE(s.first->taken.size() == 1);
  CHECK(s.first->taken[0].forward_paths == std::vector<std::string>{"joe@far.test"});
  REQUIRE(s.second->taken.size() == 1);
  CHECK(s.second->taken[0].forward_paths == std::vector<std::string>{"j\xc3\xb6@far.test"});
  CHECK(s.home->taken.empty());
}

TEST_CASE("a message too large for one host is taken by another") {
  scene s;
  s.first->message_size = 1000;
  s.submit(scene::letter(), "Subject: x\r\n\r\n" + std::string(2000, 'x') + "\r\n");
  s.run(1h);
  CHECK(s.first->taken.empty());
  CHECK(s.second->taken.size() == 1);
}

TEST_CASE("REQUIRETLS without verified TLS is returned and never sent") {
  scene s;
  auto e = scene::letter();
  e.require_tls = true;
  s.submit(e);
  s.run(1h);
  CHECK(s.first->taken.empty());
  CHECK(s.second->taken.empty());
  CHECK(has(s.reports(), "Status: 5.7.30\r\n"));
}

TEST_CASE("success is reported where the next host cannot") {
  scene s;
  s.first->extensions = without({extension::dsn});
  auto e = scene::letter();
  e.envelope_id = "QQ314159+2Bx";
  e.recipient_options.resize(1);
  e.recipient_options[0].notify.success = true;
  e.recipient_options[0].original_recipient = "rfc822;Bob+40far.test";
  s.submit(e);
  s.run(1h);
  REQUIRE(s.first->taken.size() == 1);
  REQUIRE(s.home->taken.size() == 1);
  const auto report = s.reports();
  CHECK(has(report, "Subject: Successful Mail Delivery Report\r\n"));
  CHECK(has(report, "Original-Envelope-Id: QQ314159+x\r\nReporting-MTA"));
  CHECK(has(report,
            "Original-Recipient: rfc822; Bob@far.test\r\nFinal-Recipient: rfc822; joe@far.test\r\n"
            "Action: relayed\r\nStatus: 2.0.0\r\n"));
  CHECK(s.home->taken[0].reverse_path.empty());
}

TEST_CASE("a sender gets the reports that were asked for") {
  struct report_row {
    smtp::dsn_notify notify;
    bool fails, reported;
  };
  const auto r = GENERATE(values<report_row>({{{}, true, true},
                                              {{}, false, false},
                                              {{true, false, false, false}, true, false},
                                              {{true, false, false, false}, false, false},
                                              {{false, true, false, false}, true, false},
                                              {{false, true, false, false}, false, true},
                                              {{false, false, true, false}, true, true},
                                              {{false, false, true, false}, false, false},
                                              {{false, false, false, true}, true, false},
                                              {{false, true, true, true}, true, true}}));
  scene s;
  s.first->extensions = without({extension::dsn});
  if (r.fails) s.first->answers = {smtp::reply_id::transaction_failed};
  auto e = scene::letter();
  e.recipient_options.resize(1);
  e.recipient_options[0].notify = r.notify;
  s.submit(e);
  s.run(1h);
  INFO(s.log.text());
  CHECK(s.home->taken.size() == (r.reported ? 1 : 0));
  CHECK(s.log.count(": removed") > 0);
}

TEST_CASE("RET says how much of a failed message comes back") {
  struct ret_row {
    smtp::dsn_return ret;
    std::size_t body;
    bool full;
  };
  const auto r = GENERATE(values<ret_row>({{smtp::dsn_return::unspecified, 10, false},
                                           {smtp::dsn_return::headers, 10, false},
                                           {smtp::dsn_return::full, 10, true},
                                           {smtp::dsn_return::full, 500'000, true},
                                           {smtp::dsn_return::full, 2'000'000, false}}));
  scene s;
  s.first->answers = {smtp::reply_id::transaction_failed};
  auto e = scene::letter();
  e.ret = r.ret;
  std::string body;
  while (body.size() < r.body) body += "the body\r\n";
  s.submit(e, "Subject: x\r\n\r\n" + body);
  s.run(1h);
  const auto report = s.reports();
  CHECK(has(report, "Subject: x\r\n"));
  CHECK(has(report, body) == r.full);
  CHECK(has(report, r.full ? "message/rfc822" : "text/rfc822-headers"));
}

TEST_CASE("a message for later waits until then, and its life begins then") {
  scene s;
  s.first->answers = {smtp::reply_id::queue_write_failed};
  auto e = scene::letter();
  const auto begin = s.world.clock.now();
  e.hold_until = s.world.clock.wall() + 48h;
  s.submit(e);
  s.run(47h);
  CHECK(s.first->attempts.empty());
  s.run(4h);
  INFO(s.log.text());
  REQUIRE(s.first->attempts.size() == 2);
  CHECK(s.first->attempts[0] - begin >= 48h);
  CHECK(s.first->attempts[0] - begin < 48h + 1min);
  CHECK(s.first->taken.size() == 1);
  CHECK(s.home->taken.empty());
}

TEST_CASE("a delivery that must be in time is given up at the end of it") {
  scene s;
  s.first->answers = {smtp::reply_id::queue_write_failed};
  auto e = scene::letter();
  e.by = smtp::deliver_by{s.world.clock.wall() + 10min, true, false};
  s.submit(e);
  s.run(11min);
  INFO(s.log.text());
  CHECK(s.first->taken.empty());
  CHECK(s.first->attempts.size() == 1);
  REQUIRE(s.home->taken.size() == 1);
  CHECK(has(s.reports(), "Action: failed\r\nStatus: 5.4.7\r\n"));
}

}  // namespace
}  // namespace relais::testing
