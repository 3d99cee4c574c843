"""Clients that come through others: HAProxy and raw PROXY headers, XCLIENT, and Postfix with XFORWARD. The relay
believes only those that it was told to believe.
"""

import itertools
import re
import socket
import struct

from harness import submitters
from harness.case import main
from harness.clients import Session
from harness.haproxy import V1, V2, HaProxy
from harness.mailbox import header_fields
from harness.postfix import Postfix
from harness.relais import HOSTNAME
from harness.submission import RECIPIENT, SubmissionTest
from harness.submitters import Door
from harness.world import SMTP_PORT

PROXIED, PROXIED_TLS = 2526, 2466
HAPROXY, OUTER, TOLD = 30, 31, 90  # last octets; TOLD may say XCLIENT and XFORWARD
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version2(command=1, family=0x11, body=b"", version=2):
    return SIGNATURE + bytes([version << 4 | command, family]) + struct.pack("!H", len(body)) + body


def ipv4(client, server, ports=(4000, 25)):
    return socket.inet_aton(client) + socket.inet_aton(server) + struct.pack("!HH", *ports)


def ipv6(client, server, ports=(4000, 25)):
    return socket.inet_pton(socket.AF_INET6, client) + socket.inet_pton(socket.AF_INET6, server) + struct.pack("!HH", *ports)


