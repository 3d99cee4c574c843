// Files appear whole under their names or not at all, and nothing that is there is touched.
#include "daemon/ctl/export_directory.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "daemon/ctl/failure.hpp"

using namespace relais::ctl;
namespace fs = std::filesystem;

namespace {

/// A private place that goes with the test.
class place {
 public:
  place() {
    std::string name = fs::temp_directory_path() / "relais-export-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~place() { fs::remove_all(path_); }
  place(const place&) = delete;
  place& operator=(const place&) = delete;
  std::string operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

std::set<std::string> names_in(const std::string& directory) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) names.insert(entry.path().filename());
  return names;
}

std::string content_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

mode_t mode_of(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

exit_code code_of_opening(const std::string& name) {
  try {
    const export_directory opened(name);
  } catch (const failure& e) {
    return e.code();
  }
  return exit_code::ok;
}

}  // namespace

TEST_CASE("a finished file has its name, its octets and mode 0600") {
  const place here;
  const auto target = here / "new";
  export_directory directory(target);
  directory.begin("a");
  directory.write("one ");
  directory.write("two");
  CHECK(names_in(target) == std::set<std::string>{".a.part"});
  directory.finish();
  directory.sync();
  CHECK(names_in(target) == std::set<std::string>{"a"});
  CHECK(content_of(target + "/a") == "one two");
  CHECK(mode_of(target) == 0700);
  CHECK(mode_of(target + "/a") == 0600);
}

TEST_CASE("what is abandoned, and what was not finished, leaves nothing behind") {
  const place here;
  const auto target = here / "new";
  {
    export_directory directory(target);
    directory.begin("a");
    directory.abandon();
    CHECK(names_in(target).empty());
    directory.begin("b");
    directory.write("half");
  }
  CHECK(names_in(target).empty());
}

TEST_CASE("an empty directory is taken, one with a file in it is refused") {
  const place here;
  const auto target = here / "there";
  fs::create_directory(target);
  CHECK(code_of_opening(target) == exit_code::ok);
  std::ofstream(target + "/.hidden") << "x";
  CHECK(code_of_opening(target) == exit_code::cannot_create);
  CHECK(names_in(target) == std::set<std::string>{".hidden"});
}

TEST_CASE("no export into a file, through a symbolic link, or below what is not there") {
  const place here;
  std::ofstream(here / "file") << "x";
  fs::create_directory(here / "elsewhere");
  fs::create_directory_symlink(here / "elsewhere", here / "link");
  CHECK(code_of_opening(here / "file") == exit_code::cannot_create);
  CHECK(code_of_opening(here / "link") == exit_code::cannot_create);
  CHECK(code_of_opening(here / "link/") == exit_code::cannot_create);
  CHECK(code_of_opening(here / "missing/new") == exit_code::cannot_create);
  CHECK_FALSE(fs::exists(here / "missing"));
}
