"""Where the relay listens and what each listener is: roles, both families, UNIX sockets, sockets of systemd,
limits and extensions of its own, the delayed greeting.
"""

import os
import pathlib
import shutil
import socket
import stat
import sys

from harness.case import main
from harness.clients import Session, dot_stuffed
from harness.relais import HOSTNAME, PROGRAM, Relais
from harness.submission import RECIPIENT, SUBMISSION, USER, SubmissionTest
from harness.submitters import HELO
from harness.world import SMTP_PORT

LIMITED, STRICT, SLOW, HIDING, HELPFUL, CLOSED, CROWDED = 2530, 2531, 2532, 2533, 2534, 2535, 2536
STRANGER = 201

# A parent that hands over sockets as systemd does (sd_listen_fds(3)): argv: NAME=ADDRESS... -- PROGRAM...
ACTIVATOR = r"""
import os, socket, sys
cut = sys.argv.index("--")
names = []
for number, word in enumerate(sys.argv[1:cut], start=3):
    name, _, where = word.partition("=")
    family = socket.AF_UNIX if where.startswith("/") else socket.AF_INET
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(where if family == socket.AF_UNIX else tuple([where.rsplit(":", 1)[0], int(where.rsplit(":", 1)[1])]))
    s.listen(128)
    os.dup2(s.fileno(), number + 100, inheritable=False)
    names.append(name)
for number in range(3, 3 + len(names)):
    os.dup2(number + 100, number, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(names)), LISTEN_FDNAMES=":".join(names))
os.execv(sys.argv[cut + 1], sys.argv[cut + 1:])
"""


