"""Attacks on TLS from the client's side: commands injected behind STARTTLS (CVE-2011-0411), clear text behind
a close_notify (CVE-2026-45185), content that is cut off, handshakes that are garbage, endless or cut at every
octet. Nothing said in clear counts under TLS, and nothing that was cut off is queued.
"""

import itertools
import random
import socket
import ssl
import struct
import subprocess

from hostile import AT_SINK, SENDER, HostileTest, eventually, main
from harness.certificates import Authority
from harness.world import SMTP_PORT

NAME = "relay.test.example"
SUBMISSION, IMPLICIT = 2587, 2465
TRANSACTION = b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n" % (SENDER.encode(), AT_SINK.encode())


class RawTls:
    """A TLS client whose records can be held, cut and followed by clear text."""

    def __init__(self, connection, context, name=NAME):
        self.socket = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    def _fill(self):
        octets = self.socket.recv(65536)
        if not octets:
            raise EOFError("the relay closed the connection")
        self._incoming.write(octets)

    def _again(self, action):
        while True:
            try:
                return action()
            except ssl.SSLWantReadError:
                self.flush()
                self._fill()

    def flush(self):
        self.socket.sendall(self._outgoing.read())

    def handshake(self):
        self._again(self._tls.do_handshake)
        self.flush()
        return self

    def hello(self):
        """The first flight, not sent."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self._outgoing.read()

    def records(self, octets):
        """Encrypted, not sent."""
        self._tls.write(octets)
        return self._outgoing.read()

    def close_notify(self):
        try:
            self._tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        return self._outgoing.read()

    def ask(self, octets):
        self.socket.sendall(self.records(octets))
        return self.reply()

    def reply(self):
        said = b""
        while not (said.endswith(b"\r\n") and said.rstrip().rsplit(b"\r\n", 1)[-1][3:4] == b" "):
            said += self._again(lambda: self._tls.read(65536))
        return said

    def rest(self):
        """Whatever is still said under TLS before the end."""
        said = b""
        try:
            while True:
                piece = self._again(lambda: self._tls.read(65536))
                if not piece:
                    return said
                said += piece
        except (EOFError, OSError):
            return said


class Tls(HostileTest):
    @classmethod
    def relay_settings(cls):
        cls.authority = Authority(cls.world)
        address = cls.world.address(1)
        return {"tls": {"certificates": [cls.authority.issue(NAME).settings()]},
                "listeners": [{"address": f"{address}:{SMTP_PORT}"},
                              {"address": f"{address}:{SUBMISSION}", "tls": "encrypt"},
                              {"address": f"{address}:{IMPLICIT}", "tls": "implicit"}],
                "server_timeout": {"tls": "2s"}, "limits": {"connections_per_client": 2000}}

    def setUp(self):
        self.context = self.authority.client_context()

    def raw(self, port=None):
        connection = socket.create_connection((self.relay.address, port or self.relay.port), timeout=30,
                                              source_address=(self.stranger, 0))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.addCleanup(connection.close)
        return connection

    def before_handshake(self):
        """A connection behind the 220 of STARTTLS."""
        connection = self.raw()
        connection.recv(512)
        for words, code in ((b"EHLO client.test.example\r\n", b"250"), (b"STARTTLS\r\n", b"220")):
            connection.sendall(words)
            self.assertTrue(self.in_clear(connection).startswith(code))
        return connection

    def protected(self, hello=True):
        tls = RawTls(self.before_handshake(), self.context).handshake()
        if hello:
            self.assertTrue(tls.ask(b"EHLO client.test.example\r\n").startswith(b"250-"))
        return tls

    def transaction(self):
        tls = self.protected()
        self.assertTrue(tls.ask(b"MAIL FROM:<%s>\r\n" % SENDER.encode()).startswith(b"250 "))
        self.assertTrue(tls.ask(b"RCPT TO:<%s>\r\n" % AT_SINK.encode()).startswith(b"250 "))
        return tls

    @staticmethod
    def in_clear(connection):
        said = b""
        while not (said.endswith(b"\r\n") and said.rstrip().rsplit(b"\r\n", 1)[-1][3:4] == b" "):
            piece = connection.recv(4096)
            if not piece:
                break
            said += piece
        return said

    @staticmethod
    def until_end(connection):
        said = b""
        try:
            while piece := connection.recv(65536):
                said += piece
        except ConnectionResetError:
            pass
        return said

    def queued(self):
        return len(self.relay.process.matches(r"qmgr\S*: \w+: from=<"))

    # -- injection ---------------------------------------------------------------------------------

    def test_commands_behind_starttls_are_never_run(self):
        queued = self.queued()
        for injected in (b"NOOP\r\n", b"RSET\r\n", b"QUIT\r\n", b"EHLO evil.example\r\n", TRANSACTION, b"\r\n", b"x", b"\0",
                         b"EHLO evil.example\r\n" + TRANSACTION + b"Subject: injected\r\n\r\nx\r\n.\r\n", b"\x16\x03\x01"):
            with self.subTest(injected=injected):
                connection = self.raw()
                connection.recv(512)
                connection.sendall(b"EHLO client.test.example\r\n")
                self.in_clear(connection)
                connection.sendall(b"STARTTLS\r\n" + injected)
                self.assertRegex(self.until_end(connection), rb"\A554 5\.5\.0 [^\r\n]*\r\n\Z")
        self.assertEqual(self.queued(), queued)
        self.assert_well()

    def test_commands_in_clear_before_the_handshake_are_never_run(self):
        """In a segment of their own, behind the 220: they are no ClientHello."""
        queued = self.queued()
        for injected in (b"EHLO evil.example\r\n" + TRANSACTION, b"NOOP\r\n", b"\n"):
            with self.subTest(injected=injected):
                connection = self.before_handshake()
                tls = RawTls(connection, self.context)
                connection.sendall(injected + tls.hello())
                self.assertNotRegex(self.until_end(connection), rb"(?m)^[23]\d\d[ -]")
        self.assertEqual(self.queued(), queued)
        self.assert_well()

    def test_octets_in_clear_in_front_of_the_client_hello_in_the_same_segment_as_starttls(self):
        connection = self.raw()
        connection.recv(512)
        connection.sendall(b"EHLO client.test.example\r\n")
        self.in_clear(connection)
        connection.sendall(b"STARTTLS\r\n" + RawTls(connection, self.context).hello())
        self.assertRegex(self.until_end(connection), rb"\A554 5\.5\.0 ")

    def test_what_was_said_in_clear_is_forgotten(self):
        tls = self.protected(hello=False)
        self.assertRegex(tls.ask(b"MAIL FROM:<a@b.example>\r\n"), rb"\A503 ")
        self.assertRegex(tls.ask(b"RCPT TO:<%s>\r\n" % AT_SINK.encode()), rb"\A503 ")
        offered = tls.ask(b"EHLO client.test.example\r\n")
        self.assertNotIn(b"STARTTLS", offered)
        self.assertTrue(tls.ask(b"STARTTLS\r\n").startswith(b"503 5.5.1 "))
        self.assertTrue(tls.ask(b"STARTTLS x\r\n").startswith(b"50"))

    def test_starttls_is_refused_within_a_transaction_and_with_an_argument(self):
        session = self.session()
        session.hello()
        self.assertTrue(session.command("STARTTLS now").text.startswith("501 5.5.4 "))
        session.command(f"MAIL FROM:<{SENDER}>")
        self.assertTrue(session.command("STARTTLS").text.startswith("503 5.5.1 "))
        self.assertEqual(session.command("RSET").code, 250)
        session.starttls(self.context, NAME)
        session.hello()

    def test_nothing_is_taken_in_clear_where_tls_is_demanded(self):
        session = self.session(port=SUBMISSION)
        session.hello()
        for words in ("MAIL FROM:<a@b.example>", f"RCPT TO:<{AT_SINK}>", "DATA", "BDAT 0", "VRFY x"):
            with self.subTest(words=words):
                self.assertTrue(session.command(words).text.startswith("530 5.7.0 "))
        for words in ("NOOP", "RSET", "HELP", "EHLO x"):
            self.assertEqual(session.command(words).code // 100, 2)
        self.assertEqual(session.command("QUIT").code, 221)

    # -- truncation --------------------------------------------------------------------------------

    def test_clear_text_behind_a_close_notify_within_a_chunk(self):
        """CVE-2026-45185: the end of TLS is the end of the connection, never a way back to clear text."""
        queued = self.queued()
        content = b"Subject: half\r\n\r\n" + b"x" * 984
        for sent in (0, 1, 500, 999):
            with self.subTest(sent=sent):
                tls = self.transaction()
                tls.socket.sendall(tls.records(b"BDAT 1000 LAST\r\n" + content[:sent]))
                tls.socket.sendall(tls.close_notify() + content[sent:] + b"\r\nNOOP\r\nEHLO evil.example\r\n" + TRANSACTION)
                self.assertNotRegex(self.until_end(tls.socket), rb"(?m)^[2345]\d\d[ -]")
        self.assertEqual(self.queued(), queued)
        self.assert_well()

    def test_clear_text_behind_a_close_notify_within_data_and_between_commands(self):
        queued = self.queued()
        for words in (b"NOOP\r\n", TRANSACTION[TRANSACTION.index(b"DATA"):] + b"Subject: half\r\n\r\nhalf\r\n"):
            with self.subTest(words=words):
                tls = self.transaction()
                tls.socket.sendall(tls.records(words) + tls.close_notify() + b".\r\nNOOP\r\n")
                self.until_end(tls.socket)
        self.assertEqual(self.queued(), queued)
        self.assert_well()

    def test_a_cut_within_content_queues_nothing(self):
        """By FIN without close_notify, by close_notify, by RST; also within the record of the final dot."""
        queued = self.queued()
        for how, by, cut in itertools.product(("fin", "close_notify", "reset"), (b"DATA", b"BDAT"), (1, 6, 20, 30)):
            with self.subTest(how=how, by=by, cut=cut):
                tls, content = self.transaction(), b"Subject: cut\r\n\r\nwhole\r\n"
                flight = b"BDAT %d LAST\r\n" % len(content) + content
                if by == b"DATA":
                    self.assertTrue(tls.ask(b"DATA\r\n").startswith(b"354 "))
                    flight = content + b".\r\n"
                if how == "close_notify":
                    tls.socket.sendall(tls.records(flight[:-cut]) + tls.close_notify())
                else:
                    tls.socket.sendall(tls.records(flight)[:-cut])
                if how == "reset":
                    tls.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    tls.socket.shutdown(socket.SHUT_WR)
                    self.until_end(tls.socket)
                tls.socket.close()
        self.assert_well()
        eventually(lambda: self.queued() > queued, "the message of assert_well() is in the log")
        self.assertEqual(self.queued(), queued + 1)

    # -- handshakes --------------------------------------------------------------------------------

    def test_a_handshake_cut_at_every_octet(self):
        hello = RawTls(None, self.context).hello()
        before = self.descriptors()
        for cut in range(0, len(hello), 3):
            for port in (None, IMPLICIT):
                connection = self.before_handshake() if port is None else self.raw(port)
                connection.sendall(hello[:cut])
                if cut % 2:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
        eventually(lambda: self.descriptors() <= before + 2, lambda: f"{self.descriptors()} descriptors, before {before}")
        self.assert_well()

    def test_a_handshake_octet_by_octet_is_fine(self):
        connection = self.before_handshake()
        tls = RawTls(connection, self.context)
        for octet in tls.hello():
            connection.sendall(bytes([octet]))
        tls.handshake()
        self.assertTrue(tls.ask(b"EHLO client.test.example\r\n").startswith(b"250"))

    def test_garbage_for_a_handshake(self):
        generator = random.Random(443)
        hello = bytearray(RawTls(None, self.context).hello())
        flipped = []
        for _ in range(100):
            copy = bytearray(hello)
            copy[generator.randrange(len(copy))] ^= 1 << generator.randrange(8)
            flipped.append(bytes(copy))
        for octets in (b"\0" * 1000, b"\xff" * 70000, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 65535,
                       b"\x15\x03\x01\0\x02\x02\x28", b"\x16\x03\x01\0\0" * 1000, b"\x80\x2e\x01\x03\x01", generator.randbytes(5000),
                       *flipped):
            with self.subTest(octets=octets[:40]):
                for port in (None, IMPLICIT):
                    connection = self.before_handshake() if port is None else self.raw(port)
                    try:
                        connection.sendall(octets)
                        connection.shutdown(socket.SHUT_WR)
                    except OSError:
                        pass
                    self.assertNotRegex(self.until_end(connection), rb"(?m)^[23]\d\d[ -]")
        self.assert_well()

    def test_a_silent_handshake_ends(self):
        before = self.descriptors()
        waiting = [self.before_handshake(), self.raw(IMPLICIT)]
        waiting[1].sendall(RawTls(None, self.context).hello()[:100])
        for connection in waiting:
            self.until_end(connection)
        eventually(lambda: self.descriptors() <= before + 2, "the descriptors are given back")
        self.assert_well()

    def test_smtp_in_clear_on_the_port_of_implicit_tls(self):
        connection = self.raw(IMPLICIT)
        connection.sendall(b"EHLO client.test.example\r\n" + TRANSACTION)
        self.assertNotRegex(self.until_end(connection), rb"(?m)^[23]\d\d[ -]")

    def test_old_versions_are_refused(self):
        for option in ("-tls1", "-tls1_1"):
            done = subprocess.run(["openssl", "s_client", "-connect", f"{self.relay.address}:{IMPLICIT}", option,
                                   "-cipher", "ALL:@SECLEVEL=0"], input=b"", capture_output=True, timeout=60)
            with self.subTest(option=option):
                self.assertNotEqual(done.returncode, 0)
                self.assertRegex(done.stdout + done.stderr, rb"protocol version|unsupported protocol|no protocols available")

    def test_renegotiation_is_refused(self):
        """s_client asks for it on a line "R"; the session must not have been renegotiated."""
        done = subprocess.run(["openssl", "s_client", "-connect", f"{self.relay.address}:{IMPLICIT}", "-tls1_2",
                               "-CAfile", str(self.authority.certificate)],
                              input=b"R\n", capture_output=True, timeout=60)
        self.assertRegex(done.stdout + done.stderr, rb"RENEGOTIATING[\s\S]*(no renegotiation|unexpected|error|closed)")
        self.assert_well()

    def test_alpn_is_ignored(self):
        self.context.set_alpn_protocols(["http/1.1", "h2"])
        tls = RawTls(self.before_handshake(), self.context).handshake()
        self.assertTrue(tls.ask(b"EHLO client.test.example\r\n").startswith(b"250"))

    def test_many_small_records(self):
        tls = self.transaction()
        identity, content = self.message(b"small records\r\n", sender=SENDER, recipient=AT_SINK)
        self.assertTrue(tls.ask(b"DATA\r\n").startswith(b"354 "))
        for octet in content + b".\r\n":
            tls.socket.sendall(tls.records(bytes([octet])))
        self.assertTrue(tls.reply().startswith(b"250 "))
        self.assert_arrives_once(identity, content)


if __name__ == "__main__":
    main()
