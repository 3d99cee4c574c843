// PAM as a backend, with services of our own made of the modules that every system has.
#include "auth/pam.hpp"

#include <catch2/catch.hpp>

#include "unit/auth/auth_scene.hpp"

using namespace relais;
using namespace relais::auth;

namespace {

finding ask(testing::auth_scene& scene, const std::string& service) {
  blocking_gate gate(scene.run(), scene.io.get_executor());
  const auto backend = make_pam_backend(service, gate, scene.directory());
  const auto on = scene.tls();
  verdict said;
  const auto job = [&]() -> net::task<void> {
    auto password = std::make_shared<const secret>("pw");
    std::string user = "ann";
    said = co_await backend->check(std::move(user), std::move(password), on);
  };
  testing::run_task(scene.io, job());
  if (said.is == finding::right) CHECK(said.who.user == "ann");
  return said.is;
}

}  // namespace

TEST_CASE("PAM decides, and its account management, too", "[auth]") {
  testing::auth_scene scene;
  scene.write("good", "auth required pam_permit.so\naccount required pam_permit.so\n");
  scene.write("bad", "auth required pam_deny.so\naccount required pam_permit.so\n");
  scene.write("shut", "auth required pam_permit.so\naccount required pam_deny.so\n");
  scene.write("broken", "auth required pam_of_nobody.so\naccount required pam_permit.so\n");
  CHECK(ask(scene, "good") == finding::right);
  CHECK(ask(scene, "bad") == finding::wrong);
  CHECK(ask(scene, "shut") == finding::disabled);
  CHECK(ask(scene, "broken") == finding::unavailable);
}

TEST_CASE("the password reaches the modules of PAM", "[auth]") {
  testing::auth_scene scene;
  const auto script = scene.write(
      "check",
      "#!/bin/sh\nread -r password\n[ \"$PAM_USER:$password:$PAM_RHOST\" = ann:pw:192.0.2.1 ]\n",
      0700);
  scene.write("exec", "auth required pam_exec.so quiet expose_authtok " + script +
                          "\naccount required pam_permit.so\n");
  CHECK(ask(scene, "exec") == finding::right);
  scene.write("check", "#!/bin/sh\nexit 1\n", 0700);
  CHECK(ask(scene, "exec") != finding::right);
}
