"""The open-relay catalogue (RFC 2505, the public relay testers, and what address parsers disagree about):
nothing that a stranger can write into MAIL and RCPT makes the relay send to where it does not serve.

The relay serves sink.test.example only. Every recipient here means, for some mail software of the past or
present, a mailbox at victim.test.example, at the relay itself, or behind the next hop.
"""

from hostile import AT_SINK, HostileTest, main

OURS, HOST = "sink.test.example", "relay.test.example"
VICTIM = "victim.test.example"

SENDERS = ["", f"postmaster@{HOST}", f"spoof@{OURS}", "root@localhost", f"user@{VICTIM}", "user@[127.0.0.1]",
           f'"user@{VICTIM}"@{OURS}', f"user%{VICTIM}@{OURS}", f"{AT_SINK}"]


def recipients(own_literal):
    """Paths without their angle brackets."""
    ours = [OURS, HOST, own_literal, "localhost", "[127.0.0.1]"]
    found = [f"user@{VICTIM}", f'"user"@{VICTIM}', f'"user@{VICTIM}"', f"user%{VICTIM}", f'"user%{VICTIM}"', "user",
             f"{VICTIM}!user", f'"{VICTIM}!user"', f"user@{VICTIM}.", f"user@{OURS}.{VICTIM}", f"user@not{OURS}",
             f"user@.{OURS}", f"user@{OURS}@{VICTIM}", f"user@{VICTIM}@{OURS}", f"user@{VICTIM},user@{OURS}",
             f"user@{OURS},user@{VICTIM}", f"user@{OURS} user@{VICTIM}", f"user@{VICTIM}({OURS})",
             f"user@({OURS}){VICTIM}", f"user@{VICTIM}#@{OURS}", f"user@{VICTIM}\\@{OURS}", f"user@[{VICTIM}]",
             "user@[192.0.2.1]", "user@[IPv6:2001:db8::1]", "user@[IPv6:::ffff:192.0.2.1]", "user@192.0.2.1",
             "user@3221225985", "user@[3221225985]", "user@0xc0000201", f"user@{VICTIM}%{OURS}", f"user:{VICTIM}@{OURS}",
             f"=?utf-8?q?user=40{VICTIM}=3e=00?=foo@{VICTIM}", f"user@=?utf-8?q?{VICTIM}?=", f"user@xn--0049.{VICTIM}",
             f"user@{VICTIM}>,<user@{OURS}", f"user@{VICTIM}\t@{OURS}", f"user@{VICTIM}/{OURS}", f"user@{VICTIM}?{OURS}",
             f"/o=x/ou=y/cn=user@{VICTIM}", f"user@{VICTIM}:25", f"user@{VICTIM};{OURS}", f"user@{VICTIM}|{OURS}",
             f"|/bin/sh@{VICTIM}", f"/var/mail/root@{VICTIM}", f"@{VICTIM}", f"@{OURS}", f"@@{VICTIM}", "@", "@@", "user@", ""]
    for by_us in ours:
        found += [f"@{by_us}:user@{VICTIM}", f"@{by_us},@{by_us}:user@{VICTIM}", f"@{by_us}:@{OURS}:user@{VICTIM}",
                  f"user%{VICTIM}@{by_us}", f'"user%{VICTIM}"@{by_us}', f"{VICTIM}!user@{by_us}",
                  f"{OURS}!{VICTIM}!user@{by_us}", f'"{VICTIM}!user"@{by_us}', f'"user@{VICTIM}"@{by_us}',
                  f"user@{VICTIM}@{by_us}", f'user\\@{VICTIM}@{by_us}', f'"user\\@{VICTIM}"@{by_us}',
                  f"user%{VICTIM}%{by_us}@{by_us}", f"@{by_us}:user%{VICTIM}@{by_us}"]
        if by_us != OURS:
            found += [f"user@{by_us}", f"postmaster@{VICTIM}@{by_us}"]
    return found


class OpenRelay(HostileTest):
    def opened(self, sender=f"user@{VICTIM}"):
        session = self.session()
        session.hello()
        self.assertEqual(session.command(f"MAIL FROM:<{sender}>").code, 250)
        return session

    def test_the_catalogue(self):
        catalogue = recipients(f"[{self.relay.address}]")
        self.assertGreater(len(catalogue), 100)
        session, used = self.opened(), 0
        for recipient in catalogue:
            for wire in (f"<{recipient}>", recipient):
                with self.subTest(wire=wire):
                    if used >= 8:  # a new session before limits.soft_errors slows this one down
                        session.close()
                        session, used = self.opened(), 0
                    used += 2
                    reply = session.command(f"RCPT TO:{wire}")
                    self.assertIn(reply.code, (501, 550, 553), reply)
                    self.assertRegex(reply.text, r"^\d{3} 5\.[157]\.\d ")
                    self.assertEqual(session.command("NOOP").code, 250)
                    self.assertIn(session.command("DATA").code, (503, 554))

    def test_no_sender_opens_the_relay(self):
        for sender in SENDERS:
            with self.subTest(sender=sender):
                session = self.session()
                session.hello()
                reply = session.command(f"MAIL FROM:<{sender}>")
                if reply.code != 250:
                    self.assertEqual(reply.code // 100, 5, reply)
                    continue
                self.assertTrue(session.command(f"RCPT TO:<user@{VICTIM}>").text.startswith("550 5.7.1 "))
                self.assertTrue(session.command("DATA").text.startswith("554 5.5.1 "))
                session.close()

    def test_no_parameter_and_no_hello_opens_the_relay(self):
        for hello in ("localhost", HOST, "[127.0.0.1]", f"[{self.relay.address}]", OURS, "relay"):
            session = self.session()
            session.hello(hello)
            for parameters in ("", " AUTH=<>", f" AUTH=user@{OURS}", " SIZE=1", " RET=FULL ENVID=x"):
                with self.subTest(hello=hello, parameters=parameters):
                    session.command("RSET")
                    if session.command(f"MAIL FROM:<user@{OURS}>{parameters}").code == 250:
                        self.assertTrue(session.command(f"RCPT TO:<user@{VICTIM}>").text.startswith("550 5.7.1 "))
            for words in (f"XCLIENT ADDR={self.trusted}", "XCLIENT LOGIN=root", f"XFORWARD ADDR={self.trusted}",
                          f"PROXY TCP4 {self.trusted} {self.relay.address} 1 2525", "ETRN @", "TURN", "AUTH PLAIN AGEAYg=="):
                with self.subTest(words=words):
                    session.command("RSET")
                    self.assertEqual(session.command(words).code // 100, 5)
            session.close()

    def test_a_source_route_to_us_is_dropped_and_serves(self):
        """RFC 5321 appendix F.2: the route is ignored, the mailbox decides."""
        session = self.opened()
        reply = session.command(f"RCPT TO:<@{HOST},@{VICTIM}:{AT_SINK}>")
        self.assertIn(reply.code, (250, 553), reply)

    def test_nothing_went_anywhere(self):
        self.assertEqual(self.relay.process.matches(r"\bto=<[^>]*>, relay="), [])
        self.assertEqual(self.sink.messages(), [])
        self.assert_well()


if __name__ == "__main__":
    main()
