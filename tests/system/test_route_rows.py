"""Rows of `routes` and `reply_rules` in the real daemon: which next hop gets what, by recipient, sender and
listener; source address, EHLO name, fallback; discard, error and hold; a rule that turns a refusal around.
"""

from harness import relaisctl
from harness.case import SystemTest, main
from harness.relais import Relais
from harness.sink import Sink
from harness.world import SMTP_PORT

HOME, FIRST, SECOND, SOURCE = 20, 21, 22, 40
SENDER = "joe@home.test.example"


class RouteRows(SystemTest):
    @classmethod
    def neighbours(cls):
        at = cls.world.address
        cls.start_dns("home MX 10 mx.home", f"mx.home A {at(HOME)}")
        cls.home, cls.first, cls.second = [Sink(cls.world, n).start() for n in (HOME, FIRST, SECOND)]

    def setUp(self):
        self.before = {sink: len(sink.messages()) for sink in (self.home, self.first, self.second)}
        for sink in self.before:
            sink.script()

    def arrived(self, sink, count=1):
        """What came to the sink in this test: the facts of each message."""
        return [facts for facts, _ in sink.wait_for(self.before[sink] + count)[self.before[sink]:]]

    def hop(self, host):
        return f"[{self.world.address(host)}]:{SMTP_PORT}"

    def send(self, relay, recipients, sender=SENDER):
        _, content = self.message(sender=sender)
        return self.submit(relay, sender, recipients, content)

    def test_recipients_senders_and_the_rest(self):
        relay = self.relais(routes=[
            {"recipients": ["a.example", ".sub.example"], "next_hops": [self.hop(FIRST)]},
            {"senders": ["news@home.test.example"], "next_hops": [self.hop(SECOND)],
             "source_ipv4": self.world.address(SOURCE), "hello": "news.test.example"}])
        self.send(relay, ["x@a.example", "y@b.sub.example", "z@home.test.example"])
        self.assertEqual(self.arrived(self.first)[0]["rcpt_to"], ["x@a.example", "y@b.sub.example"])
        self.assertEqual(self.arrived(self.home)[0]["rcpt_to"], ["z@home.test.example"])
        self.send(relay, ["x@home.test.example"], "news@home.test.example")
        facts = self.arrived(self.second)[0]
        self.assertEqual((facts["helo"], facts["peer"]), ("news.test.example", self.world.address(SOURCE)))

    def test_a_listener_has_a_way_of_its_own(self):
        listeners = [f"{self.world.address(1)}:{port}" for port in (SMTP_PORT, SMTP_PORT + 1)]
        relay = self.relais(listeners=[{"address": a} for a in listeners],
                            routes=[{"listeners": [listeners[1]], "next_hops": [self.hop(FIRST)]}])
        self.send(relay, ["x@home.test.example"])
        self.arrived(self.home)
        relay.port += 1
        self.send(relay, ["x@home.test.example"])
        self.arrived(self.first)
        self.assertEqual(len(self.home.messages()), self.before[self.home] + 1)

    def test_discard_and_error(self):
        relay = self.relais(routes=[
            {"recipients": ["gone@a.example"], "action": "discard"},
            {"recipients": ["a.example"], "action": "error", "text": "5.7.1 Closed for good"}])
        number = self.send(relay, ["gone@a.example", "x@a.example"])
        relay.wait_for_log(rf"{number}: to=<gone@a\.example>.*dsn=2\.0\.0, status=sent \(discarded by route 1 \(.*:\d+\)\)")
        relay.wait_for_log(rf"{number}: to=<x@a\.example>.*dsn=5\.7\.1, status=bounced \(Closed for good.*route 2")
        _, report = self.home.wait_for(self.before[self.home] + 1)[-1]
        _, _, recipients, _ = self.parsed_report(report.octets)
        self.assertEqual([(r["Final-Recipient"], r["Status"]) for r in recipients], [("rfc822; x@a.example", "5.7.1")])

    def test_hold_keeps_the_message(self):
        relay = self.relais(routes=[{"recipients": ["a.example"], "action": "hold"}])
        number = self.send(relay, ["x@a.example"])
        relay.wait_for_log(rf"{number}: on hold by route 1 ")
        self.assertEqual(relay.terminate(), 0)
        held = relaisctl.queue(relay.spool)
        self.assertEqual([(m["id"], m["held"]) for m in held], [(number, True)])

    def test_the_fallback_takes_over_behind_two_attempts(self):
        self.first.script(mail="451 4.3.0 not today")
        relay = self.relais(routes=[{"recipients": ["a.example"], "next_hops": [self.hop(FIRST)],
                                     "fallback": [self.hop(SECOND)], "fallback_attempts": 2}])
        number = self.send(relay, ["x@a.example"])
        self.arrived(self.second)
        relay.wait_for_log(rf"{number}: to=<x@a\.example>.*status=sent")
        self.assertEqual(len(relay.process.matches(rf"{number}: to=<x@a\.example>.*status=deferred")), 2)

    def test_a_reply_rule_turns_a_refusal_around(self):
        self.first.script(rcpt={"x@a.example": "550 5.1.1 temporarily unknown", "*": None})
        relay = self.relais(routes=[{"recipients": ["a.example"], "next_hops": [self.hop(FIRST)]}],
                            reply_rules=[{"reply": "^550 .*TEMPORARILY", "action": "defer"}])
        number = self.send(relay, ["x@a.example"])
        relay.wait_for_log(rf"{number}: to=<x@a\.example>.*status=deferred.*temporarily unknown")
        self.first.script()
        relay.wait_for_log(rf"{number}: to=<x@a\.example>.*status=sent")

    def test_a_configuration_with_a_row_that_cannot_match_is_refused(self):
        relay = Relais(self.world, 1, routes=[{"action": "hold"}, {"recipients": ["a.example"]}])
        relay.launch()
        self.assertEqual(relay.process.wait(), 78)
        self.assertRegex(relay.log, r"relais\.yaml:\d+:\d+: route 2: it never matches, as route 1")


if __name__ == "__main__":
    main()
