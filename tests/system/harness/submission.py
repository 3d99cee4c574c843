"""The base of tests about users who send mail: a relay with a port of each kind, certificates of a private
authority, a users file made by relaisctl, and the sink as the next hop of everything.
"""

import base64
import re

from . import relaisctl
from .case import SystemTest
from .certificates import Authority
from .mailbox import header_fields
from .process import eventually
from .relais import HOSTNAME, Relais, merged
from .sink import Sink
from .submitters import HELO, Door, Letter
from .world import SMTP_PORT

SINK = 20
SUBMISSION, SUBMISSIONS = 2587, 2465  # STARTTLS demanded, implicit TLS
USER, PASSWORD = "joe@exim.test.example", "pa ss:w%rd"
RECIPIENT = "ann@sink.test.example"
TLS_CLAUSE = r"\(using TLSv1\.[23] with cipher [\w-]+ \(\d+/\d+ bits\)\)"


class SubmissionTest(SystemTest):
    settings = {}  # of the class's relay, over what is below

    @classmethod
    def neighbours(cls):
        cls.start_dns("sink MX 10 mx.sink", f"mx.sink A {cls.world.address(SINK)}", *cls.dns_records())
        cls.sink = Sink(cls.world, SINK).start()
        cls.authority = Authority(cls.world)
        addresses = ["IP:" + cls.world.address(host) for host in range(1, 16)]
        as_name = cls.world.address(1)  # s-nail looks for the address among the names only
        cls.certificate = cls.authority.issue(HOSTNAME, names=[*addresses, as_name])
        cls.users_file = cls.world.folder("users") / "users"
        relaisctl.add_user(cls.users_file, USER, PASSWORD)
        cls.prepare()
        cls.relay = Relais(cls.world, **cls.service(cls.relay_settings())).start()

    @classmethod
    def dns_records(cls):
        return ()

    @classmethod
    def prepare(cls):
        """What relay_settings() needs besides."""

    @classmethod
    def relay_settings(cls):
        return cls.settings

    @classmethod
    def service(cls, changes=None, host=1):
        """Settings of a relay with a relay port and both submission ports."""
        address = cls.world.address(host)
        return merged({
            "listeners": [{"address": f"{address}:{SMTP_PORT}"},
                          {"address": f"{address}:{SUBMISSION}", "role": "submission"},
                          {"address": f"{address}:{SUBMISSIONS}", "role": "submission", "tls": "implicit"}],
            "tls": {"certificates": [cls.certificate.settings()]},
            "auth": {"users_file": str(cls.users_file), "failure_delay": "10ms"},
        }, changes or {})

    def door(self, port=SUBMISSION, tls="starttls", user=USER, password=PASSWORD, mechanism="PLAIN", relay=None, **more):
        return Door((relay or self.relay).address, port, tls, self.authority.certificate, user, password, mechanism, **more)

    def letter(self, body=b"Hello.\r\n.a dot\r\n\r\nthe end\r\n", sender=USER, recipient=RECIPIENT, subject=None):
        identity, content = self.message(body, sender, recipient)
        content = content.replace(b"Subject: system test", b"Subject: " + (subject or identity).encode())
        letter = Letter(sender, recipient, content, self.world.new_folder("letter"))
        letter.identity = identity
        letter.mark = (subject or identity).encode()
        return letter

    # -- what became of it -------------------------------------------------------------------------

    def arrival(self, letter, sink=None):
        """(facts, stored) of the one message with its subject at the next hop."""
        found = eventually(lambda: [m for m in (sink or self.sink).messages() if b"Subject: " + letter.mark in m[1].octets],
                           lambda: f"{letter.mark!r} at the sink\n{self.relay.log[-3000:]}")
        self.assertEqual(len(found), 1)
        return found[0]

    def assert_submitted(self, door, letter, relay=None, protocol=None, whole=True, client=r"127\.0\.0\.1", name=r"\S+"):
        """It arrived as it was written, with a trace header and log lines that tell how it came."""
        relay = relay or self.relay
        facts, stored = self.arrival(letter)
        self.assertEqual((facts["mail_from"], facts["rcpt_to"]), (letter.sender, letter.recipients))
        trace = self.our_trace(stored)
        protocol = protocol or "ESMTP" + ("S" if door.tls != "none" else "") + ("A" if door.mechanism else "")
        self.assertIn(f" with {protocol} id ", trace)
        if door.tls == "none":
            self.assertNotIn("using", trace)
        else:
            self.assertRegex(trace, TLS_CLAUSE)
        self.assertRegex(trace, rf"from {re.escape(HELO)} \({name} \[{client}\]\)")
        if whole:
            self.assertIsNotNone(stored.prefix_before(letter.content), stored.octets[:3000])
        queue_id = re.search(r" id (\w+)", trace)[1]
        login = rf", sasl_method={door.mechanism}, sasl_username={re.escape(door.user or '')}" if door.mechanism else ""
        relay.wait_for_log(rf"smtpd\S*: {queue_id}: client={name}\[{client}\]{login}$")
        self.assert_secret_kept(door, relay)
        return facts, stored, queue_id

    @staticmethod
    def our_trace(stored):
        received = [value for name, value in header_fields(stored.octets.split(b"\r\n\r\n", 1)[0] + b"\r\n")
                    if name == "Received"]
        return next(value for value in received if f"by {HOSTNAME} " in value)

    def assert_secret_kept(self, door, relay=None):
        log = (relay or self.relay).log
        if door.password:
            for secret in (door.password, base64.b64encode(f"\0{door.user}\0{door.password}".encode()).decode(),
                           base64.b64encode(door.password.encode()).decode()):
                self.assertNotIn(secret, log)
