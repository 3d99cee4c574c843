#include "users_scene.hpp"

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "auth/scram.hpp"
#include "base/text.hpp"

namespace relais::testing {
namespace {

// sha512-crypt of "secret" with the fewest rounds.
const std::string hash =
    "$6$rounds=1000$relaistest$"
    "Z4/lJ6dyOwYV9GMYUdOmw9LIUpgGjOI/Mz1kELWSq/5NxVGZCyaTSYNg4ltWT59IOuN0NeVOZ4bzePTx.U.1t.";

constexpr const char* keys =
    R"({"keys":[{"kty":"EC","crv":"P-256","x":"cDwZLuuywWANdhubGINIKN1lVyh_KiPUCZPBp1TsgOY",)"
    R"("y":"ihbFlnhCKSCPkQM0gdwrl4W0oeARSr5cdtqt4JZi6x4","kid":"k"}]})";

// Of joe@c.test, to the end of 2096, signed with the key above.
const std::string header = "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogImsifQ.";
const std::string for_us =
    "eyJlbWFpbCI6ImpvZUBjLnRlc3QiLCJhdWQiOiJyZWxheSIsImV4cCI6NDAwMDAwMDAwMH0."
    "d7Ay5dFxRHCdMrcFI4i70thvQhwWhGNppADvqO4GUV71cjat-AZ7G3n8F67d_P23MTQ8pI6ga76qGG5PzvcuGg";
const std::string for_another =
    "eyJlbWFpbCI6ImpvZUBjLnRlc3QiLCJhdWQiOiJvdGhlciIsImV4cCI6NDAwMDAwMDAwMH0."
    "UIgS2-pW1fmCTmr_25VKzy87sT-Swg9OmjRRJ2v4amdAmn06bbjPrrUcX2onOjOlQ51dy7nPjTyldEC-z5wL4w";

/// Files that only we may read, for as long as the process lives.
class private_directory {
 public:
  private_directory() {
    std::string name = (std::filesystem::temp_directory_path() / "relais-users-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
    path_ = name;
  }
  ~private_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  private_directory(const private_directory&) = delete;
  private_directory& operator=(const private_directory&) = delete;

  std::string write(const std::string& name, const std::string& content) const {
    const auto file = path_ / name;
    std::ofstream(file) << content;
    using std::filesystem::perms;
    std::filesystem::permissions(file, perms::owner_read | perms::owner_write);
    return file.string();
  }

 private:
  std::filesystem::path path_;
};

const private_directory& files() {
  static const private_directory directory;
  return directory;
}

std::string users_text() {
  const auth::secret password(std::string("secret"));
  const auto record = auth::make_scram_record(password, "salt of 16 octet", 4096);
  return "joe:" + hash + ":joe@c.test\njane@c.test:" + hash + "\nshut:!" + hash +
         "\nscrammer:" + record.text() + "\n";
}

std::string xoauth2(const std::string& token) {
  return base64_encode("user=joe@c.test\1auth=Bearer " + header + token + "\1\1");
}

// Ends with the group of the scene.
net::task<void> dovecot(const net::runtime& here, std::string socket, std::string answer) {
  const auto at = *listen_address::parse(socket);
  auto listening = here.network.listen(at, false, 0666);
  if (!listening) throw std::runtime_error("Dovecot cannot listen");
  const auto door = std::move(*listening);
  std::string buffer(4096, '\0');
  for (;;) {
    auto accepted = co_await door->accept();
    if (!accepted) co_return;
    net::stream stream(std::move(accepted->connection), here);
    std::string said;
    co_await stream.write("VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nDONE\n");
    while (said.find("\tresp=") == std::string::npos || !said.ends_with('\n')) {
      const auto target = net::asio::buffer(buffer);
      const auto got = co_await stream.read_some(target);
      if (!got) break;
      said.append(buffer, 0, *got);
    }
    co_await stream.write(answer);
  }
}

}  // namespace

void with_dovecot(relay_scene& scene, std::string answer) {
  const std::string socket = "/run/dovecot/auth";
  const auto& here = scene.world.runtime(simulated_relay::address);
  scene.clients.spawn("dovecot", dovecot(here, socket, std::move(answer)));
  scene.relay.settings.auth.dovecot_socket = socket;
  scene.relay.settings.auth.without_tls = true;
}

void with_users(relay_scene& scene) {
  static const auto path = files().write("users", users_text());
  scene.relay.settings.auth.users_file = path;
  scene.relay.settings.auth.without_tls = true;
}

void with_tokens(relay_scene& scene) {
  static const auto path = files().write("keys.json", keys);
  scene.relay.settings.auth.tokens.jwt_keys_file = path;
  scene.relay.settings.auth.tokens.audience = "relay";
  scene.relay.settings.auth.without_tls = true;
}

std::string plain(const std::string& user, const std::string& password) {
  const std::string nul(1, '\0');
  return base64_encode(nul + user + nul + password);
}

std::string token_for_us() {
  return xoauth2(for_us);
}

std::string token_for_another() {
  return xoauth2(for_another);
}

}  // namespace relais::testing
