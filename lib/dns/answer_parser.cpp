#include "dns/answer_parser.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "dns/name.hpp"

namespace relais::dns {

namespace {

constexpr std::size_t longest_wire_name = 255;
constexpr std::uint16_t class_in = 1;

struct wire_name {
  std::string text;        // lower case, no trailing dot; "" is the root
  bool is_usable = false;  // follows the host-name grammar (the root does not)
  bool has_slash = false;  // would follow it but for "/", as aliases of reverse zones do (RFC 2317)
  bool is_root() const noexcept { return text.empty(); }
};

/// Reads big-endian numbers and names; after the first fault nothing more is read, and all is zero.
class reader {
 public:
  explicit reader(std::span<const std::uint8_t> message) noexcept : message_(message) {}

  bool failed() const noexcept { return failed_; }
  std::size_t position() const noexcept { return at_; }
  void fail() noexcept { failed_ = true; }

  std::uint8_t u8() noexcept {
    if (failed_ || at_ >= message_.size()) {
      failed_ = true;
      return 0;
    }
    return message_[at_++];
  }
  std::uint16_t u16() noexcept {
    const unsigned high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  std::uint32_t u32() noexcept {
    const std::uint32_t high = u16();
    return high << 16 | u16();
  }
  void skip(std::size_t count) noexcept {
    if (failed_ || count > message_.size() - at_) {
      failed_ = true;
    } else {
      at_ += count;
    }
  }

  /// RFC 1035 4.1.4. A pointer must lead to before the run of labels it ends, so there is no loop.
  wire_name name() {
    wire_name read;
    std::size_t at = at_;         // where labels are read now
    std::size_t run = at_;        // where this run of labels began
    std::size_t wire_length = 1;  // the root label
    bool jumped = false;
    while (!failed_) {
      const auto length = octet(at);
      if ((length & 0xc0) == 0xc0) {
        const std::size_t target = static_cast<std::size_t>(length & 0x3f) << 8 | octet(at + 1);
        if (!jumped) at_ = at + 2;
        jumped = true;
        if (target >= run) failed_ = true;
        at = run = target;
      } else if (length == 0) {
        if (!jumped) at_ = at + 1;
        break;
      } else if (length > 63) {  // 0x40 and 0x80: never in use
        failed_ = true;
      } else {
        wire_length += 1u + length;
        if (wire_length > longest_wire_name || at + 1 + length > message_.size()) {
          failed_ = true;
          break;
        }
        append_label(read, message_.subspan(at + 1, length));
        at += 1u + length;
      }
    }
    if (failed_) return {};
    judge(read);
    return read;
  }

 private:
  std::uint8_t octet(std::size_t at) noexcept {
    if (at < message_.size()) return message_[at];
    failed_ = true;
    return 0;
  }

  void judge(wire_name& read) {
    if (!std::exchange(odd_octets_, false)) read.is_usable = is_host_name(read.text);
    if (read.is_usable || read.text.find('/') == std::string::npos) return;
    auto without = read.text;
    std::ranges::replace(without, '/', '-');
    read.has_slash = is_host_name(without);
  }

  void append_label(wire_name& name, std::span<const std::uint8_t> label) {
    if (!name.text.empty()) name.text += '.';
    for (const auto o : label) {
      // A dot inside of a label would look like two labels in text.
      if (o == '.') odd_octets_ = true;
      name.text += ascii_lower(static_cast<char>(o));
    }
  }

  std::span<const std::uint8_t> message_;
  std::size_t at_ = 0;
  bool failed_ = false;
  bool odd_octets_ = false;
};

struct header {
  std::uint16_t flags = 0;
  std::uint16_t questions = 0, answers = 0, authorities = 0;
  bool is_response() const noexcept { return (flags & 0x8000) != 0; }
  unsigned opcode() const noexcept { return flags >> 11 & 15u; }
  bool is_authoritative() const noexcept { return (flags & 0x0400) != 0; }
  bool is_truncated() const noexcept { return (flags & 0x0200) != 0; }
  bool recursion_available() const noexcept { return (flags & 0x0080) != 0; }
  unsigned rcode() const noexcept { return flags & 15u; }
};

struct record {
  std::string owner;
  std::uint32_t ttl = 0;
  bool is_usable = true;  // false: the name it leads to is no host name
  std::string target;     // CNAME, MX, PTR
  std::uint16_t preference = 0;
  ip_address address;
};

/// What is left of a message when everything that is not about the question is gone.
struct contents {
  std::vector<record> aliases;
  std::vector<record> records;        // of the type asked
  std::vector<record> start_records;  // SOA of the authority section; ttl is the negative one
  bool has_name_servers = false;      // NS in the authority section
};

header read_header(reader& in) {
  header h;
  in.skip(2);  // the id: c-ares compared it
  h.flags = in.u16();
  h.questions = in.u16();
  h.answers = in.u16();
  h.authorities = in.u16();
  in.skip(2);  // additional records are not looked at
  return h;
}

void read_address(reader& in, std::size_t length, record_type type, record& r) {
  if (length != (type == record_type::a ? 4u : 16u)) return in.fail();
  if (type == record_type::a) {
    r.address = ip_address::v4(in.u32());
    return;
  }
  ip_address::octets octets{};
  for (auto& o : octets) o = in.u8();
  r.address = ip_address::v6(octets);
}

/// Whether a name may own records of that type, or be an alias on the way to them.
bool may_own(const wire_name& name, record_type asked) noexcept {
  return name.is_usable || (asked == record_type::ptr && name.has_slash);
}

void read_target(reader& in, record_type type, record_type asked, record& r) {
  if (type == record_type::mx) r.preference = in.u16();
  auto name = in.name();
  // An exchange that is the root is the null MX (RFC 7505 3); an alias to the root is nonsense.
  r.is_usable = name.is_usable || (type == record_type::mx && name.is_root()) ||
                (type == record_type::cname && may_own(name, asked));
  r.target = std::move(name.text);
}

void read_start(reader& in, record& r) {
  in.name();
  in.name();
  in.skip(4 * 4);
  // RFC 2308 5: the smaller one of the record's own TTL and its last field.
  r.ttl = std::min(r.ttl, in.u32());
}

/// Reads one record of the answer section, or of the authority section.
void read_record(reader& in, record_type asked, bool is_answer, contents& found) {
  record r;
  auto owner = in.name();
  const auto type = static_cast<record_type>(in.u16());
  const auto record_class = in.u16();
  r.ttl = in.u32();
  if (r.ttl > 0x7fffffff) r.ttl = 0;  // RFC 2181 8
  const std::size_t length = in.u16();
  const auto begin = in.position();
  r.owner = std::move(owner.text);

  std::vector<record>* list = nullptr;
  if (record_class == class_in && is_answer && may_own(owner, asked)) {
    if (type == asked) list = &found.records;
    if (type == record_type::cname) list = &found.aliases;
  }
  if (record_class == class_in && !is_answer) {
    if (type == record_type::soa) list = &found.start_records;
    if (type == record_type::ns) found.has_name_servers = true;
  }
  if (list == nullptr) return in.skip(length);

  if (type == record_type::a || type == record_type::aaaa) {
    read_address(in, length, type, r);
  } else if (type == record_type::soa) {
    read_start(in, r);
  } else {
    read_target(in, type, asked, r);
  }
  if (in.position() != begin + length) in.fail();
  if (!in.failed()) list->push_back(std::move(r));
}

/// RFC 2308 3: only a SOA record of a zone that holds the name says how long a "no" holds.
const record* zone_of(const contents& found, std::string_view name) {
  const auto holds = [&](const record& soa) {
    if (soa.owner.empty() || soa.owner == name) return true;
    return name.size() > soa.owner.size() && name.ends_with(soa.owner) &&
           name[name.size() - soa.owner.size() - 1] == '.';
  };
  const auto at = std::ranges::find_if(found.start_records, holds);
  return at == found.start_records.end() ? nullptr : &*at;
}

bool has_owner(const std::vector<record>& list, const std::string& name) {
  return std::ranges::any_of(list, [&](const record& r) { return r.owner == name; });
}

/// Moves `answer.canonical_name` along the CNAME records; false: broken or a loop.
bool follow_aliases(const contents& found, parsed_answer& answer) {
  while (!has_owner(found.records, answer.canonical_name)) {
    const auto at = std::ranges::find(found.aliases, answer.canonical_name, &record::owner);
    if (at == found.aliases.end()) return true;
    if (!at->is_usable || ++answer.aliases > maximum_aliases) return false;
    answer.ttl = std::min(answer.ttl, at->ttl);
    answer.canonical_name = at->target;
  }
  return true;
}

/// True: at least one usable record belongs to the canonical name. `seen` counts the others, too.
bool take_records(const contents& found, record_type type, parsed_answer& answer, bool& seen) {
  for (const auto& r : found.records) {
    if (r.owner != answer.canonical_name) continue;
    seen = true;
    if (!r.is_usable) continue;
    answer.ttl = std::min(answer.ttl, r.ttl);
    if (type == record_type::mx) {
      answer.exchanges.emplace_back(r.preference, r.target);
    } else if (type == record_type::ptr) {
      answer.names.push_back(r.target);
    } else {
      answer.addresses.push_back(r.address);
    }
  }
  return !answer.exchanges.empty() || !answer.addresses.empty() || !answer.names.empty();
}

parsed_answer judge(const header& head, const contents& found, const question& asked) {
  parsed_answer answer;
  answer.canonical_name = asked.name;
  answer.ttl = 0x7fffffff;
  if (!follow_aliases(found, answer)) return {};

  // RFC 6604 3: the code speaks of the last name of the chain.
  const bool no_such_name = head.rcode() == 3;
  bool seen = false;
  if (!no_such_name && take_records(found, asked.type, answer, seen)) {
    answer.kind = verdict::records;
    return answer;
  }
  if (seen) return {};
  const auto* zone = zone_of(found, answer.canonical_name);
  if (!no_such_name && zone == nullptr) {
    if (answer.aliases > 0) {
      answer.kind = verdict::alias;
      return answer;
    }
    // RFC 2308 2.2: that is a referral of a server that does not recurse, no answer.
    if (found.has_name_servers && !head.is_authoritative() && !head.recursion_available())
      return {};
  }
  answer.kind = no_such_name ? verdict::not_found : verdict::no_data;
  answer.ttl = zone == nullptr ? 0 : std::min(answer.ttl, zone->ttl);
  return answer;
}

}  // namespace

parsed_answer parse_answer(std::span<const std::uint8_t> message, const question& asked) {
  reader in(message);
  const auto head = read_header(in);
  if (in.failed() || !head.is_response() || head.opcode() != 0 || head.is_truncated()) return {};
  if (head.rcode() != 0 && head.rcode() != 3) return {};
  if (head.questions != 1) return {};
  const auto name = in.name();
  const auto type = in.u16();
  const auto question_class = in.u16();
  if (in.failed() || name.text != asked.name || !may_own(name, asked.type)) return {};
  if (type != static_cast<std::uint16_t>(asked.type) || question_class != class_in) return {};

  contents found;
  for (unsigned i = 0; i < head.answers && !in.failed(); ++i) {
    read_record(in, asked.type, true, found);
  }
  for (unsigned i = 0; i < head.authorities && !in.failed(); ++i) {
    read_record(in, asked.type, false, found);
  }
  if (in.failed()) return {};
  return judge(head, found, asked);
}

}  // namespace relais::dns
