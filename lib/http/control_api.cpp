#include "http/control_api.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "http/control_json.hpp"
#include "http/control_request.hpp"

namespace relais::http {

namespace {

constexpr std::size_t content_piece = 256 << 10;

/// Elements of an array, one a line.
class elements {
 public:
  void add(std::string& to, const std::string& element) {
    to += is_first_ ? "\n" : ",\n";
    is_first_ = false;
    to += element;
  }
  std::string_view end() const { return is_first_ ? "]" : "\n]"; }

 private:
  bool is_first_ = true;
};

class message_body final : public body_source {
 public:
  message_body(std::unique_ptr<delivery::message_stream> from, std::size_t limit)
      : from_(std::move(from)), left_(limit == 0 ? SIZE_MAX : limit) {}

  net::task<result<std::string>> next() override {
    if (over_) co_return std::string();
    const auto some = co_await from_->next(left_);
    left_ -= some.size();
    std::string text;
    for (const auto& message : some) array_.add(text, to_line(to_object(message)));
    over_ = some.empty() || left_ == 0;
    if (!over_) co_return text;
    const auto at = from_->position();
    const auto next = at ? json_string(to_text(*at)) : std::string("null");
    text += fmt::format("{},\"next\":{}}}\n", array_.end(), next);
    co_return text;
  }

 private:
  std::unique_ptr<delivery::message_stream> from_;
  std::size_t left_;
  elements array_;
  bool over_ = false;
};

class outcome_body final : public body_source {
 public:
  outcome_body(std::unique_ptr<delivery::outcome_stream> from, bool is_dry)
      : from_(std::move(from)), is_dry_(is_dry) {}

  net::task<result<std::string>> next() override {
    if (!some_.empty()) co_return a_piece();
    if (over_) co_return std::string();
    some_ = co_await from_->next();
    at_ = 0;
    if (!some_.empty()) co_return a_piece();
    over_ = true;
    std::string text(array_.end());
    text += fmt::format(",\"selected\":{},\"changed\":{},\"failed\":{}}}\n", selected_, changed_,
                        failed_);
    co_return text;
  }

 private:
  // A batch is large; the worker has other things to do.
  std::string a_piece() {
    constexpr std::size_t most = 200;
    std::string text;
    const auto end = std::min(some_.size(), at_ + most);
    for (; at_ < end; ++at_) {
      const auto& o = some_[at_];
      array_.add(text, to_line(to_object(o, is_dry_)));
      if (o.is_known) ++selected_;
      if (o.changes) ++changed_;
      if (o.error) ++failed_;
    }
    if (at_ == some_.size()) some_.clear();
    return text;
  }

  std::unique_ptr<delivery::outcome_stream> from_;
  bool is_dry_;
  std::vector<delivery::order_outcome> some_;
  std::size_t at_ = 0;
  std::uint64_t selected_ = 0, changed_ = 0, failed_ = 0;
  elements array_;
  bool over_ = false;
};

class destination_body final : public body_source {
 public:
  explicit destination_body(std::unique_ptr<delivery::destination_stream> from)
      : from_(std::move(from)) {}

  net::task<result<std::string>> next() override {
    if (over_) co_return std::string();
    const auto some = co_await from_->next();
    std::string text;
    for (const auto& d : some) array_.add(text, to_line(to_object(d)));
    over_ = some.empty();
    if (over_) text = std::string(array_.end()) + "}\n";
    co_return text;
  }

 private:
  std::unique_ptr<delivery::destination_stream> from_;
  elements array_;
  bool over_ = false;
};

class content_body final : public body_source {
 public:
  content_body(delivery::operations& hand, queue::spool_gate::download from)
      : hand_(hand), from_(std::move(from)) {}
  net::task<result<std::string>> next() override {
    auto from = from_;
    co_return co_await hand_.next_piece(std::move(from), content_piece);
  }

