// Replies of the end of a message, and of a spool that is full or fails: what is not answered 250
// is not queued.
#include <catch2/catch.hpp>

#include "wire_situation.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using smtp::reply_id;

const std::string not_written = "451 4.3.0 Queue file could not be written, try again later\r\n";
const std::string full = "452 4.3.1 Not enough storage, try again later\r\n";

void nothing_is_queued(relay_scene& r) {
  REQUIRE(r.relay.shut_down(1min));
  r.disk.on_operation({});
  REQUIRE(r.relay.spooled().empty());
  REQUIRE(r.relay.large_files() == 0);
}

/// From there on operations of that kind fail.
scene_action fails(disk_operation what, errc error) {
  return [what, error](relay_scene& r) {
    r.disk.on_operation([what, error](disk_operation asked, std::string_view) {
      return asked == what ? std::optional(error) : std::nullopt;
    });
  };
}

/// One message waits in the spool, and then the disk has that much left.
void leave_room(relay_scene& r, std::uint64_t octets) {
  r.relay.start();
  client_session first;
  first.lines = {ehlo().said, mail.said, rcpt.said, data.said, text.said, quit.said};
  run_client(r.world, r.clients, endpoint{simulated_relay::address, 25}, first);
  r.world.run_until([&] { return first.over; }, 1min);
  REQUIRE(r.relay.shut_down(1min));
  disk_limits limits;
  limits.bytes = limits.bytes - r.disk.space()->bytes + octets;
  r.disk.set_capacity(limits);
}

TEST_CASE("reply queue_write_failed: the message cannot be written") {
  situation s;
  s.turns = {greeting,
             ehlo(),
             mail,
             rcpt,
             data.when(fails(disk_operation::write, errc::io_error)),
             {text.said, not_written},
             quit};
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.relay.log.count("NOQUEUE: reject: END-OF-MESSAGE from unknown[203.0.113.5]: 451 ") ==
            1);
    REQUIRE(r.relay.log.count("not queued: ") == 1);
    nothing_is_queued(r);
  };
  check_reply(reply_id::queue_write_failed, s);
}

TEST_CASE("reply queue_write_failed: the message cannot be synced") {
  situation s;
  s.turns = {greeting,
             ehlo(),
             mail,
             rcpt,
             data.when(fails(disk_operation::sync, errc::io_error)),
             {text.said, not_written},
             quit};
  check_reply(reply_id::queue_write_failed, s);
}

TEST_CASE("reply queue_write_failed: a large message cannot be written to its file") {
  situation s;
  s.configure = [](relay_scene& r) { r.relay.settings.spool.inline_max = 64_B; };
  s.turns = {greeting,
             ehlo(),
             mail,
             rcpt,
             data.when(fails(disk_operation::write, errc::io_error)),
             {text.said, not_written},
             quit};
  s.afterwards = nothing_is_queued;
  check_reply(reply_id::queue_write_failed, s);
}

TEST_CASE("reply queue_write_failed: behind the last chunk") {
  situation s;
  s.turns = {greeting,
             ehlo(),
             mail,
             rcpt,
             turn("BDAT 12\r\nSubject: x\r\n", "250 2.0.0 12 octets received\r\n")
                 .when(fails(disk_operation::write, errc::io_error)),
             {"BDAT 4 LAST\r\n\r\nx\n", not_written},
             quit};
  s.turns[5].said = "BDAT 5 LAST\r\n\r\nx\r\n";
  s.afterwards = nothing_is_queued;
  check_reply(reply_id::queue_write_failed, s);
}

TEST_CASE("reply no_storage: the disk is full when the message is to be written") {
  situation s;
  s.turns = {greeting,
             ehlo(),
             mail,
             rcpt,
             data.when(fails(disk_operation::write, errc::no_space)),
             {text.said, full},
             quit};
  s.afterwards = nothing_is_queued;
  check_reply(reply_id::no_storage, s);
}

TEST_CASE("reply no_storage: the disk is full when a large message goes to its file") {
  situation s;
  s.configure = [](relay_scene& r) { r.relay.settings.spool.inline_max = 64_B; };
  s.turns = {greeting,
             ehlo(),
             mail,
             rcpt,
             data.when(fails(disk_operation::write, errc::no_space)),
             {text.said, full},
             quit};
  s.afterwards = nothing_is_queued;
  check_reply(reply_id::no_storage, s);
}

