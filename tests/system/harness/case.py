"""The base of the test files: one world per test class, with the neighbours that the class names.

A class says what it needs by overriding neighbours(); relais itself is started by each test or by the
class. The files of a failed class are kept. Run a file alone with:

    RELAISD=build/dev/daemon/relaisd python3 -m unittest -v tests/system/test_routes.py   (as root)
"""

import email
import email.policy
import itertools
import os
import unittest

from . import world as worlds
from .dns import DnsServer
from .exim import Exim
from .mailbox import header_fields
from .postfix import Postfix
from .relais import HOSTNAME, PROGRAM, Relais

EXIM, POSTFIX, DNS = 2, 3, 53  # last octets of the usual neighbours
USERS = ("joe", "jane", "ann", "bob")


class SystemTest(unittest.TestCase):
    maxDiff = 2000
    needs_relaisd = True
    numbers = itertools.count(1)

    @classmethod
    def setUpClass(cls):
        if cls.needs_relaisd and not os.access(PROGRAM, os.X_OK):
            raise AssertionError(f"no relaisd at {PROGRAM}: build it, or set RELAISD")
        cls.failed = False
        cls.world = worlds.World()
        cls.addClassCleanup(lambda: cls.world.close(keep_files=cls.failed))
        try:
            cls.neighbours()
        except BaseException:
            cls.failed = True
            raise

    @classmethod
    def neighbours(cls):
        """Starts what the whole class needs."""

    def tearDown(self):
        outcome = self._outcome.result
        if any(test is self for test, _ in outcome.errors + outcome.failures):
            type(self).failed = True

    # -- building blocks ---------------------------------------------------------------------------

    @classmethod
    def start_dns(cls, *records, names=None):
        """The name server, with Exim's and Postfix's domains and `records`; `names` of addresses."""
        cls.dns = DnsServer(cls.world, DNS, [
            "exim MX 10 mx.exim", f"mx.exim A {cls.world.address(EXIM)}",
            "postfix MX 10 mx.postfix", f"mx.postfix A {cls.world.address(POSTFIX)}", *records], names)

    @classmethod
    def start_exim(cls, *more_domains, **options):
        cls.exim = Exim(cls.world, EXIM, ["exim.test.example", *more_domains], USERS, **options).start()

    @classmethod
    def start_postfix(cls, *more_domains, **options):
        cls.postfix = Postfix(cls.world, POSTFIX, ["postfix.test.example", *more_domains], USERS, **options).start()

    def relais(self, host=1, **changes):
        """A relay of this test only: started, and stopped when the test ends."""
        relais = Relais(self.world, host, **changes)
        relais.start()
        self.addCleanup(lambda: relais.process.stop())
        return relais

    @classmethod
    def message(cls, body=b"Hello.\r\n", sender="joe@exim.test.example", recipient="jane@postfix.test.example"):
        """A message with a Message-ID that no other has: (id, octets)."""
        identity = f"{os.getpid()}.{next(cls.numbers)}@client.test.example"
        head = (f"From: <{sender}>\r\nTo: <{recipient}>\r\nDate: Sat, 21 Nov 2026 01:00:00 +0000\r\n"
                f"Message-ID: <{identity}>\r\nSubject: system test\r\n\r\n")
        return identity, head.encode() + body

    def submit(self, relais, sender, recipients, content, mail=(), rcpt=(), tls=None):
        """Hands a message over by smtplib; every step must succeed. Returns the queue id. `mail`, `rcpt`: parameters of
        these commands (`recipients` may also be a dict: those of each); `tls`: an ssl.SSLContext for STARTTLS."""
        if isinstance(recipients, str):
            recipients = [recipients]
        if not isinstance(recipients, dict):
            recipients = dict.fromkeys(recipients, rcpt)
        client = relais.client()
        if tls:
            client.starttls(context=tls)
        client.ehlo()
        code, text = client.mail(sender, mail)
        self.assertEqual(code, 250, text)
        for recipient, parameters in recipients.items():
            code, text = client.rcpt(recipient, parameters)
            self.assertEqual(code, 250, text)
        code, text = client.data(content)
        self.assertEqual(code, 250, text)
        client.quit()
        self.assertRegex(text, rb"^2\.0\.0 Ok: queued as [0-9A-Za-z]+$")
        return text.rsplit(b" ", 1)[1].decode()

    # -- assertions --------------------------------------------------------------------------------

    def assert_relayed(self, stored, sent, by_peer):
        """`stored` is `sent` octet for octet, below trace fields: ours, and on top those of the peer."""
        on_top = stored.prefix_before(sent)
        if on_top is None:
            self.fail(f"{stored.origin}: not what was sent.\n got: {stored.octets[:2000]!r}\nsent: {sent[:2000]!r}")
        fields = header_fields(on_top)
        received = [value for name, value in fields if name == "Received"]
        self.assertEqual(len(received), 2, fields)
        self.assertIn(f"by {by_peer}", received[0])
        self.assertRegex(received[1], rf"by {HOSTNAME}\b.*;\s\w+, \d+ \w+ \d+ \d\d:\d\d:\d\d \+0000")
        self.assertIn("client.test.example", received[1])
        self.assertEqual(fields[-1][0], "Received")
        self.assertLessEqual({name.title() for name, _ in fields},
                             {"Return-Path", "X-Original-To", "Delivered-To", "Received"})

    def parsed_report(self, octets):
        """An RFC 3464 report: (the message, its per-message fields, its per-recipient fields, headers returned)."""
        report = email.message_from_bytes(octets, policy=email.policy.default)
        self.assertEqual(report.defects, [])
        self.assertEqual(report.get_content_type(), "multipart/report")
        self.assertEqual(report.get_param("report-type"), "delivery-status")
        parts = list(report.iter_parts())
        self.assertEqual([p.get_content_type() for p in parts][:2], ["text/plain", "message/delivery-status"])
        blocks = parts[1].get_payload()  # one Message per group of fields
        self.assertIn(parts[2].get_content_type(), ("text/rfc822-headers", "message/rfc822"))
        returned = parts[2].get_payload(decode=False)
        if isinstance(returned, list):
            returned = returned[0].as_string()
        return report, blocks[0], [b for b in blocks[1:] if b.keys()], returned


def main():
    """What every test file calls: skips with a sentence where the tests cannot run."""
    worlds.require_root_and_peers()
    unittest.main(verbosity=2)
