#include "spool/record.hpp"

#include <algorithm>
#include <type_traits>

#include "base/text.hpp"
#include "spool/crc32c.hpp"

namespace relais::spool {
namespace {

constexpr std::string_view message_magic = "relais-message 1\n";
constexpr std::string_view message_family = "relais-message ";
constexpr std::string_view states_magic_line = "relais-states 1\n";
constexpr std::string_view states_family = "relais-states ";
constexpr std::size_t checksum_size = 4;
constexpr std::size_t state_head_size = 4 + 4 + 8;
static_assert(withdrawn_mark.size() == message_magic.size());
static_assert(message_prefix_size == message_magic.size() + 40);

template <class Unsigned>
void put(std::string& out, Unsigned value) {
  static_assert(std::is_unsigned_v<Unsigned>);
  for (std::size_t i = 0; i < sizeof value; ++i)
    out += static_cast<char>((static_cast<std::uint64_t>(value) >> (8 * i)) & 0xff);
}

void put_text(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}

void put_time(std::string& out, wall_time time) {
  put(out, static_cast<std::uint64_t>(time.time_since_epoch().count()));
}

/// Takes fields off the front; after the first that is missing, all further ones are, too.
class reader {
 public:
  explicit reader(std::string_view octets) : rest_(octets) {}

