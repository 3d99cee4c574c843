// client_session: flights and writes, what is left when a connection breaks, idle sessions, TLS
// levels, UNIX sockets.
#include "client_session_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

const listen_address port_25(endpoint{*ip_address::parse("198.51.100.25"), 25});
const std::string hello = "EHLO us.test\r\n";
const std::string piped = "250-mx\r\n250 PIPELINING\r\n";
const std::string chunked = "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
const std::string to_both =
    "MAIL FROM:<s@a.example>\r\nRCPT TO:<r@b.example>\r\nRCPT TO:<q@b.example>\r\n";
const std::string taken = "250 m\r\n250 a\r\n250 b\r\n";
const std::string go = taken + "354 go\r\n";
const std::string dot = "Subject: x\r\n\r\n..dot\r\n.\r\n";
const std::string chunk = "BDAT 20 LAST\r\nSubject: x\r\n\r\n.dot\r\n";

struct plain_scene : client_scene {
  plain_scene(const std::string& features, std::vector<peer_step> behind_hello) {
    std::vector<peer_step> all{says("220 mx\r\n"), hears(hello), says(features)};
    all.insert(all.end(), behind_hello.begin(), behind_hello.end());
    expect(std::move(all));
    listen(port_25);
    open(options());
    REQUIRE(is_open);
  }
};

TEST_CASE("client session: the next envelope leaves in the write that ends this content") {
  plain_scene s(piped, {hears(to_both + "DATA\r\n"), says(go), hears(dot + to_both + "DATA\r\n"),
                        says("250 one\r\n" + go), hears(dot), says("250 two\r\n"),
                        hears("QUIT\r\n"), says("221 bye\r\n")});
  small_mail one, two;
  s.send(one.out, &two.out);
  CHECK(one.results() == "content 250, content 250");
  CHECK(two.out.what.was_begun);
  s.send(two.out);
  CHECK(two.results() == "content 250, content 250");
  CHECK(s.session->uses() == 2);
  s.wait_for(s.session->quit());
  CHECK(s.record.writes == std::vector<std::string>{hello, to_both + "DATA\r\n",
                                                    dot + to_both + "DATA\r\n", dot, "QUIT\r\n"});
}

TEST_CASE("client session: with CHUNKING whole messages leave in one write each") {
  plain_scene s(chunked, {hears(chunk + "RSET\r\n" + to_both + chunk), says(taken + "250 one\r\n"),
                          hears("RSET\r\n" + to_both + chunk), says("250 r\r\n" + taken),
                          says("250 two\r\n250 r\r\n" + taken + "452 three\r\n")});
  small_mail one, two, three;
  s.send(one.out, &two.out);
  s.send(two.out, &three.out);
  s.send(three.out);
  CHECK(one.results() == "content 250, content 250");
  CHECK(two.results() == "content 250, content 250");
  CHECK(three.results() == "content 452, content 452");
  CHECK(s.session->is_usable());
  CHECK(s.record.writes == std::vector<std::string>{hello,
                                                    to_both + chunk + "RSET\r\n" + to_both + chunk,
                                                    "RSET\r\n" + to_both + chunk});
}

