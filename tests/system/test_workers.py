"""The daemon with four workers, all of whose doors are used at once: clients in clear and under TLS, next hops that
are good, silent or gone, an operator who gives every kind of order, reloads and probes, and a restart in the middle.

Whatever was acknowledged arrives, once. What this is for besides: `./dev test tsan` runs it with ThreadSanitizer,
which must have nothing to say.
"""

import base64
import collections
import http.client
import itertools
import random
import signal
import smtplib
import socket
import threading

from harness import relaisctl
from harness.case import main
from harness.process import eventually
from harness.sink import Sink
from harness.submission import PASSWORD, SUBMISSION, SUBMISSIONS, USER, SubmissionTest
from harness.world import SMTP_PORT

GOOD, OVER_TLS, SILENT, GONE = 30, 31, 32, 33  # last octets of next hops, each with some domains
DOMAINS, HTTP_PORT, STRANGER = 6, 9025, 200
MESSAGES, CLIENTS = 40, 4  # each client sends so many before and behind the restart
OPERATORS = 2
PATIENCE = 120.0


class Workers(SubmissionTest):
    @classmethod
    def dns_records(cls):
        return [record for host in (GOOD, OVER_TLS, SILENT, GONE)
                for record in (f"mx{host} A {cls.world.address(host)}",
                               *(f"d{n}.h{host} MX 10 mx{host}" for n in range(DOMAINS)))]

    @classmethod
    def prepare(cls):
        cls.good = Sink(cls.world, GOOD).start()
        cls.over_tls = Sink(cls.world, OVER_TLS, cls.world.certificate("mx.test.example")).start()

    @classmethod
    def relay_settings(cls):
        return {"workers": 4, "http": {"listen": f"{cls.world.address(1)}:{HTTP_PORT}"},
                "relay": {"trusted_networks": ["127.0.0.1/32"], "domains": ["d0.h30.test.example"]},
                "auth": {"failures_per_client": 0},
                "policy": {"greylist": {"enabled": True, "delay": "1s"}, "dns_lists": ["bl.test.example"],
                           "rates": [{"of": "messages", "per": "client", "limit": 1000000, "window": "1h"}]},
                "limits": {"connections_per_client": 500},
                "delivery": {"concurrency": 12, "concurrency_per_host": 4, "host_retry": "1s"},
                "client_timeout": {"connect": "1s", "greeting": "1s"},
                # Small and eager, so that segments are used again, compacted and noted in checkpoints meanwhile.
                "spool": {"segment_size": "4 MiB", "inline_max": "64 KiB", "minimum_free": "16 MiB",
                          "checkpoint_after": "4 MiB", "compaction_slack": "0 B"}}

    def setUp(self):
        # Takes connections, and never says a word.
        silent = socket.create_server((self.world.address(SILENT), SMTP_PORT), backlog=200)
        self.addCleanup(silent.close)
        self.guard, self.acknowledged, self.faults = threading.Lock(), set(), []
        self.over = threading.Event()
        self.addCleanup(self.over.set)
        self.hands, self.may_order = threading.Semaphore(OPERATORS), threading.Event()
        self.may_order.set()

    def work(self, *jobs):
        threads = [threading.Thread(target=self.guarded, args=(job, number), daemon=True) for number, job in enumerate(jobs)]
        for thread in threads:
            thread.start()
        return threads

    def guarded(self, job, number):
        try:
            job(random.Random(number))
        except Exception as e:
            self.faults.append(e)

    def finish(self, threads):
        for thread in threads:
            thread.join(PATIENCE)
            self.assertFalse(thread.is_alive(), self.relay.log[-5000:])
        self.assertEqual(self.faults, [])

    # -- who uses which door -----------------------------------------------------------------------

    def send(self, chance):
        """So many messages, acknowledged, over as many connections as that takes."""
        left = MESSAGES
        while left > 0:
            client = self.logged_in(chance)
            try:
                for _ in range(chance.randrange(1, 10)):
                    left -= self.send_one(client, chance)
            except smtplib.SMTPException:
                pass  # the restart
            client.close()

    def logged_in(self, chance):
        while True:
            try:
                kind = chance.choice(("clear", "starttls", "submission", "implicit"))
                return getattr(self, "connect_" + kind)()
            except (OSError, smtplib.SMTPException):
                if self.over.wait(0.01):  # while it restarts
                    raise

    def connect_clear(self):
        return smtplib.SMTP(self.relay.address, SMTP_PORT, "client.test.example", timeout=60)

    def connect_starttls(self, port=SMTP_PORT):
        client = smtplib.SMTP(self.relay.address, port, "client.test.example", timeout=60)
        client.starttls(context=self.authority.client_context())
        return client

    def connect_submission(self):
        client = self.connect_starttls(SUBMISSION)
        client.login(USER, PASSWORD)
        return client

    def connect_implicit(self):
        client = smtplib.SMTP_SSL(self.relay.address, SUBMISSIONS, "client.test.example", timeout=60,
                                  context=self.authority.client_context())
        client.login(USER, PASSWORD)
        return client

    def send_one(self, client, chance):
        """One or three recipients at different next hops; now and then large enough for a file. Returns 1 if taken."""
        with self.guard:
            identity, content = self.message(b"x" * 900 + b"\r\n")
        if chance.random() < 0.1:
            content += (b"y" * 998 + b"\r\n") * 100
        hosts = chance.sample((GOOD, OVER_TLS, SILENT, GONE), chance.choice((1, 1, 3)))
        recipients = [f"x@d{chance.randrange(DOMAINS)}.h{host}.test.example" for host in hosts]
        client.ehlo_or_helo_if_needed()
        if any(code != 250 for code in [client.mail(USER)[0], *(client.rcpt(r)[0] for r in recipients)]):
            client.close()
            return 0
        code, _ = client.data(content)
        if code != 250:
            return 0
        with self.guard:
            self.acknowledged.update((f"<{identity}>", r) for r in recipients)
        return 1

    def strangers(self, chance):
        """Greylisted, looked up in lists, counted together with those of other workers."""
        while not self.over.is_set():
            try:
                with smtplib.SMTP(self.relay.address, SMTP_PORT, "client.test.example", timeout=60,
                                  source_address=(self.world.address(STRANGER + chance.randrange(20)), 0)) as client:
                    client.ehlo()
                    client.mail(f"s{chance.randrange(5)}@far.example")
                    client.rcpt("x@d0.h30.test.example")
                    client.docmd("AUTH", "PLAIN " + base64.b64encode(b"\0nobody\0wrong").decode())
            except (OSError, smtplib.SMTPException):
                self.over.wait(0.01)

    def probe(self, _):
        while not self.over.wait(0.1):
            process = self.relay.process
            try:
                probe = http.client.HTTPConnection(self.relay.address, HTTP_PORT, timeout=60)
                probe.request("GET", "/readyz")
                probe.getresponse().read()
                probe.close()
            except (OSError, http.client.HTTPException):
                continue
            process.signal(signal.SIGHUP)  # the one that has answered: at its start another one would end of it

    def ctl(self, *arguments):
        return relaisctl.run("--config", self.relay.config, *arguments)

    def ids(self, chance):
        listed = self.ctl("queue", "list", "--json")
        found = [m["id"] for m in listed.json()] if listed.code == 0 else []
        return chance.sample(found, min(10, len(found))) or ["0123456789ABCDEF"]

    def give_orders(self, chance):
        """Every verb that loses nothing, in an order of its own."""
        domain = lambda host: f"d{chance.randrange(DOMAINS)}.h{host}.test.example"  # noqa: E731
        everything = ["--all", "--yes"]
        verbs = [lambda: ("status", "--json"), lambda: ("destinations",), lambda: ("queue", "list"),
                 lambda: ("queue", "show", self.ids(chance)[0]), lambda: ("queue", "cat", self.ids(chance)[0]),
                 lambda: ("queue", "hold", *everything), lambda: ("queue", "release", *everything),
                 lambda: ("queue", "retry", *everything), lambda: ("queue", "flush"),
                 lambda: ("queue", "hold", *self.ids(chance)), lambda: ("queue", "retry", *self.ids(chance)),
                 lambda: ("queue", "reroute", *self.ids(chance), "--to", domain(GOOD)),
                 lambda: ("queue", "reroute", *self.ids(chance), "--to", domain(OVER_TLS)),
                 lambda: ("queue", "remove", "--older", "1ms", "--dry-run"),
                 lambda: ("destination", "suspend", domain(GOOD)), lambda: ("destination", "suspend", domain(GONE)),
                 lambda: ("destination", "resume", domain(GOOD)), lambda: ("destination", "retry", domain(SILENT))]
        for verb in itertools.cycle(chance.sample(verbs, len(verbs))):
            if self.over.is_set():
                return
            self.may_order.wait(PATIENCE)
            with self.hands:
                self.ctl(*verb())

    def stop(self):
        code, log = self.relay.terminate(), self.relay.log
        report = log.find("WARNING: ThreadSanitizer")
        self.assertEqual((code, report), (0, -1), log[report:][:20000] if report >= 0 else log[-5000:])

    # -- what became of it -------------------------------------------------------------------------

    def arrived(self):
        return collections.Counter((stored.parsed()["Message-ID"], recipient) for sink in (self.good, self.over_tls)
                                   for facts, stored in sink.messages() for recipient in facts["rcpt_to"])

    def set_free(self):
        """All that waits goes to the good next hop."""
        for closed in self.ctl("destinations", "--closed", "--json").json():
            if closed["state"] == "suspended":
                self.ctl("destination", "resume", closed["destination"])
        for order in (("release", "--all"), ("reroute", "--to", "d0.h30.test.example", "--all")):
            done = self.ctl("queue", *order, "--yes")
            self.assertEqual(done.code, 0, done)

    def is_empty(self):
        self.set_free()
        return self.ctl("queue", "list").text == "Mail queue is empty\n"

    def test_all_doors_at_once(self):
        others = self.work(*[self.give_orders] * OPERATORS, self.strangers, self.strangers, self.probe)
        self.finish(self.work(*[self.send] * CLIENTS))
        clients = self.work(*[self.send] * CLIENTS)
        before = len(self.acknowledged)
        eventually(lambda: len(self.acknowledged) > before + 10, "clients go on", PATIENCE)
        self.may_order.clear()  # without a daemon relaisctl would take the spool
        for _ in range(OPERATORS):
            self.hands.acquire()
        self.stop()
        self.relay.start()
        self.hands.release(OPERATORS)
        self.may_order.set()
        self.finish(clients)
        self.over.set()
        self.finish(others)
        eventually(self.is_empty, lambda: f"everything has left:\n{self.ctl('queue', 'list').text}", PATIENCE)
        arrived = self.arrived()
        self.assertEqual({what for what in self.acknowledged if what not in arrived}, set())
        self.assertEqual({what: times for what, times in arrived.items() if times > 1}, {})
        self.stop()


if __name__ == "__main__":
    main()
