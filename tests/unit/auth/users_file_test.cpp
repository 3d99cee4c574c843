// The users file: lines, complaints, senders, and reading it again when it has changed.
#include "auth/users_file.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "auth/authenticator.hpp"
#include "unit/auth/auth_scene.hpp"

using namespace relais;
using namespace relais::auth;
using namespace relais::testing;
using namespace std::chrono_literals;

namespace {

const std::string hash = "$6$salt$" + std::string(86, 'x');
const std::string record =
    "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

std::string shown(const user_entry& e) {
  std::string text = e.user + "|" + std::string(e.hash.empty() ? "-" : "hash") + "|" +
                     (e.scram ? "scram" : "-") + "|" + (e.is_disabled ? "off" : "on");
  for (const auto& s : e.senders) text += "|" + s;
  return text;
}

}  // namespace

TEST_CASE("lines of the users file", "[auth]") {
  struct row {
    std::string line, entry;
  };
  const auto r = GENERATE(values<row>({
      {"ann:" + hash, "ann|hash|-|on"},
      {"ann:" + hash + ":", "ann|hash|-|on"},
      {"  ann : " + hash + " : a@b.example , @c.example,* \r",
       "ann|hash|-|on|a@b.example|@c.example|*"},
      {"ann:" + hash + " " + record, "ann|hash|scram|on"},
      {"ann:" + record + "  " + hash, "ann|hash|scram|on"},
      {"ann:" + record, "ann|-|scram|on"},
      {"ann:!" + hash, "ann|hash|-|off"},
      {"ann:!", "ann|-|-|off"},
      {"ann:-", "ann|-|-|on"},
      {"ann: - :a@b.example", "ann|-|-|on|a@b.example"},
      {"ann:!-", "ann|-|-|off"},
      {"ann@a.example:" + hash, "ann@a.example|hash|-|on"},
      {"j\xc3\xbcrgen:" + hash, "j\xc3\xbcrgen|hash|-|on"},
      {"ann b:" + hash, "ann b|hash|-|on"},
      {"", ""},
      {"   ", ""},
      {"# ann:" + hash, ""},
      {"  # comment", ""},
      {"ann", "it is not user:secret[:senders]"},
      {":" + hash, "the user's name is empty, too long or not printable"},
      {"a\x01:" + hash, "the user's name is empty, too long or not printable"},
      {"ann:", "there is no secret"},
      {"ann::a@b.example", "there is no secret"},
      {"ann:plain-text-password",
       "the secret is no hash of a kind that is accepted (yescrypt, bcrypt, sha512, argon2)"},
      {"ann:$1$salt$hash",
       "the secret is no hash of a kind that is accepted (yescrypt, bcrypt, sha512, argon2)"},
      {"ann:$argon2id$v=19$m=99999999,t=3,p=1$c2FsdHNhbHQ$aGFzaA",
       "the secret is no hash of a kind that is accepted (yescrypt, bcrypt, sha512, argon2)"},
      {"ann:" + hash + " " + hash, "there are two hashes, or a blank in one"},
      {"ann:" + record + " " + record, "the SCRAM record is broken, or there are two"},
      {"ann:{SCRAM-SHA-256}x", "the SCRAM record is broken, or there are two"},
      {"ann:" + hash + ":bob", "\"bob\" is no address, no \"@domain\" and no \"*\""},
      {"ann:" + hash + ":a@b@c", "\"a@b@c\" is no address, no \"@domain\" and no \"*\""},
  }));
  DYNAMIC_SECTION(r.line) {
    const auto parsed = parse_user_line(r.line);
    CHECK((parsed.entry ? shown(*parsed.entry) : parsed.why) == r.entry);
    if (parsed.entry) {
      const auto again = parse_user_line(user_line(*parsed.entry));
      REQUIRE(again.entry);
      CHECK(shown(*again.entry) == r.entry);
    }
  }
}

TEST_CASE("broken lines are named and skipped", "[auth]") {
  std::vector<std::string> complaints;
  const auto table = user_table::parse(
      "# users\nann:" + hash + "\nbroken\nann:" + hash + "\nbob:" + hash, "/etc/users", complaints);
  CHECK(table.size() == 2);
  CHECK(table.find("ann") != nullptr);
  CHECK(table.find("Ann") == nullptr);
  CHECK(table.find("bob") != nullptr);
  CHECK(complaints == std::vector<std::string>{"/etc/users:3: it is not user:secret[:senders]",
                                               "/etc/users:4: this user is above already"});
}

