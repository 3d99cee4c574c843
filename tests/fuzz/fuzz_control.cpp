// Any text as a request of the control API: first line method and target, the rest the body. What
// is understood never means more than it says, whatever means many messages was confirmed, and a
// selection that is made of it can be asked about a message.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/text.hpp"
#include "http/control_request.hpp"

using namespace relais;
using namespace relais::http;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

spool::stored_message stored() {
  spool::stored_message m;
  m.id = queue_id{1};
  m.envelope = {*smtp::parse_address("joe@a.example"), {*smtp::parse_address("ann@b.example")}};
  m.recipients.resize(1);
  m.recipients[0].diagnostic = "451 4.7.1 Greylisted, try again later";
  return m;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto line = text.substr(0, text.find('\n'));
  const auto body = text.substr(std::min(text.size(), line.size() + 1));
  const auto blank = line.find(' ');
  const auto target = blank == line.npos ? std::string_view() : line.substr(blank + 1);
  const auto parsed = parse_control_request(line.substr(0, blank), target, body);
  if (const auto* no = std::get_if<refusal>(&parsed)) {
    require(no->status >= 400 && no->status < 500 && !no->sentence.empty());
    return 0;
  }
  const auto& r = std::get<control_request>(parsed);
  using kind = control_request::kind;
  if (r.is == kind::order) {
    require(!r.which.is_empty());
    require(r.is_dry || r.which.is_explicit() || body.find("\"confirm\"") != body.npos ||
            body.find("\\u") != body.npos);
  }
  require(r.is == kind::order || r.is == kind::list || r.which.is_empty());
  require(r.from.part < spool::store::parts);
  std::string why;
  const auto made = queue::selector::make(r.which, why);
  require(made.has_value() == why.empty());
  if (!made) return 0;
  const auto meant =
      made->matching(stored(), wall_time{}, [](std::size_t) { return queue::way_names(); });
  require(meant.size() <= 1);
  return 0;
}