 private:
  delivery::operations& hand_;
  queue::spool_gate::download from_;
};

reply json_reply(std::string body) {
  reply r;
  r.type = "application/json";
  r.body = std::move(body);
  return r;
}

reply streamed(std::string opening, std::unique_ptr<body_source> rest) {
  auto r = json_reply(std::move(opening));
  r.rest = std::move(rest);
  return r;
}

net::task<reply> show(queue_id id, delivery::operations& hand) {
  const auto found = co_await hand.show(id);
  if (!found) co_return json_error(404, "no such message");
  co_return json_reply(to_line(to_object(*found)) + "\n");
}

net::task<reply> content(queue_id id, delivery::operations& hand) {
  auto opened = co_await hand.open_content(id);
  if (!opened) {
    const bool gone = opened.error() == errc::not_found;
    co_return json_error(gone ? 404 : 500, gone ? "no such message" : opened.error().message());
  }
  reply r;
  r.type = "message/rfc822";
  r.rest = std::make_unique<content_body>(hand, std::move(*opened));
  co_return r;
}

std::string_view word_of(delivery::queue_verb verb) {
  constexpr std::string_view words[] = {"hold", "release", "remove", "bounce", "retry", "reroute"};
  return words[static_cast<std::size_t>(verb)];
}

std::string asker(const request& asked) {
  return asked.user ? "uid " + std::to_string(*asked.user) : std::string("an operator");
}

reply carry_out(const request& asked, const control_request& r,
                std::shared_ptr<const queue::selector> which, delivery::operations& hand) {
  if (!r.next_hop.empty() && !hand.is_next_hop(r.next_hop)) {
    return json_error(400,
                      "\"next_hop\" is no next hop: b.example, relay.example:587, "
                      "[relay.example]:587, unix:/path");
  }
  delivery::order o;
  o.verb = r.verb;
  o.which = std::move(which);
  o.is_dry = r.is_dry;
  o.next_hop = r.next_hop;
  o.by = asker(asked);
  auto opening =
      fmt::format(R"({{"verb":"{}","dry_run":{},"outcomes":[)", word_of(r.verb), r.is_dry);
  return streamed(std::move(opening),
                  std::make_unique<outcome_body>(hand.carry_out(std::move(o)), r.is_dry));
}

net::task<reply> order_destination(delivery::destination_verb verb, std::string name,
                                   std::string by, delivery::operations& hand) {
  const bool all = name.empty();
  const auto seen = co_await hand.carry_out(verb, std::move(name), std::move(by));
  if (seen.empty() && !all) co_return json_error(404, "there is no such destination");
  std::string text = R"({"destinations":[)";
  elements array;
  for (const auto& d : seen) array.add(text, to_line(to_object(d)));
  text += array.end();
  co_return json_reply(text + "}\n");
}

}  // namespace

reply json_error(unsigned status, std::string_view sentence) {
  auto r = json_reply("{\"error\":" + json_string(sentence) + "}\n");
  r.status = status;
  return r;
}

net::task<reply> answer_control(request asked, delivery::operations& hand) {
  auto parsed = parse_control_request(asked.method, asked.target, asked.body);
  if (const auto* no = std::get_if<refusal>(&parsed)) {
    auto r = json_error(no->status, no->sentence);
    r.allow = no->allow;
    co_return r;
  }
  auto& r = std::get<control_request>(parsed);
  using kind = control_request::kind;
  if (r.is == kind::status) {
    const auto view = co_await hand.status();
    co_return json_reply(to_line(to_object(view)) + "\n");
  }
  if (const auto why = hand.not_ready(); !why.empty()) co_return json_error(503, why);
  std::string why;
  auto made = queue::selector::make(r.which, why);
  if (!made) co_return json_error(400, why);
  auto which = std::make_shared<const queue::selector>(std::move(*made));
  switch (r.is) {
    case kind::status: break;
    case kind::list: {
      auto found = hand.list(std::move(which), r.from);
      co_return streamed(R"({"messages":[)",
                         std::make_unique<message_body>(std::move(found), r.limit));
    }
    case kind::show: co_return co_await show(r.id, hand);
    case kind::content: co_return co_await content(r.id, hand);
    case kind::order: co_return carry_out(asked, r, std::move(which), hand);
    case kind::destinations:
      co_return streamed(R"({"destinations":[)",
                         std::make_unique<destination_body>(hand.destinations(r.closed_only)));
    case kind::destination_order: {
      auto by = asker(asked);
      co_return co_await order_destination(r.destination_verb, std::move(r.destination),
                                           std::move(by), hand);
    }
  }
  co_return json_error(500, "not answered");
}

}  // namespace relais::http
