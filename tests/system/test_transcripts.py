"""Sessions as people type them: spaces after the colon, lower case, source routes, mistakes in between,
commands in the wrong order. Every reply is compared.
"""

from harness.case import SystemTest, main
from harness.clients import Session
from harness.relais import HOSTNAME, Relais
from harness.sink import Sink

SINK = 20


class Transcripts(SystemTest):
    @classmethod
    def neighbours(cls):
        cls.start_dns("sink MX 10 mx.sink", f"mx.sink A {cls.world.address(SINK)}")
        cls.sink = Sink(cls.world, SINK).start()
        cls.relay = Relais(cls.world).start()

    def dialogue(self, session, lines):
        for typed, expected in lines:
            with self.subTest(typed=typed):
                reply = session.command(typed)
                self.assertTrue(reply.lines[-1].startswith(expected), f"{typed!r}: {reply}")

    def test_a_session_typed_by_hand_at_nc(self):
        before = len(self.sink.messages())
        with Session(self.relay, line_end=b"\n") as s:
            self.assertEqual(s.greeting.text, f"220 {HOSTNAME} ESMTP relais")
            self.dialogue(s, [
                ("helo me", f"250 {HOSTNAME}"),
                ("mail from: <a@test.example>", "250 "),
                ("rcpt to: <@one.example,@two.example:joe@sink.test.example>", "250 "),
                ("RCPT TO:   <ann@sink.test.example>  ", "250 "),
                ("data", "354 "),
            ])
            s.send(b"Subject: by hand\r\n\r\nhello\r\n")
            self.dialogue(s, [(".\r", "250 "), ("quit", "221 ")])  # session ends lines by LF: CR typed here
            self.assertTrue(s.is_closed())
        facts, stored = self.sink.wait_for(before + 1)[-1]
        self.assertEqual(facts["mail_from"], "a@test.example")
        self.assertEqual(facts["rcpt_to"], ["joe@sink.test.example", "ann@sink.test.example"])
        self.assertTrue(stored.octets.endswith(b"Subject: by hand\r\n\r\nhello\r\n"), stored.octets)

    def test_ehlo_names_what_is_offered(self):
        with Session(self.relay) as s:
            reply = s.command("EHLO client.test.example")
            self.assertTrue(reply.lines[0].startswith(f"250-{HOSTNAME}"), reply)
            offered = {line[4:].split()[0] for line in reply.lines[1:]}
            self.assertLessEqual({"PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES"}, offered)

    def test_mistakes_are_answered_and_the_session_goes_on(self):
        with Session(self.relay) as s:
            self.dialogue(s, [
                ("MAIL FROM:<a@b.example>", "503 "),
                ("HELLO", "500 "),
                ("EHLO", "501 "),
                ("EHLO client.test.example", "250 "),
                ("RCPT TO:<joe@sink.test.example>", "503 5.5.1 "),
                ("DATA", "503 5.5.1 "),
                ("MAIL TO:<a@b.example>", "501 5."),
                ("MAIL FROM:a b", "555 5.5.4 "),
                ("MAIL FROM:<a@b.example> FOO=1", "555 5.5.4 "),
                ("MAIL FROM:<a@b.example> SIZE=99999999999", "552 5.3.4 "),
                ("MAIL FROM:<a@b.example> SIZE=1000 BODY=8BITMIME", "250 2.1.0 "),
                ("MAIL FROM:<a@b.example>", "503 5.5.1 "),
                ("DATA", "503 5.5.1 "),
                ("RCPT TO:<>", "501 5.1.3 "),
                ("RCPT TO:<joe@sink.test.example>", "250 2.1.5 "),
                ("NOOP some words", "250 2.0.0 "),
                ("VRFY joe", "252 2.5.0 "),
                ("EXPN list", "502 5.5.1 "),
                ("HELP", "214 2.0.0 "),
                ("RSET", "250 2.0.0 "),
                ("DATA", "503 5.5.1 "),
                ("STARTTLS", "502 5.5.1 "),
                ("QUIT", f"221 2.0.0 {HOSTNAME} "),
            ])
            self.assertTrue(s.is_closed())

    def test_a_whole_pipelined_transaction_is_answered_in_order(self):
        before = len(self.sink.messages())
        with Session(self.relay) as s:
            s.command("EHLO client.test.example")
            s.send(b"MAIL FROM:<a@test.example>\r\nRCPT TO:<one@sink.test.example>\r\nRCPT TO:<bad\r\n"
                   b"RCPT TO:<two@sink.test.example>\r\nDATA\r\n")
            self.assertEqual([s.reply().code for _ in range(5)], [250, 250, 501, 250, 354])
            s.send(b"Subject: piped\r\n\r\n..\r\n.\r\nMAIL FROM:<b@test.example>\r\nRSET\r\nQUIT\r\n")
            self.assertEqual([s.reply().code for _ in range(4)], [250, 250, 250, 221])
        facts, stored = self.sink.wait_for(before + 1)[-1]
        self.assertEqual(facts["rcpt_to"], ["one@sink.test.example", "two@sink.test.example"])
        self.assertTrue(stored.octets.endswith(b"Subject: piped\r\n\r\n.\r\n"))

    def test_a_client_that_vanishes_in_the_middle_of_data_leaves_nothing_behind(self):
        with Session(self.relay) as s:
            s.command("EHLO vanishing.test.example")
            s.command("MAIL FROM:<a@test.example>")
            s.command("RCPT TO:<vanished@sink.test.example>")
            self.assertEqual(s.command("DATA").code, 354)
            s.send(b"Subject: half\r\n\r\nhalf a mess")
        self.relay.wait_for_log(r"lost connection after DATA \(\d+ bytes\) from \S+\[127\.0\.0\.1\]")
        self.assertEqual(self.relay.process.matches("to=<vanished@"), [])

    def test_a_message_above_the_size_limit_is_refused_after_its_end(self):
        relay = self.relais(host=4, limits={"message_size": "64 KiB", "header_size": "32 KiB"})
        with Session(relay) as s:
            s.command("EHLO client.test.example")
            s.command("MAIL FROM:<a@test.example>")
            s.command("RCPT TO:<a@sink.test.example>")
            s.command("DATA")
            s.send(b"Subject: big\r\n\r\n" + (b"x" * 98 + b"\r\n") * 1000)
            self.dialogue(s, [(".", "552 5.3.4 "), ("NOOP", "250 ")])

    def test_a_message_that_has_been_everywhere_is_refused_as_a_loop(self):
        with Session(self.relay) as s:
            self.dialogue(s, [("EHLO client.test.example", "250 "), ("MAIL FROM:<a@test.example>", "250 "),
                              ("RCPT TO:<looping@sink.test.example>", "250 "), ("DATA", "354 ")])
            s.send(b"Received: from a by b; Sat, 21 Nov 2026 01:00:00 +0000\r\n" * 60 + b"\r\nround and round\r\n")
            self.dialogue(s, [(".", "554 5.4.6 "), ("NOOP", "250 ")])

    def test_hopeless_clients_are_shown_the_door(self):
        relay = self.relais(host=5, limits={"errors": 5})
        with Session(relay) as s:
            codes = [s.command("WHAT").code for _ in range(4)]
            self.assertEqual(codes, [500] * 4)
            s.send(b"WHAT\r\n")
            last = s.reply()
            while last.code == 500:
                last = s.send(b"WHAT\r\n").reply()
            self.assertTrue(last.text.startswith("421 "), last)
            self.assertIn(HOSTNAME, last.text)
            self.assertTrue(s.is_closed())


if __name__ == "__main__":
    main()
