"""No open relay: an untrusted client reaches the configured relay domains and nothing else."""

from harness.case import SystemTest, main
from harness.clients import Session
from harness.relais import Relais


class RelayAccess(SystemTest):
    @classmethod
    def neighbours(cls):
        cls.start_dns()
        cls.start_exim()
        cls.start_postfix()
        cls.relay = Relais(cls.world, relay={
            "trusted_networks": [], "domains": ["exim.test.example", ".sub.test.example"]}).start()

    def opened(self):
        session = Session(self.relay)
        self.addCleanup(session.close)
        self.assertEqual(session.command("EHLO client.test.example").code, 250)
        self.assertEqual(session.command("MAIL FROM:<joe@postfix.test.example>").code, 250)
        return session

    def test_other_domains_are_refused_with_550_and_one_log_line(self):
        s = self.opened()
        for recipient in ("jane@postfix.test.example", "jane@sub.test.example", "jane@notexim.test.example",
                          "jane@exim.test.example.org", "jane%postfix.test.example@postfix.test.example"):
            with self.subTest(recipient=recipient):
                reply = s.command(f"RCPT TO:<{recipient}>")
                self.assertTrue(reply.text.startswith("550 5.7.1 "), reply)
                self.relay.wait_for_log(
                    rf"smtpd\S*: NOQUEUE: reject: RCPT from \S+\[127\.0\.0\.1\]: 550 5\.7\.1 .*; "
                    rf"from=<joe@postfix\.test\.example> to=<{recipient}> proto=ESMTP helo=<client\.test\.example>")
        self.assertEqual(s.command("DATA").code // 100, 5)

    def test_a_listed_domain_is_accepted_and_delivered(self):
        s = self.opened()
        identity, content = self.message(recipient="jane@exim.test.example")
        self.assertEqual(s.command("RCPT TO:<jane@postfix.test.example>").code, 550)
        self.assertEqual(s.command("RCPT TO:<jane@Exim.Test.Example>").code, 250)
        self.assertEqual(s.command("RCPT TO:<jane@a.sub.test.example>").code, 250)
        self.assertEqual(s.command("RSET").code, 250)
        s.command("MAIL FROM:<joe@postfix.test.example>")
        self.assertEqual(s.command("RCPT TO:<jane@exim.test.example>").code, 250)
        self.assertEqual(s.command("DATA").code, 354)
        self.assertEqual(s.send(content + b".\r\n").reply().code, 250)
        stored = self.exim.mail.wait_for("jane@exim.test.example", matching=lambda o: identity.encode() in o)
        self.assert_relayed(stored[0], content, "mx.exim.test.example")

    def test_a_source_route_does_not_open_the_relay(self):
        s = self.opened()
        self.assertEqual(s.command("RCPT TO:<@exim.test.example:jane@postfix.test.example>").code, 550)

    def test_a_bare_line_feed_in_content_of_an_untrusted_client_is_refused(self):
        s = self.opened()
        self.assertEqual(s.command("RCPT TO:<jane@exim.test.example>").code, 250)
        self.assertEqual(s.command("DATA").code, 354)
        _, content = self.message(b"a bare\nline feed\r\n")
        self.assertEqual(s.send(content + b".\r\n").reply().code, 550)


if __name__ == "__main__":
    main()
