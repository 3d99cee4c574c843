// Hashes of every kind that is accepted: made here, and made elsewhere.
#include "auth/password_hash.hpp"

#include <catch2/catch.hpp>

using namespace relais::auth;

TEST_CASE("a password matches its own hash and no other", "[auth]") {
  struct row {
    hash_scheme scheme;
    std::string name, prefix;
  };
  const auto r = GENERATE(values<row>({{hash_scheme::yescrypt, "yescrypt", "$y$"},
                                       {hash_scheme::bcrypt, "bcrypt", "$2b$12$"},
                                       {hash_scheme::sha512, "sha512", "$6$"},
                                       {hash_scheme::argon2, "argon2", "$argon2id$"}}));
  DYNAMIC_SECTION(r.name) {
    const auto hash = hash_password(secret("p\xc3\xa4ss word"), r.scheme);
    CHECK(hash.starts_with(r.prefix));
    CHECK(scheme_of_hash(hash) == r.name);
    CHECK(parse_hash_scheme(r.name) == r.scheme);
    CHECK(password_matches(secret("p\xc3\xa4ss word"), hash));
    CHECK_FALSE(password_matches(secret("p\xc3\xa4ss worD"), hash));
    CHECK_FALSE(password_matches(secret(""), hash));
    CHECK(hash_password(secret("p\xc3\xa4ss word"), r.scheme) != hash);
  }
}

TEST_CASE("hashes made elsewhere", "[auth]") {
  struct row {
    std::string password, hash;
  };
  const auto r = GENERATE(values<row>({
      // By `openssl passwd -6`, and an example of bcrypt's authors.
      {"Hello world!",
       "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/"
       "O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"},
      {"U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
  }));
  CHECK(password_matches(secret(r.password), r.hash));
  CHECK_FALSE(password_matches(secret("other"), r.hash));
}

TEST_CASE("what is no hash matches nothing", "[auth]") {
  const auto text = GENERATE(as<std::string>(), "", "*", "!", "*0", "x", "plain", "$6$",
                             "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$$", "$y$");
  CHECK_FALSE(password_matches(secret("plain"), text));
  CHECK_FALSE(password_matches(secret(""), text));
}

TEST_CASE("kinds of hashes that are not accepted", "[auth]") {
  const auto text =
      GENERATE(as<std::string>(), "", "plain", "$1$salt$qJH7.N4xYta3aEG/dfqo/0", "rl.3StKT.4T8M",
               "$5$salt$hash", "$argon2i$v=19$m=64,t=3,p=1$c2FsdA$aGFzaA",
               "$argon2id$v=19$m=4294967295,t=3,p=1$c2FsdA$aGFzaA",
               "$argon2id$v=19$m=x,t=3,p=1$c2FsdA$aGFzaA");
  CHECK(scheme_of_hash(text) == "");
}

TEST_CASE("passwords that libcrypt cannot take", "[auth]") {
  CHECK_THROWS(hash_password(secret(std::string(512, 'x')), hash_scheme::sha512));
  CHECK_THROWS(hash_password(secret(std::string_view("a\0b", 3)), hash_scheme::sha512));
  const auto hash = hash_password(secret("a"), hash_scheme::sha512);
  CHECK_FALSE(password_matches(secret(std::string_view("a\0b", 3)), hash));
  CHECK_FALSE(password_matches(secret(std::string(100000, 'x')), hash));
}

TEST_CASE("the decoy is a hash like others and nobody's", "[auth]") {
  CHECK(scheme_of_hash(decoy_hash()) == "yescrypt");
  CHECK_FALSE(password_matches(secret(""), decoy_hash()));
  CHECK_FALSE(password_matches(secret("password"), decoy_hash()));
}

TEST_CASE("a secret is empty when it is gone", "[auth]") {
  secret a("short"), b(std::move(a));
  CHECK(a.empty());
  CHECK(b.text() == "short");
  secret c;
  c = std::move(b);
  CHECK(b.empty());
  CHECK(c.text() == "short");
  c.clear();
  CHECK(c.empty());
}
