"""Delivery by LMTP (RFC 2033) into a real mail store, Dovecot's, over its UNIX socket and over TCP: each recipient has
a fate of its own, also behind the content, and nobody gets a message twice because somebody else's delivery failed.
"""

import re

from harness.case import SystemTest, main
from harness.dovecot_lmtp import DovecotLmtp
from harness.sink import Sink

BOX, SENDERS = 30, 20
DOMAIN = "box.test.example"
ORIGIN = "joe@senders.test.example"


class Lmtp(SystemTest):
    @classmethod
    def neighbours(cls):
        cls.start_dns("senders MX 10 mx.senders", f"mx.senders A {cls.world.address(SENDERS)}")
        cls.sink = Sink(cls.world, SENDERS).start()

    def store(self, host):
        store = DovecotLmtp(self.world, host, DOMAIN, ("joe", "ann", "bob"))
        store.start()
        self.addCleanup(store.stop)
        return store

    def exercise(self, store, next_hop, relay_text):
        relay = self.relais(routes=[{"name": "store", "recipients": [DOMAIN], "next_hops": [next_hop],
                                     "protocol": "lmtp"}],
                            retry={"intervals": ["1s"], "queue_lifetime": "120h"})
        identity, content = self.message(b".\r\n..\r\ncaf\xc3\xa9\r\n", sender=ORIGIN)
        users = ("joe", "nobody", "broken", "ann")
        queue_id = self.submit(relay, ORIGIN, [f"{user}@{DOMAIN}" for user in users], content)
        for user in ("joe", "ann"):
            stored = store.mail.wait_for(f"{user}@{DOMAIN}", matching=lambda o: identity.encode() in o)
            self.assertEqual(len(stored), 1)
            self.assertIsNotNone(stored[0].prefix_before(content), stored[0].octets)
        relay.wait_for_log(rf"{queue_id}: to=<nobody@{DOMAIN}>, relay={relay_text}.*dsn=5\.1\.1, status=bounced")
        relay.wait_for_log(rf"{queue_id}: to=<broken@{DOMAIN}>.*dsn=4\.2\.0, status=deferred.*451 4\.2\.0")
        # The one that failed is tried again, alone.
        relay.wait_for_log(rf"{queue_id}: to=<broken@{DOMAIN}>.*status=deferred", count=3)
        for user in ("joe", "ann"):
            self.assertEqual(len(store.mail.messages(f"{user}@{DOMAIN}")), 1)
            self.assertEqual(len(relay.process.matches(rf"{queue_id}: to=<{user}@{DOMAIN}>")), 1)
        reports = self.sink.wait_for(1)
        self.assertIn(f"nobody@{DOMAIN}".encode(), reports[-1][1].octets)
        self.assertNotIn(f"broken@{DOMAIN}".encode(), re.sub(rb"\n(To|Cc):[^\n]*", b"", reports[-1][1].octets))
        self.assertEqual(relay.terminate(), 0)

    def test_over_the_unix_socket(self):
        store = self.store(BOX)
        self.exercise(store, f"unix:{store.socket}", re.escape(f"unix:{store.socket}"))

    def test_over_tcp(self):
        store = self.store(BOX + 1)
        self.exercise(store, f"[{store.address}]:{store.port}", rf"\S*\[{store.address}\]:{store.port}")

    def test_a_store_that_is_down_defers_and_gets_everything_later(self):
        store = DovecotLmtp(self.world, BOX + 2, DOMAIN, ("joe", "ann", "bob"))
        relay = self.relais(routes=[{"recipients": [DOMAIN], "next_hops": [f"unix:{store.socket}"],
                                     "protocol": "lmtp"}])
        sent = []
        for n in range(10):
            identity, content = self.message(b"number %d\r\n" % n, sender=ORIGIN)
            self.submit(relay, ORIGIN, f"bob@{DOMAIN}", content)
            sent.append(identity)
        relay.wait_for_log(rf"to=<bob@{DOMAIN}>.*dsn=4\.4\.1, status=deferred")
        store.start()
        self.addCleanup(store.stop)
        stored = store.mail.wait_for(f"bob@{DOMAIN}", count=10)
        self.assertEqual(sorted(identity for identity in sent
                                for message in stored if identity.encode() in message.octets), sorted(sent))
        self.assertEqual(relay.terminate(), 0)


if __name__ == "__main__":
    main()
