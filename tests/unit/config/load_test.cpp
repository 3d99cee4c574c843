// Files that are right, and what becomes of them; files and secrets on disk.
#include "config/load.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "settings_for_test.hpp"

using namespace relais;
using namespace relais::config;
using namespace std::chrono_literals;

namespace {

/// A directory that is gone after the test.
class temporary_directory {
 public:
  temporary_directory() {
    std::string name = (std::filesystem::temp_directory_path() / "relais-config-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~temporary_directory() { std::filesystem::remove_all(path_); }
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;

  std::string path() const { return path_; }
  std::string write(const std::string& name, const std::string& content, mode_t mode = 0600) const {
    const auto file = path_ + '/' + name;
    std::ofstream(file, std::ios::binary) << content;
    REQUIRE(::chmod(file.c_str(), mode) == 0);
    return file;
  }

 private:
  std::string path_;
};

std::string with_password_file(const std::string& path) {
  return "smarthost: {host: h.example, username: u, password_file: \"" + path + "\"}";
}

}  // namespace

TEST_CASE("an empty file gives all defaults") {
  const auto* yaml = GENERATE("", "\n", "# nothing\n", "---\n", "---\n...\n", "{}", "~",
                              "limits:\nlog:\n", "\xef\xbb\xbf");
  const auto result = load(yaml);
  CHECK(result.mistakes.empty());
  CHECK(print(result.values) == print(settings{}));
}

TEST_CASE("the defaults serve this host and nobody else") {
  const settings s;
  REQUIRE(s.listeners.size() == 2);
  CHECK(s.listeners[0].address.text() == "127.0.0.1:25");
  CHECK(s.listeners[1].address.text() == "[::1]:25");
  REQUIRE(s.relay.trusted_networks.size() == 2);
  CHECK(s.relay.trusted_networks[0].text() == "127.0.0.0/8");
  CHECK(s.relay.trusted_networks[1].text() == "::1/128");
}

TEST_CASE("every kind of value reaches its member") {
  const auto result = load(R"(
hostname: Mail.Example.org
workers: 0
user: relais
listeners:
  - address: "0.0.0.0:25"
  - "[::]:587"
relay:
  trusted_networks: [192.0.2.0/24, "2001:db8::/32", 198.51.100.7]
  domains: [Example.ORG, .Sub.example]
smarthost:
  host: "[relay.example]:587"
  username: user@example.org
  password: "p$$w${X:-ord}"
delivery:
  port: 2525
  tls: verify
  tls_ca_file: /etc/ssl/ca.pem
  concurrency: 7
  concurrency_per_destination: 3
  allowed_special_networks: [127.0.0.0/8]
  ipv4: true
  ipv6: off-is-not-a-word
)");
  REQUIRE(result.mistakes.size() == 1);  // ipv6
  const auto& s = result.values;
  CHECK(s.hostname == "Mail.Example.org");
  CHECK(s.workers == 0);
  CHECK(s.user == "relais");
  REQUIRE(s.listeners.size() == 2);
  CHECK(s.listeners[1].address.text() == "[::]:587");
  REQUIRE(s.relay.trusted_networks.size() == 3);
  CHECK(s.relay.trusted_networks[2].text() == "198.51.100.7/32");
  CHECK(s.relay.domains == std::vector<std::string>{"example.org", ".sub.example"});
  CHECK(s.smarthost.host == "[relay.example]:587");
  CHECK(s.smarthost.username == "user@example.org");
  CHECK(s.smarthost.password == "p$word");
  CHECK(s.delivery.port == 2525);
  CHECK(s.delivery.tls == tls_choice::verify);
  CHECK(s.delivery.tls_ca_file == "/etc/ssl/ca.pem");
  CHECK(s.delivery.concurrency == 7);
  CHECK(s.delivery.concurrency_per_destination == 3);
  CHECK(s.delivery.allowed_special_networks.size() == 1);
}

TEST_CASE("units, words and addresses of the other sections reach their members") {
  const auto result = load(R"(
retry: {intervals: [10s, 1h30m], jitter: 0, queue_lifetime: 2d, bounce_lifetime: 1d}
dns: {servers: [192.0.2.53, "[2001:db8::53]:5353", "2001:db8::54"], timeout: 250ms, attempts: 1}
limits: {message_size: 10 MiB, recipients: 100, command_line: 512, text_line: 1000 B, memory: 1 GiB}
server_timeout: {command: 1m, shutdown: 0}
client_timeout: {end_of_data: 20m}
spool: {directory: /srv/spool, minimum_free: 0, minimum_free_inodes: 0}
log: {level: error, timestamps: No}
)");
  for (const auto& m : result.mistakes) UNSCOPED_INFO(m.to_text());
  REQUIRE(result.mistakes.empty());
  const auto& s = result.values;
  CHECK(s.retry.intervals == std::vector<duration>{10s, 90min});
  CHECK(s.retry.queue_lifetime == 48h);
  REQUIRE(s.dns.servers.size() == 3);
  CHECK(s.dns.servers[0].text() == "192.0.2.53:53");
  CHECK(s.dns.servers[1].text() == "[2001:db8::53]:5353");
  CHECK(s.dns.servers[2].text() == "[2001:db8::54]:53");
  CHECK(s.dns.timeout == 250ms);
  CHECK(s.limits.message_size == 10_MiB);
  CHECK(s.limits.text_line == 1000_B);
  CHECK(s.server_timeout.command == 1min);
  CHECK(s.server_timeout.shutdown == 0s);
  CHECK(s.client_timeout.end_of_data == 20min);
  CHECK(s.spool.directory == "/srv/spool");
  CHECK(s.log.level == log_level::error);
  CHECK_FALSE(s.log.timestamps);
}

TEST_CASE("a list in the file replaces the default list") {
  CHECK(load("relay: {trusted_networks: []}").values.relay.trusted_networks.empty());
  CHECK(load("listeners: [\"127.0.0.1:2525\"]").values.listeners.size() == 1);
}

TEST_CASE("a refused value leaves the default") {
  CHECK(load("limits: {hops: 0}").values.limits.hops == limit_settings{}.hops);
  CHECK(load("retry: {intervals: [1s, x]}").values.retry.intervals == retry_settings{}.intervals);
}

TEST_CASE("what is printed loads as the same settings") {
  const auto* yaml = GENERATE(
      "",
      "hostname: a.example\nlisteners: [\"[::]:25\"]\nrelay: {domains: [.a.example, b.example]}",
      "smarthost: {host: \"[2001:db8::1]:25\"}\ndelivery: {allowed_special_networks: "
      "[\"fc00::/7\"]}",
      "spool: {directory: \"/a b/$${X}/\\\"q\\\\uote\\\"/#x: y/\\u00e9\"}",
      "spool: {directory: \"null\"}", "spool: {directory: \"true\"}", "spool: {directory: \" x \"}",
      "dns: {servers: [192.0.2.53]}\nlog: {level: debug}\nretry: {intervals: [1s]}",
      "relay: {trusted_networks: []}\nserver_timeout: {shutdown: 0}");
  INFO(yaml);
  const auto first = load(yaml);
  for (const auto& m : first.mistakes) UNSCOPED_INFO(m.to_text());
  REQUIRE(first.mistakes.empty());
  const auto printed = print(first.values);
  INFO(printed);
  const auto again = load(printed);
  for (const auto& m : again.mistakes) UNSCOPED_INFO(m.to_text());
  REQUIRE(again.mistakes.empty());
  CHECK(print(again.values) == printed);
  CHECK(again.values.spool.directory == first.values.spool.directory);
}

TEST_CASE("secrets are never printed") {
  const auto result = load("smarthost: {host: h.example, username: u, password: sesame}");
  REQUIRE(result.mistakes.empty());
  const auto printed = print(result.values);
  CHECK(printed.find("sesame") == std::string::npos);
  CHECK_THAT(printed, Catch::Contains("# password: (hidden)"));
  CHECK_THAT(printed, Catch::Contains("username: u"));
}

TEST_CASE("secrets do not appear in mistakes") {
  const auto* yaml = GENERATE("smarthost: {host: h.example, username: u, password: \"sesame\\n\"}",
                              "smarthost: {host: h.example, username: u, password: \"sesame${\"}",
                              "smarthost: {host: h.example, username: u, password: [sesame]}",
                              "smarthost: {host: h.example, password: sesame}");
  const auto found = mistakes(yaml);
  REQUIRE(found.size() == 1);
  CHECK(found[0].find("sesame") == std::string::npos);
}

TEST_CASE("the password comes from its file without the line end") {
  const temporary_directory dir;
  const auto* content = GENERATE("open sesame", "open sesame\n", "open sesame\r\n");
  const auto path = dir.write("secret", content);
  const auto result = load(with_password_file(path));
  for (const auto& m : result.mistakes) UNSCOPED_INFO(m.to_text());
  REQUIRE(result.mistakes.empty());
  CHECK(result.values.smarthost.password == "open sesame");
  CHECK(result.values.smarthost.password_file == path);
  CHECK(print(result.values).find("sesame") == std::string::npos);
  // What is printed names the file, so it is complete.
  CHECK(load(print(result.values)).values.smarthost.password == "open sesame");
}

TEST_CASE("the secret of the token service comes from the file or its file and is never shown") {
  const temporary_directory dir;
  const auto path = dir.write("secret", "open sesame\n");
  const std::string head =
      "auth: {tokens: {introspection_url: \"https://a.example/\", client_id: relais, client_secret";
  const auto in_file = load(head + "_file: \"" + path + "\"}}");
  REQUIRE(in_file.mistakes.empty());
  CHECK(in_file.values.auth.tokens.client_secret == "open sesame");
  CHECK(print(in_file.values).find("sesame") == std::string::npos);
  CHECK(load(print(in_file.values)).values == in_file.values);
  const auto here = load(head + ": open sesame}}");
  REQUIRE(here.mistakes.empty());
  CHECK(here.values.auth.tokens.client_secret == "open sesame");
  CHECK(print(here.values).find("sesame") == std::string::npos);
  CHECK_THAT(print(here.values), Catch::Contains("    # client_secret: (hidden)\n"));
  CHECK(mistakes(head + "_file: /none}}") ==
        std::vector<std::string>{"t.yaml:1:97: auth.tokens.client_secret_file \"/none\" cannot be "
                                 "opened: No such file or directory"});
  CHECK(mistakes(head + ": \"${UNSET}\"}}").size() == 1);
}

TEST_CASE("a secret that everybody may replace is refused, one that all may read is not") {
  const temporary_directory dir;
  CHECK(mistakes(with_password_file(dir.write("runtime", "x\n", 0444))).empty());
  const auto path = dir.write("world", "x\n", 0646);
  CHECK(mistakes(with_password_file(path)) ==
        std::vector<std::string>{"t.yaml:1:58: smarthost.password_file \"" + path +
                                 "\" can be written by every user of this system: chmod o-w it"});
}

TEST_CASE("secret files that hold no secret are mistakes") {
  const temporary_directory dir;
  struct row {
    std::string path, part;
  };
  const auto fifo = dir.path() + "/fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  for (const auto& r :
       {row{dir.path() + "/missing", "cannot be opened: No such file"},
        row{dir.path(), "is not a regular file"}, row{fifo, "is not a regular file"},
        row{dir.write("empty", ""), "is empty"}, row{dir.write("newline", "\n"), "is empty"},
        row{dir.write("lines", "a\nb\n"), "more than one line"},
        row{dir.write("large", std::string(5000, 'x')), "is too large"}}) {
    INFO(r.path);
    const auto found = mistakes(with_password_file(r.path));
    REQUIRE(found.size() == 1);
    CHECK_THAT(found[0], Catch::Contains(r.part));
    CHECK_THAT(found[0], Catch::StartsWith("t.yaml:1:58: "));
  }
}

TEST_CASE("a configuration file is read whole, and its path stands in mistakes") {
  const temporary_directory dir;
  const auto path = dir.write("c.yaml", "workers: 2\ncolour: red\n");
  const auto result = load_file(path, variables({}));
  CHECK(result.values.workers == 2);
  REQUIRE(result.mistakes.size() == 1);
  CHECK(result.mistakes[0].to_text().starts_with(path + ":2:1: unknown key \"colour\""));
}

TEST_CASE("a configuration file that cannot be read is a mistake") {
  const temporary_directory dir;
  const auto only = [](const std::string& path) {
    const auto result = load_file(path, variables({}));
    REQUIRE(result.mistakes.size() == 1);
    return result.mistakes[0].to_text();
  };
  const auto missing = dir.path() + "/none.yaml";
  CHECK(only(missing) ==
        missing + ": the configuration cannot be opened: No such file or directory");
  CHECK(only(dir.path()) == dir.path() + ": the configuration is a directory, not a file");
  const auto large = dir.write("large.yaml", '#' + std::string(1u << 20, 'x'));
  CHECK(only(large) == large + ": the configuration is too large: more than 1048576 bytes");
  CHECK(load_file(dir.write("full.yaml", '#' + std::string((1u << 20) - 1, 'x')), variables({}))
            .mistakes.empty());
  if (::geteuid() != 0) {
    const auto closed = dir.write("closed.yaml", "", 0);
    CHECK(only(closed) == closed + ": the configuration cannot be opened: Permission denied");
  }
}

TEST_CASE("the reference names every key with type, default and meaning") {
  const auto text = reference_markdown();
  CHECK_THAT(text,
             Catch::Contains("| `recipients` | number, 100 to 1000000 (least: RFC 5321 4.5.3.1.8) "
                             "| `1000` | Recipients of one message. |"));
  CHECK_THAT(text, Catch::Contains("| `tls` | word: none, may, encrypt, verify | `may` |"));
  CHECK_THAT(text, Catch::Contains("### Items of `policy.rules`"));
  CHECK_THAT(text, Catch::Contains("| `trusted_networks` | list of networks | that of "
                                   "`relay.trusted_networks` |"));
  CHECK_THAT(text, Catch::Contains("| `score` | number, -1000 to 1000, not 0 | `1` |"));
  CHECK_THAT(text, Catch::Contains("| `mode` | octal number, 0 to 0777 | `0666` |"));
  CHECK_THAT(text, Catch::Contains("## policy.greylist"));
  CHECK_THAT(text,
             Catch::Contains("| `listeners` | list of listeners | `[{address: \"127.0.0.1:25\"}"));
}
