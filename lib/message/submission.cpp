// Two passes over the fields: what is there, then the new text. RFC 6409 8.1-8.3; RFC 5322 3.6.
#include "message/submission.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "message/address_list.hpp"
#include "message/header_fields.hpp"
#include "message/report_text.hpp"
#include "message/trace.hpp"
#include "smtp/path.hpp"

namespace relais::message {
namespace {

constexpr std::array<std::string_view, 12> address_fields{
    "From",        "To",        "Cc",        "Bcc",        "Reply-To",      "Sender",
    "Resent-From", "Resent-To", "Resent-Cc", "Resent-Bcc", "Resent-Sender", "Resent-Reply-To"};

bool is_one_of(std::string_view name, auto& names) noexcept {
  return std::ranges::any_of(names, [&](std::string_view n) { return iequals(name, n); });
}

/// The fields that make or break a set: those of the author, or those of whoever resent it.
struct originator_fields {
  bool date = false, message_id = false, from = false;
  const char* sender = nullptr;  // where the first one begins
  std::string_view from_value, sender_value;

  /// True: `name`, without "Resent-", is there already.
  bool add(std::string_view name, const header_field& field) {
    if (iequals(name, "Date")) return std::exchange(date, true);
    if (iequals(name, "Message-ID")) return std::exchange(message_id, true);
    if (iequals(name, "From")) {
      if (from) return true;
      from = true;
      from_value = field.value;
    } else if (iequals(name, "Sender")) {
      if (sender != nullptr) return true;
      sender = field.whole.data();
      sender_value = field.value;
    }
    return false;
  }
};

constexpr std::string_view resent_prefix = "Resent-";

class survey {
 public:
  void add(const header_field& field) {
    if (!istarts_with(field.name, resent_prefix)) {
      author.add(field.name, field);
      // What is below a trace field was there when the message was resent.
      if (iequals(field.name, "Received") || iequals(field.name, "Return-Path")) close_block();
      return;
    }
    if (block_closed_) return;
    if (block == nullptr) block = field.whole.data();
    // The next block begins where a field comes again.
    auto with_this = resent;
    if (with_this.add(field.name.substr(resent_prefix.size()), field)) return close_block();
    resent = with_this;
  }
  bool is_resent() const noexcept { return block != nullptr; }

  originator_fields author, resent;
  const char* block = nullptr;  // where the topmost Resent block begins

 private:
  void close_block() noexcept { block_closed_ = block != nullptr; }
  bool block_closed_ = false;
};

/// The address as it can be written into a header, or "".
std::string usable(std::string_view address, bool utf8) {
  const auto path = smtp::parse_address(address);
  if (!path || path->is_null() || path->domain().empty()) return {};
  return utf8 || !path->needs_smtputf8() ? path->text() : std::string();
}

class completion {
 public:
  completion(const submission_rules& rules, const submission_facts& facts)
      : rules_(rules), facts_(facts) {
    if (!facts.user.empty()) {
      const bool is_bare = facts.user.find('@') == std::string_view::npos;
      login_ =
          usable(is_bare ? fmt::format("{}@{}", facts.user, rules.domain) : std::string(facts.user),
                 facts.smtputf8);
    }
  }

  std::string run(std::string_view header) {
    // What will not be there makes no block of Resent fields either.
    const auto length = for_each_field(header, [&](const header_field& f) {
      if (!is_removed(f)) found_.add(f);
    });
    if (length != header.size()) return std::string(header);
    choose_sender();
    auto text = write(header, !rules_.domain.empty());
    if (text.size() > header.size() + most_growth) text = write(header, false);
    return text;
  }

 private:
  const originator_fields& set() const noexcept {
    return found_.is_resent() ? found_.resent : found_.author;
  }
  /// RFC 6409 8.1: the login, where the From does not say the same.
  void choose_sender() {
    if (!rules_.add_sender || login_.empty() || (found_.is_resent() && !set().from)) return;
    // A From that will be written is the reverse-path.
    auto from = set().from ? std::string(set().from_value) : from_to_add();
    if (names_login_alone(from) && set().sender == nullptr) return;
    if (set().sender != nullptr && names_login_alone(set().sender_value)) return;
    sender_ = login_;
  }
  bool names_login_alone(std::string_view value) const {
    const auto full = qualified_addresses(value, rules_.domain, facts_.smtputf8);
    const auto found = mailboxes(full ? *full : value);
    if (!found || found->size() != 1) return false;
    const auto& one = found->front();
    const auto path = smtp::parse_address(fmt::format("{}@{}", one.local_part, one.domain));
    const auto login = smtp::parse_address(login_);
    return path && login && *path == *login;
  }
  std::string from_to_add() const {
    auto address = usable(facts_.reverse_path, facts_.smtputf8);
    if (address.empty()) address = login_;
    return address.empty() ? fmt::format("MAILER-DAEMON@{}", host()) : address;
  }
  std::string_view host() const noexcept {
    return rules_.domain.empty() ? std::string_view("localhost") : rules_.domain;
  }

  bool is_removed(const header_field& f) const noexcept {
    return rules_.remove_bcc && (iequals(f.name, "Bcc") || iequals(f.name, "Resent-Bcc"));
  }
  std::string write(std::string_view header, bool qualify) {
    std::string text;
    text.reserve(header.size() + 256);
    for_each_field(header, [&](const header_field& f) {
      if (f.whole.data() == found_.block && set().from) add_missing(text, resent_prefix);
      if (f.whole.data() == set().sender && !sender_.empty()) {
        text.append(f.name).append(": ").append(sender_).append("\r\n");
      } else if (!is_removed(f)) {
        copy(f, qualify, text);
      }
    });
    if (!found_.is_resent()) {
      std::string added;
      add_missing(added, "");
      if (!added.empty() && !text.empty() && !text.ends_with('\n')) text += "\r\n";
      text += added;
    }
    return text;
  }
  void copy(const header_field& f, bool qualify, std::string& text) const {
    if (qualify && is_one_of(f.name, address_fields)) {
      if (const auto full = qualified_addresses(f.value, rules_.domain, facts_.smtputf8)) {
        text.append(f.whole.substr(0, f.whole.size() - f.value.size())).append(*full);
        return;
      }
    }
    text += f.whole;
  }
  void add_missing(std::string& text, std::string_view prefix) const {
    const auto add = [&](std::string_view name, std::string_view value) {
      text.append(prefix).append(name).append(": ").append(value).append("\r\n");
    };
    const auto& s = set();
    if (rules_.add_missing) {
      if (!s.from) add("From", from_to_add());
      if (!s.date) add("Date", rfc5322_date(facts_.arrival));
      if (!s.message_id) add("Message-ID", message_id());
    }
    if (s.sender == nullptr && !sender_.empty()) add("Sender", sender_);
  }
  std::string message_id() const {
    // Two relays may qualify with one domain: the microseconds tell their ids apart.
    const auto micros = facts_.arrival.time_since_epoch().count() % 1'000'000;
    return fmt::format("<{}.{:06}@{}>", facts_.id.text(), micros < 0 ? -micros : micros, host());
  }

  const submission_rules& rules_;
  const submission_facts& facts_;
  survey found_;
  std::string login_;   // as an address, "" if there is none
  std::string sender_;  // to be written, "" if none
};

}  // namespace

std::string complete_header(std::string_view header, const submission_rules& rules,
                            const submission_facts& facts) {
  return completion(rules, facts).run(header);
}

}  // namespace relais::message
