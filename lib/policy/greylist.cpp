// The journal: "relais-greylist 1 SECRET", then a line for each event, the last one of a key wins:
// "w KEY SECONDS" waits since, "k KEY SECONDS" known and last used, "n KEY SECONDS PASSES" a
// network. Keys and the secret are 32 hex digits.
#include "policy/greylist.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "policy/client_network.hpp"

namespace relais::policy {

namespace {

constexpr std::string_view heading = "relais-greylist 1 ";
/// A journal is rewritten when it holds so many lines more than twice what is remembered.
constexpr std::size_t spare_lines = 10'000;

std::int64_t whole_seconds(duration d) noexcept {
  return std::chrono::ceil<std::chrono::seconds>(d).count();
}

std::int64_t since_1970(wall_time at) noexcept {
  return std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count();
}

std::string_view first_line(std::string_view text) noexcept {
  const auto end = text.find('\n');
  return end == std::string_view::npos ? std::string_view() : text.substr(0, end);
}

}  // namespace

greylist::greylist(const config::greylist_settings& settings, const digest& secret,
                   greylist_bounds bounds)
    : delay_(whole_seconds(settings.delay)),
      retry_window_(std::max(whole_seconds(settings.retry_window), delay_)),
      lifetime_(whole_seconds(settings.lifetime)),
      bounds_(bounds),
      hash_(secret),
      waiting_(bounds.waiting),
      known_(bounds.known),
      networks_(bounds.networks) {}

std::optional<std::chrono::seconds> greylist::ask(const ip_address& client,
                                                  const smtp::path& sender,
                                                  const smtp::path& recipient, wall_time at) {
  const auto now = since_1970(at);
  const auto network_text = client_network(client).text();
  const auto network = hash_({network_text});
  const auto triplet = hash_({network_text, to_lower(sender.text()), to_lower(recipient.text())});
  if (is_known(triplet, network, now)) return {};

  if (const auto* since = waiting_.find(triplet)) {
    const auto waited = now - *since;
    // A clock that was set back must not make anybody wait for years.
    if (waited >= 0 && waited < delay_) return std::chrono::seconds(delay_ - waited);
    if (waited >= delay_ && waited <= retry_window_) {
      pass(triplet, network, now);
      return {};
    }
  }
  if (delay_ == 0) {
    pass(triplet, network, now);
    return {};
  }
  waiting_.put(triplet, now);
  write('w', triplet, now);
  return std::chrono::seconds(delay_);
}

bool greylist::is_known(const digest& triplet, const digest& network, seconds now) {
  if (auto* n = networks_.find(network)) {
    if (now - n->used > lifetime_) {
      networks_.erase(network);
    } else if (n->passes >= bounds_.passes_of_network) {
      n->used = now;
      if (is_due(now, n->written)) {
        n->written = now;
        write('n', network, now, n->passes);
      }
      return true;
    }
  }
  auto* k = known_.find(triplet);
  if (k == nullptr) return false;
  if (now - k->used > lifetime_) {
    known_.erase(triplet);
    return false;
  }
  k->used = now;
  if (is_due(now, k->written)) {
    k->written = now;
    write('k', triplet, now);
  }
  return true;
}

void greylist::pass(const digest& triplet, const digest& network, seconds now) {
  waiting_.erase(triplet);
  known_.put(triplet, {now, now});
  write('k', triplet, now);
  known_network fresh{now, now, 1};
  if (const auto* n = networks_.find(network)) fresh.passes = n->passes + 1;
  networks_.put(network, fresh);
  write('n', network, now, fresh.passes);
}

bool greylist::is_due(seconds used, seconds written) const noexcept {
  return used < written || used - written > lifetime_ / 32;
}

void greylist::write(char kind, const digest& key, seconds when, unsigned passes) {
  lines_ += kind;
  lines_ += ' ';
  lines_ += to_hex(key);
  lines_ += ' ';
  lines_ += std::to_string(when);
  if (kind == 'n') {
    lines_ += ' ';
    lines_ += std::to_string(passes);
  }
  lines_ += '\n';
  ++written_;
}

std::optional<digest> greylist::secret_of(std::string_view journal) noexcept {
  const auto line = first_line(journal);
  if (!line.starts_with(heading)) return {};
  return parse_digest(line.substr(heading.size()));
}

void greylist::restore(std::string_view journal, wall_time at) {
  if (secret_of(journal) != hash_.secret()) return;
  journal.remove_prefix(first_line(journal).size() + 1);
  const auto now = since_1970(at);
  for (auto end = journal.find('\n'); end != std::string_view::npos; end = journal.find('\n')) {
    restore_line(journal.substr(0, end), now);
    journal.remove_prefix(end + 1);
  }
}

void greylist::restore_line(std::string_view line, seconds now) {
  const auto words = split(line, ' ');
  if (words.size() < 3 || words[0].size() != 1) return;
  const auto key = parse_digest(words[1]);
  const auto number = parse_number(words[2]);
  if (!key || !number) return;
  // Nothing was used in the future: the clock was wrong then, or is now.
  const auto when = static_cast<seconds>(std::min(*number, static_cast<std::uint64_t>(now)));
  switch (words[0][0]) {
    case 'w':
      if (words.size() == 3 && now - when <= retry_window_) waiting_.put(*key, when);
      break;
    case 'k':
      if (words.size() != 3) break;
      waiting_.erase(*key);
      if (now - when <= lifetime_) known_.put(*key, {when, when});
      break;
    case 'n': {
      const auto passes = words.size() == 4 ? parse_number(words[3]) : std::nullopt;
      if (!passes || now - when > lifetime_) break;
      const auto enough = std::min<std::uint64_t>(*passes, bounds_.passes_of_network);
      networks_.put(*key, {when, when, static_cast<unsigned>(enough)});
      break;
    }
    default: break;
  }
}

std::string greylist::take_lines() {
  return std::exchange(lines_, {});
}

std::string greylist::whole() {
  lines_ = std::string(heading) + to_hex(hash_.secret()) + '\n';
  written_ = 0;
  waiting_.for_each([&](const digest& key, seconds since) { write('w', key, since); });
  known_.for_each([&](const digest& key, const known_triplet& k) { write('k', key, k.used); });
  networks_.for_each(
      [&](const digest& key, const known_network& n) { write('n', key, n.used, n.passes); });
  return take_lines();
}

bool greylist::is_journal_long() const noexcept {
  return written_ > 2 * (waiting_.size() + known_.size() + networks_.size()) + spare_lines;
}

}  // namespace relais::policy
