// What a response message says about a question: table of handcrafted messages, then damage.
#include "dns/answer_parser.hpp"

#include <catch2/catch.hpp>

#include "base/random.hpp"
#include "dns/name.hpp"
#include "message_builder.hpp"

using namespace relais;
using namespace relais::dns;
using relais::testing::message_builder;
using relais::testing::u16;
using relais::testing::u32;
using relais::testing::wire_name;

namespace {

constexpr auto mx = record_type::mx;
constexpr auto a = record_type::a;
constexpr auto aaaa = record_type::aaaa;
constexpr auto ptr = record_type::ptr;

struct row {
  std::string name;
  record_type type;
  message_builder message;
  verdict kind;
  std::string records;  // "10 mx.test, 20 ." or "192.0.2.1, ..."
  std::uint32_t ttl;
  std::string canonical;
};

std::string text_of(const parsed_answer& answer) {
  std::string all;
  for (const auto& r : answer.exchanges) {
    all += (all.empty() ? "" : ", ") + std::to_string(r.preference) + ' ' +
           (r.exchange.empty() ? "." : r.exchange);
  }
  for (const auto& name : answer.names) all += (all.empty() ? "" : ", ") + name;
  for (const auto& r : answer.addresses) all += (all.empty() ? "" : ", ") + r.text();
  return all;
}

message_builder about(record_type type, unsigned flags = 0x8180) {
  return message_builder("d.test", type, flags);
}

std::string chain_owner(unsigned i) {
  return i == 0 ? "d.test" : 'c' + std::to_string(i) + ".test";
}

message_builder chain(unsigned length) {
  auto m = about(a);
  for (unsigned i = 0; i < length; ++i) m.cname(chain_owner(i), chain_owner(i + 1));
  return m.address(chain_owner(length), "192.0.2.1");
}

const std::string question_pointer = "\xc0\x0c";

std::vector<row> rows() {
  const std::string label63(63, 'x');
  const std::string longest = label63 + '.' + label63 + '.' + label63 + '.' + std::string(61, 'y');
  return {
      {"MX records", mx, about(mx).mx("d.test", 10, "a.test", 60).mx("d.test", 20, "b.test", 50),
       verdict::records, "10 a.test, 20 b.test", 50, "d.test"},
      {"names are lower-cased", mx, about(mx).mx("D.Test", 10, "A.TEST"), verdict::records,
       "10 a.test", 300, "d.test"},
      {"the question in other case", mx, message_builder("D.TEST", mx).mx("d.test", 1, "a.test"),
       verdict::records, "1 a.test", 300, "d.test"},
      {"null MX", mx, about(mx).mx("d.test", 0, ""), verdict::records, "0 .", 300, "d.test"},
      {"an address", a, about(a).address("d.test", "192.0.2.1"), verdict::records, "192.0.2.1", 300,
       "d.test"},
      {"an IPv6 address", aaaa, about(aaaa).address("d.test", "2001:db8::1"), verdict::records,
       "2001:db8::1", 300, "d.test"},
      {"an owner by pointer", a, about(a).record(question_pointer, 1, 9, u32(0xc0000201)),
       verdict::records, "192.0.2.1", 9, "d.test"},
      {"an exchange that ends in a pointer", mx,
       about(mx).record(question_pointer, 15, 9, u16(5) + "\x02mx" + question_pointer),
       verdict::records, "5 mx.d.test", 9, "d.test"},
      {"records of other owners are ignored", mx,
       about(mx).mx("evil.test", 1, "evil.test", 1).mx("d.test", 10, "a.test"), verdict::records,
       "10 a.test", 300, "d.test"},
      {"records of other types and classes are ignored", a,
       about(a)
           .record(wire_name("d.test"), 1, 1, u32(1), 3)
           .record(wire_name("d.test"), 46, 1, "?")
           .address("d.test", "192.0.2.1"),
       verdict::records, "192.0.2.1", 300, "d.test"},
      {"names of an address", ptr,
       about(ptr).pointer("d.test", "Host.Test", 60).pointer("d.test", "b.test"), verdict::records,
       "host.test, b.test", 60, "d.test"},
      {"names that are no host names are dropped", ptr,
       about(ptr)
           .pointer("d.test", "a\r\nb.test")
           .pointer("d.test", "a/b.test")
           .pointer("d.test", "")
           .pointer("d.test", "host.test"),
       verdict::records, "host.test", 300, "d.test"},
      {"only unusable names", ptr, about(ptr).pointer("d.test", "a b.test"), verdict::temporary, "",
       0, ""},
      {"a reverse zone that is delegated by an alias with a slash", ptr,
       about(ptr).cname("d.test", "1.0/25.d.test", 50).pointer("1.0/25.d.test", "host.test"),
       verdict::records, "host.test", 50, "1.0/25.d.test"},
      {"an alias with a slash leads to no address", a,
       about(a).cname("d.test", "0/25.d.test").address("0/25.d.test", "192.0.2.1"),
       verdict::temporary, "", 0, ""},
      {"an alias with a slash and a blank", ptr, about(ptr).cname("d.test", "1.0/2 5.d.test"),
       verdict::temporary, "", 0, ""},
      {"a chain of aliases, in any order", a,
       about(a)
           .address("e.test", "192.0.2.1", 200)
           .cname("f.test", "e.test", 90)
           .cname("d.test", "f.test", 100),
       verdict::records, "192.0.2.1", 90, "e.test"},
      {"eight aliases", a, chain(8), verdict::records, "192.0.2.1", 300, "c8.test"},
      {"nine aliases", a, chain(9), verdict::temporary, "", 0, ""},
      {"a loop of aliases", a, about(a).cname("d.test", "e.test").cname("e.test", "d.test"),
       verdict::temporary, "", 0, ""},
      {"an alias of itself", a, about(a).cname("d.test", "d.test"), verdict::temporary, "", 0, ""},
      {"a chain that leaves the answer", a, about(a).cname("d.test", "e.test", 70), verdict::alias,
       "", 70, "e.test"},
      {"an alias whose zone says: no such record", a,
       about(a).cname("d.test", "e.test", 70).soa("test", 3600, 40), verdict::no_data, "", 40,
       "e.test"},
      {"an alias beside the SOA of a foreign zone", a,
       about(a).cname("d.test", "e.test", 70).soa("other", 3600, 40), verdict::alias, "", 70,
       "e.test"},
      {"an alias to a name that does not exist", a,
       about(a, 0x8183).cname("d.test", "e.test", 70).soa("test", 3600, 100), verdict::not_found,
       "", 70, "e.test"},
      {"an alias to no host name", a, about(a).cname("d.test", "mail host.test"),
       verdict::temporary, "", 0, ""},
      {"an alias to the root", a, about(a).cname("d.test", ""), verdict::temporary, "", 0, ""},
      {"NXDOMAIN without SOA", mx, about(mx, 0x8183), verdict::not_found, "", 0, "d.test"},
      {"NXDOMAIN: the SOA minimum is smaller", mx, about(mx, 0x8183).soa("test", 3600, 60),
       verdict::not_found, "", 60, "d.test"},
      {"NXDOMAIN: the SOA TTL is smaller", mx, about(mx, 0x8183).soa("", 30, 60),
       verdict::not_found, "", 30, "d.test"},
      {"no data", mx, about(mx).soa("d.test", 3600, 60), verdict::no_data, "", 60, "d.test"},
      {"no data without SOA", mx, about(mx), verdict::no_data, "", 0, "d.test"},
      {"no data: the SOA of a name that only looks like the parent", mx,
       about(mx).soa("est", 60, 60), verdict::no_data, "", 0, "d.test"},
      {"no data: only another type", mx, about(mx).address("d.test", "192.0.2.1"), verdict::no_data,
       "", 0, "d.test"},
      {"a referral of a server that does not recurse", mx,
       about(mx, 0x8000).name_server("test", "ns.test"), verdict::temporary, "", 0, ""},
      {"FORMERR", mx, about(mx, 0x8181), verdict::temporary, "", 0, ""},
      {"SERVFAIL", mx, about(mx, 0x8182), verdict::temporary, "", 0, ""},
      {"NOTIMP", mx, about(mx, 0x8184), verdict::temporary, "", 0, ""},
      {"REFUSED", mx, about(mx, 0x8185), verdict::temporary, "", 0, ""},
      {"SERVFAIL beside records", mx, about(mx, 0x8182).mx("d.test", 1, "a.test"),
       verdict::temporary, "", 0, ""},
      {"truncated", mx, about(mx, 0x8380).mx("d.test", 1, "a.test"), verdict::temporary, "", 0, ""},
      {"a query instead of a response", mx, about(mx, 0x0100), verdict::temporary, "", 0, ""},
      {"another opcode", mx, about(mx, 0xa980), verdict::temporary, "", 0, ""},
      {"another question name", mx, message_builder("e.test", mx).mx("d.test", 1, "a.test"),
       verdict::temporary, "", 0, ""},
      {"another question type", mx, message_builder("d.test", a), verdict::temporary, "", 0, ""},
      {"an exchange that is no host name is dropped", mx,
       about(mx)
           .mx("d.test", 5, "a b.test", 1)
           .mx("d.test", 6, "a\r\nb.test")
           .mx("d.test", 7, "m\xc3\xa4x.test")
           .mx("d.test", 10, "a_b-1.test"),
       verdict::records, "10 a_b-1.test", 300, "d.test"},
      {"a dot within a label is dropped", mx,
       about(mx)
           .record(wire_name("d.test"), 15, 1,
                   u16(5) +
                       "\x08"
                       "evil.com" +
                       '\0')
           .mx("d.test", 10, "a.test"),
       verdict::records, "10 a.test", 300, "d.test"},
      {"only unusable exchanges are no 'no data'", mx, about(mx).mx("d.test", 5, "a b.test"),
       verdict::temporary, "", 0, ""},
      {"the longest label and the longest name", mx, about(mx).mx("d.test", 1, longest),
       verdict::records, "1 " + longest, 300, "d.test"},
      {"a name one octet too long", mx, about(mx).mx("d.test", 1, longest + 'y'),
       verdict::temporary, "", 0, ""},
      {"a TTL with the top bit is zero", a, about(a).address("d.test", "192.0.2.1", 0x80000000),
       verdict::records, "192.0.2.1", 0, "d.test"},
      {"a pointer to itself", mx, about(mx).record("\xc0\x18", 15, 1, u16(1) + wire_name("a.test")),
       verdict::temporary, "", 0, ""},
      {"a pointer forwards", mx, about(mx).record("\xc0\x30", 15, 1, u16(1) + wire_name("a.test")),
       verdict::temporary, "", 0, ""},
      {"a pointer into the run that it ends", mx,
       about(mx).record(std::string("\x01x\xc0\x18", 4), 15, 1, u16(1) + wire_name("a.test")),
       verdict::temporary, "", 0, ""},
      {"a reserved label type", mx, about(mx).record("\x41x", 15, 1, u16(1) + wire_name("a.test")),
       verdict::temporary, "", 0, ""},
      {"an address of five octets", a, about(a).record(wire_name("d.test"), 1, 1, "12345"),
       verdict::temporary, "", 0, ""},
      {"an exchange longer than its record", mx,
       about(mx).record(wire_name("d.test"), 15, 1,
                        u16(1) + "\x03"
                                 "ab"),
       verdict::temporary, "", 0, ""},
      {"octets behind an exchange", mx,
       about(mx).record(wire_name("d.test"), 15, 1, u16(1) + wire_name("a.test") + '!'),
       verdict::temporary, "", 0, ""},
  };
}

}  // namespace

