"""A refusal of the next MTA becomes a report in the sender's mailbox (RFC 3464), one per message, about
the refused recipients only, and never for the null sender (RFC 5321 6.1). Senders are warned of delays; what
cannot be reported is the postmaster's; storms of reports are spread. Who asked for what: test_reports.py.
"""

import email.utils

from harness import relaisctl
from harness.case import SystemTest, main
from harness.process import eventually
from harness.relais import HOSTNAME, Relais
from harness.sink import Sink

SENDER = "joe@exim.test.example"
SINK, FRAGILE = 20, 21


class Bounces(SystemTest):
    @classmethod
    def neighbours(cls):
        cls.start_dns("sink MX 10 mx.sink", f"mx.sink A {cls.world.address(SINK)}",
                      "fragile MX 10 mx.fragile", f"mx.fragile A {cls.world.address(FRAGILE)}")
        cls.start_exim()
        cls.start_postfix()
        cls.sink = Sink(cls.world, SINK).start()
        cls.relay = Relais(cls.world).start()

    def report_of(self, identity, mailbox=SENDER, peer=None):
        stored = (peer or self.exim).mail.wait_for(mailbox, matching=lambda o: identity.encode() in o)
        self.assertEqual(len(stored), 1)
        return stored[0]

    def check_report(self, stored, number, identity, failures, sender=SENDER):
        """`failures`: (recipient, status, part of the diagnostic, remote host) for each."""
        report, message_fields, recipients, returned = self.parsed_report(stored.octets)
        self.assertEqual(report["Return-Path"], "<>")
        self.assertEqual(report["To"], sender)
        self.assertEqual(email.utils.parseaddr(report["From"])[1], f"MAILER-DAEMON@{HOSTNAME}")
        self.assertTrue(report["Message-ID"] and report["Date"] and report["Subject"])
        self.assertEqual(report["MIME-Version"], "1.0")
        self.assertIn("auto-", report["Auto-Submitted"])
        self.assertEqual(message_fields["Reporting-MTA"], f"dns; {HOSTNAME}")
        self.assertTrue(message_fields["Arrival-Date"])
        found = {block["Final-Recipient"]: block for block in recipients}
        self.assertEqual(sorted(found), sorted(f"rfc822; {recipient}" for recipient, *_ in failures))
        words = report.get_payload(0).get_content()
        for recipient, status, diagnostic, host in failures:
            block = found[f"rfc822; {recipient}"]
            self.assertEqual(block["Action"], "failed")
            self.assertEqual(block["Status"], status)
            self.assertTrue(block["Diagnostic-Code"].startswith("smtp; 550"), block["Diagnostic-Code"])
            self.assertIn(diagnostic, " ".join(block["Diagnostic-Code"].split()))
            self.assertEqual(block["Remote-MTA"], f"dns; {host}")
            self.assertIn(recipient, words)
        self.assertIn(f"Message-ID: <{identity}>", returned)
        self.assertIn("Subject: system test", returned)
        self.relay.wait_for_log(rf"bounce\S*: {number}: sender non-delivery notification: \w+")
        self.relay.wait_for_log(rf"{number}: removed")

    def test_a_user_that_postfix_does_not_know(self):
        identity, content = self.message(recipient="nobody@postfix.test.example")
        number = self.submit(self.relay, SENDER, "nobody@postfix.test.example", content)
        self.check_report(self.report_of(identity), number, identity, [
            ("nobody@postfix.test.example", "5.1.1", "User unknown", "mx.postfix.test.example")])

    def test_a_user_that_exim_does_not_know(self):
        """Exim gives no enhanced code: the status is made of the reply code's class."""
        identity, content = self.message(recipient="nobody@exim.test.example")
        number = self.submit(self.relay, "joe@postfix.test.example", "nobody@exim.test.example", content)
        stored = self.report_of(identity, "joe@postfix.test.example", self.postfix)
        _, _, recipients, _ = self.parsed_report(stored.octets)
        self.assertRegex(recipients[0]["Status"], r"^5\.\d+\.\d+$")
        self.check_report(stored, number, identity, [
            ("nobody@exim.test.example", recipients[0]["Status"], "no such user here", "mx.exim.test.example")],
            "joe@postfix.test.example")

    def test_the_content_refused_after_data(self):
        self.sink.script(end_of_data="550 5.6.0 we do not like the words")
        self.addCleanup(self.sink.script)
        identity, content = self.message(recipient="a@sink.test.example")
        number = self.submit(self.relay, SENDER, ["a@sink.test.example", "b@sink.test.example"], content)
        self.check_report(self.report_of(identity), number, identity, [
            (f"{user}@sink.test.example", "5.6.0", "we do not like the words", "mx.sink.test.example")
            for user in "ab"])

    def test_several_domains_in_one_transaction_partly_refused(self):
        good = ["jane@postfix.test.example", "ann@postfix.test.example", "jane@exim.test.example",
                "x@sink.test.example"]
        bad = ["nobody@postfix.test.example", "nobody@exim.test.example"]
        identity, content = self.message(recipient="everybody")
        before = len(self.sink.messages())
        number = self.submit(self.relay, SENDER, good[:1] + bad[:1] + good[1:3] + bad[1:] + good[3:], content)
        stored = self.exim.mail.wait_for("jane@exim.test.example", matching=lambda o: identity.encode() in o)
        self.assertEqual(len(stored), 1)
        self.assert_relayed(stored[0], content, "mx.exim.test.example")
        for user in ("jane", "ann"):
            stored = self.postfix.mail.wait_for(f"{user}@postfix.test.example",
                                                matching=lambda o: identity.encode() in o)
            self.assertEqual(len(stored), 1)
            self.assert_relayed(stored[0], content, "mx.postfix.test.example")
        facts, kept = self.sink.wait_for(before + 1)[-1]
        self.assertEqual(facts["rcpt_to"], ["x@sink.test.example"])
        self.assertTrue(kept.octets.endswith(content))
        self.relay.wait_for_log(rf"{number}: removed")
        for recipient in bad:
            self.relay.wait_for_log(rf"{number}: to=<{recipient}>.*status=bounced \(.*550")
        reported = []
        for stored in self.exim.mail.wait_for(SENDER, matching=lambda o: identity.encode() in o):
            _, _, recipients, _ = self.parsed_report(stored.octets)
            reported += [block["Final-Recipient"] for block in recipients]
        # One report or one per next hop: each refused recipient is reported exactly once.
        if len(reported) < 2:
            self.exim.mail.wait_for(SENDER, 2, matching=lambda o: identity.encode() in o)
            reported = [block["Final-Recipient"] for stored in self.exim.mail.messages(SENDER)
                        if identity.encode() in stored.octets for block in self.parsed_report(stored.octets)[2]]
        self.assertEqual(sorted(reported), sorted(f"rfc822; {recipient}" for recipient in bad))

    def test_a_deferred_recipient_does_not_hold_back_the_others(self):
        self.sink.script(rcpt={"later@sink.test.example": ["451 4.2.0 busy", "452 4.2.2 still busy"]})
        self.addCleanup(self.sink.script)
        before = len(self.sink.messages())
        identity, content = self.message(recipient="now@sink.test.example")
        number = self.submit(self.relay, SENDER, ["now@sink.test.example", "later@sink.test.example"], content)
        self.relay.wait_for_log(
            rf"{number}: to=<later@sink.test.example>.*dsn=4\.2\.0, status=deferred \(.*451 4\.2\.0 busy")
        self.relay.wait_for_log(rf"{number}: to=<later@sink.test.example>.*dsn=4\.2\.2, status=deferred")
        self.relay.wait_for_log(rf"{number}: removed")
        kept = self.sink.messages()[before:]
        self.assertEqual([facts["rcpt_to"] for facts, _ in kept],
                         [["now@sink.test.example"], ["later@sink.test.example"]])
        self.assertEqual([facts["bare_lf"] or facts["bare_cr"] for facts, _ in kept], [False, False])

    def test_the_null_sender_never_gets_a_report(self):
        number = self.submit(self.relay, "", "nobody@postfix.test.example", self.message()[1])
        self.relay.wait_for_log(rf"{number}: to=<nobody@postfix.test.example>.*status=bounced")
        self.relay.wait_for_log(rf"{number}: removed")
        self.assertEqual(self.relay.process.matches(rf"{number}: sender non-delivery notification"), [])

    def test_a_report_that_cannot_be_delivered_is_not_reported(self):
        identity, content = self.message(recipient="nobody@postfix.test.example", sender="gone@exim.test.example")
        number = self.submit(self.relay, "gone@exim.test.example", "nobody@postfix.test.example", content)
        report = self.relay.wait_for_log(rf"{number}: sender non-delivery notification: (\w+)")[1]
        self.relay.wait_for_log(rf"{report}: to=<gone@exim.test.example>.*status=bounced")
        self.relay.wait_for_log(rf"{report}: the report to <gone@exim.test.example> cannot be delivered and is dropped")
        self.relay.wait_for_log(rf"{report}: removed")
        self.assertEqual(self.relay.process.matches(rf"{report}: sender non-delivery notification"), [])

    def fail_twice(self, relay):
        """A message and its report fail: (id of the report, Message-ID of the message)."""
        identity, content = self.message(recipient="nobody@postfix.test.example", sender="gone@exim.test.example")
        number = self.submit(relay, "gone@exim.test.example", "nobody@postfix.test.example", content)
        report = relay.wait_for_log(rf"{number}: sender non-delivery notification: (\w+)")[1]
        relay.wait_for_log(rf"{report}: to=<gone@exim.test.example>.*status=bounced")
        return report, identity

    def test_a_report_that_cannot_be_delivered_is_the_postmasters(self):
        relay = self.relais(host=5, report={"postmaster": "ann@postfix.test.example"})
        report, identity = self.fail_twice(relay)
        last = relay.wait_for_log(rf"{report}: postmaster notification: (\w+)")[1]
        relay.wait_for_log(rf"{report}: removed")
        stored = self.report_of(identity, "ann@postfix.test.example", self.postfix)
        double, _, recipients, returned = self.parsed_report(stored.octets)
        self.assertEqual((double["Return-Path"], double["To"]), ("<>", "ann@postfix.test.example"))
        self.assertEqual([block["Final-Recipient"] for block in recipients], ["rfc822; gone@exim.test.example"])
        self.assertIn("X-Relais-Queue-ID: " + report, stored.octets.decode())
        # The report comes back as a whole, so the postmaster can see whose mail was lost.
        self.assertEqual([part.get_content_type() for part in double.iter_parts()][2], "message/rfc822")
        self.assertIn("Final-Recipient: rfc822; nobody@postfix.test.example", returned)
        relay.wait_for_log(rf"{last}: removed")
        self.assertEqual(len(relay.process.matches("notification: ")), 2)

    def test_what_the_postmaster_cannot_get_is_dropped(self):
        relay = self.relais(host=6, report={"postmaster": "nobody@postfix.test.example"})
        report, _ = self.fail_twice(relay)
        last = relay.wait_for_log(rf"{report}: postmaster notification: (\w+)")[1]
        relay.wait_for_log(rf"{last}: to=<nobody@postfix.test.example>.*status=bounced")
        relay.wait_for_log(rf"{last}: the report to <nobody@postfix.test.example> cannot be delivered and is dropped")
        relay.wait_for_log(rf"{last}: removed")
        self.assertEqual(len(relay.process.matches("notification: ")), 2)

    def test_a_sender_is_warned_of_delays_and_gets_the_mail_through_in_the_end(self):
        self.sink.script(rcpt={"late@sink.test.example": "451 4.2.0 busy"})
        self.addCleanup(self.sink.script)
        before = len(self.sink.messages())
        relay = self.relais(host=7, retry={"delay_warnings": ["1s", "3s"], "queue_lifetime": "1h"})
        identity, content = self.message(recipient="late@sink.test.example")
        number = self.submit(relay, SENDER, "late@sink.test.example", content)
        unwarned, other = self.message(recipient="late@sink.test.example")
        quiet = self.submit(relay, SENDER, "late@sink.test.example", other, rcpt=["NOTIFY=FAILURE"])
        warned = lambda octets: identity.encode() in octets
        for stored in self.exim.mail.wait_for(SENDER, 2, matching=warned, timeout=60):
            warning, message_fields, recipients, returned = self.parsed_report(stored.octets)
            self.assertEqual((warning["Return-Path"], warning["Subject"]), ("<>", "Delayed Mail (still being retried)"))
            self.assertEqual(len(recipients), 1)
            block = recipients[0]
            self.assertEqual((block["Final-Recipient"], block["Action"], block["Status"], block["Diagnostic-Code"]),
                             ("rfc822; late@sink.test.example", "delayed", "4.2.0", "smtp; 451 4.2.0 busy"))
            arrival, until = (email.utils.parsedate_to_datetime(date)
                              for date in (message_fields["Arrival-Date"], block["Will-Retry-Until"]))
            self.assertLessEqual(abs((until - arrival).total_seconds() - 3600), 1)
            self.assertIn(f"Message-ID: <{identity}>", returned)
            self.assertNotIn("Hello.", returned)
        # Tried on, each twice, and not told again.
        for waiting in (number, quiet):
            deferrals = rf"{waiting}: to=<late@sink.test.example>.*status=deferred"
            relay.wait_for_log(deferrals, count=len(relay.process.matches(deferrals)) + 2)
        self.sink.script()
        for arrived in (number, quiet):
            relay.wait_for_log(rf"{arrived}: to=<late@sink.test.example>.*status=sent")
            relay.wait_for_log(rf"{arrived}: removed")
        self.assertEqual(sorted(stored.octets[-len(content):] for _, stored in self.sink.messages()[before:]),
                         sorted([content, other]))
        self.assertEqual(len(relay.process.matches(rf"{number}: sender delay notification")), 2)
        self.assertEqual(len(relay.process.matches("notification: ")), 2)
        self.assertEqual(len(self.exim.mail.wait_for(SENDER, 2, matching=warned)), 2)
        self.assertEqual([m for m in self.exim.mail.messages(SENDER) if unwarned.encode() in m.octets], [])

    def storm(self, relay, sender, count=5):
        """So many messages that fail, one after the other: their Message-IDs."""
        self.sink.script(rcpt={"*": "550 5.1.1 no such user"})
        self.addCleanup(self.sink.script)
        identities = []
        for _ in range(count):
            identity, content = self.message(recipient="x@sink.test.example", sender=sender)
            number = self.submit(relay, sender, "x@sink.test.example", content)
            relay.wait_for_log(rf"{number}: removed")
            identities.append(identity)
        return identities

    def reported(self, identities, mailbox):
        return [identity for identity in identities
                if any(identity.encode() in m.octets for m in self.exim.mail.messages(mailbox))]

    def test_of_a_storm_of_reports_some_are_held_back(self):
        relay = self.relais(host=8, report={"limit": 2, "limit_window": "10m"})
        identities = self.storm(relay, "ann@exim.test.example")
        held = [m[1] for m in relay.process.matches(
            r"(\w+): more than 2 reports to one address \(report\.limit\): held back for \d+ s")]
        self.assertEqual(len(held), 3)
        first = relay.process.matches(r"sender non-delivery notification: (\w+)")[:2]
        for match in first:
            relay.wait_for_log(rf"{match[1]}: removed")
        self.assertEqual(self.reported(identities, "ann@exim.test.example"), identities[:2])
        # Others are not concerned.
        other, content = self.message(recipient="x@sink.test.example", sender="bob@exim.test.example")
        self.submit(relay, "bob@exim.test.example", "x@sink.test.example", content)
        self.report_of(other, "bob@exim.test.example")
        # They are in the queue, over a restart as well.
        relay.restart()

        def listed():
            outcome = relaisctl.run("--config", relay.config, "queue", "list", "--json")
            return outcome.code == 0 and sorted(m["id"] for m in outcome.json())  # 75: the spool is still being read

        self.assertEqual(eventually(listed, "the queue can be listed"), sorted(held))

    def test_what_was_held_back_of_a_storm_follows(self):
        relay = self.relais(host=9, report={"limit": 1, "limit_window": "1s"})
        identities = self.storm(relay, "jane@exim.test.example", count=3)
        self.exim.mail.wait_for("jane@exim.test.example", 3,
                                matching=lambda o: any(identity.encode() in o for identity in identities))
        self.assertEqual(self.reported(identities, "jane@exim.test.example"), identities)

    def test_reports_that_would_be_held_back_for_too_long_are_dropped_with_a_line(self):
        relay = self.relais(host=10, report={"limit": 1, "limit_window": "10m"}, retry={"bounce_lifetime": "1m"})
        identities = self.storm(relay, "bob@exim.test.example", count=2)
        relay.wait_for_log(r"too many reports to <bob@exim\.test\.example> \(report\.limit\): "
                           r"it is not told that <x@sink\.test\.example> failed: .*550 5\.1\.1")
        self.exim.mail.wait_for("bob@exim.test.example", matching=lambda o: identities[0].encode() in o)
        self.assertEqual(self.reported(identities, "bob@exim.test.example"), identities[:1])

    def test_a_message_that_waited_for_its_whole_lifetime_goes_back(self):
        relay = self.relais(host=4, retry={"queue_lifetime": "3s"})
        identity, content = self.message(recipient="a@fragile.test.example")
        number = self.submit(relay, SENDER, "a@fragile.test.example", content)
        relay.wait_for_log(rf"{number}: from=<{SENDER}>, status=expired, returned to sender")
        _, _, recipients, _ = self.parsed_report(self.report_of(identity).octets)
        self.assertEqual((recipients[0]["Action"], recipients[0]["Status"][0]), ("failed", "5"))


if __name__ == "__main__":
    main()