TEST_CASE("SCRAM is for everybody or for nobody", "[auth]") {
  std::vector<std::string> complaints;
  const auto all = [&](const std::string& text) {
    return user_table::parse(text, "f", complaints).all_have_scram();
  };
  CHECK_FALSE(all(""));
  CHECK_FALSE(all("ann:" + hash));
  CHECK(all("ann:" + hash + " " + record));
  CHECK(all("ann:" + record + "\nbob:!"));
  CHECK_FALSE(all("ann:" + record + "\nbob:" + hash));
  CHECK(user_table::parse("ann:" + record, "f", complaints).scram_iterations() == 4096);
}

TEST_CASE("a changed users file is read again at most once a second", "[auth]") {
  auth_scene scene;
  const auto path = scene.write("users", "ann:" + hash + "\n");
  watched_users users(path, scene.clock, scene.warn());
  CHECK(users.current()->size() == 1);
  const auto old = users.current();
  scene.write("users", "ann:" + hash + "\nbob:" + hash + "\n");
  CHECK(users.current()->size() == 1);
  scene.clock.elapsed += 1s;
  CHECK(users.current()->size() == 2);
  CHECK(old->size() == 1);
  std::filesystem::remove(path);
  scene.clock.elapsed += 1s;
  CHECK(users.current()->size() == 0);
  CHECK(scene.warnings ==
        std::vector<std::string>{
            path + " cannot be read: No such file or directory; nobody of it can log in"});
  scene.write("users", "ann:" + hash + "\n");
  scene.clock.elapsed += 1s;
  CHECK(users.current()->size() == 1);
}

TEST_CASE("a users file that others may write is not used", "[auth]") {
  auth_scene scene;
  const auto path = scene.write("users", "ann:" + hash + "\n", 0602);
  watched_users users(path, scene.clock, scene.warn());
  CHECK(users.current()->size() == 0);
  CHECK(
      scene.warnings ==
      std::vector<std::string>{
          path + " is not used, because anybody may write it: chmod o-w; nobody of it can log in"});
}

TEST_CASE("a users file that others may read is used with a warning", "[auth]") {
  auth_scene scene;
  const auto path = scene.write("users", "ann:" + hash + "\n", 0644);
  watched_users users(path, scene.clock, scene.warn());
  CHECK(users.current()->size() == 1);
  CHECK(users.current()->size() == 1);
  CHECK(scene.warnings ==
        std::vector<std::string>{
            path + " can be read by anybody, and with it the hashes of passwords: chmod o-r"});
}

TEST_CASE("a directory or a fifo as users file does not hang", "[auth]") {
  auth_scene scene;
  const auto directory = scene.directory();
  watched_users users(directory, scene.clock, scene.warn());
  CHECK(users.current()->size() == 0);
  const auto fifo = directory + "/fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  watched_users none(fifo, scene.clock, scene.warn());
  CHECK(none.current()->size() == 0);
  CHECK(scene.warnings ==
        std::vector<std::string>{directory + " is no regular file; nobody of it can log in",
                                 fifo + " is no regular file; nobody of it can log in"});
}

TEST_CASE("which senders an account may use", "[auth]") {
  struct row {
    std::string user;
    std::vector<std::string> senders;
    std::string sender;
    bool may;
  };
  const auto r = GENERATE(values<row>({
      {"ann@a.example", {}, "", true},
      {"ann@a.example", {}, "ann@a.example", true},
      {"ann@a.example", {}, "ann@A.Example", true},
      {"ann@a.example", {}, "Ann@a.example", true},
      {"ann@a.example", {}, "bob@a.example", false},
      {"ann", {}, "anybody@b.example", false},
      {"ann", {}, "Ann@b.example", true},
      {"ann", {}, "", true},
      {"ann", {"x@b.example"}, "x@b.example", true},
      {"ann", {"x@b.example"}, "x@B.EXAMPLE", true},
      {"ann", {"x@b.example"}, "X@b.example", true},
      {"ann", {"x@b.example"}, "y@b.example", false},
      {"ann", {"x@b.example"}, "", true},
      {"ann@a.example", {"x@b.example"}, "ann@a.example", false},
      {"ann", {"@b.example"}, "any.body@b.example", true},
      {"ann", {"@b.example"}, "x@sub.b.example", false},
      {"ann", {"@b.example"}, "x@notb.example", false},
      {"ann", {"@a.example", "@b.example"}, "x@b.example", true},
      {"ann", {"*"}, "x@anywhere.example", true},
      {"ann", {"@b.example"}, "\"a@b.example\"@c.example", false},
  }));
  DYNAMIC_SECTION(r.user << " as " << r.sender) {
    const account who{r.user, r.senders};
    CHECK(who.may_send_as(*smtp::parse_address(r.sender)) == r.may);
  }
}
