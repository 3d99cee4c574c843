// Access rules: what patterns match, which rule decides, at which step, and what a table's mistakes
// say.
#include "policy/access_rules.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "base/random.hpp"
#include "policy/access_pattern.hpp"

using namespace relais;
using namespace relais::policy;
using config::access_action;

namespace {

smtp::path path(std::string_view address) {
  const auto kind = address == "<postmaster>" ? smtp::path_kind::forward : smtp::path_kind::reverse;
  if (address.starts_with('<')) return smtp::parse_path(address, kind).value().address;
  return smtp::parse_address(address).value();
}

struct asked {
  std::string client = "192.0.2.1", name = "unknown", hello = "h.test", user = "",
              sender = "s@s.test",
              recipient = "r@r.test";  // "": not known yet
};

std::string outcome(const access_rules& rules, const asked& a) {
  access_subject s;
  s.client = ip_address::parse(a.client).value();
  s.client_name = a.name;
  s.hello = a.hello;
  s.user = a.user;
  const auto sender = a.sender.empty() ? smtp::path() : path(a.sender);
  const auto recipient = a.recipient.empty() ? smtp::path() : path(a.recipient);
  s.sender = &sender;
  if (!a.recipient.empty()) s.recipient = &recipient;
  const auto d = rules.decide(s);
  if (!d) return "-";
  const char* action = d->action == access_action::accept   ? "accept "
                       : d->action == access_action::reject ? "reject "
                                                            : "defer ";
  return action + d->text + " [" + d->rule + "]";
}

access_rules table(std::string_view text) {
  std::vector<std::string> mistakes;
  std::vector<access_table> tables;
  tables.emplace_back(text, "t", mistakes);
  REQUIRE(mistakes == std::vector<std::string>{});
  return {{}, std::move(tables)};
}

/// A matching line and its rule of the configuration must agree.
config::access_rule row(std::string_view kind, const std::string& pattern) {
  config::access_rule r;
  r.place = {"c.yaml", 3};
  r.text = "no";
  if (kind == "client") r.clients = {ip_network::parse(pattern).value()};
  if (kind == "client_name") r.client_names = {pattern};
  if (kind == "helo") r.hellos = {pattern};
  if (kind == "sender") r.senders = {pattern};
  if (kind == "recipient") r.recipients = {pattern};
  if (kind == "user") r.users = {pattern};
  return r;
}

}  // namespace

TEST_CASE("what a pattern matches, in the configuration and in a table") {
  struct row_of_table {
    std::string kind, pattern, value;
    bool matches;
  };
  const auto r = GENERATE(values<row_of_table>({
      {"client", "192.0.2.1", "192.0.2.1", true},
      {"client", "192.0.2.0/24", "192.0.2.255", true},
      {"client", "192.0.2.0/25", "192.0.2.128", false},
      {"client", "0.0.0.0/0", "203.0.113.9", true},
      {"client", "0.0.0.0/0", "2001:db8::1", false},
      {"client", "2001:db8::/33", "2001:db8:7fff::1", true},
      {"client", "2001:db8::/33", "2001:db8:8000::1", false},
      {"client", "::/0", "2001:db8::1", true},
      {"client", "::/0", "192.0.2.1", false},
      {"client_name", "mail.b.example", "Mail.B.example", true},
      {"client_name", "b.example", "mail.b.example", false},
      {"client_name", ".b.example", "mail.b.example", true},
      {"client_name", ".b.example", "b.example", false},
      {"client_name", ".b.example", "xb.example", false},
      {"client_name", "unknown", "unknown", true},
      {"helo", "LOCALHOST", "localhost", true},
      {"helo", ".lan", "pc.lan", true},
      {"helo", "[192.0.2.1]", "[192.0.2.1]", true},
      {"sender", "a@b.example", "A@B.example", true},
      {"sender", "a@b.example", "\"a\"@b.example", true},
      {"sender", "a@b.example", "\"\\a\"@b.example", true},
      {"sender", "a@b.example", "aa@b.example", false},
      {"sender", "a@b.example", "a@c.b.example", false},
      {"sender", "b.example", "a@b.example", true},
      {"sender", "b.example", "a@c.b.example", false},
      {"sender", "b.example", "b.example@c.example", false},
      {"sender", ".b.example", "a@c.b.example", true},
      {"sender", ".example", "a@c.b.example", true},
      {"sender", ".b.example", "a@b.example", false},
      {"sender", "a@", "a@any.example", true},
      {"sender", "a@", "b@any.example", false},
      {"sender", "<>", "<>", true},
      {"sender", "<>", "a@b.example", false},
      {"sender", "b.example", "<>", false},
      {"sender", "[192.0.2.1]", "a@[192.0.2.1]", true},
      {"sender", ".2.1]", "a@[192.0.2.1]", false},
      {"sender", "a%b@b.example", "a%b@b.example", true},
      {"recipient", "r@b.example", "r@b.example", true},
      {"recipient", "b.example", "\"x@y\"@b.example", true},
      {"recipient", "postmaster@", "<postmaster>", true},
      {"user", "joe", "joe", true},
      {"user", "joe", "Joe", false},
      {"user", "joe", "", false},
  }));
  asked a;
  if (r.kind == "client") a.client = r.value;
  if (r.kind == "client_name") a.name = r.value;
  if (r.kind == "helo") a.hello = r.value;
  if (r.kind == "sender") a.sender = r.value;
  if (r.kind == "recipient") a.recipient = r.value;
  if (r.kind == "user") a.user = r.value;
  DYNAMIC_SECTION(r.kind << " " << r.pattern << (r.matches ? " matches " : " is not ") << r.value) {
    const access_rules configured({row(r.kind, r.pattern)}, {});
    CHECK(outcome(configured, a) == (r.matches ? "reject no [c.yaml:3: policy.rules]" : "-"));
    const auto listed = table(r.kind + " " + r.pattern + " reject no\n");
    CHECK(outcome(listed, a) == (r.matches ? "reject no [t:1]" : "-"));
  }
}

