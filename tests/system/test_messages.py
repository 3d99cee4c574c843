"""Messages of five client programs, through relais and a real MX look-up, to Postfix and to Exim: what
arrives is what was sent, octet for octet, below trace fields, and every reply code on the way is right.
"""

import random

from harness import clients
from harness.case import SystemTest, main
from harness.relais import Relais

BODIES = {
    "plain": b"Hello.\r\n",
    "8-bit": "na\u00efve \u20ac \U0001f4ee\r\n".encode() + b"latin-1: caf\xe9\r\n"
             + bytes(range(0x80, 0x100)) + b"\r\n",
    "dots": b".\r\n..\r\n...\r\n.x\r\n. \r\nx.\r\n\r\n.\r\n",
    "long lines": b"x" * 998 + b"\r\n" + b"." + b"y" * 997 + b"\r\n" + b"\xc3\xa9" * 499 + b"\r\n",
    "empty": b"",
    "blank lines at the end": b"text\r\n\r\n\r\n",
    "1 MiB": b"".join(bytes(random.Random(n).choices(b"abcdefghijklmnopqrstuvwxyz.- \xc3\xa9", k=70)) + b"\r\n"
                      for n in range(14564)),
}


class Messages(SystemTest):
    @classmethod
    def neighbours(cls):
        cls.start_dns()
        cls.start_exim()
        cls.start_postfix()
        cls.relay = Relais(cls.world).start()

    def send_all_bodies(self, program):
        send = clients.PROGRAMS[program]
        peers = {"jane@postfix.test.example": self.postfix, "jane@exim.test.example": self.exim}
        sent = []
        for name, body in BODIES.items():
            for recipient, peer in peers.items():
                identity, content = self.message(body, recipient=recipient)
                with self.subTest(body=name, to=recipient):
                    conversation = send(self.relay, "joe@exim.test.example", [recipient], content, self.world.directory)
                    self.assertEqual(conversation.codes, clients.WHOLE, conversation.transcript[:3000])
                    sent.append((name, recipient, peer, identity, content))
        for name, recipient, peer, identity, content in sent:
            with self.subTest(body=name, at=recipient):
                stored = peer.mail.wait_for(recipient, matching=lambda octets: identity.encode() in octets)
                self.assertEqual(len(stored), 1)
                self.assert_relayed(stored[0], content, f"mx.{peer.name}.test.example")

    def test_swaks(self):
        self.send_all_bodies("swaks")

    def test_curl(self):
        self.send_all_bodies("curl")

    def test_msmtp(self):
        self.send_all_bodies("msmtp")

    def test_smtplib(self):
        self.send_all_bodies("smtplib")

    def test_commands_ended_by_bare_line_feeds(self):
        self.send_all_bodies("bare LF")

    def test_a_message_without_header_and_body_arrives_as_such(self):
        before = len(self.exim.mail.messages("bob@exim.test.example"))
        with clients.Session(self.relay) as s:
            s.command("EHLO client.test.example")
            s.command("MAIL FROM:<joe@exim.test.example>")
            s.command("RCPT TO:<bob@exim.test.example>")
            s.command("DATA")
            self.assertEqual(s.command(".").code, 250)
        stored = self.exim.mail.wait_for("bob@exim.test.example", before + 1)[-1]
        self.assertEqual(stored.parsed().get_all("Received")[1:2] != [], True)
        self.assertEqual(stored.octets.split(b"\r\n\r\n", 1)[1:], [b""])

    def test_content_with_bare_line_feeds_is_normalized_for_a_trusted_client(self):
        identity, content = self.message(b"one\r\ntwo\r\n", recipient="ann@exim.test.example")
        with clients.Session(self.relay, line_end=b"\n") as s:
            s.command("EHLO client.test.example")
            s.command("MAIL FROM:<joe@exim.test.example>")
            s.command("RCPT TO:<ann@exim.test.example>")
            s.command("DATA")
            reply = s.send(content.replace(b"\r\n", b"\n") + b"\r\n.\r\n").reply()
            self.assertEqual(reply.code, 250, s.transcript)
        stored = self.exim.mail.wait_for("ann@exim.test.example", matching=lambda o: identity.encode() in o)
        self.assert_relayed(stored[0], content + b"\r\n", "mx.exim.test.example")

    def test_only_a_dot_between_two_crlf_ends_a_message(self):
        for fake_end in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r"):
            with self.subTest(fake_end=fake_end), clients.Session(self.relay) as s:
                identity, content = self.message(b"before" + fake_end, recipient="ann@exim.test.example")
                s.command("EHLO client.test.example")
                s.command("MAIL FROM:<joe@exim.test.example>")
                s.command("RCPT TO:<ann@exim.test.example>")
                s.command("DATA")
                smuggled = b"MAIL FROM:<evil@exim.test.example>\r\nRCPT TO:<bob@exim.test.example>\r\n"
                reply = s.send(content + smuggled + b"after\r\n.\r\n").reply()
                self.assertEqual(reply.code, 250, s.transcript)
                self.assertEqual(s.command("NOOP").code, 250, s.transcript)  # and no other reply was waiting
                stored = self.exim.mail.wait_for("ann@exim.test.example", matching=lambda o: identity.encode() in o)
                self.assertEqual(len(stored), 1)
                self.assertTrue(stored[0].octets.endswith(smuggled + b"after\r\n"), stored[0].octets)

    def test_the_log_tells_the_way_of_a_message_in_the_shapes_that_postmasters_grep_for(self):
        identity, content = self.message(recipient="bob@postfix.test.example")
        number = self.submit(self.relay, "joe@exim.test.example", "bob@postfix.test.example", content)
        log = self.relay.wait_for_log
        log(r"smtpd\S*: connect from \S+\[127\.0\.0\.1\]")
        log(rf"smtpd\S*: {number}: client=\S+\[127\.0\.0\.1\]")
        log(rf"cleanup\S*: {number}: message-id=<{identity}>")
        log(rf"qmgr\S*: {number}: from=<joe@exim\.test\.example>, size=\d+, nrcpt=1 \(queue active\)")
        log(rf"smtp\S*: {number}: to=<bob@postfix\.test\.example>, "
            rf"relay=mx\.postfix\.test\.example\[{self.postfix.address}\]:2525, "
            r".*delay=[\d.]+, delays=[\d.]+/[\d.]+/[\d.]+/[\d.]+, .*dsn=2\.0\.0, "
            r"status=sent \(250 2\.0\.0 Ok: (?:\d+ bytes )?queued as \w+\)")
        log(rf"qmgr\S*: {number}: removed")
        log(r"smtpd\S*: disconnect from \S+\[127\.0\.0\.1\] .*mail=1 rcpt=1 data=1 quit=1 commands=5")


if __name__ == "__main__":
    main()
