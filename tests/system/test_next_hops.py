"""Every next MTA, in every mood: with and without TLS, CHUNKING, PIPELINING, 8BITMIME, with a small SIZE. A burst
of messages goes to each, so that connections are used again and envelopes overlap with contents. What
arrives is what was sent, octet for octet, once; who is refused is reported; nothing else happens.
"""

import collections
import email
import email.policy
import smtplib

from harness.case import USERS, SystemTest, main
from harness.exim import Exim
from harness.haraka import Haraka
from harness.opensmtpd import OpenSmtpd
from harness.postfix import Postfix
from harness.process import eventually
from harness.sink import Sink

SENDERS = 20  # the sink that takes the reports
ORIGIN = "joe@senders.test.example"
SMALL = 20_000

BODIES = (
    b"Hello.\r\n",
    b".\r\n..\r\n.x\r\n\r\n.\r\n",
    b"",
    b"x" * 998 + b"\r\n." + b"y" * 997 + b"\r\n",
    b"caf\xc3\xa9 na\xc3\xafve\r\n" * 3,
    (b"0123456789" * 7 + b"\r\n") * 150,
)


class NextHops(SystemTest):
    @classmethod
    def neighbours(cls):
        cls.hops = {}  # name -> (host number, make)
        records = ["senders MX 10 mx.senders", f"mx.senders A {cls.world.address(SENDERS)}"]
        cls.start_dns(*records, *cls.records_of_all())
        cls.sink = Sink(cls.world, SENDERS).start()

    @classmethod
    def records_of_all(cls):
        for number in range(30, 60):
            yield f"p{number} MX 10 mx.p{number}"
            yield f"mx.p{number} A {cls.world.address(number)}"

    def domain(self, number):
        return f"p{number}.test.example"

    def certificate(self, number):
        return self.world.certificate(f"mx.p{number}.test.example")

    def relay(self, **changes):
        return self.relais(delivery={"initial_concurrency": 1, "concurrency_per_destination": 2}, **changes)

    def burst(self, relay, number, count=18, size=None):
        """`count` messages in one session, each to two users; every third also to one who is unknown there."""
        sent = {}
        with relay.client() as client:
            for n in range(count):
                identity, content = self.message(BODIES[n % len(BODIES)], sender=ORIGIN)
                recipients = [f"{USERS[n % 2]}@{self.domain(number)}", f"{USERS[2 + n % 2]}@{self.domain(number)}"]
                unknown = [f"nobody{n}@{self.domain(number)}"] if n % 3 == 0 else []
                client.sendmail(ORIGIN, recipients + unknown, content, mail_options=["BODY=8BITMIME"])
                sent[identity] = (content, recipients, unknown)
        return sent

    def assert_arrived(self, peer, sent, relay):
        arrived = collections.Counter()
        for identity, (content, recipients, _) in sent.items():
            for recipient in recipients:
                stored = peer.mail.wait_for(recipient, matching=lambda o: identity.encode() in o)
                arrived[identity] += len(stored)
                self.assertIsNotNone(stored[0].prefix_before(content), f"{stored[0].origin}: {stored[0].octets[:900]}")
        relay.wait_for_log(r"qmgr\S*: \w+: removed", count=len(sent))
        self.assertEqual(arrived, {identity: 2 for identity in sent})

    def assert_reported(self, sent):
        """Each unknown recipient is in a report of its own message."""
        wanted = {u for _, _, unknown in sent.values() for u in unknown}

        def reported():
            found = set()
            for _, stored in self.sink.messages():
                report = email.message_from_bytes(stored.octets, policy=email.policy.default)
                found.update(u for u in wanted if u in report.as_string())
            return found

        eventually(lambda: reported() == wanted, lambda: f"reported: {reported()}, wanted: {wanted}")

    def exercise(self, peer, number, tls=False, expect_log=None):
        peer.start()
        self.addCleanup(peer.stop)
        relay = self.relay()
        sent = self.burst(relay, number)
        self.assert_arrived(peer, sent, relay)
        self.assert_reported(sent)
        lines = [line for line in relay.log.splitlines() if f"@{self.domain(number)}>, relay=" in line]
        self.assertTrue(lines, relay.log[-3000:])
        self.assertEqual([line for line in lines if "status=deferred" in line], [], relay.log[-3000:])
        if tls:
            self.assertEqual([line for line in lines if "tls=TLSv1.3" not in line], [])
        if expect_log:
            self.assertTrue(relay.process.matches(expect_log), relay.log[-3000:])
        # 18 messages do not need 18 connections.
        self.assertTrue([line for line in lines if "conn_use=" in line], lines[:5])
        self.assertEqual(relay.terminate(), 0)

    def postfix(self, number, settings="", tls=False):
        return Postfix(self.world, number, [self.domain(number)], USERS, settings=settings,
                       certificate=self.certificate(number) if tls else None)

    def exim(self, number, tls=False, **options):
        return Exim(self.world, number, [self.domain(number)], USERS,
                    certificate=self.certificate(number) if tls else None, **options)

    def test_postfix(self):
        self.exercise(self.postfix(30), 30)

    def test_postfix_with_tls(self):
        self.exercise(self.postfix(31, tls=True), 31, tls=True)

    def test_postfix_without_chunking(self):
        self.exercise(self.postfix(32, "smtpd_discard_ehlo_keywords = chunking\n"), 32)

    def test_postfix_without_pipelining(self):
        self.exercise(self.postfix(33, "smtpd_discard_ehlo_keywords = pipelining, chunking\n"), 33)

    def test_postfix_with_chunking_only(self):
        self.exercise(self.postfix(34, "smtpd_discard_ehlo_keywords = pipelining\n"), 34)

    def test_postfix_that_hangs_up_behind_five_messages_of_a_connection(self):
        # 421 to the sixth; those are not lost, not doubled and not late.
        self.exercise(self.postfix(35, "smtpd_per_request_deadline = yes\nsmtpd_client_message_rate_limit = 0\n"
                                       "smtpd_hard_error_limit = 3\nsmtpd_soft_error_limit = 1\n"), 35)

    def test_exim(self):
        self.exercise(self.exim(40), 40)

    def test_exim_with_tls(self):
        self.exercise(self.exim(41, tls=True), 41, tls=True)

    def test_exim_without_chunking_and_pipelining(self):
        self.exercise(self.exim(42, settings="chunking_advertise_hosts =\npipelining_advertise_hosts =\n"), 42)

    def test_exim_that_takes_three_messages_of_a_connection(self):
        self.exercise(self.exim(43, per_connection=3), 43)

    def test_opensmtpd(self):
        self.exercise(OpenSmtpd(self.world, 45, [self.domain(45)], USERS), 45)

    def test_opensmtpd_whose_handshakes_fail_gets_its_mail_in_clear(self):
        # Debian 12's 6.8 offers STARTTLS, and its key process cannot sign under OpenSSL 3: a case for level `may`.
        peer = OpenSmtpd(self.world, 46, [self.domain(46)], USERS, self.certificate(46))
        self.exercise(peer, 46)
        self.assertIn("SSL routines", peer.log())

    def haraka(self, number, tls=False):
        if not Haraka.is_there():
            self.skipTest("Haraka is not there: setup-peers.sh --haraka")
        peer = Haraka(self.world, number, self.domain(number), USERS, self.certificate(number) if tls else None)
        self.exercise(peer, number, tls=tls)

    def test_haraka(self):
        self.haraka(50)

    def test_haraka_with_tls(self):
        self.haraka(51, tls=True)

    def test_what_is_too_large_for_the_next_hop_goes_back_without_being_sent(self):
        for number, peer in ((55, self.postfix(55, f"message_size_limit = {SMALL}\n")),
                             (56, self.exim(56, size=SMALL)),
                             (57, OpenSmtpd(self.world, 57, [self.domain(57)], USERS, size=SMALL))):
            with self.subTest(peer=peer.name):
                peer.start()
                self.addCleanup(peer.stop)
                relay = self.relay()
                identity, content = self.message(b"x" * 70 + b"\r\n" * SMALL, sender=ORIGIN)
                self.submit(relay, ORIGIN, f"ann@{self.domain(number)}", content)
                relay.wait_for_log(rf"to=<ann@{self.domain(number)}>.*dsn=5\.3\.4, status=bounced")
                relay.wait_for_log(r"qmgr\S*: \w+: removed", count=2)
                self.assertNotIn(identity, peer.log())
                self.assertEqual(relay.terminate(), 0)

    def test_8_bit_mime_is_converted_for_a_next_hop_without_8bitmime(self):
        number = 58
        peer = self.postfix(number, "smtpd_discard_ehlo_keywords = 8bitmime, smtputf8, chunking\n")
        peer.start()
        self.addCleanup(peer.stop)
        relay = self.relay()
        text = "Gr\u00fc\u00dfe aus Z\u00fcrich, 10 \u20ac\r\n" * 5
        identity, content = self.message(b"", sender=ORIGIN, recipient=f"ann@{self.domain(number)}")
        content = content[:-2] + (b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                                  b"Content-Transfer-Encoding: 8bit\r\n\r\n") + text.encode()
        with relay.client() as client:
            client.sendmail(ORIGIN, [f"ann@{self.domain(number)}"], content, mail_options=["BODY=8BITMIME"])
        stored = peer.mail.wait_for(f"ann@{self.domain(number)}", matching=lambda o: identity.encode() in o)[0]
        self.assertTrue(stored.octets.isascii(), stored.octets)
        arrived = email.message_from_bytes(stored.octets, policy=email.policy.default)
        self.assertIn(arrived["Content-Transfer-Encoding"], ("quoted-printable", "base64"))
        self.assertEqual(arrived.get_content().replace("\r\n", "\n"), text.replace("\r\n", "\n"))
        self.assertEqual(relay.terminate(), 0)


if __name__ == "__main__":
    main()
