"""Clients that behave badly below SMTP: thousands at once, silent, slow, half closed, reset at every octet,
never reading, or not speaking SMTP at all. After each the relay is well and has given everything back.
"""

import random
import resource
import select
import socket
import ssl
import struct
import time

from hostile import AT_SINK, HTTP_PORT, SENDER, HostileTest, eventually, main

PATIENCE = 30.0
CROWD = 10000  # connections; fewer where the system grants fewer descriptors


class RudeTest(HostileTest):
    def baseline(self):
        """Descriptors when nobody is connected."""
        return eventually(lambda: self.steady(), "the number of open descriptors stays the same")

    def steady(self):
        before = self.descriptors()
        self.assert_well()
        return before if self.descriptors() <= before else 0

    def assert_all_given_back(self, before):
        eventually(lambda: self.descriptors() <= before + 2,
                   lambda: f"{self.descriptors()} descriptors are open, before there were {before}")

    def raw(self, source=None, port=None):
        connection = socket.create_connection((self.relay.address, port or self.relay.port), timeout=PATIENCE,
                                              source_address=(source or self.stranger, 0))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.addCleanup(connection.close)
        return connection

    def ends(self, connection, timeout=PATIENCE):
        """Everything that the server said until it hung up."""
        said, deadline = b"", time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                piece = connection.recv(65536)
            except ConnectionResetError:
                return said
            if not piece:
                return said
            said += piece
        self.fail(f"still open after {timeout} s, said {said[-300:]!r}")

    def drip(self, connection, octets, pause):
        """Octet by octet, one each `pause` seconds, until the server has something to say."""
        for octet in octets:
            if select.select([connection], [], [], pause)[0]:
                return
            try:
                connection.send(bytes([octet]))
            except OSError:
                return
        self.fail(f"nothing happened within {len(octets)} octets, each {pause} s")


class Crowd(RudeTest):
    """Thousands at once; with time enough for all to come before the first is told to go."""

    settings = {"limits": {"connections": CROWD, "connections_per_client": CROWD + 100},
                "server_timeout": {"command": "10m", "stressed": "10m"}}

    def crowd(self, count):
        connections = []
        poll = select.epoll()
        waiting = {}
        for _ in range(count):
            s = socket.socket()
            s.setblocking(False)
            s.bind((self.stranger, 0))
            s.connect_ex((self.relay.address, self.relay.port))
            connections.append(s)
            waiting[s.fileno()] = s
            poll.register(s, select.EPOLLIN)
            if len(waiting) >= 200:  # no more at once than a backlog takes
                self.greeted(poll, waiting)
        while waiting:
            self.greeted(poll, waiting)
        poll.close()
        return connections

    def greeted(self, poll, waiting):
        ready = poll.poll(PATIENCE)
        self.assertTrue(ready, f"{len(waiting)} connections wait for their greeting")
        for number, _ in ready:
            self.assertTrue(waiting[number].recv(512).startswith(b"220 "))
            poll.unregister(number)
            del waiting[number]

    def test_ten_thousand_connections(self):
        """All are served up to limits.connections, the next is told so; all leave at once."""
        before = self.baseline()
        granted = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        count = min(CROWD, granted - 500)
        connections = self.crowd(count)
        try:
            self.assertGreaterEqual(self.descriptors(), count)
            self.assertLess(self.memory(), 3000 << 20)
            if count == CROWD:
                with self.raw(self.trusted) as one_too_many:
                    self.assertRegex(self.ends(one_too_many), rb"^421 (4\.[37]\.[02] )?relay\.test\.example ")
            for s in random.sample(connections, 100):
                s.setblocking(True)
                s.settimeout(PATIENCE)
                s.sendall(b"EHLO crowd.example\r\n")
                self.assertTrue(s.recv(512).startswith(b"250-"))
        finally:
            for number, s in enumerate(connections):
                if number % 2:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.close()
        self.assert_all_given_back(before)
        self.assert_well()

    def test_connect_and_leave(self):
        before = self.baseline()
        for number in range(2000):
            s = self.raw()
            if number % 2:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
        self.assert_all_given_back(before)
        self.assert_well()