TEST_CASE("every criterion of a rule must match, any word of one") {
  auto rule = row("sender", "bad.test");
  rule.senders.push_back("worse.test");
  rule.clients = {*ip_network::parse("10.0.0.0/8"), *ip_network::parse("2001:db8::/32")};
  const access_rules rules({rule}, {});
  const std::string no = "reject no [c.yaml:3: policy.rules]";
  CHECK(outcome(rules, {.client = "10.1.1.1", .sender = "a@worse.test"}) == no);
  CHECK(outcome(rules, {.client = "2001:db8::1", .sender = "a@bad.test"}) == no);
  CHECK(outcome(rules, {.client = "192.0.2.1", .sender = "a@bad.test"}) == "-");
  CHECK(outcome(rules, {.client = "10.1.1.1", .sender = "a@good.test"}) == "-");
}

TEST_CASE("the first match decides, and as early as it is certain") {
  auto to_abuse = row("recipient", "abuse@");
  to_abuse.action = access_action::accept;
  auto network = row("client", "192.0.2.0/24");
  network.place.line = 4;
  const access_rules rules({to_abuse, network}, {});
  const std::string no = "reject no [c.yaml:4: policy.rules]";
  // At MAIL the recipient may still be abuse@.
  CHECK(outcome(rules, {.recipient = ""}) == "-");
  CHECK(outcome(rules, {.recipient = "abuse@r.test"}).starts_with("accept "));
  CHECK(outcome(rules, {}) == no);
  const access_rules turned({network, to_abuse}, {});
  CHECK(outcome(turned, {.recipient = ""}) == no);
  CHECK(outcome(turned, {.recipient = "abuse@r.test"}) == no);
  // A rule about a recipient that cannot match otherwise does not put off the decision.
  to_abuse.clients = {*ip_network::parse("10.0.0.0/8")};
  CHECK(outcome(access_rules({to_abuse, network}, {}), {.recipient = ""}) == no);
}

TEST_CASE("in a table the first line decides, whatever its kind") {
  const auto rules = table(
      "# who may\n"
      "\n"
      "sender friend@bad.test OK\n"
      "recipient abuse@ accept\r\n"
      "\tclient  192.0.2.0/24\tDEFER  come back   later \n"
      "client 192.0.2.1 REJECT never reached\n"
      "sender bad.test REJECT\n");
  CHECK(outcome(rules, {.sender = "friend@bad.test"}) == "accept <r@r.test>: Access denied [t:3]");
  CHECK(outcome(rules, {.sender = "friend@bad.test", .recipient = ""}).ends_with("[t:3]"));
  CHECK(outcome(rules, {}) == "defer come back   later [t:5]");
  CHECK(outcome(rules, {.recipient = ""}) == "-");
  CHECK(outcome(rules, {.recipient = "abuse@x.test"}).ends_with("[t:4]"));
  CHECK(outcome(rules, {.client = "192.0.3.1", .sender = "x@bad.test"}) ==
        "reject <r@r.test>: Access denied [t:7]");
  CHECK(outcome(rules, {.client = "192.0.3.1", .sender = "x@bad.test", .recipient = ""}) == "-");
}

TEST_CASE("rules of the configuration come before those of files, files in their order") {
  std::vector<std::string> mistakes;
  std::vector<access_table> tables;
  tables.emplace_back("sender a@b.test reject first\nsender c@b.test reject first", "one",
                      mistakes);
  tables.emplace_back("sender b.test reject second", "two", mistakes);
  auto rule = row("sender", "a@b.test");
  const access_rules rules({rule}, std::move(tables));
  CHECK(outcome(rules, {.sender = "a@b.test"}) == "reject no [c.yaml:3: policy.rules]");
  CHECK(outcome(rules, {.sender = "c@b.test"}) == "reject first [one:2]");
  CHECK(outcome(rules, {.sender = "d@b.test"}) == "reject second [two:1]");
}

