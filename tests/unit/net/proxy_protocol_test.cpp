// The PROXY header as a table: what is read, what is malformed, and that any part of a good one is
// incomplete.
#include "net/proxy_protocol.hpp"

#include <catch2/catch.hpp>

namespace relais::net {
namespace {

using namespace std::string_literals;
using state = proxy_header::state;

const auto signature = "\r\n\r\n\0\r\nQUIT\n"s;

std::string v2(char command, char family, std::string rest) {
  const auto size = rest.size();
  return signature + command + family + static_cast<char>(size >> 8) + static_cast<char>(size) +
         std::move(rest);
}

const auto v4_ends = "\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x34\x00\x19"s;
const auto v6_ends =
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x12\x34\x01\xd1"s;
const auto mapped_ends =
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01"
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x02\x12\x34\x01\xd1"s;
const auto extension = "\x04\x00\x03\x61\x62\x63"s;

struct row {
  const char* what;
  std::string octets;
  state is;
  std::string client, server;  // "" = none
};

const std::vector<row>& rows() {
  static const std::vector<row> all{
      {"v1 TCP4", "PROXY TCP4 192.0.2.1 192.0.2.2 4660 25\r\n", state::complete, "192.0.2.1:4660",
       "192.0.2.2:25"},
      {"v1 TCP6", "PROXY TCP6 2001:db8::1 2001:db8::2 65535 0\r\n", state::complete,
       "[2001:db8::1]:65535", "[2001:db8::2]:0"},
      {"v1 TCP6 mapped", "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 25\r\n", state::complete,
       "192.0.2.1:1", "192.0.2.2:25"},
      {"v1 UNKNOWN", "PROXY UNKNOWN\r\n", state::complete, "", ""},
      {"v1 UNKNOWN with more",
       "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
       state::complete, "", ""},
      {"v1 no family", "PROXY \r\n", state::malformed, "", ""},
      {"v1 lower case", "proxy TCP4 192.0.2.1 192.0.2.2 1 25\r\n", state::malformed, "", ""},
      {"v1 other family", "PROXY UDP4 192.0.2.1 192.0.2.2 1 25\r\n", state::malformed, "", ""},
      {"v1 IPv6 as TCP4", "PROXY TCP4 2001:db8::1 2001:db8::2 1 25\r\n", state::malformed, "", ""},
      {"v1 IPv4 as TCP6", "PROXY TCP6 192.0.2.1 192.0.2.2 1 25\r\n", state::malformed, "", ""},
      {"v1 port too large", "PROXY TCP4 192.0.2.1 192.0.2.2 65536 25\r\n", state::malformed, "",
       ""},
      {"v1 port with a leading zero", "PROXY TCP4 192.0.2.1 192.0.2.2 080 25\r\n", state::malformed,
       "", ""},
      {"v1 port with a sign", "PROXY TCP4 192.0.2.1 192.0.2.2 +80 25\r\n", state::malformed, "",
       ""},
      {"v1 no number", "PROXY TCP4 192.0.2.1 192.0.2.2 x 25\r\n", state::malformed, "", ""},
      {"v1 address with a leading zero", "PROXY TCP4 192.0.02.1 192.0.2.2 1 25\r\n",
       state::malformed, "", ""},
      {"v1 short address", "PROXY TCP4 192.0.2 192.0.2.2 1 25\r\n", state::malformed, "", ""},
      {"v1 a port missing", "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", state::malformed, "", ""},
      {"v1 a word too many", "PROXY TCP4 192.0.2.1 192.0.2.2 1 25 x\r\n", state::malformed, "", ""},
      {"v1 two spaces", "PROXY TCP4  192.0.2.1 192.0.2.2 1 25\r\n", state::malformed, "", ""},
      {"v1 space at the end", "PROXY TCP4 192.0.2.1 192.0.2.2 1 25 \r\n", state::malformed, "", ""},
      {"v1 bare LF", "PROXY TCP4 192.0.2.1 192.0.2.2 1 25\n", state::malformed, "", ""},
      {"v1 bare CR", "PROXY UNKNOWN\rx\r\n", state::malformed, "", ""},
      {"v1 NUL", "PROXY UNKNOWN \0\r\n"s, state::malformed, "", ""},
      {"v1 no end within 107", "PROXY UNKNOWN " + std::string(93, 'x') + "\r\n", state::malformed,
       "", ""},
      {"v1 end at 107", "PROXY UNKNOWN " + std::string(91, 'x') + "\r\n", state::complete, "", ""},
      {"v2 TCP4", v2('\x21', '\x11', v4_ends), state::complete, "192.0.2.1:4660", "192.0.2.2:25"},
      {"v2 TCP6", v2('\x21', '\x21', v6_ends), state::complete, "[2001:db8::1]:4660",
       "[2001:db8::2]:465"},
      {"v2 TCP6 mapped", v2('\x21', '\x21', mapped_ends), state::complete, "192.0.2.1:4660",
       "192.0.2.2:465"},
      {"v2 with extensions", v2('\x21', '\x11', v4_ends + extension), state::complete,
       "192.0.2.1:4660", "192.0.2.2:25"},
      {"v2 LOCAL", v2('\x20', '\x00', ""), state::complete, "", ""},
      {"v2 LOCAL with addresses", v2('\x20', '\x11', v4_ends), state::complete, "", ""},
      {"v2 LOCAL with an unknown family", v2('\x20', '\x77', "abc"), state::complete, "", ""},
      {"v2 unspecified", v2('\x21', '\x00', extension), state::complete, "", ""},
      {"v2 UNIX socket", v2('\x21', '\x31', std::string(216, '\0')), state::complete, "", ""},
      {"v2 UNIX socket cut", v2('\x21', '\x31', std::string(215, '\0')), state::malformed, "", ""},
      {"v2 TCP4 cut", v2('\x21', '\x11', v4_ends.substr(1)), state::malformed, "", ""},
      {"v2 TCP6 cut", v2('\x21', '\x21', v4_ends), state::malformed, "", ""},
      {"v2 datagrams", v2('\x21', '\x12', v4_ends), state::malformed, "", ""},
      {"v2 unknown family", v2('\x21', '\x41', v4_ends), state::malformed, "", ""},
      {"v2 unknown command", v2('\x22', '\x11', v4_ends), state::malformed, "", ""},
      {"v2 of another version", v2('\x31', '\x11', v4_ends), state::malformed, "", ""},
      {"v2 the longest", v2('\x20', '\x00', std::string(4096, 'x')), state::complete, "", ""},
      {"v2 longer", v2('\x20', '\x00', std::string(4097, 'x')), state::malformed, "", ""},
      {"a wrong signature", "\r\n\r\n\0\r\nQUIX\n\x20\0\0\0"s, state::malformed, "", ""},
      {"SMTP at once", "EHLO client.example\r\n", state::malformed, "", ""},
      {"a space in front", " PROXY UNKNOWN\r\n", state::malformed, "", ""},
  };
  return all;
}

std::string text_of(const std::optional<endpoint>& e) {
  return e ? e->text() : "";
}

TEST_CASE("a PROXY header tells the true ends or is malformed") {
  for (const auto& r : rows()) {
    DYNAMIC_SECTION(r.what) {
      const auto h = parse_proxy_header(r.octets);
      CHECK(h.is == r.is);
      CHECK(text_of(h.client) == r.client);
      CHECK(text_of(h.server) == r.server);
      CHECK(h.length == (r.is == state::complete ? r.octets.size() : 0));
    }
  }
}

TEST_CASE("what the client says behind a PROXY header is left alone") {
  for (const auto& r : rows()) {
    DYNAMIC_SECTION(r.what) {
      for (const auto* more : {"x", "\r\n", "EHLO client.example\r\n"}) {
        const auto h = parse_proxy_header(r.octets + more);
        CHECK(h.is == r.is);
        CHECK(h.length == (r.is == state::complete ? r.octets.size() : 0));
      }
    }
  }
}

TEST_CASE("every part of a good PROXY header is incomplete") {
  for (const auto& r : rows()) {
    if (r.is != state::complete) continue;
    DYNAMIC_SECTION(r.what) {
      for (std::size_t n = 0; n < r.octets.size(); ++n) {
        const auto h = parse_proxy_header(std::string_view(r.octets).substr(0, n));
        CHECK(h.is == state::incomplete);
        CHECK(h.length == 0);
      }
    }
  }
}

TEST_CASE("what cannot become a PROXY header is malformed at its first wrong octet") {
  struct broken {
    std::string octets;
    std::size_t right;  // so many are a good beginning
  };
  const auto r = GENERATE(values<broken>({
      {"EHLO", 0},
      {"PROXY\r\n", 5},
      {"PRoXY ", 2},
      {"PROXY TCP4 1\n", 12},
      {"PROXY UNKNOWN\rx", 14},
      {"\r\n\r\nx", 4},
      {v2('\x11', '\x11', ""), 12},
  }));
  for (std::size_t n = 0; n <= r.octets.size(); ++n) {
    const auto h = parse_proxy_header(std::string_view(r.octets).substr(0, n));
    CHECK(h.is == (n <= r.right ? state::incomplete : state::malformed));
  }
}

}  // namespace
}  // namespace relais::net
