"""Overlong everything: each limit holds, answers as the reply table says, and costs no memory; what is
cut off is never run as a command.
"""

import base64
import random
import threading

from hostile import AT_SINK, SENDER, HostileTest, main

MIB = 1 << 20


class Overlong(HostileTest):
    settings = {"limits": {"message_size": "4 MiB", "header_size": "64 KiB", "text_line": "8 KiB", "recipients": 1000}}

    def tearDown(self):
        super().tearDown()
        self.assertTrue(self.relay.process.is_running())

    def assert_one_refusal(self, line, codes, session=None):
        """One reply to the line, however long, and the session is in step: or it is over."""
        session = session or self.session()
        if session.transcript.count("EHLO") == 0:
            session.hello()
        sender = threading.Thread(target=lambda: quietly(lambda: session.send(line + b"\r\nNOOP behind\r\n")))
        sender.start()
        reply = session.reply()
        self.assertIn(reply.code, codes, reply)
        if reply.code not in (421, 521):
            try:
                self.assertEqual(session.reply().text, "250 2.0.0 Ok")
            except EOFError:
                pass  # 5.5.2 of RFC 5321 4.5.3.1.4 may also be the end
        session.close()
        sender.join()

    def test_command_lines(self):
        for length in (513, 2046, 2047, 2048, 2049, 4096, 65535, 65536, 65537, MIB, 16 * MIB):
            for start in (b"", b"NOOP ", b"EHLO ", b"MAIL FROM:<", b"MAIL FROM:<a@b.example> ", b"\xff", b" "):
                with self.subTest(length=length, start=start):
                    if length > MIB and start != b"NOOP ":
                        continue
                    line = start + b"x" * (length - len(start) - 2)
                    self.assert_one_refusal(line, (250, 500, 501, 555) if length <= 2048 else (500, 421))
        self.assert_well()

    def test_the_tail_of_a_long_line_is_no_command(self):
        """Buffer sizes of every kind of server, so that a command would begin where a piece begins."""
        for size in (510, 512, 998, 1000, 1024, 2046, 2048, 4096, 8192, 16384, 65536):
            for off in (-2, -1, 0, 1, 2):
                with self.subTest(size=size, off=off):
                    line = b"NOOP ".ljust(size + off, b"A") + b"MAIL FROM:<evil@stranger.example>"
                    session = self.session()
                    session.hello()
                    session.send(line + b"\r\nRCPT TO:<" + AT_SINK.encode() + b">\r\n")
                    replies = session.replies(2)
                    self.assertIn(replies[0].code, (250, 500))
                    self.assertEqual(replies[1].code, 503)
                    session.close()

    def test_a_line_without_end(self):
        session = self.session()
        session.hello()
        sender = threading.Thread(target=lambda: quietly(lambda: [session.socket.sendall(b"x" * MIB) for _ in range(64)]))
        sender.start()
        self.assert_well()
        session.reset()
        sender.join()

    def test_512_octets_are_always_taken(self):
        """RFC 5321 4.5.3.1.4, and the paths of 4.5.3.1.1 to .3."""
        domain = ".".join(["d" * 63] * 3 + ["e" * 60])  # a@ and the brackets: 256 octets
        local = "l" * 64
        for sender, code in ((f"{local}@{'d' * 60}.example", 250), (f"{local}x@d.example", 501), (f"a@{domain}", 250),
                             (f"a@{domain}xxxx", 501), (f"a@{'d' * 64}.example", 501), (f"{local}@{domain}", 501),
                             ("a@" + "x" * 400, 501), ("a" * 60000, 500)):
            with self.subTest(sender=sender[:80]):
                session = self.session()
                session.hello()
                self.assertEqual(session.command(f"MAIL FROM:<{sender}>").code, code)
                session.close()
        session = self.session()
        session.hello()
        self.assertEqual(session.command("NOOP " + "x" * 505).code, 250)

    def test_paths_and_parameters(self):
        session = self.session()
        session.hello()
        for words in ("MAIL FROM:<" + "@a.example," * 150 + ":a@b.example>", "MAIL FROM:<a@b.example> " + "A=1 " * 400,
                      "MAIL FROM:<a@b.example> SIZE=" + "9" * 21, "MAIL FROM:<a@b.example> SIZE=18446744073709551616",
                      "MAIL FROM:<a@b.example> SIZE=-1", "MAIL FROM:<a@b.example> SIZE=0x10", "MAIL FROM:<a@b.example> SIZE=",
                      "MAIL FROM:<a@b.example> BODY=" + "8" * 1000, "MAIL FROM:<a@b.example> ENVID=" + "x" * 1000,
                      "MAIL FROM:<" + "\"" * 1000 + ">", "MAIL FROM:<" + "(" * 1000 + ">", "MAIL FROM:<" + "." * 1000 + "@b.example>"):
            with self.subTest(words=words[:60]):
                session.command("RSET")
                self.assertIn(session.command(words).code, (501, 552, 553, 555))
        session.close()
        session = self.in_transaction()
        for words in ("RCPT TO:<a@sink.test.example> ORCPT=rfc822;" + "x" * 1500, "RCPT TO:<" + "a" * 1500 + "@sink.test.example>",
                      "RCPT TO:<a@sink.test.example> NOTIFY=" + "NEVER," * 200):
            with self.subTest(words=words[:60]):
                self.assertIn(session.command(words).code, (501, 553, 555))

    def test_sizes_of_chunks(self):
        for size in ("18446744073709551616", "9223372036854775808", "99999999999999999999999999", "-1", "0x10", "1e3", "",
                     "1 1", "1 LAST LAST", "LAST", "1.5", "+1"):
            with self.subTest(size=size):
                session = self.in_transaction()
                reply = session.command(f"BDAT {size}")
                self.assertIn(reply.code, (421, 501, 502, 552), reply)
                session.close()
        session = self.in_transaction()  # a lawful size above the limit: read to the end and refused, or closed
        sender = threading.Thread(target=lambda: quietly(lambda: session.send(b"BDAT %d LAST\r\n" % (8 * MIB) + b"x" * 8 * MIB)))
        sender.start()
        self.assertIn(session.reply().code, (502, 552))
        session.reset()
        sender.join()
        self.assert_well()

    def test_content(self):
        """(content, code): the header section, one line, the whole; each read to its end and then refused."""
        long_line = b"Subject: x\r\n\r\n" + b"y" * (2 * MIB) + b"\r\n"
        for name, content, codes in (
                ("header", b"X: " + b"y" * 70 + b"\r\n", None),
                ("one header field", b"Subject: " + b"y" * MIB + b"\r\n\r\n", (552, 554)),
                ("folded field", b"Subject: y\r\n" + b" folded\r\n" * 100000 + b"\r\n", (552,)),
                ("fields", b"X: y\r\n" * 100000 + b"\r\nbody\r\n", (552,)),
                ("no body at all", b"X: y\r\n" * 100000, (552,)),
                ("line", long_line, (552, 554)),
                ("message", b"Subject: x\r\n\r\n" + (b"z" * 998 + b"\r\n") * 8000, (552,)),
                ("received fields", b"Received: by x; Sat, 21 Nov 2026 01:00:00 +0000\r\n" * 1200 + b"\r\n", (554,)),
                ("MIME depth", b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\nContent-Type: multipart/mixed;"
                               b" boundary=a\r\n\r\n" * 10000, (250,)),
                ("empty lines", b"\r\n" * 100000, (250,))):
            with self.subTest(name=name):
                if codes is None:
                    content, codes = content * 500 + b"\r\nfits\r\n", (250,)
                session = self.in_data()
                sender = threading.Thread(target=lambda s=session, c=content: quietly(lambda: s.send(c + b".\r\n")))
                sender.start()
                self.assertIn(session.reply().code, codes)
                self.assertEqual(session.command("NOOP").code, 250)
                session.close()
                sender.join()
        self.assert_well()

    def test_a_hundred_thousand_recipients(self):
        """One flight of 100,000 RCPT: 1000 are taken, each other gets 452 and the transaction stays good."""
        session = self.session()
        session.hello()
        session.command(f"MAIL FROM:<{SENDER}>")
        count = 100000
        flight = b"".join(b"RCPT TO:<r%d@sink.test.example>\r\n" % n for n in range(count))
        sender = threading.Thread(target=lambda: session.socket.sendall(flight))
        sender.start()
        codes = [session.reply().text[:9] for _ in range(count)]
        sender.join()
        self.assertEqual(codes[:1000], ["250 2.1.5"] * 1000)
        self.assertEqual(set(codes[1000:]), {"452 4.5.3"})
        self.assertEqual(session.command("RSET").code, 250)
        session.close()
        self.assert_well()

    def test_ten_thousand_recipients_that_are_refused(self):
        session = self.session()
        session.hello()
        session.command(f"MAIL FROM:<{SENDER}>")
        quietly(lambda: session.socket.sendall(b"".join(b"RCPT TO:<r%d@elsewhere.example>\r\n" % n for n in range(10000))))
        codes = set()
        while 421 not in codes:
            codes.add(session.reply().code)
        self.assertEqual(codes, {550, 421})
        self.assertTrue(session.is_closed())
        self.assert_well()

    def test_random_commands_never_crash_it(self):
        generator = random.Random(4)  # the same each time
        words = [b"EHLO", b"HELO x", b"MAIL FROM:<a@b.example>", b"RCPT TO:<a@sink.test.example>", b"DATA", b"BDAT 5", b"RSET",
                 b"BDAT 0 LAST", b"AUTH PLAIN", b"AUTH LOGIN", b"STARTTLS", b"NOOP", b"VRFY x", b"HELP", b"EXPN x", b"*",
                 b"XCLIENT ADDR=1.2.3.4", b"XFORWARD NAME=x", b".", b"=", base64.b64encode(b"\0a\0b"), b"\0", b"<>", b"QUIT"]
        for _ in range(200):
            session = self.session()
            flight = b"\r\n".join(generator.choices(words, k=12)) + b"\r\n"
            quietly(lambda s=session, f=flight: s.send(f))
            session.reset()
        self.assert_well()


def quietly(action):
    """The server may hang up in the middle: what counts is what it said."""
    try:
        action()
    except OSError:
        pass


if __name__ == "__main__":
    main()
