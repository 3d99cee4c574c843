// Listening sockets of every kind, with real sockets: where they are, who may connect, what becomes
// of their names, and those that systemd passes.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "net/inherited_sockets.hpp"
#include "net/task_group.hpp"
#include "support/run_task.hpp"
#include "support/system_world.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

listen_address address(std::string_view text) {
  return listen_address::parse(text).value();
}

struct scene : system_world {
  scene() {
    auto name = (std::filesystem::temp_directory_path() / "relais-listen-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    directory = name;
  }
  ~scene() { std::filesystem::remove_all(directory); }
  scene(const scene&) = delete;
  scene& operator=(const scene&) = delete;
  std::string path(const char* name) const { return directory / name; }
  result<std::unique_ptr<net::acceptor>> listen(const std::string& text, unsigned mode = 0600) {
    return network->listen(address(text), false, mode);
  }
  std::filesystem::path directory;
};

struct meeting {
  endpoint remote, local;
  std::string heard;
  error_code failure;
};

net::task<void> greet(net::acceptor& from, meeting& m) {
  auto got = co_await from.accept();
  if (!got) {
    m.failure = got.error();
    co_return;
  }
  m.remote = got->remote;
  m.local = got->local;
  const std::string_view hello = "220 hello";
  const auto octets = net::asio::buffer(hello.data(), hello.size());
  co_await got->connection->write(octets);
}

net::task<void> hear(std::unique_ptr<net::transport> from, meeting& m) {
  std::string buffer(100, '\0');
  const auto target = net::asio::buffer(buffer);
  const auto got = co_await from->read_some(target);
  if (got) m.heard = buffer.substr(0, *got);
  if (!got) m.failure = got.error();
}

net::task<void> meet(scene& s, endpoint to, meeting& m) {
  auto made = co_await s.network->connect(to, 10s);
  if (!made) {
    m.failure = made.error();
    co_return;
  }
  co_await hear(std::move(*made), m);
}

net::task<void> meet_locally(scene& s, std::string path, meeting& m) {
  auto made = co_await s.network->connect_local(std::move(path), 10s);
  if (!made) {
    m.failure = made.error();
    co_return;
  }
  co_await hear(std::move(*made), m);
}

void task_escaped(const std::string& label, const std::string& what) {
  FAIL_CHECK(label << ": " << what);
}

meeting met_at(scene& s, net::acceptor& listener, const endpoint& to) {
  meeting m;
  net::task_group group(s.world, task_escaped);
  group.spawn("server", greet(listener, m));
  run_task(s.io, meet(s, to, m));
  return m;
}

meeting met_locally(scene& s, net::acceptor& listener, const std::string& path) {
  meeting m;
  net::task_group group(s.world, task_escaped);
  group.spawn("server", greet(listener, m));
  run_task(s.io, meet_locally(s, path, m));
  return m;
}

TEST_CASE("one listener takes clients of both families and shows IPv4 ones as such") {
  scene s;
  const auto listener = s.listen("*:0").value();
  const auto port = listener->local().port;
  CHECK(port != 0);
  CHECK(listener->local().address.is_unspecified());
  CHECK(listener->address().text() == "*:" + std::to_string(port));
  const endpoint v4{*ip_address::parse("127.0.0.1"), port}, v6{*ip_address::parse("::1"), port};
  const auto four = met_at(s, *listener, v4);
  CHECK(four.heard == "220 hello");
  CHECK(four.remote.address.text() == "127.0.0.1");
  CHECK(four.local == v4);
  if (!listener->local().address.is_v6()) return;  // no IPv6 here
  const auto six = met_at(s, *listener, v6);
  CHECK(six.heard == "220 hello");
  CHECK(six.remote.address.text() == "::1");
  CHECK(six.local == v6);
}

TEST_CASE("workers share an address and others may not have it") {
  scene s;
  const auto first = s.network->listen(address("*:0"), true, 0).value();
  auto same = address("*:0");
  same.at.port = first->local().port;
  CHECK(s.network->listen(same, true, 0).has_value());
  CHECK_FALSE(s.network->listen(same, false, 0).has_value());
}

TEST_CASE("a UNIX socket is served and its name goes with it") {
  scene s;
  const auto path = s.path("smtp");
  auto listener = s.listen(path, 0620).value();
  CHECK(listener->address().text() == path);
  CHECK(listener->local() == endpoint{*ip_address::parse("127.0.0.1"), 0});
  struct ::stat made{};
  REQUIRE(::stat(path.c_str(), &made) == 0);
  CHECK((made.st_mode & 0777) == 0620);
  const auto m = met_locally(s, *listener, path);
  CHECK(m.heard == "220 hello");
  CHECK(m.remote == endpoint{*ip_address::parse("127.0.0.1"), 0});
  SECTION("when it is closed") {
    listener->close();
  }
  SECTION("when it is destroyed") {
    listener.reset();
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a UNIX socket that nobody serves is replaced") {
  scene s;
  const auto path = s.path("smtp");
  {
    const int left = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ::sockaddr_un at{};
    at.sun_family = AF_UNIX;
    path.copy(at.sun_path, path.size());
    REQUIRE(::bind(left, reinterpret_cast<const ::sockaddr*>(&at), sizeof at) == 0);
    ::close(left);
  }
  const auto listener = s.listen(path).value();
  CHECK(met_locally(s, *listener, path).heard == "220 hello");
}

TEST_CASE("a UNIX socket that somebody serves and any other file are left alone") {
  scene s;
  const auto path = s.path("smtp");
  SECTION("a live socket") {
    const auto first = s.listen(path).value();
    CHECK(s.listen(path).error() == boost::system::errc::address_in_use);
    // The first client is the one that asked whether anybody is there.
    meeting asked;
    run_task(s.io, greet(*first, asked));
    CHECK(met_locally(s, *first, path).heard == "220 hello");
  }
  SECTION("a file") {
    std::ofstream(path) << "precious";
    CHECK(s.listen(path).error() == boost::system::errc::address_in_use);
    CHECK(std::filesystem::file_size(path) == 8);
  }
  SECTION("no directory") {
    CHECK(s.listen(s.path("none/smtp")).error() == boost::system::errc::no_such_file_or_directory);
  }
}

TEST_CASE("the name of a UNIX socket that another one has taken stays") {
  scene s;
  const auto path = s.path("smtp");
  auto first = s.listen(path).value();
  std::filesystem::remove(path);
  const auto second = s.listen(path).value();
  first.reset();
  CHECK(std::filesystem::exists(path));
  CHECK(met_locally(s, *second, path).heard == "220 hello");
}

TEST_CASE("connecting to a UNIX socket that is not there says so") {
  scene s;
  meeting m;
  run_task(s.io, meet_locally(s, s.path("none"), m));
  CHECK(m.failure == boost::system::errc::no_such_file_or_directory);
  run_task(s.io, meet_locally(s, "/" + std::string(200, 'x'), m));
  CHECK(m.failure == boost::system::errc::filename_too_long);
}

TEST_CASE("sockets of systemd are read from the environment") {
  struct row {
    const char* what;
    const char* pid;
    const char* fds;
    const char* names;
    std::vector<net::inherited_socket> found;
  };
  const auto r = GENERATE(values<row>({
      {"two with names", "42", "2", "smtp:submission", {{"smtp", 3}, {"submission", 4}}},
      {"without names", "42", "1", "", {{"unknown", 3}}},
      {"an empty name", "42", "2", ":x", {{"", 3}, {"x", 4}}},
      {"for another process", "43", "1", "smtp", {}},
      {"no process", "", "1", "smtp", {}},
      {"none", "42", "0", "", {}},
      {"no number", "42", "x", "smtp", {}},
      {"too few names", "42", "2", "smtp", {}},
      {"nonsense", "42", "1000000", "", {}},
  }));
  DYNAMIC_SECTION(r.what) {
    CHECK(net::inherited_sockets(r.pid, r.fds, r.names, 42) == r.found);
  }
}

// What the child that plays the service found: bits of its exit status.
enum finding : int { served = 1, missing = 2, deaf = 4, shown = 8, shared = 16, twice = 32 };

int play_service() {
  system_world w;
  int found = 0;
  const auto listen = [&](const char* name) {
    return w.network->listen(address(name), false, 0600);
  };
  if (listen("systemd:none").error() == errc::not_found) found |= missing;
  if (listen("systemd:deaf").error() == boost::system::errc::invalid_argument) found |= deaf;
  if (listen("systemd:double").error() == errc::exists) found |= twice;
  auto first = listen("systemd:smtp");
  if (listen("systemd:smtp").has_value()) found |= shared;
  if (first && (*first)->address().text() == "systemd:smtp" && (*first)->local().port != 0) {
    found |= shown;
  }
  meeting m;
  if (first) run_task(w.io, greet(**first, m));
  if (first && !m.failure && m.remote.address.is_loopback()) found |= served;
  return found;
}

TEST_CASE("a socket that systemd passes is served by every worker that asks for it") {
  scene s;
  const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::socklen_t size = sizeof at;
  auto* generic = reinterpret_cast<::sockaddr*>(&at);
  REQUIRE(::bind(listening, generic, size) == 0);
  REQUIRE(::listen(listening, 5) == 0);
  REQUIRE(::getsockname(listening, generic, &size) == 0);
  const ::pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const int copy = ::fcntl(listening, F_DUPFD, 100);
    ::dup2(copy, 3);
    ::dup2(::socket(AF_INET, SOCK_STREAM, 0), 4);
    ::dup2(copy, 5);
    ::dup2(copy, 6);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", "4", 1);
    ::setenv("LISTEN_FDNAMES", "smtp:deaf:double:double", 1);
    int status = 0;
    try {
      status = play_service();
    } catch (...) {
    }
    ::_exit(status);
  }
  meeting m;
  run_task(s.io, meet(s, {*ip_address::parse("127.0.0.1"), ntohs(at.sin_port)}, m));
  CHECK(m.heard == "220 hello");
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == (served | missing | deaf | shown | shared | twice));
  ::close(listening);
}

}  // namespace
}  // namespace relais::testing