TEST_CASE("a response is judged by what it says about the question", "[dns]") {
  for (const auto& r : rows()) {
    DYNAMIC_SECTION(r.name) {
      const auto answer = parse_answer(r.message.octets(), question{"d.test", r.type});
      CHECK(answer.kind == r.kind);
      CHECK(text_of(answer) == r.records);
      CHECK(answer.ttl == r.ttl);
      CHECK(answer.canonical_name == r.canonical);
    }
  }
}

TEST_CASE("a response cut at any octet tells nothing", "[dns]") {
  for (const auto& r : rows()) {
    const auto whole = r.message.octets();
    for (std::size_t length = 0; length < whole.size(); ++length) {
      // A copy of its own, so that AddressSanitizer sees a read behind the end.
      const std::vector<std::uint8_t> part(whole.begin(),
                                           whole.begin() + static_cast<std::ptrdiff_t>(length));
      const auto answer = parse_answer(part, question{"d.test", r.type});
      INFO(r.name << ", " << length << " octets");
      REQUIRE(answer.kind == verdict::temporary);
    }
  }
}

TEST_CASE("a damaged response never brings names outside of the grammar", "[dns]") {
  seeded_random rng(7);
  for (const auto& r : rows()) {
    for (int round = 0; round < 200; ++round) {
      auto octets = r.message.octets();
      for (auto flips = 1 + rng.below(4); flips > 0; --flips) {
        octets[rng.below(octets.size())] = static_cast<std::uint8_t>(rng.next());
      }
      const auto answer = parse_answer(octets, question{"d.test", r.type});
      for (const auto& record : answer.exchanges) {
        const bool clean = record.exchange.find_first_not_of(
                               "abcdefghijklmnopqrstuvwxyz0123456789-_.") == std::string::npos;
        REQUIRE(clean);
        REQUIRE(record.exchange.size() <= 253);
      }
      const bool has_records =
          !answer.exchanges.empty() || !answer.addresses.empty() || !answer.names.empty();
      for (const auto& name : answer.names) REQUIRE(is_host_name(name));
      REQUIRE(has_records == (answer.kind == verdict::records));
    }
  }
}
