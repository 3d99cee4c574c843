"""kill -9 at random moments under load, again and again on the same spool: zero lost, duplicates counted.

Several clients send messages of mixed sizes (some large enough for a file of their own) and note each one
that was answered 250; a next hop takes them, now and then deferring a recipient, so that states are written
all the time. The daemon is killed while all this goes on, sometimes in the middle of its start, and started
again on what is left. At the end everything that was acknowledged must have arrived, octet for octet, for
every recipient; a message that was never acknowledged may have arrived, but whole.

RELAIS_KILL_ROUNDS: kills, 10 by default. RELAIS_KILL_SEED: repeats the choices of a run (not its timing).
"""

import base64
import collections
import hashlib
import json
import os
import random
import re
import smtplib
import threading

from harness import relaisctl
from harness.case import SystemTest, main
from harness.process import eventually
from harness.sink import Sink
from harness.world import SMTP_PORT

ROUNDS = int(os.environ.get("RELAIS_KILL_ROUNDS") or 10)
SEED = int(os.environ.get("RELAIS_KILL_SEED") or random.SystemRandom().getrandbits(32))
SENDERS = 6
SINK = 20
PATIENCE = 120.0
KIB = 1024
STUCK = "stuck@sink.test.example"  # deferred until the end, so that old segments never run empty by themselves


class Ledger:
    """What was sent and what was acknowledged, by Message-ID; and who waits for the next 250."""

    def __init__(self):
        self.changed = threading.Condition()
        self.sent = {}  # id -> (length, sha256)
        self.acknowledged = {}  # id -> recipients
        self.queue_ids = set()

    def offer(self, identity, content):
        with self.changed:
            self.sent[identity] = (len(content), hashlib.sha256(content).digest())

    def acknowledge(self, identity, recipients, queue_id):
        with self.changed:
            self.acknowledged[identity] = recipients
            if queue_id in self.queue_ids:
                raise AssertionError(f"the id {queue_id} was given twice")
            self.queue_ids.add(queue_id)
            self.changed.notify_all()

    def await_count(self, count, why):
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.acknowledged) >= count, PATIENCE):
                raise AssertionError(f"{len(self.acknowledged)} of {count} messages acknowledged\n{why()}")