TEST_CASE("mistakes of a table are told with their lines") {
  struct row_of_table {
    std::string line, mistake;
  };
  const auto r = GENERATE(values<row_of_table>({
      {"sender", "a rule is KIND PATTERN ACTION [TEXT]"},
      {"sender a@b.test", "a rule is KIND PATTERN ACTION [TEXT]"},
      {"from a@b.test OK", "from is no kind: client, client_name, helo, sender, recipient or user"},
      {"sender a@b.test DUNNO", "DUNNO is no action: OK, ACCEPT, REJECT or DEFER"},
      {"client 192.0.2.1/24 OK", "192.0.2.1/24 is no address or network"},
      {"client host.test OK", "host.test is no address or network"},
      {"sender @b.test OK", "@b.test is no address, domain, user@ or <>"},
      {"helo . OK", ". is no host name"},
      {"helo h.test OK \xff", "the text of a reply is printable ASCII"},
      {"sender \x1b[2J OK\x1b", "OK\\x1b is no action: OK, ACCEPT, REJECT or DEFER"},
  }));
  std::vector<std::string> mistakes;
  const access_table t("# one\n" + r.line + "\nsender a@b.test OK\n", "f", mistakes);
  CHECK(mistakes == std::vector<std::string>{"f:2: " + r.mistake});
}

TEST_CASE("of a file that is no table, twenty mistakes are enough") {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "garbage\n";
  std::vector<std::string> mistakes;
  const access_table t(text, "f", mistakes);
  CHECK(mistakes.size() == 20);
}

TEST_CASE("a table of a hundred thousand lines is found in by hashes") {
  std::string text;
  for (unsigned i = 0; i < 100'000; ++i) text += "sender user" + std::to_string(i) + "@b.test OK\n";
  const auto rules = table(text);
  CHECK(outcome(rules, {.sender = "user99999@b.test"}).ends_with("[t:100000]"));
  CHECK(outcome(rules, {.sender = "user@b.test"}) == "-");
  // Would take minutes if lines were compared one by one.
  std::size_t found = 0;
  for (unsigned i = 0; i < 50'000; ++i)
    found += outcome(rules, {.sender = "user" + std::to_string(i) + "@b.test"}) == "-" ? 0u : 1u;
  CHECK(found == 50'000);
}

TEST_CASE("files of rules are read at the start, or the start fails with their mistakes") {
  char name[] = "/tmp/relais-rules-XXXXXX";
  const int fd = ::mkstemp(name);
  REQUIRE(fd >= 0);
  ::close(fd);
  const std::string file = name;
  std::ofstream(file) << "sender bad.test REJECT go away\n";
  config::policy_settings settings;
  settings.rules_files = {file};
  CHECK(outcome(access_rules(settings), {.sender = "x@bad.test"}) ==
        "reject go away [" + file + ":1]");
  std::ofstream(file) << "sender bad.test\nhelo\n";
  settings.rules_files.push_back("/nonexistent/rules");
  settings.rules_files.push_back("/tmp");
  std::string said;
  try {
    const access_rules rules(settings);
  } catch (const std::runtime_error& e) {
    said = e.what();
  }
  CHECK(said.find(file + ":1: a rule is") != std::string::npos);
  CHECK(said.find("\n" + file + ":2: a rule is") != std::string::npos);
  CHECK(said.find("\n/nonexistent/rules: cannot be read: ") != std::string::npos);
  CHECK(said.find("\n/tmp: cannot be read: ") != std::string::npos);
  ::unlink(name);
}

TEST_CASE("a name of dots does not make endless keys") {
  std::string name;
  for (int i = 0; i < 120; ++i) name += "a.";
  CHECK(host_keys(name + "test").size() <= 32);
}

TEST_CASE("any octets are a table or have mistakes") {
  const std::string good =
      "client 192.0.2.0/24 OK\nsender a@b.test REJECT no\nhelo .lan DEFER\nrecipient <> OK\n";
  seeded_random rng(5);
  for (int round = 0; round < 2000; ++round) {
    auto text = good;
    for (auto flips = 1 + rng.below(8); flips > 0; --flips)
      text[rng.below(text.size())] = static_cast<char>(rng.next());
    std::vector<std::string> mistakes;
    const access_table t(text, "f", mistakes);
    REQUIRE(t.size() + mistakes.size() >= 1);
    for (const auto& m : mistakes) {
      const bool clean = std::ranges::none_of(m, [](char c) { return c < ' ' && c >= 0; });
      REQUIRE(clean);
    }
  }
}
