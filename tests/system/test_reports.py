"""What senders asked for in their reports, and what may travel how: DSN (RFC 3461) towards next hops that know
nothing of it, UTF-8 (RFC 6533), and mail that has to stay under TLS (RFC 8689).

One sink takes or refuses the mail, the other has the senders' mailboxes; what each offers is said by each test.
Reports are read by Python's email package.
"""

import base64
import email
import email.policy

from harness.case import SystemTest, main
from harness.certificates import Authority
from harness.relais import HOSTNAME, Relais
from harness.sink import Sink

FAR, HOME = 20, 21
TO = "joe@far.test.example"
UNKNOWN = "550 5.1.1 no such user"
UTF8 = email.policy.default.clone(utf8=True)


def ehlo(*keywords):
    """A scripted answer."""
    lines = ["sink.example", *keywords]
    return "\n".join(f"250{' ' if line is lines[-1] else '-'}{line}" for line in lines)


class Report:
    """A report as a reader's program sees it."""

    def __init__(self, facts, octets):
        self.facts, self.octets = facts, octets
        # Python's parser of octets knows no UTF-8 in header fields, its parser of text no 8-bit bodies.
        self.head = email.message_from_string(octets.decode(), policy=UTF8)
        bodies = email.message_from_bytes(octets, policy=UTF8)
        self.words = next(bodies.iter_parts()).get_content()
        _, self.status, self.returned = self.head.iter_parts()
        self.message, *self.recipients = self._blocks()

    def _blocks(self):
        if self.status.get_content_type() == "message/delivery-status":
            return [block for block in self.status.get_payload() if block.keys()]
        # Python knows only the ASCII type by name, and takes the first block for a header.
        first = self.status.get_payload(0)
        rest = first.get_payload().replace("\r\n", "\n").split("\n\n")
        return [first, *(email.message_from_string(text, policy=UTF8) for text in rest if text.strip())]

    def returned_text(self):
        """What came back, decoded: Python does not decode message/* in base64."""
        if self.returned["Content-Transfer-Encoding"] == "base64":
            body = self.octets.split(b"Content-Transfer-Encoding: base64\r\n\r\n")[1].split(b"\r\n\r\n--")[0]
            return base64.b64decode(body).decode()
        if isinstance(self.returned.get_payload(), list):
            return self.returned.get_payload(0).as_string(policy=UTF8)
        return self.returned.get_payload()


