// The hosts file in front of DNS: what it knows, what it leaves to DNS, a change while running.
#include "dns/hosts_file.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "base/error.hpp"
#include "support/fake_resolver.hpp"
#include "support/run_task.hpp"

namespace relais::testing {
namespace {

using family = dns::resolver::family;

struct hosts_file {
  hosts_file() {
    const int fd = ::mkstemp(path);
    REQUIRE(fd >= 0);
    ::close(fd);
  }
  ~hosts_file() { ::unlink(path); }
  void write(const std::string& text) const { std::ofstream(path, std::ios::binary) << text; }
  char path[32] = "/tmp/relais-hosts-XXXXXX";
};

net::task<void> ask(dns::resolver& r, std::string name, family which, std::string& heard) {
  const auto found = co_await r.addresses(std::move(name), which);
  if (!found) {
    heard = found.error().message();
    co_return;
  }
  for (const auto& a : found->records) heard += a.text() + ' ';
}

std::string addresses(dns::resolver& r, const std::string& name, family which = family::v4) {
  boost::asio::io_context io;
  std::string heard;
  run_task(io, ask(r, name, which, heard));
  return heard;
}

net::task<void> ask_names(dns::resolver& r, ip_address address, std::string& heard) {
  const auto found = co_await r.names(address);
  if (!found) {
    heard = found.error().message();
    co_return;
  }
  for (const auto& name : found->records) heard += name + ' ';
}

std::string names(dns::resolver& r, const char* address) {
  boost::asio::io_context io;
  std::string heard;
  run_task(io, ask_names(r, *ip_address::parse(address), heard));
  return heard;
}

TEST_CASE("an address of the hosts file has its names from there, all others from DNS") {
  const hosts_file file;
  file.write("192.0.2.7 Mailhog.LAN mailhog\n192.0.2.7 other.lan no/name\n2001:db8::1 six\n");
  fake_resolver source;
  source.add_ptr("192.0.2.7", "elsewhere.example");
  source.add_ptr("192.0.2.8", "dns.example");
  dns::hosts_file_resolver r(source, file.path);
  CHECK(names(r, "192.0.2.7") == "mailhog.lan mailhog other.lan ");
  CHECK(names(r, "2001:db8::1") == "six ");
  CHECK(names(r, "127.0.0.1") == "localhost ");
  CHECK(source.asked.empty());
  CHECK(names(r, "192.0.2.8") == "dns.example ");
  CHECK(names(r, "192.0.2.9") == make_error_code(errc::not_found).message());
  file.write("192.0.2.8 fresh.lan\n");
  CHECK(names(r, "192.0.2.7") == "elsewhere.example ");
  CHECK(names(r, "192.0.2.8") == "fresh.lan ");
}

TEST_CASE("names of the hosts file need no DNS, all others do") {
  const hosts_file file;
  file.write(
      "# comment\n192.0.2.7 mailhog relay.lan # both\r\n192.0.2.8\tRELAY.lan\n\n2001:db8::1 "
      "six\nnonsense name\n");
  fake_resolver source;
  source.add_address("relay.example", "198.51.100.1");
  dns::hosts_file_resolver r(source, file.path);
  CHECK(addresses(r, "mailhog") == "192.0.2.7 ");
  CHECK(addresses(r, "Relay.LAN.") == "192.0.2.7 192.0.2.8 ");
  CHECK(addresses(r, "six", family::v6) == "2001:db8::1 ");
  CHECK(addresses(r, "six") == make_error_code(errc::no_data).message());
  CHECK(addresses(r, "localhost") == "127.0.0.1 ");
  CHECK(addresses(r, "localhost", family::v6) == "::1 ");
  CHECK(source.asked.empty());
  CHECK(addresses(r, "relay.example") == "198.51.100.1 ");
  CHECK(addresses(r, "name") == make_error_code(errc::not_found).message());
}

net::task<void> ask_mx(dns::resolver& r, std::string name, std::string& heard) {
  const auto found = co_await r.mx(std::move(name));
  heard = found ? found->records.front().exchange : found.error().message();
}

TEST_CASE(
    "a name of the hosts file that DNS does not know has no MX records, but may be a mail host") {
  const hosts_file file;
  file.write("192.0.2.7 mailhog example.org\n");
  fake_resolver source;
  source.add_mx("example.org", 10, "mx.example.org");
  source.fail("broken.example", dns_failure::servfail);
  dns::hosts_file_resolver r(source, file.path);
  boost::asio::io_context io;
  std::string heard;
  run_task(io, ask_mx(r, "mailhog", heard));
  CHECK(heard == make_error_code(errc::no_data).message());
  run_task(io, ask_mx(r, "localhost", heard));
  CHECK(heard == make_error_code(errc::no_data).message());
  run_task(io, ask_mx(r, "example.org", heard));
  CHECK(heard == "mx.example.org");
  run_task(io, ask_mx(r, "unknown.example", heard));
  CHECK(heard == make_error_code(errc::not_found).message());
  run_task(io, ask_mx(r, "broken.example", heard));
  CHECK(heard == make_error_code(errc::dns_temporary).message());
}

TEST_CASE("a changed hosts file is read anew, a missing one is empty") {
  fake_resolver source;
  const hosts_file file;
  dns::hosts_file_resolver r(source, file.path);
  CHECK(addresses(r, "mailhog") == make_error_code(errc::not_found).message());
  file.write("192.0.2.7 mailhog\n");
  CHECK(addresses(r, "mailhog") == "192.0.2.7 ");
  file.write("192.0.2.77 mailhog\n");
  CHECK(addresses(r, "mailhog") == "192.0.2.77 ");
  ::unlink(file.path);
  CHECK(addresses(r, "mailhog") == make_error_code(errc::not_found).message());
  CHECK(addresses(r, "localhost") == "127.0.0.1 ");
}

}  // namespace
}  // namespace relais::testing
