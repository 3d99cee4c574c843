// Any octets as responses of a SASL exchange, for every mechanism, and as tokens and key sets: an
// exchange ends within a few steps, names no user that could not be one, and nobody gets in without
// the secret.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "auth/dovecot.hpp"
#include "auth/introspection.hpp"
#include "auth/jwt.hpp"
#include "auth/mechanism.hpp"
#include "auth/scram.hpp"
#include "auth/users_file.hpp"
#include "base/text.hpp"

using namespace relais;
using namespace relais::auth;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

std::unique_ptr<mechanism> scram(bool plus) {
  scram_options options;
  options.plus = plus;
  options.nonce = "0123456789";
  options.tls_exporter = "exporter";
  // Keys of no password.
  options.find = [](std::string_view) {
    return scram_record{4096, "salt", std::string(32, 's'), std::string(32, 'k')};
  };
  return make_scram(std::move(options));
}

std::unique_ptr<mechanism> make(unsigned which) {
  switch (which % 7) {
    case 0: return make_plain();
    case 1: return make_login();
    case 2: return make_external("ann");
    case 3: return make_oauthbearer();
    case 4: return make_xoauth2();
    case 5: return scram(false);
    default: return scram(true);
  }
}

/// Responses are apart by 0xFF; the octet 0xFE alone stands for "no response".
void exchange(unsigned which, std::string_view input) {
  const auto how = make(which);
  const bool is_scram = which % 7 >= 5;
  unsigned steps = 0;
  for (const auto response : split(input, '\xff')) {
    if (steps == 8) break;
    auto step = response == "\xfe" ? how->advance({}) : how->advance(response);
    ++steps;
    require(how->user().empty() || is_user_name(how->user()));
    if (step.is == mechanism_step::kind::check_token) {
      require(!step.credential.empty());
      step = how->refuse_token();
      require(step.is == mechanism_step::kind::challenge);
    }
    if (step.is == mechanism_step::kind::check_password) {
      require(is_user_name(step.text) && !step.credential.empty());
    }
    if (step.is == mechanism_step::kind::accepted) require(!is_scram && step.text == "ann");
    if (step.is != mechanism_step::kind::challenge) return;
  }
}

void tokens_and_files(std::string_view input) {
  const std::string text(input);
  std::vector<std::string> complaints;
  const auto keys = jwt_keys::parse(input, complaints);
  require(check_jwt(input, keys, {}, wall_time{}).is != finding::right);
  static_cast<void>(read_introspection(200, input, {}, wall_time{}));
  static_cast<void>(parse_http_url(input));
  const auto line = parse_user_line(input.substr(0, input.find('\n')));
  if (line.entry) {
    const auto again = parse_user_line(user_line(*line.entry));
    require(again.entry && again.entry->user == line.entry->user &&
            again.entry->hash == line.entry->hash && again.entry->scram == line.entry->scram &&
            again.entry->senders == line.entry->senders &&
            again.entry->is_disabled == line.entry->is_disabled);
  }
}

void dovecot(std::string_view input) {
  channel on;
  const auto password = std::make_shared<const secret>("pw");
  dovecot_exchange whole("ann", password, on, 1), pieces("ann", password, on, 1);
  whole.receive(input);
  for (const char& octet : input) pieces.receive({&octet, 1});
  require(whole.answer().has_value() == pieces.answer().has_value());
  if (!whole.answer()) return;
  require(whole.answer()->is == pieces.answer()->is);
  if (whole.answer()->is == finding::right) require(is_user_name(whole.answer()->who.user));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (unsigned which = 0; which < 7; ++which) exchange(which, input);
  tokens_and_files(input);
  dovecot(input);
  return 0;
}