class Reports(SystemTest):
    @classmethod
    def neighbours(cls):
        cls.start_dns("far MX 10 mx.far", f"mx.far A {cls.world.address(FAR)}",
                      "home MX 10 mx.home", f"mx.home A {cls.world.address(HOME)}")
        cls.authority = Authority(cls.world)
        sinks = []
        for name, host in (("mx.far", FAR), ("mx.home", HOME)):
            issued = cls.authority.issue(f"{name}.test.example")
            sinks.append(Sink(cls.world, host, certificate=(issued.certificate, issued.key)).start())
        cls.far, cls.home = sinks
        own = cls.authority.issue(HOSTNAME, names=["IP:" + cls.world.address(1)])
        # Each message finds out anew what its next hop offers.
        cls.relay = Relais(cls.world, delivery={"idle_timeout": "0s", "tls_ca_file": str(cls.authority.certificate)},
                           tls={"certificates": [own.settings()]}, report={"returned": "20 KiB"},
                           routes=[{"senders": ["secret@home.test.example"], "tls": "verify"},
                                   {"recipients": ["secret@home.test.example"], "tls": "verify"}]).start()

    def setUp(self):
        self.addCleanup(self.home.script)
        self.addCleanup(self.far.script)

    def send(self, sender, recipients=TO, body=b"Hello.\r\n", subject=None, **parameters):
        """The queue id, the Message-ID, the content."""
        identity, content = self.message(body, sender="x@home.test.example", recipient="somebody")
        if subject:
            content = content.replace(b"Subject: system test", b"Subject: " + subject.encode())
        return self.submit(self.relay, sender, recipients, content, **parameters), identity, content

    def reports_to(self, sender):
        return [Report(facts, stored.octets) for facts, stored in self.home.messages() if sender in facts["rcpt_to"]]

    def report_on(self, number, sender):
        """The only report to that sender, which is about that message."""
        number_of_report = self.relay.wait_for_log(
            rf"{number}: sender (?:non-delivery|delivery status) notification: (\w+)")[1]
        self.relay.wait_for_log(rf"{number_of_report}: removed")
        found = self.reports_to(sender)
        self.assertEqual(len(found), 1)
        report = found[0]
        self.assertEqual((report.facts["mail_from"], report.facts["rcpt_to"]), ("", [sender]))
        self.assertEqual(report.head.get_content_type(), "multipart/report")
        self.assertEqual(report.head.get_param("report-type"), report.status.get_content_subtype())
        self.assertEqual(report.message["X-Relais-Queue-ID"], number)
        return report

    def assert_not_reported(self, number, sender):
        self.relay.wait_for_log(rf"{number}: removed")
        self.assertEqual(self.relay.process.matches(rf"{number}: .*notification"), [])
        self.assertEqual(self.reports_to(sender), [])

    # -- DSN ---------------------------------------------------------------------------------------

    SUCCESS = {"mail": ["RET=HDRS", "ENVID=QQ314159+2Bx"], "rcpt": ["NOTIFY=SUCCESS", "ORCPT=rfc822;Bob+40old.example"]}

    def test_success_is_told_where_the_next_hop_cannot(self):
        sender, before = "success@home.test.example", len(self.far.messages())
        number, identity, content = self.send(sender, **self.SUCCESS)
        report = self.report_on(number, sender)
        facts, stored = self.far.messages()[before]
        self.assertTrue(stored.octets.endswith(content))
        self.assertNotIn("RET", " ".join(facts["mail_params"]))
        self.assertEqual(facts["rcpt_params"], [[]])
        self.assertEqual(report.head["Subject"], "Successful Mail Delivery Report")
        self.assertEqual(report.message["Original-Envelope-Id"], "QQ314159+x")
        self.assertEqual([(b["Original-Recipient"], b["Final-Recipient"], b["Action"], b["Status"], b["Will-Retry-Until"])
                          for b in report.recipients],
                         [("rfc822; Bob@old.example", f"rfc822; {TO}", "relayed", "2.0.0", None)])
        self.assertEqual(report.returned.get_content_type(), "text/rfc822-headers")
        self.assertIn(identity, report.returned_text())
        self.assertNotIn("Hello.", report.returned_text())

    def test_a_next_hop_with_dsn_is_asked_and_success_is_its_to_tell(self):
        self.far.script(ehlo=ehlo("DSN"))
        sender, before = "passed-on@home.test.example", len(self.far.messages())
        number, _, _ = self.send(sender, **self.SUCCESS)
        self.assert_not_reported(number, sender)
        facts, _ = self.far.messages()[before]
        self.assertLessEqual({"RET=HDRS", "ENVID=QQ314159+2Bx"}, set(facts["mail_params"]))
        self.assertEqual(facts["rcpt_params"], [["NOTIFY=SUCCESS", "ORCPT=rfc822;Bob+40old.example"]])

    def test_ret_says_how_much_comes_back(self):
        self.far.script(rcpt={"*": UNKNOWN})
        small, large = b"the body\r\n", b"the body\r\n" * 3000
        for name, mail, body, kind in (("unsaid", [], small, "text/rfc822-headers"),
                                       ("headers", ["RET=HDRS"], small, "text/rfc822-headers"),
                                       ("full", ["RET=FULL"], small, "message/rfc822"),
                                       ("large", ["RET=FULL"], large, "text/rfc822-headers")):  # report.returned
            with self.subTest(name):
                sender = f"ret-{name}@home.test.example"
                number, identity, _ = self.send(sender, body=body, mail=mail)
                report = self.report_on(number, sender)
                self.assertEqual(report.returned.get_content_type(), kind)
                self.assertIn(identity, report.returned_text())
                self.assertEqual("the body" in report.returned_text(), kind == "message/rfc822")
                self.assertEqual([b["Action"] for b in report.recipients], ["failed"])

    def test_failures_are_told_to_those_who_want_to_know(self):
        self.far.script(rcpt={"*": UNKNOWN})
        for wish in ("NEVER", "SUCCESS", "DELAY", "SUCCESS,DELAY"):
            with self.subTest(wish):
                sender = f"not-{wish.replace(',', '-').lower()}@home.test.example"
                number, _, _ = self.send(sender, rcpt=["NOTIFY=" + wish])
                self.relay.wait_for_log(rf"{number}: to=<{TO}>.*status=bounced")
                self.assert_not_reported(number, sender)
        for wish in ("FAILURE", "SUCCESS,FAILURE,DELAY"):
            with self.subTest(wish):
                sender = f"told-{wish.replace(',', '-').lower()}@home.test.example"
                number, _, _ = self.send(sender, rcpt=["NOTIFY=" + wish])
                self.assertEqual(len(self.report_on(number, sender).recipients), 1)

    def test_a_report_names_only_the_recipients_for_whom_it_was_wanted(self):
        self.far.script(rcpt={"*": UNKNOWN, "there@far.test.example": "250 2.1.5 ok"})
        sender = "several@home.test.example"
        number, _, _ = self.send(sender, {
            "never@far.test.example": ["NOTIFY=NEVER"], "failure@far.test.example": ["NOTIFY=FAILURE"],
            "unsaid@far.test.example": [], "there@far.test.example": ["NOTIFY=SUCCESS"]})
        report = self.report_on(number, sender)
        self.assertEqual({b["Final-Recipient"]: b["Action"] for b in report.recipients},
                         {"rfc822; failure@far.test.example": "failed", "rfc822; unsaid@far.test.example": "failed",
                          "rfc822; there@far.test.example": "relayed"})
        self.assertNotIn("never@far.test.example", report.octets.decode())

    # -- UTF-8 -------------------------------------------------------------------------------------

    UTF8_TO = "dörte@far.test.example"
    ALL_LETTERS = ehlo("8BITMIME", "SMTPUTF8")

    def send_utf8(self, sender, **more):
        return self.send(sender, self.UTF8_TO, mail=["SMTPUTF8", "BODY=8BITMIME"], subject="grüß dich", **more)

    def check_utf8_report(self, report, status):
        self.assertLessEqual({"SMTPUTF8", "BODY=8BITMIME"}, set(report.facts["mail_params"]))
        self.assertEqual(report.head["To"].addresses[0].addr_spec, report.facts["rcpt_to"][0])
        self.assertEqual(report.status.get_content_type(), "message/global-delivery-status")
        self.assertEqual([(b["Final-Recipient"], b["Action"], b["Status"]) for b in report.recipients],
                         [(f"utf-8; {self.UTF8_TO}", "failed", status)])
        self.assertIn(self.UTF8_TO, report.words)
        self.assertEqual(report.returned.get_content_type(), "message/global-headers")
        self.assertIn("Subject: grüß dich", report.returned_text())

    def test_a_utf8_sender_gets_a_utf8_report(self):
        self.far.script(ehlo=self.ALL_LETTERS, rcpt={self.UTF8_TO: UNKNOWN})
        self.home.script(ehlo=self.ALL_LETTERS)
        sender = "jörg@home.test.example"
        number, _, _ = self.send_utf8(sender, rcpt=["ORCPT=utf-8;dörte@old.example"])
        report = self.report_on(number, sender)
        self.check_utf8_report(report, "5.1.1")
        self.assertEqual(report.recipients[0]["Original-Recipient"], "utf-8; dörte@old.example")

    def test_mail_for_a_next_hop_without_smtputf8_goes_back(self):
        self.home.script(ehlo=self.ALL_LETTERS)
        sender, before = "jürgen@home.test.example", len(self.far.messages())
        number, _, _ = self.send_utf8(sender)
        self.relay.wait_for_log(rf"{number}: to=<{self.UTF8_TO}>.*dsn=5\.6\.7, status=bounced")
        self.check_utf8_report(self.report_on(number, sender), "5.6.7")
        self.assertEqual(len(self.far.messages()), before)

    def test_a_utf8_report_that_no_host_takes_is_dropped_with_a_line(self):
        sender = "käthe@home.test.example"
        number, _, _ = self.send_utf8(sender)
        report = self.relay.wait_for_log(rf"{number}: sender non-delivery notification: (\w+)")[1]
        self.relay.wait_for_log(rf"{report}: to=<{sender}>.*dsn=5\.6\.7, status=bounced")
        self.relay.wait_for_log(rf"{report}: the report to <{sender}> cannot be delivered and is dropped")
        self.relay.wait_for_log(rf"{report}: removed")
        self.assertEqual(self.reports_to(sender), [])

    def test_an_ascii_sender_gets_a_report_that_needs_no_smtputf8(self):
        sender = "ascii@home.test.example"  # whose host offers nothing but 8BITMIME
        number, _, _ = self.send_utf8(sender)
        report = self.report_on(number, sender)
        self.assertNotIn("SMTPUTF8", report.facts["mail_params"])
        self.assertEqual(report.status.get_content_type(), "message/delivery-status")
        report.octets.split(b"\r\n\r\n")[0].decode("ascii")
        self.assertEqual([b["Final-Recipient"] for b in report.recipients], [r"utf-8; d\x{F6}rte@far.test.example"])
        self.assertIn(self.UTF8_TO, report.words)
        self.assertEqual(report.returned.get_content_type(), "message/global-headers")
        self.assertIn("Subject: grüß dich", report.returned_text())

    # -- REQUIRETLS --------------------------------------------------------------------------------

    SECRET = "secret@home.test.example"

    def send_secret(self):
        before = len(self.reports_to(self.SECRET))
        number, identity, _ = self.send(self.SECRET, body=b"the secret\r\n", mail=["REQUIRETLS", "RET=FULL"],
                                        tls=self.authority.client_context())
        report_number = self.relay.wait_for_log(rf"{number}: sender non-delivery notification: (\w+)")[1]
        self.relay.wait_for_log(rf"{report_number}: removed")
        report = self.reports_to(self.SECRET)[before]
        # RFC 8689 5: of the message only the header, whatever RET says.
        self.assertEqual(report.facts["mail_from"], "")
        self.assertEqual(report.returned.get_content_type(), "text/rfc822-headers")
        self.assertIn(identity, report.returned_text())
        self.assertNotIn(b"the secret", report.octets)
        return number, report

    def test_a_report_on_mail_that_requires_tls_requires_it_as_well(self):
        self.far.script(ehlo=ehlo("STARTTLS", "REQUIRETLS"), rcpt={TO: UNKNOWN})
        self.home.script(ehlo=ehlo("STARTTLS", "REQUIRETLS"))
        _, report = self.send_secret()
        self.assertTrue(report.facts["tls"])
        self.assertIn("REQUIRETLS", report.facts["mail_params"])
        self.assertEqual(report.recipients[0]["Status"], "5.1.1")

    def test_such_a_report_is_not_lost_at_a_host_without_requiretls(self):
        before = len(self.far.messages())
        number, report = self.send_secret()  # the sinks offer STARTTLS only
        self.relay.wait_for_log(rf"{number}: to=<{TO}>.*dsn=5\.7\.30, status=bounced")
        self.assertEqual(report.recipients[0]["Status"], "5.7.30")
        self.assertEqual(len(self.far.messages()), before)
        self.assertTrue(report.facts["tls"])
        self.assertNotIn("REQUIRETLS", report.facts["mail_params"])


if __name__ == "__main__":
    main()