TEST_CASE("client session: a large content leaves in blocks, its end with the next envelope") {
  const bool chunks = GENERATE(false, true);
  std::string text = "Subject: x\r\n\r\n";
  while (text.size() < 300'000) text += ".line of the content\r\n";
  const auto size = std::to_string(text.size());
  plain_scene s(chunks ? chunked : piped,
                {hears(chunks ? "<q@b.example>\r\n" : "DATA\r\n"), says(chunks ? taken : go),
                 hears(chunks ? "<q@b.example>\r\n" : "DATA\r\n"),
                 says(chunks ? "250 one\r\n250 r\r\n550 m\r\n503 a\r\n503 b\r\n"
                             : "250 one\r\n550 m\r\n503 a\r\n503 b\r\n503 d\r\n")});
  small_mail one(text), two(text);
  s.send(one.out, &two.out);
  CHECK(one.results() == "content 250, content 250");
  s.send(two.out);
  CHECK(two.results() == "mail 550, mail 550");
  const auto& writes = s.record.writes;
  REQUIRE(writes.size() == 7);
  for (std::size_t i = 2; i < writes.size(); ++i) CHECK(writes[i].size() < 80'000);
  CHECK(writes.back().ends_with(chunks ? "RSET\r\n" + to_both : ".\r\n" + to_both + "DATA\r\n"));
}

TEST_CASE("client session: a refusal amid the content counts when the connection is then lost") {
  const std::string said = GENERATE("552 5.3.4 too big\r\n", "421 bye\r\n", "", "250 ok\r\n");
  plain_scene s(piped, {hears("DATA\r\n"), says(go), hears("\r\n\r\n"), says(said)});
  s.record.fails_behind = s.record.octets + to_both.size() + 100'000;
  small_mail one("Subject: x\r\n\r\n" + std::string(1'000'000, 'x') + "\r\n");
  s.send(one.out);
  CHECK_FALSE(s.session->is_usable());
  const auto code = said.substr(0, 3);
  const bool counts = code == "552" || code == "421";
  CHECK(one.results() == (counts ? "content " + code + ", content " + code : "data -, data -"));
  CHECK_FALSE(one.out.content_fault);
  CHECK(s.session->failure().remote.has_value() == (code == "421"));
}

TEST_CASE("client session: a write that fails behind the end of a content leaves that one open") {
  plain_scene s(piped, {hears("DATA\r\n"), says(go), hears(dot), says("250 one\r\n"), leaves()});
  s.record.fails_behind = s.record.octets + to_both.size() + 6 + dot.size() + 10;
  small_mail one, two;
  s.send(one.out, &two.out);
  CHECK(one.results() == "content 250, content 250");
  CHECK_FALSE(two.out.what.was_begun);
  CHECK_FALSE(s.session->is_usable());
}

TEST_CASE("client session: an idle session that the peer has left or spoken to is not quiet") {
  const std::string said = GENERATE("", "421 idle\r\n", "250 what\r\n");
  plain_scene s(piped, {});
  CHECK(s.session->is_quiet());
  client_scene t;
  std::vector<peer_step> all{says("220 mx\r\n"), hears(hello), says(piped),
                             hears("DATA\r\n"),  says(go),     hears(dot),
                             says("250 one\r\n")};
  if (!said.empty()) all.push_back(says(said));
  all.push_back(leaves());
  t.expect(all);
  t.listen(port_25);
  t.world.slowest_packet = 1ms;
  t.open(t.options());
  small_mail one, two;
  t.send(one.out);
  CHECK(one.results() == "content 250, content 250");
  t.run([] { return false; }, 1h);
  CHECK_FALSE(t.session->is_quiet());
  t.send(two.out);
  CHECK_FALSE(t.session->is_usable());
  CHECK(two.results() == "mail -, mail -");
  CHECK_FALSE(two.out.what.was_begun);
  const auto& failure = t.session->failure();
  if (said.starts_with("421")) CHECK(failure.remote->code() == 421);
  if (said.empty()) CHECK(failure.error == errc::peer_closed);
  if (said.starts_with("250")) CHECK(failure.error == errc::protocol_error);
  CHECK(t.record.writes.size() == 3);  // nothing more was said
}

// Its content cannot be read.
class broken_source final : public delivery::content_source {
 public:
  std::uint64_t size() const noexcept override { return 20; }
  net::task<result<std::string_view>> next() override {
    if (is_told_) co_return errc::corrupt;
    is_told_ = true;
    co_return std::string_view("Subject: x\r\n");
  }

 private:
  bool is_told_ = false;
};

TEST_CASE("client session: a content ahead that cannot be read spares the one before it") {
  plain_scene s(chunked, {hears("Subject: x\r\n"), says(taken), says("250 one\r\n")});
  small_mail one, two;
  two.out.content = std::make_unique<broken_source>();
  s.send(one.out, &two.out);
  CHECK(one.results() == "content 250, content 250");
  CHECK_FALSE(s.session->is_usable());
  CHECK(two.out.content_fault == errc::corrupt);
  CHECK_FALSE(one.out.content_fault);
  CHECK_FALSE(two.out.what.was_begun);
}

TEST_CASE("client session: silence is waited for as long as the step allows") {
  plain_scene s(piped, {hears("DATA\r\n"), says("250 m\r\n")});
  small_mail one;
  const auto before = s.world.clock.now();
  s.send(one.out);
  CHECK(one.results() == "rcpt -, rcpt -");
  CHECK(s.session->failure().error == errc::timeout);
  CHECK(s.session->failure().pipelining_broke);
  const auto waited = s.world.clock.now() - before;
  CHECK((waited >= 5min && waited < 6min));
}

TEST_CASE("client session: an abandoned session is closed without a word") {
  plain_scene s(piped, {});
  s.session->abandon();
  CHECK_FALSE(s.session->is_usable());
  CHECK_FALSE(s.session->is_quiet());
  s.run([] { return false; }, 1h);
  CHECK(s.heard == hello);
}

std::vector<peer_step> with_tls(std::vector<peer_step> more) {
  std::vector<peer_step> all{
      says("220 mx\r\n"),    hears(hello),       says("250-mx\r\n250 STARTTLS\r\n"),
      hears("STARTTLS\r\n"), says("220 go\r\n"), starts_tls(),
      hears(hello),          says("250 mx\r\n")};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// SHA-256 of the certificate of that context.
std::string fingerprint_of(SSL_CTX* context) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  X509_digest(SSL_CTX_get0_certificate(context), EVP_sha256(), digest, &size);
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    constexpr char digits[] = "0123456789abcdef";
    text += digits[digest[i] >> 4];
    text += digits[digest[i] & 15];
  }
  return text;
}

TEST_CASE("client session: level fingerprint takes that very certificate and no other") {
  client_scene s;
  s.certificate = self_signed_server("mx.test");
  s.expect(with_tls({}));
  s.listen(port_25);
  auto options = s.options();
  options.tls.level = smtp::tls_level::fingerprint;
  const auto its_own = fingerprint_of(s.certificate.get());
  auto other = its_own;
  other[63] = other[63] == '0' ? '1' : '0';
  const auto how = GENERATE(0, 1, 2, 3);
  if (how == 0) options.tls.fingerprints = {other, its_own};
  if (how == 1) options.tls.fingerprints = {other};
  if (how == 2) options.tls.fingerprints = {};
  if (how == 3) options.tls.fingerprints = {its_own.substr(0, 32), ""};
  s.open(options);
  CHECK(s.is_open == (how == 0));
  if (how == 0) return;
  CHECK(s.session->failure().step == smtp::client_step::starttls);
  CHECK(s.session->failure().error == errc::tls_failed);
  CHECK(s.session->failure().note.empty());
  CHECK(s.session->tls_failure().find(its_own) != std::string::npos);
  CHECK(s.connections == 1);  // never in clear
}

TEST_CASE("client session: a failed handshake is followed by a connection in clear at may only") {
  const auto level = GENERATE(smtp::tls_level::may, smtp::tls_level::encrypt);
  client_scene s;
  s.expect({says("220 mx\r\n"), hears(hello), says("250-mx\r\n250 STARTTLS\r\n"),
            hears("STARTTLS\r\n"), says("220 go\r\n"), says("this is no handshake\r\n")});
  s.expect({says("220 mx\r\n"), hears(hello), says("250-mx\r\n250 STARTTLS\r\n")});
  s.listen(port_25);
  auto options = s.options();
  options.tls.level = level;
  s.open(options);
  const bool may = level == smtp::tls_level::may;
  CHECK(s.is_open == may);
  CHECK(s.session->fell_back() == may);
  CHECK(s.connections == (may ? 2 : 1));
  CHECK_FALSE(s.session->tls_failure().empty());
  if (may) CHECK(s.session->tls() == nullptr);
}

net::task<void> deliver_by_lmtp(client_scene& s, small_mail& mail) {
  auto options = s.options();
  options.is_lmtp = true;
  delivery::session_target target;
  target.local_path = "/run/lmtp";
  delivery::client_session session(s.world.runtime(s.remote), std::move(options),
                                   std::move(target));
  s.is_open = co_await session.open();
  CHECK(session.host_text() == "unix:/run/lmtp");
  CHECK(session.relay_text() == "unix:/run/lmtp");
  co_await session.send(mail.out, nullptr);
  co_await session.quit();
}

TEST_CASE("client session: LMTP over a UNIX socket") {
  client_scene s;
  s.expect({says("220 lmtp\r\n"), hears("LHLO us.test\r\n"), says(piped), hears("DATA\r\n"),
            says(go), hears(dot), says("250 1\r\n452 4.2.2 full\r\n"), hears("QUIT\r\n"),
            says("221 bye\r\n")});
  s.listen(*listen_address::parse("/run/lmtp"));
  small_mail mail;
  s.wait_for(deliver_by_lmtp(s, mail));
  CHECK(s.is_open);
  CHECK(mail.results() == "content 250, content 452");
  client_scene nobody;
  small_mail other;
  delivery::session_target target;
  target.local_path = "/run/none";
  delivery::client_session session(nobody.world.runtime(nobody.remote), nobody.options(),
                                   std::move(target));
  bool opened = true;
  const auto try_it = [](delivery::client_session& c, bool& is_open) -> net::task<void> {
    is_open = co_await c.open();
  };
  nobody.wait_for(try_it(session, opened));
  CHECK_FALSE(opened);
  CHECK(session.failure().step == smtp::client_step::connect);
}

}  // namespace
}  // namespace relais::testing