class Listeners(SubmissionTest):
    @classmethod
    def relay_settings(cls):
        address = cls.world.address(1)
        at = lambda port, **options: {"address": f"{address}:{port}", **options}  # noqa: E731
        return {"listeners": [*cls.service()["listeners"],
                              at(LIMITED, message_size="64 KiB", recipients=100,
                                 extensions_off=["CHUNKING", "8BITMIME", "SMTPUTF8", "DSN"]),
                              at(STRICT, newlines="reject"), at(HELPFUL, newlines="normalize"),
                              # Long enough that a test on a busy machine speaks before its end; used by that test alone, as
                              # the connections of another one may not have ended yet.
                              at(SLOW, banner_delay="3s"), at(CROWDED, connections=2), at(HIDING, hide_client=True),
                              at(CLOSED, trusted_networks=[])],
                "relay": {"trusted_networks": [f"{cls.world.address(1)}/32"], "domains": ["sink.test.example"]}}

    def session(self, port=SMTP_PORT, source=1, **options):
        session = Session(self.relay, port=port, source=self.world.address(source), **options)
        self.addCleanup(session.close)
        return session

    def deliver(self, session, letter):
        session.hello()
        self.assertEqual(session.command(f"MAIL FROM:<{letter.sender}>").code, 250)
        self.assertEqual(session.command(f"RCPT TO:<{letter.recipients[0]}>").code, 250)
        self.assertEqual(session.command("DATA").code, 354)
        self.assertEqual(session.send(dot_stuffed(letter.content) + b"\r\n").reply().code, 250)
        return self.arrival(letter)

    # -- what a listener is ------------------------------------------------------------------------

    def test_what_each_role_announces(self):
        relay = self.session().hello()
        self.assertLessEqual({"PIPELINING", "SIZE", "8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8", "ENHANCEDSTATUSCODES",
                              "DSN", "STARTTLS", "LIMITS", "MT-PRIORITY", "DELIVERBY", "HELP"}, set(relay))
        self.assertFalse({"FUTURERELEASE", "REQUIRETLS", "XCLIENT", "XFORWARD"} & set(relay), relay)
        self.assertEqual(relay["AUTH"], ["SCRAM-SHA-256"])  # no password in clear
        clear = self.session(SUBMISSION)
        self.assertIn("STARTTLS", clear.hello())
        self.assertNotIn("AUTH", clear.hello())
        clear.starttls(self.authority.client_context(), HOSTNAME)
        offered = clear.hello()
        self.assertLessEqual({"AUTH", "FUTURERELEASE", "REQUIRETLS", "DSN"}, set(offered))
        self.assertNotIn("STARTTLS", offered)
        self.assertLessEqual({"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}, set(offered["AUTH"]))
        self.assertTrue(clear.command(f"MAIL FROM:<{USER}>").text.startswith("530 5.7.0 "))

    def test_limits_and_extensions_of_its_own(self):
        session = self.session(LIMITED)
        offered = session.hello()
        self.assertEqual(offered["SIZE"], ["65536"])
        self.assertFalse({"CHUNKING", "BINARYMIME", "8BITMIME", "SMTPUTF8", "DSN"} & set(offered))
        self.assertTrue(session.command(f"MAIL FROM:<{USER}> SIZE=70000").text.startswith("552 5.3.4 "))
        for parameter in ("BODY=8BITMIME", "SMTPUTF8", "RET=FULL"):
            self.assertTrue(session.command(f"MAIL FROM:<{USER}> {parameter}").text.startswith("555 5.5.4 "))
        self.assertTrue(session.send(b"BDAT 3 LAST\r\nabc").reply().text.startswith("50"))
        session.command("RSET")
        session.command(f"MAIL FROM:<{USER}>")
        replies = [session.command(f"RCPT TO:<r{n}@sink.test.example>").text[:9] for n in range(101)]
        self.assertEqual((set(replies[:100]), replies[100]), ({"250 2.1.5"}, "452 4.5.3"))

    def test_connections_of_a_listener(self):
        held = [self.session(CROWDED) for _ in range(2)]
        third = Session(self.relay, port=CROWDED, source=self.world.address(1), greeted=False)
        self.addCleanup(third.close)
        self.assertEqual(third.reply().code, 421)
        self.assertEqual(held[0].command("QUIT").code, 221)

    def test_trusted_networks_of_its_own(self):
        for port, code in ((SMTP_PORT, 250), (CLOSED, 550)):
            session = self.session(port)
            session.hello()
            session.command("MAIL FROM:<a@far.example>")
            self.assertEqual(session.command("RCPT TO:<b@elsewhere.example>").code, code)

    def test_line_ends_of_its_own(self):
        """automatic: mended for the trusted, refused to strangers; or as the listener says."""
        for port, source, mended in ((SMTP_PORT, 1, True), (SMTP_PORT, STRANGER, False), (STRICT, 1, False),
                                     (HELPFUL, STRANGER, True)):
            with self.subTest(port=port, source=source):
                session = self.session(port, source)
                session.hello()
                session.command("MAIL FROM:<a@far.example>")
                session.command(f"RCPT TO:<{RECIPIENT}>")
                session.command("DATA")
                reply = session.send(b"Subject: line ends\r\n\r\na\nb\r\n.\r\n").reply()
                if mended:
                    self.assertEqual(reply.code, 250, reply)
                else:
                    self.assertTrue(reply.text.startswith("550 5.5.2 "), reply)
                    self.assertTrue(session.is_closed())

    def test_the_client_is_hidden(self):
        letter = self.letter(sender="a@far.example")
        _, stored = self.deliver(self.session(HIDING), letter)
        trace = self.our_trace(stored)
        self.assertNotIn(self.world.address(1), trace)
        self.assertNotIn(HELO, trace)
        self.assertRegex(trace, rf"from localhost\s+by {HOSTNAME} ")

    # -- early talkers -----------------------------------------------------------------------------

    def test_strangers_that_talk_before_the_greeting_are_refused(self):
        session = Session(self.relay, port=SLOW, source=self.world.address(STRANGER), greeted=False)
        self.addCleanup(session.close)
        session.send(b"EHLO early.example\r\n")
        self.assertTrue(session.reply().text.startswith("554 "))
        self.assertTrue(session.is_closed())
        self.relay.wait_for_log(rf"reject: \S+ from \S+\[{self.world.address(STRANGER)}\]: 554 ")

    def test_clients_that_wait_are_greeted(self):
        letter = self.letter(sender="a@far.example")
        self.deliver(self.session(SLOW, STRANGER), letter)

    # -- where -------------------------------------------------------------------------------------

    def test_both_families_with_one_listener(self):
        if not pathlib.Path("/proc/net/if_inet6").read_text().strip():
            self.skipTest("this machine has no IPv6")
        # Below the ports that the kernel gives to clients: none of those can be in the way.
        port = 20000 + os.getpid() % 10000
        relay = Relais(self.world, 4, listeners=[{"address": f"*:{port}"}], relay={"trusted_networks": ["127.0.0.0/8", "::1/128"]})
        relay.launch()
        self.addCleanup(lambda: relay.process.stop())
        relay.wait_for_log(r"\bready\b")
        for address, shown in (("127.0.0.1", r"127\.0\.0\.1"), (self.world.address(9), r"127\.0\.0\.1"), ("::1", "::1")):
            with self.subTest(address=address):
                relay.address, relay.port = address, port
                letter = self.letter(sender="a@far.example")
                with Session(relay) as session:
                    _, stored = self.deliver(session, letter)
                relay.wait_for_log(rf"client=\S+\[{shown}\]")
                self.assertRegex(self.our_trace(stored), rf"\[(IPv6:)?{shown}\]\)")

    def unix_session(self, path):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(30)
        client.connect(str(path))
        self.addCleanup(client.close)
        return client

    def test_a_unix_socket(self):
        path = self.world.folder("unix") / "smtp"
        relay = self.relais(host=5, listeners=[{"address": f"{self.world.address(5)}:{SMTP_PORT}"},
                                               {"address": str(path), "mode": "0660"}])
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o660)
        letter = self.letter(sender="a@far.example")
        client = self.unix_session(path)
        file = client.makefile("rwb")
        self.assertTrue(file.readline().startswith(b"220 "))
        for words, code in ((f"HELO {HELO}", b"250"), (f"MAIL FROM:<{letter.sender}>", b"250"),
                            (f"RCPT TO:<{letter.recipients[0]}>", b"250"), ("DATA", b"354")):
            file.write(words.encode() + b"\r\n")
            file.flush()
            self.assertTrue(file.readline().startswith(code))
        file.write(dot_stuffed(letter.content) + b"\r\n")
        file.flush()
        self.assertTrue(file.readline().startswith(b"250 "))
        self.arrival(letter)
        # A socket that a daemon left behind when it was killed is no obstacle.
        relay.kill()
        self.assertTrue(path.exists())
        relay.start()
        self.assertTrue(self.unix_session(path).recv(512).startswith(b"220 "))

    def launch_by(self, words, host, **changes):
        """A relay whose sockets come from a parent."""
        relay = Relais(self.world, host, **changes)
        relay.process = self.world.start("relaisd", [*words, PROGRAM, "--config", relay.config])
        self.addCleanup(lambda: relay.process.stop())
        return relay

    def test_sockets_by_name(self):
        address, path = self.world.address(6), self.world.folder("inherited") / "smtp"
        relay = self.launch_by([sys.executable, "-c", ACTIVATOR, f"smtp={address}:{SMTP_PORT}", f"local={path}", "--"], 6,
                               listeners=[{"address": "systemd:smtp"}, {"address": "systemd:local"}])
        relay.wait_for_log(r"\bready\b")
        self.assertTrue(self.unix_session(path).recv(512).startswith(b"220 "))
        letter = self.letter(sender="a@far.example")
        with Session(relay) as session:
            self.deliver(session, letter)
        self.assertEqual(relay.terminate(), 0)

    def test_a_name_that_was_not_passed_is_an_error(self):
        relay = Relais(self.world, 7, listeners=[{"address": "systemd:smtp"}])
        relay.launch()
        self.assertEqual(relay.process.wait(), 69)
        self.assertIn("systemd:smtp", relay.log)

    def test_systemd_socket_activate(self):
        if not shutil.which("systemd-socket-activate"):
            self.skipTest("systemd-socket-activate is missing: apt-get install systemd")
        address = self.world.address(8)
        relay = self.launch_by(["systemd-socket-activate", f"--listen={address}:{SMTP_PORT}", "--fdname=smtp"], 8,
                               listeners=[{"address": "systemd:smtp"}])
        relay.wait_for_log(r"Listening on ")
        letter = self.letter(sender="a@far.example")
        with Session(relay) as session:  # the first connection starts the daemon
            self.deliver(session, letter)
        relay.wait_for_log(r"\bready\b")

    def test_mistakes_are_told_at_the_start(self):
        for listeners, word in (([{"address": "127.0.0.1:1", "role": "submission", "tls": "none", "client_certificates": True}], "client_certificates"),
                                ([{"address": "127.0.0.1:x"}], "127.0.0.1:x"), ([{"address": "*:2525"}, {"address": "*:2525"}], "two listeners")):
            with self.subTest(listeners=listeners):
                relay = Relais(self.world, 9, listeners=listeners)
                relay.launch()
                self.assertEqual(relay.process.wait(), 78)
                self.assertIn(word, relay.log)


if __name__ == "__main__":
    main()
