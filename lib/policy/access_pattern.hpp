// The patterns of access rules: what a word of a rule matches. One way for rules of the
// configuration, which are compared word by word, and for tables, which are looked up: each thing
// that is known has a short list of keys, and a word matches if it is one of them.
//
// Names and addresses are compared without regard to ASCII case, local-parts as well: a list that
// somebody passes by writing in capitals is of no use. Quoting in a local-part is undone for that.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "smtp/path.hpp"

namespace relais::policy {

/// Of host names: "mail.b.example", ".b.example", ".example".
std::vector<std::string> host_keys(std::string_view name);
/// Of addresses: "user@b.example", "user@", "b.example", ".example"; of the null path "<>".
std::vector<std::string> address_keys(const smtp::path& address);

/// The word as a key; "" if it can match nothing: "a b", "@b.example".
std::string host_key_of(std::string_view word);
std::string address_key_of(std::string_view word);

}  // namespace relais::policy