TEST_CASE("reply no_storage: the disk is below its reserve at MAIL") {
  situation s;
  s.configure = [](relay_scene& r) { leave_room(r, 3 << 20); };
  s.turns = {greeting, ehlo(), {mail.said, full}, quit};
  check_reply(reply_id::no_storage, s);
}

TEST_CASE("reply no_storage_for_size: more is declared than there is room for") {
  situation s;
  s.configure = [](relay_scene& r) { leave_room(r, 7 << 20); };
  s.turns = {greeting,
             ehlo(),
             {"MAIL FROM:<me@c.test> SIZE=10000000\r\n",
              "452 4.3.1 Not enough storage for a message of that size, try again later\r\n"},
             {"MAIL FROM:<me@c.test> SIZE=1000\r\n", "250 2.1.0 Ok\r\n"},
             quit};
  check_reply(reply_id::no_storage_for_size, s);
}

TEST_CASE("reply storage_exhausted: the disk is full to its last reserve at the greeting") {
  situation s;
  s.configure = [](relay_scene& r) { leave_room(r, 600 << 10); };
  s.client = simulated_relay::client_address;
  s.turns = {{"EHLO c.test\r\n", "421 relay.test Disk is full, try again later\r\n"}};
  check_reply(reply_id::storage_exhausted, s);
}

TEST_CASE("reply loop_detected: too many hops") {
  situation s;
  s.configure = [](relay_scene& r) { r.relay.settings.limits.hops = 2; };
  const std::string hop = "Received: x\r\n";
  s.turns = {greeting, ehlo(),
             mail,     rcpt,
             data,     {hop + hop + ".\r\n", text.heard},
             mail,     rcpt,
             data,     {hop + hop + hop + ".\r\n", "554 5.4.6 Mail loop: too many hops\r\n"},
             quit};
  check_reply(reply_id::loop_detected, s);
}

TEST_CASE("reply header_too_large: in memory and in a file") {
  const auto inline_max = GENERATE(16_KiB, 64_B);
  situation s;
  s.configure = [=](relay_scene& r) {
    r.relay.settings.limits.header_size = 300_B;  // with our own field
    r.relay.settings.spool.inline_max = inline_max;
  };
  const auto header = "Subject: " + std::string(200, 'x') + "\r\n";
  s.turns = {
      greeting, ehlo(), mail,
      rcpt,     data,   {header + "\r\nbody\r\n.\r\n", "552 5.3.4 Message header is too large\r\n"},
      mail,     rcpt,   data,
      text,     quit};
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.relay.shut_down(1min));
    REQUIRE(r.relay.spooled().size() == 1);
  };
  check_reply(reply_id::header_too_large, s);
}

TEST_CASE("reply message_too_big: content and chunks beyond the limit of the listener") {
  situation s;
  s.configure = [](relay_scene& r) { r.relay.settings.listeners[0].message_size = 20_B; };
  offer small;
  small.size = "20";
  const std::string too_big = "552 5.3.4 Message exceeds the size limit\r\n";
  s.turns = {greeting,
             ehlo(small),
             mail,
             rcpt,
             data,
             {"0123456789\r\n0123456789\r\n.\r\n", too_big},
             mail,
             rcpt,
             {"BDAT 12\r\n0123456789\r\n", "250 2.0.0 12 octets received\r\n"},
             {"BDAT 12 LAST\r\n0123456789\r\n", too_big},
             quit};
  s.afterwards = nothing_is_queued;
  check_reply(reply_id::message_too_big, s);
}

TEST_CASE("reply size_too_big: declared beyond the limit of the listener") {
  situation s;
  s.configure = [](relay_scene& r) { r.relay.settings.listeners[0].message_size = 20_B; };
  offer small;
  small.size = "20";
  s.turns = {
      greeting,
      ehlo(small),
      {"MAIL FROM:<me@c.test> SIZE=21\r\n", "552 5.3.4 Declared size exceeds the size limit\r\n"},
      quit};
  check_reply(reply_id::size_too_big, s);
}

TEST_CASE("reply queued: by DATA and by chunks") {
  situation s;
  s.turns = {greeting,
             ehlo(),
             mail,
             rcpt,
             data,
             text,
             mail,
             rcpt,
             {"BDAT 12\r\nSubject: x\r\n", "250 2.0.0 12 octets received\r\n"},
             {"BDAT 0 LAST\r\n", text.heard},
             quit};
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.relay.shut_down(1min));
    REQUIRE(r.relay.spooled().size() == 2);
  };
  check_reply(reply_id::queued, s);
}

}  // namespace
}  // namespace relais::testing
