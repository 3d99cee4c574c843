#include "auth/dovecot.hpp"

#include <unistd.h>

#include <array>
#include <chrono>

#include "auth/mechanism.hpp"
#include "base/text.hpp"
#include "net/stream.hpp"

namespace relais::auth {
namespace {

constexpr std::size_t most_input = 64 << 10;
constexpr auto connect_limit = std::chrono::seconds(5);
// Dovecot itself holds failures back, and waits for its databases up to a minute.
constexpr auto answer_limit = std::chrono::seconds(60);
constexpr std::string_view request_id = "1";

verdict broken(std::string why) {
  return {finding::unavailable, "Dovecot: " + std::move(why)};
}

/// The value of "name=value" among fields apart by tabs; a bare "name" has an empty one.
std::optional<std::string> field(std::string_view fields, std::string_view name) {
  for (const auto part : split(fields, '\t')) {
    const auto equals = part.find('=');
    if (part.substr(0, equals) != name) continue;
    return equals == std::string_view::npos ? std::string() : std::string(part.substr(equals + 1));
  }
  return {};
}

/// ^A escapes: ^A1 is ^A, ^At a tab, ^An LF, ^Ar CR, ^A0 NUL.
std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\x01' || i + 1 == text.size()) {
      plain += text[i];
      continue;
    }
    switch (text[++i]) {
      case 't': plain += '\t'; break;
      case 'n': plain += '\n'; break;
      case 'r': plain += '\r'; break;
      case '0': plain += '\0'; break;
      case '1': plain += '\x01'; break;
      default: plain += text[i];
    }
  }
  return plain;
}

}  // namespace

dovecot_exchange::dovecot_exchange(std::string user, std::shared_ptr<const secret> password,
                                   const channel& on, unsigned process)
    : user_(std::move(user)),
      password_(std::move(password)),
      client_(on.client.text()),
      is_tls_(on.is_tls),
      output_("VERSION\t1\t1\nCPID\t" + std::to_string(process) + "\n") {}

std::string dovecot_exchange::take_output() {
  return std::exchange(output_, {});
}

void dovecot_exchange::receive(std::string_view octets) {
  received_ += octets.size();
  input_ += octets;
  for (auto end = input_.find('\n'); end != std::string::npos && !answer_;
       end = input_.find('\n')) {
    take_line(std::string_view(input_).substr(0, end));
    input_.erase(0, end + 1);
  }
  if (!answer_ && received_ > most_input) answer_ = broken("it talks, but does not answer");
}

void dovecot_exchange::take_line(std::string_view line) {
  const auto tab = line.find('\t');
  const auto word = line.substr(0, tab);
  const auto rest = tab == std::string_view::npos ? std::string_view() : line.substr(tab + 1);
  if (word == "VERSION") {
    if (split(rest, '\t').front() != "1") answer_ = broken("an unknown version of its protocol");
  } else if (word == "MECH") {
    has_plain_ = has_plain_ || iequals(split(rest, '\t').front(), "PLAIN");
  } else if (word == "DONE") {
    if (!has_asked_) ask();
  } else if (word == "OK" || word == "FAIL" || word == "CONT") {
    const auto next = rest.find('\t');
    if (!has_asked_ || rest.substr(0, next) != request_id) return;
    const auto fields = next == std::string_view::npos ? std::string_view() : rest.substr(next + 1);
    if (word == "OK") {
      // Dovecot may have another name for this user.
      const auto name = field(fields, "user");
      answer_ =
          verdict(account{name && is_user_name(unescaped(*name)) ? unescaped(*name) : user_, {}});
    } else if (word == "FAIL") {
      read_failure(fields);
    } else {
      answer_ = broken("it wants more than PLAIN has");
    }
  }
  // SPID, CUID, COOKIE and what later versions add is not needed.
}

void dovecot_exchange::ask() {
  has_asked_ = true;
  if (!has_plain_) {
    answer_ = broken("it does not offer PLAIN");
    return;
  }
  std::string message("\0", 1);
  message += user_;
  message += '\0';
  message += password_->text();
  auto response = base64_encode(message);
  wipe(message);
  // resp must be the last parameter.
  output_ += "AUTH\t" + std::string(request_id) + "\tPLAIN\tservice=smtp";
  output_ += is_tls_ ? "\tsecured" : "";
  output_ += "\trip=" + client_ + "\tresp=";
  // In one place only, so that it can be wiped.
  output_.reserve(output_.size() + response.size() + 1);
  output_ += response;
  output_ += '\n';
  wipe(response);
}

void dovecot_exchange::read_failure(std::string_view fields) {
  const auto code = field(fields, "code").value_or("");
  const auto says = [&](std::string_view name) { return code == name || field(fields, name); };
  if (code == "temp_fail" || field(fields, "temp")) {
    answer_ = broken("a temporary failure");
  } else if (says("user_disabled")) {
    answer_ = verdict(finding::disabled, "Dovecot: the account is disabled");
  } else if (says("pass_expired")) {
    answer_ = verdict(finding::expired, "Dovecot: the password has expired");
  } else {
    answer_ = verdict(finding::unknown, "Dovecot: wrong user or password");
  }
}

namespace {

class dovecot_backend final : public password_backend {
 public:
  dovecot_backend(std::string socket, const net::runtime& world)
      : socket_(std::move(socket)), world_(world) {}

  net::task<verdict> check(std::string user, std::shared_ptr<const secret> password,
                           const channel& on) override {
    auto opened = co_await world_.network.connect_local(socket_, connect_limit);
    if (!opened) co_return broken(opened.error().message());
    net::stream wire(std::move(*opened), world_);
    wire.expires_after(answer_limit);
    dovecot_exchange talk(std::move(user), std::move(password), on,
                          static_cast<unsigned>(::getpid()));
    std::string buffer(4096, '\0');
    while (!talk.answer()) {
      auto output = talk.take_output();
      if (!output.empty()) {
        const auto failed = co_await wire.write(output);
        wipe(output);
        if (failed) co_return broken(failed.message());
      }
      const auto n = co_await wire.read_some(net::asio::buffer(buffer));
      if (!n) co_return broken(n.error().message());
      talk.receive(std::string_view(buffer).substr(0, *n));
    }
    co_return *talk.answer();
  }

 private:
  std::string socket_;
  const net::runtime& world_;
};

}  // namespace

std::unique_ptr<password_backend> make_dovecot_backend(std::string socket,
                                                       const net::runtime& world) {
  return std::make_unique<dovecot_backend>(std::move(socket), world);
}

}  // namespace relais::auth
