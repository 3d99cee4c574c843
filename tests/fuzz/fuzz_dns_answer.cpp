// Any octets as a DNS response, for each type that relais asks: no crash, and what comes out keeps
// the promises of answer_parser.hpp. The question is taken from the message itself where there is
// one.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "dns/answer_parser.hpp"
#include "dns/name.hpp"

namespace {

/// The question's name, if it is written without pointers: a fuzzer cannot guess it otherwise.
std::string asked_name(std::span<const std::uint8_t> message) {
  std::string name;
  for (std::size_t at = 12; at < message.size() && message[at] != 0 && message[at] < 64;) {
    const std::size_t length = message[at];
    if (at + 1 + length > message.size()) break;
    if (!name.empty()) name += '.';
    name.append(message.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                message.begin() + static_cast<std::ptrdiff_t>(at + 1 + length));
    at += 1 + length;
  }
  return relais::dns::normal_name(name);
}

void require(bool promise) {
  if (!promise) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace relais::dns;
  const std::span message(data, size);
  for (const auto type : {record_type::mx, record_type::a, record_type::aaaa, record_type::ptr}) {
    const question asked{asked_name(message), type};
    const auto answer = parse_answer(message, asked);
    const bool has_records =
        !answer.exchanges.empty() || !answer.addresses.empty() || !answer.names.empty();
    require(has_records == (answer.kind == verdict::records));
    require(answer.aliases <= maximum_aliases);
    require(answer.ttl <= 0x7fffffff);
    for (const auto& r : answer.exchanges) {
      require(r.exchange.empty() || is_host_name(r.exchange));
      require(r.exchange == normal_name(r.exchange));
    }
    for (const auto& name : answer.names) {
      require(is_host_name(name));
      require(name == normal_name(name));
    }
    if (answer.kind != verdict::temporary && type != record_type::ptr)
      require(is_host_name(answer.canonical_name));
  }
  return 0;
}
