"""What the hostile tests share: a relay between rude clients and two honest next hops, and the question
whether it is still well.

The harness is that of tests/system. The strangers' address is not in relay.trusted_networks; mail for
sink.test.example (tests/support/sink.py, which is strict and notes every octet) and postfix.test.example
(a real Postfix) is taken from them.
"""

import os
import pathlib
import re
import resource
import sys
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

from harness import relais as daemon  # noqa: E402
from harness.case import SystemTest, main  # noqa: E402, F401
from harness.clients import Session, dot_stuffed  # noqa: E402, F401
from harness.process import eventually  # noqa: E402
from harness.relais import Relais, merged  # noqa: E402
from harness.sink import Sink  # noqa: E402
from harness.world import SMTP_PORT  # noqa: E402

SINK, TRUSTED, STRANGER = 20, 200, 201  # last octets
HTTP_PORT = 9025
SENDER = "joe@exim.test.example"
AT_SINK, AT_POSTFIX = "ann@sink.test.example", "jane@postfix.test.example"
SANITIZED = b"__asan_init" in pathlib.Path(daemon.PROGRAM).read_bytes() if os.path.exists(daemon.PROGRAM) else False
MEMORY = (1200 if SANITIZED else 300) << 20  # octets that no client may drive the daemon above
REPORT = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|terminate called|Assertion")


class HostileTest(SystemTest):
    postfix_behind = False
    settings = {}  # of the class's relay, over what is below

    @classmethod
    def neighbours(cls):
        cls.start_dns("sink MX 10 mx.sink", f"mx.sink A {cls.world.address(SINK)}")
        cls.sink = Sink(cls.world, SINK).start()
        if cls.postfix_behind:
            cls.start_postfix()
        cls.trusted, cls.stranger = cls.world.address(TRUSTED), cls.world.address(STRANGER)
        raise_descriptor_limit()
        cls.relay = Relais(cls.world, **merged({
            "relay": {"trusted_networks": [f"{cls.trusted}/32"],
                      "domains": ["sink.test.example", "postfix.test.example"]},
            "http": {"listen": f"{cls.world.address(1)}:{HTTP_PORT}"},
            "limits": {"error_delay": "10ms", "junk_commands": 0, "connections_per_client": 2000},
            "policy": {"client_names": False},
        }, cls.relay_settings())).start()

    @classmethod
    def relay_settings(cls):
        return cls.settings

    def session(self, source=None, **options):
        """From a stranger, unless said otherwise."""
        session = Session(self.relay, source=source or self.stranger, **options)
        self.addCleanup(session.close)
        return session

    def in_transaction(self, source=None, recipients=(AT_SINK,), **options):
        session = self.session(source, **options)
        session.hello()
        self.assertEqual(session.command(f"MAIL FROM:<{SENDER}>").code, 250)
        for recipient in recipients:
            self.assertEqual(session.command(f"RCPT TO:<{recipient}>").code, 250)
        return session

    def in_data(self, source=None, recipients=(AT_SINK,), **options):
        session = self.in_transaction(source, recipients, **options)
        self.assertEqual(session.command("DATA").code, 354)
        return session

    # -- is it well? -------------------------------------------------------------------------------

    def memory(self):
        """Resident octets."""
        status = pathlib.Path(f"/proc/{self.relay.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) << 10

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.relay.process.pid}/fd"))

    def assert_well(self):
        """Alive, not swollen, ready, no report of a sanitizer, and an honest message passes."""
        self.assertTrue(self.relay.process.is_running(), self.relay.log[-4000:])
        self.assertLess(self.memory(), MEMORY)
        try:
            with urllib.request.urlopen(f"http://{self.relay.address}:{HTTP_PORT}/readyz", timeout=30) as answer:
                self.assertEqual(answer.status, 200)
        except urllib.error.HTTPError as e:
            self.fail(f"/readyz: {e.code} {e.read()!r}")
        identity, content = self.message(b"an honest message\r\n", sender=SENDER, recipient=AT_SINK)
        session = self.in_data()
        reply = session.send(dot_stuffed(content) + b"\r\n").reply()
        self.assertEqual(reply.code, 250, reply)
        self.assertEqual(session.command("QUIT").code, 221)
        self.assert_arrives_once(identity, content)
        self.assertEqual([line for line in self.relay.process.lines if REPORT.search(line)], [])

    def assert_arrives_once(self, identity, content):
        """At the sink, below our trace header, octet for octet."""
        def arrived():
            return [stored for _, stored in self.sink.messages() if identity.encode() in stored.octets]
        stored = eventually(arrived, lambda: f"{identity} at the sink:\n{self.relay.log[-4000:]}")
        self.assertEqual(len(stored), 1)
        self.assertIsNotNone(stored[0].prefix_before(content), stored[0].octets)

    @classmethod
    def tearDownClass(cls):
        """Stopped politely, so that a sanitizer can speak of leaks: exit code 0."""
        relay = getattr(cls, "relay", None)
        if relay is not None and relay.process.is_running():
            code = relay.terminate()
            if code != 0:
                cls.failed = True
                raise AssertionError(f"relaisd ended with {code}:\n{relay.log[-4000:]}")


def raise_descriptor_limit():
    """This process and what it starts may use all that the system grants."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