class RudeClients(RudeTest):
    settings = {"limits": {"errors": 5, "data_rate": "1000 B", "data_rate_grace": "1s"},
                "server_timeout": {"command": "2s", "data": "2s", "write": "2s", "stressed": "2s"}}

    # -- slow --------------------------------------------------------------------------------------

    def test_silence_at_every_step_ends_with_421(self):
        steps = [b"EHLO slow.example\r\n", b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<%s>\r\n" % AT_SINK.encode(), b"DATA\r\n",
                 b"Subject: half\r\n\r\nhalf a mess"]
        sessions = []
        for reached in range(len(steps) + 1):
            s = self.raw()
            s.recv(512)
            for step in steps[:reached]:
                s.sendall(step)
                if step[:4] != b"Subj":
                    s.recv(1024)
            sessions.append(s)
        for reached, s in enumerate(sessions):
            with self.subTest(reached=reached):
                self.assertRegex(self.ends(s), rb"421 (4\.4\.2 )?relay\.test\.example ")
        self.assert_well()

    def test_commands_octet_by_octet_do_not_hold_a_session(self):
        """server_timeout.command is for the command, not for the octet."""
        s = self.raw()
        s.recv(512)
        self.drip(s, b"EHLO " + b"x" * 200, 0.2)
        self.assertRegex(self.ends(s), rb"421 (4\.4\.2 )?relay\.test\.example ")
        self.assert_well()

    def test_content_below_the_rate_is_cut_off(self):
        session = self.in_data()
        self.drip(session.socket, b"Subject: slow\r\n\r\n" + b"x" * 300, 0.1)
        self.assertRegex(self.ends(session.socket), rb"421 4\.4\.2 relay\.test\.example ")
        self.relay.wait_for_log(r"timeout after DATA|too slow|data_rate")
        self.assert_well()

    def test_chunks_below_the_rate_are_cut_off(self):
        session = self.in_transaction()
        session.send(b"BDAT 1000 LAST\r\n")
        self.drip(session.socket, b"Subject: slow\r\n\r\n" + b"x" * 300, 0.1)
        self.assertRegex(self.ends(session.socket), rb"421 4\.4\.2 relay\.test\.example ")
        self.assert_well()

    def test_an_honest_slow_client_is_served(self):
        """Ten times the rate, in small pieces, for longer than the grace."""
        identity, content = self.message(b"slow but honest\r\n" + b"x" * 78 + b"\r\n", sender=SENDER, recipient=AT_SINK)
        content += (b"y" * 498 + b"\r\n") * 50
        session = self.in_data()
        for at in range(0, len(content), 1000):
            self.assertFalse(select.select([session.socket], [], [], 0.1)[0], "a reply before the end")
            session.send(content[at:at + 1000])
        self.assertEqual(session.send(b".\r\n").reply().code, 250)
        self.assert_arrives_once(identity, content)

    # -- deaf --------------------------------------------------------------------------------------

    def test_a_client_that_never_reads(self):
        """The relay stops reading when its replies do not leave, and gives up when the time is over."""
        before = self.baseline()
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.bind((self.stranger, 0))
        s.connect((self.relay.address, self.relay.port))
        s.settimeout(PATIENCE)
        self.addCleanup(s.close)
        self.assertTrue(s.recv(512).startswith(b"220 "))
        s.sendall(b"EHLO deaf.example\r\n")
        s.recv(1024)
        sent = 0
        with self.assertRaises(OSError):
            while sent < 256 << 20:
                sent += s.send(b"NOOP\r\n" * 10000)
        self.assertLess(sent, 64 << 20)
        self.relay.wait_for_log(r"(lost connection|timeout) after (NOOP|EHLO)")
        self.assert_all_given_back(before)
        self.assert_well()

    # -- half closed and reset ---------------------------------------------------------------------

    def script(self):
        """The flights of a session, and the end of each reply that is awaited."""
        _, content = self.message(b"whole\r\n", sender=SENDER, recipient=AT_SINK)
        return [b"EHLO cut.example\r\n", b"MAIL FROM:<%s>\r\n" % SENDER.encode(), b"RCPT TO:<%s>\r\n" % AT_SINK.encode(),
                b"DATA\r\n", content + b".\r\n", b"NOOP\r\n"]

    def cut_everywhere(self, flights, end, port=None):
        """A session for each octet of the flights, ended there."""
        total = sum(map(len, flights))
        for place in range(total + 1):
            s, left = self.raw(port=port), place
            s.recv(512)
            for flight in flights:
                s.sendall(flight[:left])
                if left < len(flight):
                    break
                self.reply_of(s)
                left -= len(flight)
            end(s)
        return total

    @staticmethod
    def reply_of(s):
        said = b""
        while not (said.endswith(b"\r\n") and said.rstrip().rsplit(b"\r\n", 1)[-1][3:4] == b" "):
            piece = s.recv(4096)
            if not piece:
                return said
            said += piece
        return said

    @staticmethod
    def reset(s):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()

    def queued(self):
        return len(self.relay.process.matches(r"qmgr\S*: \w+: from=<"))

    def check_cuts(self, flights, end, unsure=0):
        """`unsure`: sessions whose last octets may be lost on the way."""
        before, queued = self.baseline(), self.queued()
        self.cut_everywhere(flights, end)
        self.assert_all_given_back(before)
        # Only sessions that got as far as the last octet of the content have queued a message.
        whole = len(flights[-1]) + 1
        eventually(lambda: self.queued() - queued >= whole - unsure,
                   lambda: f"{self.queued() - queued} messages are queued, of {whole}")
        self.assert_well()  # queues one more
        self.assertIn(self.queued() - queued - 1, range(whole - unsure, whole + 1))

    def test_reset_at_every_octet(self):
        # A reset right behind the last octet may overtake it: the kernel then throws away what was not read.
        self.check_cuts(self.script(), self.reset, unsure=1)

    def test_half_closed_at_every_octet(self):
        def half_close(s):
            s.shutdown(socket.SHUT_WR)
            self.ends(s)
            s.close()
        self.check_cuts(self.script(), half_close)

    def test_reset_at_every_octet_of_chunks(self):
        flights = self.script()
        content = flights[4][:-3]
        flights[3:5] = [b"BDAT %d LAST\r\n" % len(content) + content]
        with self.raw() as s:
            s.recv(512)
            s.sendall(flights[0])
            if b"CHUNKING" not in self.reply_of(s):
                return
        self.check_cuts(flights, self.reset, unsure=1)

    def test_half_closed_behind_a_whole_session(self):
        """Commands that came whole are answered, also when nothing more can come."""
        s = self.raw(self.trusted)
        s.recv(512)
        s.sendall(b"NOOP\r\nNOOP\r\nNOOP\r\n")
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(self.ends(s).count(b"250 "), 3)

    # -- not SMTP ----------------------------------------------------------------------------------

    def say(self, octets):
        """What the relay answers to these, greeting excepted, until it hangs up."""
        s = self.raw()
        s.recv(512)
        try:
            s.sendall(octets)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return self.ends(s)

    def test_http(self):
        for head in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n\r\n",
                     b"PUT /x HTTP/1.0\r\n\r\n", b"OPTIONS * HTTP/1.1\r\n\r\n", b"CONNECT x:25 HTTP/1.1\r\n\r\n",
                     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"HEAD / HTTP/1.0\r\n\r\n", b"DELETE / HTTP/1.0\r\n\r\n"):
            with self.subTest(head=head):
                said = self.say(head + b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ann@sink.test.example>\r\nDATA\r\n"
                                       b"Subject: from a browser\r\n\r\nx\r\n.\r\nQUIT\r\n")
                self.assertNotRegex(said, rb"(?m)^[23]\d\d")
                self.assertRegex(said, rb"(?m)^(500|521|421) ")
        self.assert_well()

    def client_hello(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="relay.test.example")
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return outgoing.read()

    def test_tls_on_the_clear_port(self):
        hello = self.client_hello()
        self.assertNotRegex(self.say(hello), rb"(?m)^[23]\d\d")
        self.assertNotRegex(self.say(hello + b"\r\nNOOP\r\n" * 3), rb"(?m)^[23]\d\d")
        self.assert_well()

    def test_other_protocols(self):
        for octets in (b"SSH-2.0-OpenSSH_9.2\r\n", b"USER root\r\nPASS x\r\n", b"* OK IMAP\r\na1 LOGIN a b\r\n", b"\x16\x03\x01",
                       b"\x00\x0c\x00\x00\x10\x00\x01\x02", b"JRMI\0\x02K", b"\x03\0\0\x13\x0e\xe0", b"\x04\x01\0\x19\x7f\0\0\x01\0",
                       b"*1\r\n$4\r\nPING\r\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
                       b"INVITE sip:x SIP/2.0\r\n\r\n", b"\xff\xf4\xff\xfd\x06", b"HELO\0x\r\n", b"DATA\r\n.\r\n"):
            with self.subTest(octets=octets):
                self.assertNotRegex(self.say(octets), rb"(?m)^(3\d\d|250)")
        self.assert_well()

    def test_random_octets(self):
        generator = random.Random(25)
        for size in (1, 10, 100, 1000, 10000, 100000):
            for _ in range(10):
                octets = generator.randbytes(size)
                with self.subTest(octets=octets[:40]):
                    self.assertNotRegex(self.say(octets), rb"(?m)^(3\d\d|250)")
        for octets in (b"\0" * 100000, b"\xff" * 100000, b"\n" * 100000, b"\r" * 100000, b"\r\n" * 50000, b" " * 100000):
            with self.subTest(octets=octets[:1]):
                self.assertNotRegex(self.say(octets), rb"(?m)^(3\d\d|250)")
        self.assert_well()

    def test_garbage_at_the_health_port(self):
        generator = random.Random(80)
        for octets in (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 100000, b"G" * 1000000, generator.randbytes(100000), b"\0" * 1000):
            s = self.raw(port=HTTP_PORT)
            try:
                s.sendall(octets)
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            self.ends(s)
        self.assert_well()


if __name__ == "__main__":
    main()
