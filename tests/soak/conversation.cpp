// How a next hop talks: what each mood and each habit makes of a session. See next_hop.hpp.
#include <algorithm>
#include <limits>
#include <stdexcept>

#include "soak/next_hop.hpp"

namespace relais::soak {

using namespace std::chrono_literals;
using smtp::reply_id;
using smtp::server_event_kind;

namespace {

constexpr auto unlimited = std::numeric_limits<std::uint64_t>::max();
// Who waits longer than this may have been given up.
constexpr duration patience = 1min;

smtp::server_options options_of(const std::string& name, const habits& ways) {
  smtp::server_options options;
  options.hostname = name;
  options.extensions = ways.extensions;
  return options;
}

// The whole first line; nothing where it has not come to its end.
std::string_view first_line(std::string_view octets) {
  const auto end = octets.find('\n');
  return end == std::string_view::npos ? octets : octets.substr(0, end + 1);
}

}  // namespace

struct next_hop::talk {
  talk(net::stream& s, const std::string& name, const habits& ways)
      : stream(s), protocol(options_of(name, ways)) {}
  net::stream& stream;
  smtp::server_protocol protocol;
  std::shared_ptr<visit> entry = std::make_shared<visit>();
  std::uint64_t hears = unlimited, says = unlimited;  ///< octets until the connection breaks
  bool dies_behind_dot = false;
  bool is_report = false;
  std::vector<std::string> forward_paths;
  std::string content;
  std::string buffer = std::string(8192, '\0');
};

net::task<void> next_hop::serve(net::accepted_connection accepted) {
  auto use = testing::use_of(*accepted.connection);
  net::stream stream(std::move(accepted.connection), here_);
  struct count {
    std::size_t& n;
    explicit count(std::size_t& of) : n(of) { ++n; }
    ~count() { --n; }
  };
  const count here{open_};
  // What was given up while this one was slow is over by then; what the relay left just now may not
  // be noticed yet.
  const bool is_calm = mood_ == mood::good && moods_.back().when + 1h < world_.clock.now();
  if (is_calm && open_ > 2 * ways_.connections * ways_.domains) {
    books_.complain(name_ + " has " + std::to_string(open_) + " connections at a time");
  }
  if (mood_ == mood::refusing) co_return;
  if (mood_ == mood::mute || mood_ == mood::black_hole) co_return co_await swallow(stream);
  talk t(stream, name_, ways_);
  t.entry->line = std::move(use);
  draw_end(t);
  const bool is_turned_away = mood_ == mood::turning_away || (mood_ == mood::storm && one_in(2));
  std::optional<reply_id> refusal;
  if (is_turned_away) refusal = reply_id::too_many_connections;
  t.protocol.greet(refusal);
  co_await converse(t);
}

// Of the octets of a usual session each is the last one now and then; of long ones, too.
void next_hop::draw_end(talk& t) {
  if (mood_ != mood::breaking) return;
  auto& random = world_.random;
  const auto least = 1 + random.below(40);
  const auto octets = random.below(least << random.below(10));
  switch (random.below(5)) {
    case 0:
    case 1: t.hears = octets; break;
    case 2: t.says = octets; break;
    case 3: t.dies_behind_dot = true; break;
    default: break;
  }
}

net::task<void> next_hop::converse(talk& t) {
  for (;;) {
    const auto e = t.protocol.next();
    switch (e.kind) {
      case server_event_kind::quit:
      case server_event_kind::fatal:
        if (co_await say(t)) co_await t.stream.close();
        co_return;
      case server_event_kind::need_input:
        if (!co_await exchange(t)) co_return;
        break;
      default:
        if (!co_await answer(t, e)) co_return;
        break;
    }
  }
}

// False: the connection is over.
net::task<bool> next_hop::exchange(talk& t) {
  if (!co_await say(t)) co_return false;
  const auto target = net::asio::buffer(t.buffer);
  const auto got = co_await t.stream.read_some(target);
  if (!got || mood_ == mood::refusing) co_return false;
  if (mood_ == mood::mute || mood_ == mood::black_hole) {
    co_await swallow(t.stream);
    co_return false;
  }
  if (mood_ == mood::turning_away) {
    t.protocol.close_with(reply_id::draining);
    co_return true;
  }
  co_return receive(t, std::string_view(t.buffer).substr(0, *got));
}

bool next_hop::receive(talk& t, std::string_view octets) {
  const auto heard = std::min<std::uint64_t>(octets.size(), t.hears);
  octets = octets.substr(0, heard);
  if (t.hears != unlimited) t.hears -= heard;
  // What was understood is done, and not answered.
  if (t.hears == 0) t.says = 0;
  const auto line = first_line(octets);
  const bool is_ahead = line.size() < octets.size() && !t.protocol.in_content();
  if (is_ahead && ways_.pipelining == honesty::discards) {
    t.entry->broke_protocol = true;
    octets = line;
  } else if (is_ahead && ways_.pipelining == honesty::hangs_up) {
    t.entry->broke_protocol = true;
    t.protocol.close_with(reply_id::synchronization_error);
    return true;
  }
  t.protocol.receive(octets);
  return true;
}

net::task<bool> next_hop::say(talk& t) {
  std::string octets(t.protocol.output());
  t.protocol.output_written(octets.size());
  const bool is_cut = octets.size() > t.says;
  if (is_cut) octets.resize(t.says);
  if (t.says != unlimited) t.says -= octets.size();
  const auto size = octets.size();
  // Before the write: what leaves may be read before this goes on.
  t.entry->said += size;
  if (size > 0) {
    const auto fault = co_await t.stream.write(octets);
    if (fault) co_return false;
  }
  co_return !is_cut && !(t.hears == 0);
}

// Who is slow may be too slow; who works does so for each content.
net::task<void> next_hop::think(talk& t, bool is_content) {
  duration time = is_content ? ways_.work : duration{0};
  if (mood_ == mood::slow) {
    const auto most = one_in(20) ? 12min : duration(15s);
    time += duration(
        static_cast<std::int64_t>(world_.random.below(static_cast<std::uint64_t>(most.count()))));
  }
  if (time > patience) t.entry->was_late = true;
  if (time > duration{0}) co_await net::sleep_for(here_, time);
}

bool next_hop::refuses(talk& t) {
  if (mood_ != mood::storm || !one_in(4)) return false;
  t.protocol.close_with(one_in(2) ? reply_id::overloaded : reply_id::draining);
  return true;
}

// False: the connection breaks here.
net::task<bool> next_hop::answer(talk& t, const smtp::server_event& e) {
  if (e.kind == server_event_kind::content) {
    t.content += e.text;
    co_return true;
  }
  if (e.kind == server_event_kind::hello || e.kind == server_event_kind::reset) co_return true;
  const bool is_content = e.kind == server_event_kind::end_of_data;
  co_await think(t, is_content);
  if (refuses(t)) co_return true;
  switch (e.kind) {
    case server_event_kind::mail:
      t.is_report = e.address->is_null();
      t.forward_paths.clear();
      t.content.clear();
      t.protocol.reply(reply_id::sender_ok);
      if (ways_.pipelining != honesty::babbles || !one_in(3)) break;
      t.entry->broke_protocol = true;
      if (!co_await say(t)) co_return false;
      {
        const std::string more = "250 and so on\r\n";
        t.entry->said += more.size();
        co_await t.stream.write(more);
      }
      break;
    case server_event_kind::rcpt: {
      const auto to = e.address->text();
      t.protocol.reply(judge_recipient(t, to), to);
      break;
    }
    case server_event_kind::data: t.protocol.reply(reply_id::start_data); break;
    case server_event_kind::end_of_data: {
      const auto verdict = judge_content(e);
      t.protocol.reply(verdict, "AT-REMOTE");
      if (verdict == reply_id::queued) take(t);
      if (t.dies_behind_dot) co_return false;
      break;
    }
    default: throw std::logic_error("a next hop of the soak offers no such thing");
  }
  co_return true;
}

reply_id next_hop::judge_recipient(talk& t, const std::string& to) {
  if (t.forward_paths.size() >= ways_.recipients_per_message) return reply_id::too_many_recipients;
  if (auto* const a = books_.find(to)) {
    const auto now = world_.clock.now();
    if (a->is_unknown) return reply_id::mailbox_unknown;
    if (now < a->full_until)
      return a->number % 7 == 0 ? reply_id::size_too_big : reply_id::no_storage;
    if (ways_.has_greylist) {
      if (!a->first_asked) a->first_asked = now;
      if (now < *a->first_asked + 4min) return reply_id::greylisted;
    }
  }
  t.forward_paths.push_back(to);
  return reply_id::recipient_ok;
}

reply_id next_hop::judge_content(const smtp::server_event& end) {
  if (end.content_fault) return *end.content_fault;
  const bool is_tired = mood_ == mood::deferring || mood_ == mood::breaking;
  return is_tired && one_in(4) ? reply_id::queue_write_failed : reply_id::queued;
}

// The reply to it stands at the end of what waits to be said.
void next_hop::take(const talk& t) {
  copy one;
  one.when = world_.clock.now();
  one.by = t.entry;
  one.end = t.entry->said + t.protocol.output().size();
  for (const auto& to : t.forward_paths) {
    auto* const a = books_.find(to);
    if (a != nullptr && a->copies.empty() && a->accepted) {
      a->overtaken_by = taken_ - a->taken_before;
    }
  }
  books_.took(t.is_report, t.forward_paths, t.content, one);
  ++taken_;
}

}  // namespace relais::soak
