// SCRAM-SHA-256 and -PLUS: the example of RFC 7677, and everything that a client may get wrong.
#include "auth/scram.hpp"

#include <catch2/catch.hpp>
#include <vector>

#include "base/text.hpp"

using namespace relais;
using namespace relais::auth;
using kind = mechanism_step::kind;

namespace {

const std::string salt = *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==");

scram_options example_options() {
  scram_options options;
  options.nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  options.find = [](std::string_view) { return make_scram_record(secret("pencil"), salt, 4096); };
  return options;
}

std::string exclusive_or(std::string a, const std::string& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<char>(a[i] ^ b[i]);
  return a;
}

/// The client's last message, made as RFC 5802 3 says.
std::string final_message(const std::string& password, const std::string& first_bare,
                          const std::string& server_first, const std::string& binding) {
  const auto nonce = server_first.substr(2, server_first.find(',') - 2);
  const auto salt_at = server_first.find(",s=") + 3, count_at = server_first.find(",i=");
  const auto its_salt = *base64_decode(server_first.substr(salt_at, count_at - salt_at));
  const auto count = static_cast<unsigned>(std::stoul(server_first.substr(count_at + 3)));
  const auto salted = pbkdf2_sha256(password, its_salt, count);
  const auto client_key = hmac_sha256(salted, "Client Key");
  const auto without_proof = "c=" + base64_encode(binding) + ",r=" + nonce;
  const auto message = first_bare + "," + server_first + "," + without_proof;
  return without_proof +
         ",p=" + base64_encode(exclusive_or(client_key, hmac_sha256(sha256(client_key), message)));
}

std::string outcome(const mechanism_step& step) {
  return (step.is == kind::accepted    ? "accepted "
          : step.is == kind::challenge ? "challenge "
                                       : "refused ") +
         step.text;
}

/// A whole exchange with those messages; the proof is right for `password`.
std::string exchange(scram_options options, const std::string& header, const std::string& bare,
                     const std::string& binding, const std::string& password = "pencil") {
  const auto how = make_scram(std::move(options));
  const auto first = how->advance(header + bare);
  if (first.is != kind::challenge) return outcome(first);
  const auto last = how->advance(final_message(password, bare, first.text, binding));
  if (last.is != kind::challenge) return outcome(last);
  return outcome(how->advance(""));
}

}  // namespace

