#include "base/error.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <set>
#include <string>

using namespace relais;

TEST_CASE("every error has a text of its own") {
  std::set<std::string> texts;
  const auto last = static_cast<int>(errc::out_of_memory_budget);
  for (int i = 1; i <= last; ++i) texts.insert(make_error_code(static_cast<errc>(i)).message());
  CHECK(texts.size() == static_cast<std::size_t>(last));
  CHECK(texts.count("unknown error") == 0);
}

TEST_CASE("errno becomes an error of ours, never success") {
  CHECK(from_errno(ENOENT) == errc::not_found);
  CHECK(from_errno(ENOSPC) == errc::no_space);
  CHECK(from_errno(EDQUOT) == errc::no_space);
  CHECK(from_errno(EROFS) == errc::read_only);
  CHECK(from_errno(EACCES) == errc::permission);
  CHECK(from_errno(EIO) == errc::io_error);
  CHECK(from_errno(0).failed());
}
