"""The neighbours without relais between them: the clients send octet for octet, the MTAs store octet for
octet and refuse unknown users, the name server answers as the zone says. If this file fails, look at
the harness and not at the daemon.
"""

import types

from harness import clients
from harness.case import EXIM, POSTFIX, SystemTest, main
from harness.dns import BROKEN, NXDOMAIN, SERVFAIL
from harness.sink import Sink
from harness.world import SMTP_PORT
from test_messages import BODIES

SINK = 20


class Neighbours(SystemTest):
    needs_relaisd = False

    @classmethod
    def neighbours(cls):
        cls.start_dns("null MX 0 .")
        certificate = cls.world.certificate("mx.postfix.test.example")
        cls.start_exim(certificate=certificate)
        cls.start_postfix(certificate=certificate)
        cls.sink = Sink(cls.world, SINK).start()

    def next_hop(self, host):
        return types.SimpleNamespace(address=self.world.address(host), port=SMTP_PORT)

    def test_clients_send_octet_for_octet(self):
        hop = self.next_hop(SINK)
        for program, send in clients.PROGRAMS.items():
            if program == "bare LF":
                continue  # the sink hangs up on it, see sink.py
            for name, body in BODIES.items():
                with self.subTest(program=program, body=name):
                    before = len(self.sink.messages())
                    _, content = self.message(body)
                    conversation = send(hop, "joe@exim.test.example", ["jane@x.example"], content, self.world.directory)
                    self.assertEqual(conversation.codes, clients.WHOLE, conversation.transcript[:3000])
                    _, stored = self.sink.wait_for(before + 1)[-1]
                    self.assertTrue(stored.octets == content, (stored.octets[-300:], content[-300:]))

    def test_peers_store_octet_for_octet_and_refuse_unknown_users(self):
        for peer, host in ((self.exim, EXIM), (self.postfix, POSTFIX)):
            for name, body in BODIES.items():
                with self.subTest(peer=peer.name, body=name):
                    recipient = f"jane@{peer.name}.test.example"
                    identity, content = self.message(body)
                    conversation = clients.python_smtplib(self.next_hop(host), "", [recipient], content, None)
                    self.assertEqual(conversation.codes, clients.WHOLE, conversation.transcript)
                    stored = peer.mail.wait_for(recipient, matching=lambda o: identity.encode() in o)[0]
                    self.assertIsNotNone(stored.prefix_before(content), stored.origin)
                    self.assertEqual(stored.parsed()["Return-Path"], "<>")
            with clients.Session(self.next_hop(host)) as s:
                self.assertIn("250-STARTTLS", s.command("EHLO client.test.example").text.replace("250 ", "250-"))
                s.command("MAIL FROM:<>")
                self.assertEqual(s.command(f"RCPT TO:<nobody@{peer.name}.test.example>").code, 550)
                self.assertGreaterEqual(s.command("RCPT TO:<jane@elsewhere.example>").code, 550)

    def test_the_name_server_answers_as_the_zone_says(self):
        for name, rcode in (("exim.test.example", 0), ("null.test.example", 0),
                            ("nowhere.test.example", NXDOMAIN), (BROKEN, SERVFAIL)):
            with self.subTest(name=name):
                self.assertEqual(self.dns.rcode(name), rcode)


if __name__ == "__main__":
    main()
