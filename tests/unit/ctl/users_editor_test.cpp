// Editing the users file: what is not touched stays, the new file takes the place of the old one
// with its mode, through symbolic links.
#include "daemon/ctl/users_editor.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "daemon/ctl/failure.hpp"

using namespace relais;
using namespace relais::ctl;

namespace {

const std::string hash = "$6$salt$" + std::string(86, 'x');

class place {
 public:
  place() {
    auto pattern = (std::filesystem::temp_directory_path() / "relais-users-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  ~place() { std::filesystem::remove_all(directory_); }
  place(const place&) = delete;
  place& operator=(const place&) = delete;

  std::string file(const std::string& text, unsigned mode = 0600) const {
    const auto path = directory_ + "/users";
    std::ofstream(path, std::ios::binary) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }
  const std::string& directory() const noexcept { return directory_; }

 private:
  std::string directory_;
};

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

unsigned mode_of(const std::string& path) {
  struct stat status{};
  CHECK(::lstat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

auth::user_entry entry_of(const std::string& user) {
  auth::user_entry entry;
  entry.user = user;
  entry.hash = hash;
  return entry;
}

}  // namespace

TEST_CASE("comments, order and broken lines stay", "[ctl]") {
  const place here;
  const auto path =
      here.file("# ours\nann:" + hash + ":a@b.example\n\nbroken line\nbob:" + hash + "\n", 0640);
  {
    users_editor editor(path, false);
    CHECK(editor.has("ann"));
    CHECK(editor.has("broken line"));
    CHECK_FALSE(editor.entry("broken line"));
    CHECK_FALSE(editor.has("# ours"));
    auto ann = *editor.entry("ann");
    ann.is_disabled = true;
    editor.put(ann);
    editor.remove("bob");
    editor.put(entry_of("carl"));
    editor.commit();
  }
  CHECK(text_of(path) ==
        "# ours\nann:!" + hash + ":a@b.example\n\nbroken line\ncarl:" + hash + "\n");
  CHECK(mode_of(path) == 0640);
  CHECK(std::distance(std::filesystem::directory_iterator(here.directory()), {}) == 1);
}

TEST_CASE("a file without a line end at its end", "[ctl]") {
  const place here;
  const auto path = here.file("ann:" + hash);
  users_editor editor(path, false);
  editor.put(entry_of("bob"));
  editor.commit();
  CHECK(text_of(path) == "ann:" + hash + "\nbob:" + hash + "\n");
}

TEST_CASE("a users file that is not there is made only on request", "[ctl]") {
  const place here;
  const auto path = here.directory() + "/users";
  CHECK_THROWS_AS(users_editor(path, false), failure);
  CHECK_FALSE(std::filesystem::exists(path));
  users_editor editor(path, true);
  editor.put(entry_of("ann"));
  editor.commit();
  CHECK(text_of(path) == "ann:" + hash + "\n");
  CHECK((mode_of(path) & 07) == 0);
}

TEST_CASE("nothing changes without a commit", "[ctl]") {
  const place here;
  const auto path = here.file("ann:" + hash + "\n");
  {
    users_editor editor(path, false);
    editor.remove("ann");
  }
  CHECK(text_of(path) == "ann:" + hash + "\n");
}

TEST_CASE("a symbolic link stays one", "[ctl]") {
  const place here;
  const auto path = here.file("ann:" + hash + "\n"), link = here.directory() + "/link";
  std::filesystem::create_symlink("users", link);
  users_editor editor(link, false);
  editor.put(entry_of("bob"));
  editor.commit();
  CHECK(std::filesystem::is_symlink(link));
  CHECK(text_of(path) == "ann:" + hash + "\nbob:" + hash + "\n");
}

TEST_CASE("what the file says can be listed", "[ctl]") {
  const place here;
  const auto users = read_users(here.file("# x\nann:" + hash + "\nbroken\nbob:!\n"));
  REQUIRE(users.size() == 2);
  CHECK(users[0].user == "ann");
  CHECK(users[1].is_disabled);
  CHECK_THROWS_AS(read_users(here.directory() + "/none"), failure);
}
