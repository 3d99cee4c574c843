"""SMTP smuggling: no input may end a message for us but not for the next hop, or the other way round.

Every sequence of the public scanners (CVE-2023-51764, -51765, -51766, VU#302671) and every other
combination of line ends around a dot, in DATA and in BDAT, whole and octet by octet, from a client whose
line ends are mended and from strangers, who are refused. Behind the relay stand Postfix and a strict sink:
each must see one message with exactly the content that the reference below says.
"""

import itertools
import re

from hostile import AT_POSTFIX, AT_SINK, SENDER, HostileTest, main

LF, CR, CRLF = b"\n", b"\r", b"\r\n"
LINE_ENDS = (LF, CR, CRLF)
NOT_AN_END = [a + b"." + b for a, b in itertools.product(LINE_ENDS, LINE_ENDS) if (a, b) != (CRLF, CRLF)] + [
    # two dots, blanks, doubled and reversed line ends, what Unicode and old terminals take for a line end
    b"\r\n..\r\n", b"\r\n. \r\n", b"\r\n .\r\n", b"\r\n.\t\r\n", b"\n\n.\n\n", b"\r\r.\r\r", b"\n\r.\n\r",
    b"\r\n.\r\r\n", b"\r\n.\n\r\n", b"\n\r\n.\n", b"\r\n\r.\r\n", b"\r\n.\r \n", b"\r\n.\x0b\n", b"\x0b.\x0c",
    b"\r\n.\x0d\x0b\x0a", b"\xc2\x85.\xc2\x85", b"\r\n\xe2\x80\xa8.\xe2\x80\xa8\r\n", b"\xff\r\n\xff.\r\n",
    b"=0D=0A.=0D=0A", b"\r\n.=\r\n", b"\r\n...\r\n", b"\r\n.\x1a", b"\x1a.\r\n"]
WITH_NUL = [b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\0\n", b"\r\0\n.\r\n", b"\0\r\n..\r\n", b"\n\0.\r\n", b"\r\n.\0\n",
            b"\0.\0", b"\r\n\0\r\n"]
BEHIND = (b"MAIL FROM:<evil@stranger.example>\r\nRCPT TO:<smuggled@sink.test.example>\r\n"
          b"RCPT TO:<bob@postfix.test.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil words\r\n")
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def normalized(content):
    """The reference: a bare LF is a line end, any other CR a space."""
    return re.sub(rb"\r(?!\n)", b" ", re.sub(rb"(?<!\r)\n", b"\r\n", content))


def unstuffed(content):
    """The first dot of a longer line is dropped; a line of one dot that did not end the data is text."""
    return re.sub(rb"(?m)^\.(?!\r\n)", b"", normalized(content))


