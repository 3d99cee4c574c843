#include "soak/ledger.hpp"

#include <algorithm>
#include <charconv>

#include "soak/bounds.hpp"

namespace relais::soak {

using namespace std::chrono_literals;

namespace {

// What was settled is durable so soon; a state waits 10 ms, a commit a few more.
constexpr duration until_durable = 2s;
// A next hop that had all the octets when the relay ended may still think so long.
constexpr duration afterthought = 20min;
constexpr std::size_t most_complaints = 20;
constexpr std::string_view subject = "Subject: number ";

std::string text_of(const account& a) {
  return "m" + std::to_string(a.number) + " of domain " + std::to_string(a.domain);
}

std::string hours(steady_time t) {
  return std::to_string(
      std::chrono::duration<double, std::ratio<3600>>(t.time_since_epoch()).count());
}

std::string_view line_of(std::string_view& text) {
  const auto end = std::min(text.find("\r\n"), text.size());
  const auto line = text.substr(0, end);
  text.remove_prefix(std::min(end + 2, text.size()));
  return line;
}

}  // namespace

std::string content_of(std::size_t message) {
  std::string text(subject);
  text += std::to_string(message) + "\r\n\r\n.dot\r\nbody\r\n";
  const std::size_t size = message % 40 == 0 ? 20'000 : message % 3 == 0 ? 600 : 0;
  while (text.size() < size)
    text += std::to_string(message) + ':' + std::to_string(text.size()) + "\r\n";
  return text;
}

account& ledger::open() {
  auto& a = accounts_.emplace_back();
  a.number = accounts_.size() - 1;
  return a;
}

account* ledger::find(std::string_view forward_path) {
  if (!forward_path.starts_with('m')) return nullptr;
  std::size_t number = 0;
  const auto* const end = forward_path.data() + forward_path.size();
  const auto read = std::from_chars(forward_path.data() + 1, end, number);
  if (read.ec != std::errc() || read.ptr == end || *read.ptr != '@') return nullptr;
  return number < accounts_.size() ? &accounts_[number] : nullptr;
}

void ledger::accept(account& a, steady_time when) {
  a.accepted = when;
  if (!a.is_settled()) ++pending_;
}

void ledger::took(bool is_report, const std::vector<std::string>& forward_paths,
                  const std::string& content, const copy& one) {
  if (is_report) return took_report(content, one);
  const auto at = content.find(subject);
  for (const auto& to : forward_paths) {
    auto* const a = find(to);
    if (a == nullptr) {
      complain("content for " + to + ", whom nobody wrote to");
      continue;
    }
    if (at == std::string::npos || content.substr(at) != content_of(a->message)) {
      complain(text_of(*a) + " got other content than was sent");
    }
    if (a->accepted && !a->is_settled()) --pending_;
    a->copies.push_back(one);
  }
}

void ledger::took_report(const std::string& content, const copy& one) {
  std::string_view rest(content);
  account* about = nullptr;
  std::size_t fields = 0;
  while (!rest.empty()) {
    const auto line = line_of(rest);
    if (line.starts_with("Final-Recipient: rfc822; ")) about = find(line.substr(25));
    if (!line.starts_with("Action: ") || about == nullptr) continue;
    const bool is_failed = line == "Action: failed";
    if (is_failed && about->accepted && !about->is_settled()) --pending_;
    (is_failed ? about->failed : about->delayed).push_back(one);
    about = nullptr;
    ++fields;
  }
  if (fields == 0) complain("a report about nobody: " + content.substr(0, 2000));
}

void ledger::relay_says_sent(std::string_view forward_path) {
  auto* const a = find(forward_path);
  if (a == nullptr) return;  // a report
  ++a->sent;
  const auto heard = std::ranges::count_if(a->copies, &copy::is_heard);
  if (a->sent > static_cast<unsigned>(heard)) {
    complain(text_of(*a) + " is said to be delivered, but no next hop said so");
  }
}

void ledger::relay_says_bounced(std::string_view forward_path) {
  if (auto* const a = find(forward_path)) ++a->bounced;
}

/// Why the relay could not know of this copy. A reply that left and was not heard needs a reason,
/// too: the network, or the relay's own end.
ledger::excuse ledger::excuse_of(const copy& c, const std::string& whose) {
  const auto crashed = [&](const interruption& i) {
    return !i.is_orderly && c.when >= i.from - until_durable && c.when <= i.until;
  };
  const auto ended = [&](const interruption& i) {
    return c.when >= i.from - until_durable && c.when <= i.until + afterthought;
  };
  if (!c.is_heard()) {
    const bool has_left = c.by->said >= c.end;
    if (has_left && !c.by->was_late && !c.by->line->was_reset && !c.by->broke_protocol &&
        std::ranges::none_of(interruptions_, ended)) {
      complain(whose + ": the relay did not wait for the reply of hour " + hours(c.when));
    }
    return excuse::unheard;
  }
  if (c.by->broke_protocol) return excuse::protocol;
  return std::ranges::any_of(interruptions_, crashed) ? excuse::crash : excuse::none;
}

/// Of the copies that the relay knows of there is one at most. They may come in any order: a slow
/// next hop takes what was given up long ago.
void ledger::check_copies(const std::vector<copy>& all, const std::string& whose, totals& sum) {
  const copy* known = nullptr;
  for (const auto& c : all) {
    switch (excuse_of(c, whose)) {
      case excuse::unheard: ++sum.unheard; break;
      case excuse::crash: ++sum.crashed; break;
      case excuse::protocol: ++sum.off_protocol; break;
      case excuse::none:
        if (known != nullptr) {
          complain(whose + " was taken and confirmed in hour " + hours(known->when) +
                   ", and once more in hour " + hours(c.when));
        }
        known = &c;
        break;
    }
  }
  sum.copies += all.size();
  if (!all.empty()) sum.repeated += all.size() - 1;
}

void ledger::settle(account& a, totals& sum) {
  const auto name = text_of(a);
  ++sum.recipients;
  if (a.accepted) ++sum.accepted;
  const auto crashed_before = sum.crashed;
  check_copies(a.copies, name, sum);
  if (a.sent > 1 + sum.crashed - crashed_before) {
    complain(name + " is said to be delivered " + std::to_string(a.sent) + " times");
  }
  totals of_reports;
  check_copies(a.failed, "the report about " + name, of_reports);
  check_copies(a.delayed, "the delay warning about " + name, of_reports);
  sum.repeated_reports += of_reports.repeated;
  if (!a.copies.empty()) ++sum.delivered;
  if (!a.failed.empty()) ++sum.reported;
  if (a.accepted && !a.is_settled()) complain(name + " vanished");
  if (a.bounced > 0 && !a.is_settled()) complain(name + " failed, and its sender was not told");
  if (!a.failed.empty() && a.bounced == 0 &&
      a.failed.front().when < a.offered + bounds::queue_lifetime) {
    complain(name + " is reported as failed, but did not");
  }
  if (a.failed.empty() || a.copies.empty()) return;
  ++sum.both;
  for (const auto& c : a.copies) {
    if (excuse_of(c, name) != excuse::none) continue;
    complain(name + " was delivered in hour " + hours(c.when) + ", and reported as failed");
  }
}

totals ledger::settle() {
  totals sum;
  for (auto& a : accounts_) settle(a, sum);
  return sum;
}

void ledger::complain(std::string what) {
  if (complaints_.size() < most_complaints) complaints_.push_back(std::move(what));
}

}  // namespace relais::soak