TEST_CASE("the example of RFC 7677 section 3", "[auth]") {
  const auto how = make_scram(example_options());
  const auto first = how->advance("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  REQUIRE(first.is == kind::challenge);
  CHECK(first.text ==
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
  const auto last = how->advance(
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
      "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  REQUIRE(last.is == kind::challenge);
  CHECK(last.text == "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
  CHECK(outcome(how->advance("")) == "accepted user");
}

TEST_CASE("SCRAM headers and names", "[auth]") {
  struct row {
    std::string name, header, bare, end;
  };
  const auto r = GENERATE(values<row>({
      {"without binding", "n,,", "n=user,r=abc", "accepted user"},
      {"as oneself", "n,a=user,", "n=user,r=abc", "accepted user"},
      {"as somebody else", "n,a=bob,", "n=user,r=abc", "refused wants to act as somebody else"},
      {"y where -PLUS is not offered", "y,,", "n=user,r=abc", "accepted user"},
      {"a binding without -PLUS", "p=tls-exporter,,", "n=user,r=abc",
       "refused SCRAM with a binding, but without -PLUS"},
      {"escaped name", "n,,", "n=a=2Cb=3Dc,r=abc", "accepted a,b=c"},
      {"badly escaped name", "n,,", "n=a=2c,r=abc", "refused malformed SCRAM message"},
      {"escape cut off", "n,,", "n=a=,r=abc", "refused malformed SCRAM message"},
      {"extension behind the nonce", "n,,", "n=user,r=abc,x=1", "accepted user"},
      {"mandatory extension", "n,,", "m=1,n=user,r=abc", "refused malformed SCRAM message"},
      {"no user", "n,,", "n=,r=abc", "refused malformed SCRAM message"},
      {"control in the user", "n,,", "n=a\nb,r=abc", "refused malformed SCRAM message"},
      {"invalid UTF-8 in the user", "n,,", "n=a\xff,r=abc", "refused malformed SCRAM message"},
      {"no nonce", "n,,", "n=user", "refused malformed SCRAM message"},
      {"empty nonce", "n,,", "n=user,r=", "refused malformed SCRAM message"},
      {"nonce with a blank", "n,,", "n=user,r=a b", "refused malformed SCRAM message"},
      {"huge nonce", "n,,", "n=user,r=" + std::string(257, 'x'), "refused malformed SCRAM message"},
      {"unknown flag", "z,,", "n=user,r=abc", "refused malformed SCRAM header"},
      {"no header", "", "n=user,r=abc", "refused malformed SCRAM header"},
      {"binding without name", "p=,,", "n=user,r=abc", "refused malformed SCRAM header"},
  }));
  DYNAMIC_SECTION(r.name) {
    CHECK(exchange(example_options(), r.header, r.bare, r.header) == r.end);
  }
}

TEST_CASE("SCRAM-PLUS binds to the channel", "[auth]") {
  struct row {
    std::string name, header, binding, end;
  };
  const auto r = GENERATE(values<row>({
      {"tls-exporter", "p=tls-exporter,,", "EXPORTED", "accepted user"},
      {"tls-server-end-point", "p=tls-server-end-point,,", "CERTIFICATE", "accepted user"},
      {"another channel", "p=tls-exporter,,", "OTHER",
       "refused SCRAM channel binding does not match"},
      {"one binding named and another used", "p=tls-exporter,,", "CERTIFICATE",
       "refused SCRAM channel binding does not match"},
      {"a binding of TLS 1.2 that we do not have", "p=tls-unique,,", "",
       "refused SCRAM-PLUS with a binding that is not to be had"},
      {"no binding", "n,,", "", "refused SCRAM-PLUS without a binding"},
      {"y", "y,,", "", "refused SCRAM-PLUS without a binding"},
  }));
  DYNAMIC_SECTION(r.name) {
    auto options = example_options();
    options.plus = options.binding_offered = true;
    options.tls_exporter = "EXPORTED";
    options.tls_end_point = "CERTIFICATE";
    CHECK(exchange(std::move(options), r.header, "n=user,r=abc", r.header + r.binding) == r.end);
  }
}

TEST_CASE("a client that could bind but saw no -PLUS has been lied to", "[auth]") {
  auto options = example_options();
  options.binding_offered = true;
  CHECK(exchange(options, "y,,", "n=user,r=abc", "y,,") ==
        "refused SCRAM downgrade: the client did not see -PLUS");
  CHECK(exchange(options, "n,,", "n=user,r=abc", "n,,") == "accepted user");
  // A header that somebody changed on the way shows in the proof's binding.
  CHECK(exchange(example_options(), "n,,", "n=user,r=abc", "y,,") ==
        "refused SCRAM channel binding does not match");
}

TEST_CASE("SCRAM with a wrong password is refused at the proof", "[auth]") {
  CHECK(exchange(example_options(), "n,,", "n=user,r=abc", "n,,", "pencils") ==
        "refused wrong password");
}

TEST_CASE("broken last messages of SCRAM", "[auth]") {
  struct row {
    std::string name, message, end;
  };
  const std::string nonce = "abc%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  const std::string proof = base64_encode(std::string(32, 'x'));
  const auto r = GENERATE_COPY(values<row>({
      {"empty", "", "refused malformed SCRAM proof"},
      {"without proof", "c=biws,r=" + nonce, "refused malformed SCRAM proof"},
      {"proof of another length", "c=biws,r=" + nonce + ",p=YWJj", "refused malformed SCRAM proof"},
      {"proof that is no base64", "c=biws,r=" + nonce + ",p=%%%%", "refused malformed SCRAM proof"},
      {"without nonce", "c=biws,p=" + proof, "refused malformed SCRAM proof"},
      {"without binding", "r=" + nonce + ",x=y,p=" + proof,
       "refused SCRAM channel binding does not match"},
      {"binding that is no base64", "c=!,r=" + nonce + ",p=" + proof,
       "refused SCRAM channel binding does not match"},
      {"only the client's nonce", "c=biws,r=abc,p=" + proof, "refused SCRAM nonce does not match"},
      {"another nonce", "c=biws,r=" + nonce + "x,p=" + proof, "refused SCRAM nonce does not match"},
      {"wrong proof", "c=biws,r=" + nonce + ",p=" + proof, "refused wrong password"},
  }));
  DYNAMIC_SECTION(r.name) {
    const auto how = make_scram(example_options());
    REQUIRE(how->advance("n,,n=user,r=abc").is == kind::challenge);
    CHECK(outcome(how->advance(r.message)) == r.end);
  }
}

TEST_CASE("behind the server's signature the client has nothing more to say", "[auth]") {
  const auto how = make_scram(example_options());
  const auto first = how->advance("n,,n=user,r=abc");
  REQUIRE(how->advance(final_message("pencil", "n=user,r=abc", first.text, "n,,")).is ==
          kind::challenge);
  CHECK(outcome(how->advance("more")) == "refused malformed SCRAM response");
}

TEST_CASE("SCRAM without an initial response begins with an empty challenge", "[auth]") {
  const auto how = make_scram(example_options());
  CHECK(outcome(how->advance({})) == "challenge ");
  CHECK(how->advance("n,,n=user,r=abc").is == kind::challenge);
  CHECK(outcome(how->advance({})) == "refused malformed SCRAM response");
}

TEST_CASE("SCRAM records are written and read", "[auth]") {
  const auto record = make_scram_record(secret("pencil"), salt, 4096);
  // Computed by another implementation (PostgreSQL's format is the same but for its signs).
  CHECK(record.text() ==
        "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
  CHECK(parse_scram_record(record.text()) == record);
  CHECK(password_matches(secret("pencil"), record));
  CHECK_FALSE(password_matches(secret("Pencil"), record));
  const auto broken = GENERATE(
      as<std::string>(), "", "{SCRAM-SHA-256}", "{SCRAM-SHA-256}4096,YQ==,YQ==,YQ==",
      "{SCRAM-SHA-256}0,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
      "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
      "{SCRAM-SHA-256}99999999,W22ZaJ0SNY7soEsUEjb6gQ==,"
      "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
  CHECK_FALSE(parse_scram_record(broken));
}