class Smuggling(HostileTest):
    postfix_behind = True

    def case(self, sequence):
        """(id, what is sent as content)"""
        identity, head = self.message(b"before", sender=SENDER, recipient=AT_SINK)
        return identity, head + sequence + BEHIND

    def by_data(self, content, source, bytewise=False):
        session = self.in_data(source, (AT_SINK, AT_POSTFIX))
        (session.send_bytewise if bytewise else session.send)(content + b".\r\n")
        return session, session.reply()

    def by_bdat(self, content, source, sizes):
        """In chunks of these sizes, over and over; LAST is a chunk of no octets."""
        session = self.in_transaction(source, (AT_SINK, AT_POSTFIX))
        at, size = 0, itertools.cycle(sizes)
        while at < len(content):
            chunk = content[at:at + next(size)]
            session.send(b"BDAT %d\r\n" % len(chunk) + chunk)
            reply = session.reply()
            if reply.code != 250:
                return session, reply
            at += len(chunk)
        return session, session.command("BDAT 0 LAST")

    def assert_still_in_step(self, session):
        self.assertEqual(session.command("NOOP").code, 250)
        self.assertEqual(session.command("QUIT").code, 221)

    def assert_exactly(self, expected):
        """Both next hops have these messages, each once, octet for octet, and no other."""
        self.relay.wait_for_log(r"qmgr\S*: \w+: removed", count=len(expected))
        self.postfix.mail.wait_for(AT_POSTFIX, count=len(expected))  # it queues before it stores
        at_sink = {}
        for facts, stored in self.sink.messages():
            self.assertEqual((facts["bare_lf"], facts["bare_cr"], facts["nul"]), (False, False, False), facts)
            self.assertEqual((facts["mail_from"], facts["rcpt_to"]), (SENDER, [AT_SINK]))
            at_sink.setdefault(self.identity_of(stored), []).append(stored)
        at_postfix = {}
        for stored in self.postfix.mail.messages(AT_POSTFIX):
            at_postfix.setdefault(self.identity_of(stored), []).append(stored)
        self.assertEqual(self.postfix.mail.messages("bob@postfix.test.example"), [])
        for place in (at_sink, at_postfix):
            self.assertEqual(set(place), set(expected))
            for identity, content in expected.items():
                with self.subTest(content=content):
                    self.assertEqual(len(place[identity]), 1)
                    self.assertIsNotNone(place[identity][0].prefix_before(content), place[identity][0].octets)
        self.assertEqual(self.relay.process.matches("to=<(smuggled|bob)@"), [])

    @staticmethod
    def identity_of(stored):
        return re.search(rb"Message-ID: <(.*?)>", stored.octets)[1].decode()

    expected = {}  # of the whole class: id -> content that both next hops must have

    def test_1_data_of_a_client_whose_line_ends_are_mended(self):
        for sequence, bytewise in itertools.product(NOT_AN_END, (False, True)):
            with self.subTest(sequence=sequence, bytewise=bytewise):
                identity, content = self.case(sequence)
                session, reply = self.by_data(content, self.trusted, bytewise)
                self.assertEqual(reply.code, 250, reply)
                self.expected[identity] = unstuffed(content)
                self.assert_still_in_step(session)
        self.assert_exactly(self.expected)

    def test_2_data_of_strangers(self):
        for sequence, bytewise in itertools.product(NOT_AN_END, (False, True)):
            with self.subTest(sequence=sequence, bytewise=bytewise):
                identity, content = self.case(sequence)
                session, reply = self.by_data(content, self.stranger, bytewise)
                if BARE.search(content):
                    self.assertTrue(reply.text.startswith("550 5.5.2 "), reply)
                    self.assertTrue(session.is_closed(), session.transcript)
                else:
                    self.assertEqual(reply.code, 250, reply)
                    self.expected[identity] = unstuffed(content)
                    self.assert_still_in_step(session)
        self.assert_exactly(self.expected)

    def test_3_chunks_of_a_client_whose_line_ends_are_mended(self):
        """Content of chunks is opaque: also a whole CRLF.CRLF is text, stuffed for the next hop."""
        for sequence, sizes in itertools.product([*NOT_AN_END, b"\r\n.\r\n"], ([10000], [1], [7, 1, 64])):
            with self.subTest(sequence=sequence, sizes=sizes):
                identity, content = self.case(sequence)
                session, reply = self.by_bdat(content, self.trusted, sizes)
                self.assertEqual(reply.code, 250, reply)
                self.expected[identity] = normalized(content)
                self.assert_still_in_step(session)
        self.assert_exactly(self.expected)

    def test_4_chunks_of_strangers(self):
        for sequence, sizes in itertools.product([*NOT_AN_END, b"\r\n.\r\n"], ([10000], [1])):
            with self.subTest(sequence=sequence, sizes=sizes):
                identity, content = self.case(sequence)
                session, reply = self.by_bdat(content, self.stranger, sizes)
                if BARE.search(content):
                    self.assertTrue(reply.text.startswith("550 5.5.2 "), reply)
                    self.assertTrue(session.is_closed(), session.transcript)
                else:
                    self.assertEqual(reply.code, 250, reply)
                    self.expected[identity] = normalized(content)
                    self.assert_still_in_step(session)
        self.assert_exactly(self.expected)

    def test_5_nul_is_refused_from_everybody(self):
        for sequence, source in itertools.product(WITH_NUL, (self.trusted, self.stranger)):
            with self.subTest(sequence=sequence, source=source):
                _, content = self.case(sequence)
                session, reply = self.by_data(content, source)
                if BARE.search(content) and source == self.stranger:
                    self.assertRegex(reply.text, r"^55[04] 5\.(5\.2|6\.0) ")
                else:
                    self.assertRegex(reply.text, r"^55[04] 5\.6\.0 ")
                    self.assert_still_in_step(session)
                session, reply = self.by_bdat(content, source, [10000])
                self.assertRegex(reply.text, r"^55[04] 5\.(5\.2|6\.0) ")
        self.assert_exactly(self.expected)

    def test_6_dots_at_every_place_are_kept(self):
        """Stuffing and its removal, at the beginning, in long runs, at the very end."""
        bodies = [b".\r\n", b"..\r\n", b"...\r\n", b".\r\n.\r\n.\r\n", b".leading\r\n", b"x\r\n.", b"x\r\n..", b"\r\n.\r\n",
                  b"." * 998 + b"\r\n", (b"." * 70 + b"\r\n") * 1000, b"x" * 65500 + b"\r\n.\r\n" + b"y" * 100 + b"\r\n",
                  b".\r\n" * 20000]
        for body in bodies:
            with self.subTest(body=body[:40]):
                identity, content = self.message(body, sender=SENDER, recipient=AT_SINK)
                wire = re.sub(rb"(?m)^\.", b"..", content)
                if wire.endswith(b"\r\n"):
                    session, reply = self.by_data(wire, self.stranger)
                    self.assertEqual(reply.code, 250, reply)
                    self.expected[identity] = content
                    self.assert_still_in_step(session)
                identity, content = self.message(body, sender=SENDER, recipient=AT_SINK)
                session, reply = self.by_bdat(content, self.stranger, [4096, 3])
                self.assertEqual(reply.code, 250, reply)
                self.expected[identity] = content if content.endswith(b"\r\n") else content + b"\r\n"
                self.assert_still_in_step(session)
        self.assert_exactly(self.expected)

    def test_7_binary_content_never_leaves_by_data(self):
        """BODY=BINARYMIME keeps bare line ends and NUL; a next hop without BINARYMIME must not get them."""
        identity, content = self.message(b"a\nb\rc\0d\n.\ne\r\n", sender=SENDER, recipient=AT_SINK)
        session = self.session(self.trusted)
        if "BINARYMIME" not in session.hello():
            return
        self.assertEqual(session.command(f"MAIL FROM:<{SENDER}> BODY=BINARYMIME").code, 250)
        self.assertEqual(session.command(f"RCPT TO:<{AT_SINK}>").code, 250)
        self.assertTrue(session.command("DATA").text.startswith("503 5.5.1 "))
        reply = session.send(b"BDAT %d LAST\r\n" % len(content) + content).reply()
        if reply.code == 250:
            self.relay.wait_for_log(r"status=bounced \(.*", timeout=30)
        else:
            self.assertRegex(reply.text, r"^554 5\.6\.[13] ")
        self.assertFalse([s for _, s in self.sink.messages() if identity.encode() in s.octets and b"\0" in s.octets])

    def test_8_line_ends_of_commands(self):
        """For strangers only CRLF ends a command; what stands behind another one is never run."""
        for ending in (LF, CR, b"\n\r", b"\r\r\n", b"\0\r\n", b"\x0b\r\n"):
            with self.subTest(ending=ending):
                session = self.session()
                session.hello()
                session.send(b"NOOP" + ending + b"VRFY x\r\n")
                reply = session.reply()
                self.assertEqual(reply.code // 100, 5, reply)
                if reply.code == 550:
                    self.assertTrue(session.is_closed())
        session = self.session(self.trusted)
        session.hello()
        session.send(b"NOOP\nRSET\nQUIT\n")
        self.assertEqual([r.code for r in session.replies(3)], [250, 250, 221])

    def test_9_still_well(self):
        self.assert_well()


if __name__ == "__main__":
    main()