  template <class Unsigned>
  Unsigned number() {
    const auto octets = take(sizeof(Unsigned));
    std::uint64_t value = 0;
    for (std::size_t i = octets.size(); i-- > 0;)
      value = (value << 8) | static_cast<unsigned char>(octets[i]);
    return static_cast<Unsigned>(value);
  }
  std::string_view text() { return take(number<std::uint32_t>()); }
  wall_time time() {
    return wall_time(std::chrono::microseconds(static_cast<std::int64_t>(number<std::uint64_t>())));
  }
  std::string_view take(std::size_t length) {
    if (length > rest_.size()) {
      good_ = false;
      rest_ = {};
    }
    if (!good_) return {};
    const auto taken = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return taken;
  }
  bool good() const noexcept { return good_; }
  bool at_end() const noexcept { return good_ && rest_.empty(); }
  std::size_t left() const noexcept { return rest_.size(); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

/// "relais-message 2\n": a format of another time.
bool names_other_version(std::string_view octets, std::string_view family) {
  if (!octets.starts_with(family)) return false;
  octets.remove_prefix(family.size());
  const auto end = octets.substr(0, 8).find('\n');
  return end != std::string_view::npos && parse_number(octets.substr(0, end)).has_value();
}

std::string encode_envelope(const smtp::envelope& envelope) {
  std::string out;
  put(out, static_cast<std::uint8_t>(envelope.body));
  put(out, static_cast<std::uint8_t>(envelope.smtputf8));
  put_text(out, envelope.reverse_path.text());
  put(out, static_cast<std::uint32_t>(envelope.forward_paths.size()));
  for (const auto& path : envelope.forward_paths) put_text(out, path.text());
  return out;
}

/// Back from path::text(), exactly, or nothing.
std::optional<smtp::path> to_path(std::string_view text) {
  // The bare <postmaster> (RFC 5321 4.1.1.3) has no domain and is a path only with its brackets.
  if (iequals(text, "postmaster")) {
    auto parsed = smtp::parse_path("<" + std::string(text) + ">", smtp::path_kind::forward);
    if (!parsed || parsed->address.text() != text) return {};
    return std::move(parsed->address);
  }
  auto parsed = smtp::parse_address(text);
  if (!parsed || parsed->text() != text) return {};
  return std::move(*parsed);
}

std::uint32_t prefix_checksum(std::string_view fields) {
  return crc32c(fields, crc32c(message_magic));
}

std::uint32_t state_checksum(queue_id id, std::string_view sequence_and_payload) {
  std::string salt;
  put(salt, id.value);
  put(salt, static_cast<std::uint32_t>(sequence_and_payload.size()));
  return crc32c(sequence_and_payload, crc32c(salt));
}

bool decode_entries(std::string_view payload, std::size_t recipients,
                    std::vector<state_change::entry>& entries) {
  reader in(payload);
  const auto count = in.number<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && in.good(); ++i) {
    auto& e = entries.emplace_back();
    e.recipient = in.number<std::uint32_t>();
    const auto status = in.number<std::uint8_t>();
    if (status > static_cast<std::uint8_t>(recipient_status::removed)) return false;
    e.state.status = static_cast<recipient_status>(status);
    e.state.attempts = in.number<std::uint32_t>();
    e.state.next_attempt = in.time();
    e.state.diagnostic = std::string(in.text());
    if (e.recipient >= recipients) return false;
  }
  return count != 0 && in.at_end();
}

}  // namespace

std::string encode_message_head(const message& m) {
  const auto envelope = encode_envelope(m.envelope);
  std::string fields;
  put(fields, static_cast<std::uint32_t>(envelope.size()));
  put(fields, crc32c(envelope));
  put(fields, static_cast<std::uint64_t>(m.content.size()));
  put(fields, crc32c(m.content));
  put(fields, m.id.value);
  put_time(fields, m.arrival);

  std::string head(message_magic);
  put(head, prefix_checksum(fields));
  head += fields;
  head += envelope;
  return head;
}

verdict decode_message_prefix(std::string_view octets, message_prefix& prefix) {
  if (octets.starts_with(withdrawn_mark)) return verdict::withdrawn;
  const bool ours = octets.starts_with(message_magic);
  const bool whole = octets.size() >= message_prefix_size;
  bool intact = false;
  if (whole) {
    reader in(octets.substr(message_magic.size(), message_prefix_size - message_magic.size()));
    const auto checksum = in.number<std::uint32_t>();
    const auto fields = octets.substr(message_magic.size() + checksum_size,
                                      message_prefix_size - message_magic.size() - checksum_size);
    intact = checksum == prefix_checksum(fields);
    prefix.envelope_size = in.number<std::uint32_t>();
    prefix.envelope_checksum = in.number<std::uint32_t>();
    prefix.content_size = in.number<std::uint64_t>();
    prefix.content_checksum = in.number<std::uint32_t>();
    prefix.id.value = in.number<std::uint64_t>();
    prefix.arrival = in.time();
  }
  if (ours) return intact ? verdict::good : verdict::damaged;
  // A flipped bit in our own version number is damage, not a message from the future.
  if (!intact && names_other_version(octets, message_family)) return verdict::other_version;
  return verdict::damaged;
}

std::optional<smtp::envelope> decode_envelope(const message_prefix& prefix,
                                              std::string_view octets) {
  if (octets.size() != prefix.envelope_size || crc32c(octets) != prefix.envelope_checksum)
    return {};
  reader in(octets);
  smtp::envelope envelope;
  const auto body = in.number<std::uint8_t>();
  const auto smtputf8 = in.number<std::uint8_t>();
  if (body > static_cast<std::uint8_t>(smtp::body_type::eight_bit_mime) || smtputf8 > 1) return {};
  envelope.body = static_cast<smtp::body_type>(body);
  envelope.smtputf8 = smtputf8 != 0;
  if (const auto reverse = in.text(); !reverse.empty()) {
    auto path = to_path(reverse);
    if (!path) return {};
    envelope.reverse_path = std::move(*path);
  }
  const auto count = in.number<std::uint32_t>();
  if (count == 0 || count > in.left() / 4) return {};
  envelope.forward_paths.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    auto path = to_path(in.text());
    if (!in.good() || !path || path->is_null()) return {};
    envelope.forward_paths.push_back(std::move(*path));
  }
  if (!in.at_end()) return {};
  return envelope;
}

bool is_storable(const smtp::envelope& envelope) {
  const auto survives = [](const smtp::path& path) { return to_path(path.text()) == path; };
  return (envelope.reverse_path.is_null() || survives(envelope.reverse_path)) &&
         !envelope.forward_paths.empty() &&
         std::ranges::all_of(envelope.forward_paths, [&](const smtp::path& path) {
           return !path.is_null() && survives(path);
         });
}

std::string_view states_magic() noexcept {
  return states_magic_line;
}

std::string encode_states(queue_id id, std::uint64_t sequence,
                          std::span<const state_change::entry> entries) {
  std::string body;
  put(body, sequence);
  put(body, static_cast<std::uint32_t>(entries.size()));
  for (const auto& e : entries) {
    put(body, e.recipient);
    put(body, static_cast<std::uint8_t>(e.state.status));
    put(body, e.state.attempts);
    put_time(body, e.state.next_attempt);
    put_text(body, e.state.diagnostic);
  }
  std::string record;
  put(record, static_cast<std::uint32_t>(body.size()));
  put(record, state_checksum(id, body));
  record += body;
  return record;
}

verdict decode_states(queue_id id, std::string_view octets, std::size_t recipients,
                      state_file& states) {
  states.recipients.assign(recipients, {});
  states.valid_length = 0;
  states.next_sequence = 1;
  if (!octets.starts_with(states_magic_line)) {
    return names_other_version(octets, states_family) ? verdict::other_version : verdict::damaged;
  }
  std::size_t at = states_magic_line.size();
  states.valid_length = at;
  for (bool first = true; octets.size() - at >= state_head_size; first = false) {
    reader in(octets.substr(at));
    const auto length = in.number<std::uint32_t>();
    const auto checksum = in.number<std::uint32_t>();
    const auto body = in.take(length);
    if (!in.good() || length < 8 || state_checksum(id, body) != checksum) break;
    const auto sequence = reader(body).number<std::uint64_t>();
    // Numbered without gaps: a leftover behind the end is not taken for the next record.
    if (!first && sequence != states.next_sequence) break;
    std::vector<state_change::entry> entries;
    if (!decode_entries(body.substr(8), recipients, entries)) break;
    for (auto& e : entries) states.recipients[e.recipient] = std::move(e.state);
    at += 8 + length;
    states.valid_length = at;
    states.next_sequence = sequence + 1;
  }
  return verdict::good;
}

}  // namespace relais::spool
