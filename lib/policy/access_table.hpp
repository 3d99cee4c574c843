// A file of access rules, one in a line, looked up by their patterns: the time to find one does not
// grow with the number of lines. The first line that matches counts, as in the configuration.
//
//   # comment
//   KIND PATTERN ACTION [TEXT...]
//   client 192.0.2.0/24 REJECT go away
//   sender .spam.example DEFER
//
// KIND: client, client_name, helo, sender, recipient, user. ACTION: OK or ACCEPT, REJECT, DEFER, in
// any case. Words are separated by blanks and tabs; a pattern with a blank in its quoted local-part
// cannot be written.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ip.hpp"
#include "config/settings.hpp"
#include "smtp/path.hpp"

namespace relais::policy {

/// What rules look at. What is not known yet is empty or null.
struct access_subject {
  ip_address client;
  std::string_view client_name;  ///< "unknown" if it is not confirmed
  std::string_view hello;
  std::string_view user;
  const smtp::path* sender = nullptr;
  const smtp::path* recipient = nullptr;
};

enum class access_kind : std::uint8_t { client, client_name, hello, sender, recipient, user };

class access_table {
 public:
  /// `file` is its name in mistakes and decisions. Mistakes are appended as "file:line: sentence",
  /// twenty of them at most.
  access_table(std::string_view text, std::string file, std::vector<std::string>& mistakes);

  struct row {
    config::access_action action = config::access_action::reject;
    std::string text;
    unsigned line = 0;
  };
  /// The first row that matches; null: none.
  const row* find(const access_subject& subject) const;
  /// The first line about that kind; UINT_MAX: there is none.
  unsigned first_line(access_kind kind) const noexcept {
    return first_lines_[static_cast<std::size_t>(kind)];
  }
  const std::string& file() const noexcept { return file_; }
  std::size_t size() const noexcept { return rows_.size(); }

 private:
  using index = std::unordered_map<std::string, std::uint32_t>;  // into rows_
  void read_line(std::string_view line, unsigned number, std::vector<std::string>& mistakes);
  std::string add(std::string_view kind, std::string_view pattern, row entry);
  void look_up(access_kind kind, const std::string& key, const row*& first) const;
  void look_up_client(const ip_address& client, const row*& first) const;

  std::string file_;
  std::vector<row> rows_;
  std::array<index, 6> indexes_;
  std::array<unsigned, 6> first_lines_;
  std::map<unsigned, unsigned> v4_lengths_, v6_lengths_;  // prefix lengths in use, and how often
};

}  // namespace relais::policy