class Proxies(SubmissionTest):
    noops = itertools.count(2)

    @classmethod
    def relay_settings(cls):
        address = cls.world.address(1)
        told = [f"{cls.world.address(TOLD)}/32", f"{cls.world.address(OUTER)}/32"]
        return {"listeners": [*cls.service()["listeners"], {"address": f"{address}:{PROXIED}", "proxy_protocol": True},
                              {"address": f"{address}:{PROXIED_TLS}", "proxy_protocol": True, "tls": "implicit"}],
                "relay": {"trusted_networks": ["192.0.2.0/24", "2001:db8::/32", f"{cls.world.address(1)[:-2]}.0/24"],
                          "domains": ["sink.test.example"]},
                "policy": {"xclient_networks": told, "xforward_networks": told, "client_names": False}}

    def proxied(self, header, port=PROXIED, **options):
        session = Session(self.relay, port=port, greeted=False, **options)
        self.addCleanup(session.close)
        session.send(header)
        return session

    def client_of(self, session):
        """The address that the relay's log has for this session."""
        # No other session has said so many NOOP: those of tests before may still be ending.
        noops = next(self.noops)
        for _ in range(noops):
            session.command("NOOP")
        self.assertEqual(session.command("QUIT").code, 221)
        return self.relay.wait_for_log(rf"disconnect from \S+\[(.*?)\] noop={noops} quit=1 ")[1]

    def greeted(self, header, **options):
        session = self.proxied(header, **options)
        self.assertEqual(session.reply().code, 220)
        return session

    def assert_closed_without_service(self, header):
        session = self.proxied(header)
        try:
            said = session.reply()
            self.assertIn(said.code, (421, 521, 554), said)
        except (EOFError, ConnectionResetError):
            pass
        self.assertTrue(session.is_closed())

    # -- PROXY -------------------------------------------------------------------------------------

    def test_haproxy(self):
        proxy = HaProxy(self.world, HAPROXY, f"{self.relay.address}:{PROXIED}").start()
        for port in (V1, V2):
            with self.subTest(port=port):
                door = Door(proxy.address, port)
                letter = self.letter()
                submitters.swaks(door, letter)
                self.assert_submitted(door, letter)  # 127.0.0.1, not the address of HAProxy

    def test_headers(self):
        for header, client in (
                (b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 25\r\n", "192.0.2.7"),
                (b"PROXY TCP6 2001:db8::7 2001:db8::1 4000 25\r\n", "2001:db8::7"),
                (b"PROXY UNKNOWN\r\n", "127.0.0.1"), (b"PROXY UNKNOWN ffff::1 ::1 1 2\r\n", "127.0.0.1"),
                (version2(body=ipv4("192.0.2.8", "192.0.2.1")), "192.0.2.8"),
                (version2(family=0x21, body=ipv6("2001:db8::8", "2001:db8::1")), "2001:db8::8"),
                (version2(body=ipv4("192.0.2.9", "192.0.2.1") + b"\x04\0\x03abc" + b"\x20\0\x05\0\0\0\0\0"), "192.0.2.9"),
                (version2(command=0, family=0), "127.0.0.1"), (version2(command=0, family=0, body=b"\x04\0\x01x"), "127.0.0.1"),
                (version2(family=0x31, body=b"\0" * 216), "127.0.0.1")):
            with self.subTest(header=header):
                self.assertEqual(self.client_of(self.greeted(header)), client)
                session = self.proxied(b"")
                session.send_bytewise(header)
                self.assertEqual(session.reply().code, 220)
                self.assertEqual(self.client_of(session), client)

    def test_what_stands_behind_the_header_is_the_client_s(self):
        for header in (b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 25\r\n", version2(body=ipv4("192.0.2.8", "192.0.2.1"))):
            session = self.proxied(header + b"NOOP\r\n")
            self.assertEqual(session.reply().code, 220)
            self.assertEqual(session.reply().code, 250)

    def test_bad_headers_are_not_served(self):
        for header in (b"EHLO client.test.example\r\n", b"PROXY\r\n", b"PROXY TCP4 1.2.3 4.5.6.7 1 2\r\n",
                       b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n", b"PROXY TCP4 2001:db8::1 ::1 1 2\r\n", b"proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
                       b"PROXY TCP4 " + b"1" * 120 + b"\r\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", b"\0" * 16, version2(version=1),
                       version2(command=2), version2(body=b"short"), version2(family=0x21, body=ipv4("1.2.3.4", "5.6.7.8")),
                       SIGNATURE + b"\x21\x11\xff\xff" + b"x" * 65535):
            with self.subTest(header=header[:60]):
                self.assert_closed_without_service(header)

    def test_access_is_decided_for_the_true_client(self):
        inside = self.greeted(b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 25\r\n")
        outside = self.greeted(b"PROXY TCP4 198.51.100.7 192.0.2.1 4000 25\r\n")
        for session, code in ((inside, 250), (outside, 550)):
            session.hello()
            session.command("MAIL FROM:<a@far.example>")
            self.assertEqual(session.command("RCPT TO:<b@elsewhere.example>").code, code)

    def test_implicit_tls_behind_the_header(self):
        session = self.proxied(b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 465\r\n", port=PROXIED_TLS)
        session.handshake(self.authority.client_context(), HOSTNAME)
        self.assertEqual(session.reply().code, 220)
        self.assertEqual(self.client_of(session), "192.0.2.7")

    def test_a_header_at_a_listener_without_it_is_no_command(self):
        with Session(self.relay) as session:
            self.assertEqual(session.command("PROXY TCP4 192.0.2.7 192.0.2.1 4000 25").code // 100, 5)

    # -- XCLIENT, XFORWARD -------------------------------------------------------------------------

    def test_xclient_makes_another_client(self):
        with Session(self.relay, source=self.world.address(TOLD)) as session:
            self.assertIn("XCLIENT", session.hello())
            reply = session.command("XCLIENT NAME=outer.example ADDR=198.51.100.9 HELO=outer PROTO=ESMTP")
            self.assertTrue(reply.text.startswith(f"220 {HOSTNAME} "), reply)
            session.hello("outer.example")
            session.command("MAIL FROM:<a@far.example>")
            self.assertEqual(session.command("RCPT TO:<b@elsewhere.example>").code, 550)
            self.relay.wait_for_log(r"reject: RCPT from outer\.example\[198\.51\.100\.9\]: 550 ")
            letter = self.letter(sender="a@far.example")
            session.command("RSET")
            session.command("MAIL FROM:<a@far.example>")
            self.assertEqual(session.command(f"RCPT TO:<{RECIPIENT}>").code, 250)
            session.command("DATA")
            session.send(submitters.dot_stuffed(letter.content) + b"\r\n").reply()
        _, stored = self.arrival(letter)
        self.assertIn("(outer.example [198.51.100.9])", self.our_trace(stored))

    def test_swaks_says_xclient(self):
        letter = self.letter()
        submitters.swaks(Door(self.relay.address, SMTP_PORT), letter, "--xclient-addr", "192.0.2.55", "--local-interface",
                         self.world.address(TOLD))
        _, stored = self.arrival(letter)
        self.assertIn("[192.0.2.55])", self.our_trace(stored))

    def test_others_may_say_neither(self):
        with Session(self.relay) as session:
            self.assertFalse({"XCLIENT", "XFORWARD"} & set(session.hello()))
            for words in ("XCLIENT ADDR=192.0.2.1", "XFORWARD ADDR=192.0.2.1"):
                self.assertIn(session.command(words).code, (502, 550))

    def test_malformed_attributes(self):
        with Session(self.relay, source=self.world.address(TOLD)) as session:
            session.hello()
            for words in ("XCLIENT", "XCLIENT ADDR", "XCLIENT ADDR=1.2.3", "XCLIENT FOO=1", "XFORWARD", "XFORWARD ADDR=+0A",
                          "XCLIENT NAME=a+0D+0Ab", "XCLIENT ADDR=x+"):
                with self.subTest(words=words):
                    self.assertEqual(session.command(words).code // 100, 5)
            self.assertEqual(session.command("NOOP").code, 250)

    def test_postfix_in_front_says_who_its_client_was(self):
        outer = Postfix(self.world, OUTER, [], (), relayhost=f"[{self.relay.address}]:{SMTP_PORT}",
                        settings=f"smtp_send_xforward_command = yes\nsmtp_bind_address = {self.world.address(OUTER)}\n"
                                 "maximal_queue_lifetime = 0\n").start()
        letter = self.letter()
        submitters.swaks(Door(outer.address, SMTP_PORT), letter)
        _, stored = self.arrival(letter)
        trace = self.our_trace(stored)
        queue_id = re.search(r" id (\w+)", trace)[1]
        self.relay.wait_for_log(rf"smtpd\S*: {queue_id}: client=\S+\[{outer.address}\], .*orig_client=\S*\[127\.0\.0\.1\]")
        self.assertEqual([name for name, _ in header_fields(stored.octets.split(b"\r\n\r\n")[0] + b"\r\n")].count("Received"), 2)


if __name__ == "__main__":
    main()
