#include "auth/users_file.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "base/text.hpp"
#include "smtp/path.hpp"

namespace relais::auth {
namespace {

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (const auto word : split(text, ' ')) {
    if (!word.empty()) words.emplace_back(word);
  }
  return words;
}

/// "" or what is wrong.
std::string read_secret(std::string_view text, user_entry& entry) {
  if (text.starts_with('!')) {
    entry.is_disabled = true;
    text.remove_prefix(1);
  }
  if (text == "-") return "";
  const auto words = words_of(text);
  if (words.empty() && !entry.is_disabled) return "there is no secret";
  for (const auto& word : words) {
    if (word.starts_with(scram_prefix)) {
      const auto record = parse_scram_record(word);
      if (!record || entry.scram) return "the SCRAM record is broken, or there are two";
      entry.scram = record;
    } else if (!entry.hash.empty()) {
      return "there are two hashes, or a blank in one";
    } else if (scheme_of_hash(word).empty()) {
      return "the secret is no hash of a kind that is accepted (yescrypt, bcrypt, sha512, argon2)";
    } else {
      entry.hash = word;
    }
  }
  return "";
}

std::string read_senders(std::string_view text, user_entry& entry) {
  for (const auto part : split(text, ',')) {
    const auto sender = trimmed(part);
    if (sender.empty()) continue;
    if (auto why = objection_to_sender(sender); !why.empty()) return why;
    entry.senders.emplace_back(sender);
  }
  return "";
}

}  // namespace

std::string objection_to_sender(std::string_view sender) {
  if (sender == "*") return "";
  if (sender.starts_with('@') && smtp::is_domain(sender.substr(1))) return "";
  const auto address = smtp::parse_address(sender);
  if (address && !address->is_null() && !address->domain().empty()) return "";
  return "\"" + std::string(sender) + "\" is no address, no \"@domain\" and no \"*\"";
}

parsed_user_line parse_user_line(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  const auto text = trimmed(line);
  if (text.empty() || text.starts_with('#')) return {};
  const auto colon = text.find(':');
  const auto name = trimmed(text.substr(0, colon));
  if (colon == std::string_view::npos) return {{}, "it is not user:secret[:senders]"};
  if (!is_user_name(name)) return {{}, "the user's name is empty, too long or not printable"};
  user_entry entry;
  entry.user = name;
  const auto rest = text.substr(colon + 1);
  const auto second = rest.find(':');
  auto why = read_secret(trimmed(rest.substr(0, second)), entry);
  if (why.empty() && second != std::string_view::npos) {
    why = read_senders(rest.substr(second + 1), entry);
  }
  if (!why.empty()) return {{}, why};
  return {std::move(entry), ""};
}

std::string user_line(const user_entry& entry) {
  auto line = entry.user + ":" + (entry.is_disabled ? "!" : "") + entry.hash;
  if (!entry.has_secret() && !entry.is_disabled) line += "-";
  if (entry.scram) line += (entry.hash.empty() ? "" : " ") + entry.scram->text();
  std::string senders;
  for (const auto& sender : entry.senders) senders += (senders.empty() ? ":" : ",") + sender;
  return line + senders;
}

user_table user_table::parse(std::string_view text, const std::string& file,
                             std::vector<std::string>& complaints) {
  constexpr std::size_t most_complaints = 20;
  user_table table;
  unsigned number = 0;
  for (const auto line : split(text, '\n')) {
    ++number;
    auto parsed = parse_user_line(line);
    if (parsed.entry) {
      const auto name = parsed.entry->user;
      if (!table.users_.emplace(name, std::move(*parsed.entry)).second) {
        parsed.why = "this user is above already";
      }
    }
    if (!parsed.why.empty() && complaints.size() < most_complaints) {
      complaints.push_back(file + ":" + std::to_string(number) + ": " + parsed.why);
    }
  }
  const std::string* hash = nullptr;
  for (const auto& [name, entry] : table.users_) {
    if (entry.has_secret()) ++table.with_secret_;
    if (entry.scram) ++table.with_scram_;
    // Any of them will do, but the same one each time.
    if (!entry.hash.empty() && (hash == nullptr || entry.hash < *hash)) hash = &entry.hash;
    if (entry.scram && table.with_scram_ == 1) table.iterations_ = entry.scram->iterations;
  }
  if (hash != nullptr) table.decoy_ = *hash;
  return table;
}

const user_entry* user_table::find(const std::string& user) const {
  const auto found = users_.find(user);
  return found == users_.end() ? nullptr : &found->second;
}

watched_users::watched_users(std::string path, const clock& time,
                             std::function<void(std::string)> warn)
    : file_(std::move(path), time), warn_(std::move(warn)) {}

std::shared_ptr<const user_table> watched_users::current() {
  auto read = file_.changed();
  if (!read) return table_;
  if (read->error.empty() && (read->mode & S_IWOTH) != 0) {
    read->error = "is not used, because anybody may write it: chmod o-w";
  }
  if (!read->error.empty()) {
    warn_(file_.path() + " " + read->error + "; nobody of it can log in");
    table_ = std::make_shared<user_table>();
    return table_;
  }
  if ((read->mode & S_IROTH) != 0) {
    warn_(file_.path() + " can be read by anybody, and with it the hashes of passwords: chmod o-r");
  }
  std::vector<std::string> complaints;
  table_ = std::make_shared<user_table>(user_table::parse(read->text, file_.path(), complaints));
  wipe(read->text);
  for (auto& sentence : complaints) warn_(std::move(sentence));
  return table_;
}

}  // namespace relais::auth