class Client(threading.Thread):
    """Sends on one connection until it breaks."""

    def __init__(self, relay, ledger, name, seed):
        super().__init__(daemon=True)
        self.relay, self.ledger, self.label, self.random = relay, ledger, name, random.Random(seed)
        self.failure = None

    def size(self):
        kind = self.random.random()
        if kind < 0.7:
            return self.random.randrange(100, 20 * KIB)
        if kind < 0.95:
            return self.random.randrange(20 * KIB, 250 * KIB)
        return self.random.randrange(260 * KIB, 1500 * KIB)  # beyond inline_max

    def content(self, identity):
        octets = base64.encodebytes(self.random.randbytes(self.size() * 3 // 4)).replace(b"\n", b"\r\n")
        return f"Message-ID: {identity}\r\nSubject: {self.label}\r\n\r\n.\r\n".encode() + octets

    def run(self):
        try:
            with self.relay.client() as client:
                for number in range(900):  # limits.messages_per_connection
                    self.send(client, f"<{self.label}.{number}@client.test.example>")
        except (OSError, smtplib.SMTPException):
            pass  # killed
        except BaseException as e:
            self.failure = e
            raise

    def send(self, client, identity):
        content = self.content(identity)
        own = identity[1:].split("@")[0]
        recipients = [f"{own}.{n}@sink.test.example" for n in range(self.random.choice((1, 1, 1, 2, 2, 12)))]
        if self.random.random() < 0.05:
            recipients.append(STUCK)
        self.ledger.offer(identity, content)
        client.ehlo_or_helo_if_needed()
        answers = [client.mail("joe@client.test.example")] + [client.rcpt(r) for r in recipients]
        if any(code != 250 for code, _ in answers):
            raise smtplib.SMTPException(answers)
        code, text = client.data(content)
        if code == 250:
            self.ledger.acknowledge(identity, recipients, text.rsplit(b" ", 1)[1].decode())


class Arrivals:
    """What the next hop has, read once each; the octets are compared with what was sent."""

    def __init__(self, folder, ledger):
        self.folder, self.ledger = folder, ledger
        self.seen, self.times, self.faults = set(), collections.Counter(), []

    def update(self):
        for facts in self.folder.glob("*.json"):
            if facts.name not in self.seen:
                self.seen.add(facts.name)
                self.take(json.loads(facts.read_text()), facts.with_suffix(".eml").read_bytes())

    def take(self, facts, octets):
        start = octets.find(b"Message-ID: ")
        identity = octets[start + 12 : octets.find(b"\r\n", start)].decode() if start >= 0 else None
        with self.ledger.changed:
            length, digest = self.ledger.sent.get(identity, (0, None))
        head, content = octets[: len(octets) - length], octets[len(octets) - length :]
        if hashlib.sha256(content).digest() != digest:
            self.faults.append(f"{identity}: not what was sent: {octets[:300]!r}")
        if not head.startswith(b"Received: ") or re.search(rb"\r\n(?![ \t]).", head, re.S):
            self.faults.append(f"{identity}: more than a trace field on top: {head[:600]!r}")
        if any(r != STUCK and not r.startswith(identity[1:].split("@")[0] + ".") for r in facts["rcpt_to"]):
            self.faults.append(f"{identity}: recipients {facts['rcpt_to']}")
        self.times.update((identity, recipient) for recipient in facts["rcpt_to"])

    def missing(self, stuck_too):
        self.update()
        wanted = {(identity, r) for identity, recipients in self.ledger.acknowledged.items() for r in recipients
                  if stuck_too or r != STUCK}
        return wanted - set(self.times)


class Kill(SystemTest):
    def script(self, chance):
        """The next hop defers now and then; each list is used up once, then all is well."""
        def some(text):
            return [text if chance.random() < 0.15 else None for _ in range(60)]
        self.sink.script(rcpt={STUCK: "450 4.2.1 never yet", "*": some("450 4.2.1 not now")},
                         end_of_data=some("451 4.3.0 later"))

    def one_round(self, number, chance):
        during_start = chance.random() < 0.2
        if during_start:
            self.relay.launch().process.wait_for_line("listening on")
            self.relay.kill()
        self.script(chance)
        self.relay.start()
        if number % 2 == 1:  # then segments run empty, and are used again
            self.await_arrivals(stuck_too=False)
        clients = [Client(self.relay, self.ledger, f"{number}.{n}", chance.getrandbits(64))
                   for n in range(SENDERS)]
        target = len(self.ledger.acknowledged) + chance.randrange(5, 250)
        for client in clients:
            client.start()
        self.ledger.await_count(target, lambda: self.relay.log[-5000:])
        self.relay.kill()
        for client in clients:
            client.join(PATIENCE)
            self.assertIsNone(client.failure)
        # A torn tail is no damage.
        check = relaisctl.run("--spool", self.relay.spool, "spool", "check")
        self.assertEqual(check.code, 0, f"round {number}: {check}")
        if chance.random() < 0.5:
            self.assert_readers_agree(number)

    def assert_readers_agree(self, number):
        """What recovery makes of the surviving files is what a reader without our code makes of them."""
        independent = relaisctl.read_independently(self.relay.spool, "--json", "--quick")
        self.assertEqual(independent.code, 0, f"round {number}: {independent}")
        there = [{k: v for k, v in m.items() if k != "live"} for m in independent.json()]
        self.assertEqual(there, relaisctl.queue(self.relay.spool), f"round {number}")

    def await_arrivals(self, stuck_too):
        def missing():
            return sorted(self.arrivals.missing(stuck_too))
        eventually(lambda: not missing(), lambda: f"missing: {missing()[:20]}\n{self.relay.log[-5000:]}", PATIENCE)

    def drain(self):
        """Restarts until nothing is queued: also what was never acknowledged, but is durable, goes out."""
        self.sink.script()
        self.relay.start()
        self.await_arrivals(stuck_too=True)
        for _ in range(5):
            self.assertEqual(self.relay.terminate(), 0)
            left = relaisctl.queue(self.relay.spool)
            if not left:
                return
            self.relay.start()
            for message in left:
                self.relay.wait_for_log(rf"{message['id']}: removed", timeout=PATIENCE)
        self.fail(f"still queued: {left}")

    def test_kill_9_at_random_moments_loses_nothing_that_was_acknowledged(self):
        print(f"seed {SEED}, {ROUNDS} rounds", flush=True)
        chance = random.Random(SEED)
        self.sink = Sink(self.world, SINK).start()
        self.addCleanup(self.sink.stop)
        self.relay = self.relais(
            smarthost={"host": f"[{self.sink.address}]:{SMTP_PORT}"},
            retry={"intervals": ["1s"], "jitter": 0},
            # Small and eager, so that everything happens: recycling, compaction, checkpoints.
            spool={"segment_size": "4 MiB", "inline_max": "256 KiB", "minimum_free": "16 MiB",
                   "checkpoint_after": "4 MiB", "compaction_slack": "0 B"})
        self.relay.kill()
        self.ledger = Ledger()
        self.arrivals = Arrivals(self.world.directory / f"sink-{SINK}/store", self.ledger)
        for number in range(ROUNDS):
            self.one_round(number, chance)
            self.arrivals.update()
        self.drain()
        self.arrivals.update()
        again = sum(n - 1 for n in self.arrivals.times.values())
        print(f"{len(self.ledger.sent)} messages sent, {len(self.ledger.acknowledged)} acknowledged, "
              f"{len(self.arrivals.times)} deliveries, {again} of them more than once", flush=True)
        self.assertEqual(self.arrivals.faults, [])
        self.assertEqual(self.arrivals.missing(stuck_too=True), set())
        self.assert_recycled()

    def assert_recycled(self):
        """Otherwise the test has not shown what it is for: segments were used again, large files went."""
        heads = [p.read_bytes()[:512] for p in (self.relay.spool / "segments").iterdir()]
        numbers = [int(found[1], 16) for found in (re.search(rb" number=([0-9a-f]{8}) ", h) for h in heads) if found]
        highest = max(numbers)
        print(f"{len(heads)} segment files, {highest} uses of them", flush=True)
        if ROUNDS >= 10:
            self.assertGreater(highest, len(heads))
        large = self.relay.spool / "large"
        self.assertEqual([str(p) for p in large.rglob("*") if p.is_file()], [])


if __name__ == "__main__":
    main()
