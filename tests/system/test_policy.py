"""Who may send what, decided by rules, rates, lists in DNS, checks of names, greylisting. Each refusal says in the
log which rule of which file and line decided; trusted clients are spared what concerns strangers only.
"""

import re

from harness.case import SystemTest, main
from harness.clients import Session, dot_stuffed
from harness.process import eventually
from harness.relais import Relais, merged
from harness.sink import Sink

SINK, TRUSTED = 20, 200
LISTED, DOUBLY, ALLOWED, CLEAN, NAMED, LIAR, NAMELESS = 210, 211, 212, 213, 214, 215, 216
RECIPIENT = "ann@sink.test.example"


def reversed_address(address):
    return ".".join(reversed(address.split(".")))


class Policy(SystemTest):
    @classmethod
    def neighbours(cls):
        a = cls.world.address
        listing = [f"{reversed_address(a(LISTED))}.bl A 127.0.0.2", f"{reversed_address(a(DOUBLY))}.bl A 127.0.0.4",
                   f"{reversed_address(a(DOUBLY))}.grey A 127.0.0.9", f"{reversed_address(a(ALLOWED))}.bl A 127.0.0.2",
                   f"{reversed_address(a(ALLOWED))}.allow A 127.0.0.1", f"{reversed_address(a(CLEAN))}.bl A 192.0.2.1",
                   f"{reversed_address(a(NAMED))}.bl A 127.255.255.254"]
        cls.start_dns("sink MX 10 mx.sink", f"mx.sink A {a(SINK)}", "nomail MX 0 .", f"named A {a(NAMED)}", "liar A 192.0.2.99",
                      "sender MX 10 mx.sink", "only-address A 192.0.2.1", *listing,
                      names={a(NAMED): "named.test.example", a(LIAR): "liar.test.example", a(LISTED): "listed.test.example"})
        cls.sink = Sink(cls.world, SINK).start()

    def policy(self, policy, **more):
        return self.relais(**merged({"policy": {"client_names": False, **policy},
                                     "relay": {"trusted_networks": [f"{self.world.address(TRUSTED)}/32"],
                                               "domains": ["sink.test.example", "nomail.test.example", "broken.example",
                                                           ".test.example"]}}, more))

    def session(self, relay, host=CLEAN, hello="client.test.example"):
        session = Session(relay, source=self.world.address(host))
        self.addCleanup(session.close)
        session.hello(hello)
        return session

    def attempt(self, relay, host=CLEAN, sender="joe@sender.test.example", recipient=RECIPIENT, hello="client.test.example"):
        """The reply that decides: that to MAIL or RCPT."""
        session = self.session(relay, host, hello)
        reply = session.command(f"MAIL FROM:<{sender}>")
        if reply.code == 250:
            reply = session.command(f"RCPT TO:<{recipient}>")
        session.command("QUIT")
        session.close()
        return reply

    def assert_refused(self, reply, start, relay=None, rule=None):
        self.assertTrue(reply.text.startswith(start), reply)
        if rule:
            relay.wait_for_log(rf"reject: \w+ from .*: {re.escape(start.strip())}.* rule=<{rule}")

    # -- rules -------------------------------------------------------------------------------------

    def test_rules_decide_and_the_log_names_their_line(self):
        stranger = f"{self.world.address(LISTED)}/32"
        rules = [{"clients": [f"{self.world.address(ALLOWED)}/32"], "action": "accept"},
                 {"clients": [stranger], "action": "reject", "text": "Not from your network"},
                 {"hellos": ["bad.example", ".bots.example"], "action": "reject", "text": "No bots"},
                 {"senders": ["spam@far.example", ".spam.example", "news@", "<>"], "action": "reject", "text": "No spam"},
                 {"recipients": ["closed@sink.test.example"], "action": "defer", "text": "Closed until Monday"},
                 {"senders": ["both.example"], "recipients": ["both@sink.test.example"], "action": "reject", "text": "Not both"}]
        relay = self.policy({"rules": rules})
        written = relay.config.read_text().splitlines()
        for number, (facts, start) in {
                1: ({"host": LISTED}, "550 5.7.1 Not from your network"), 2: ({"hello": "x.bots.example"}, "550 5.7.1 No bots"),
                3: ({"sender": "a@very.spam.example"}, "550 5.7.1 No spam"), 4: ({"recipient": "closed@sink.test.example"},
                                                                                  "450 4.7.1 Closed until Monday"),
                5: ({"sender": "x@both.example", "recipient": "both@sink.test.example"}, "550 5.7.1 Not both")}.items():
            with self.subTest(rule=rules[number]):
                try:
                    reply = self.attempt(relay, **facts)
                except AssertionError as refused_at_once:  # a rule that only needs the client decides at the greeting
                    self.assertIn("Not from your network", str(refused_at_once))
                    reply = None
                if reply is not None:
                    self.assert_refused(reply, start)
                place = relay.wait_for_log(rf"{re.escape(start.strip())}.* rule=<(\S*relais\.yaml):(\d+): policy\.rules")
                key = next(k for k in rules[number] if k not in ("action", "text"))
                around = "".join(written[int(place[2]) - 1:int(place[2]) + 2])
                self.assertIn(f'"{key}"', around)
        for facts in ({"sender": "spam@far.example"}, {"sender": "news@anywhere.example"}, {"sender": ""}, {"hello": "bad.example"}):
            with self.subTest(facts=facts):
                self.assertEqual(self.attempt(relay, **facts).code, 550)
        for facts in ({"sender": "x@both.example"}, {"recipient": "both@sink.test.example"}, {"sender": "ham@far.example"},
                      {"host": ALLOWED, "sender": "spam@far.example"}, {"sender": "x@spam.example.org"}):
            with self.subTest(facts=facts):
                self.assertEqual(self.attempt(relay, **facts).code, 250)

    def test_rules_concern_trusted_clients_too(self):
        relay = self.policy({"rules": [{"senders": ["spam@far.example"], "action": "reject"}]})
        self.assertEqual(self.attempt(relay, TRUSTED, sender="spam@far.example").code, 550)
        self.assertEqual(self.attempt(relay, TRUSTED, recipient="b@elsewhere.example").code, 250)

    def test_accept_is_no_right_to_relay(self):
        relay = self.policy({"rules": [{"senders": ["joe@sender.test.example"], "action": "accept"}]})
        self.assert_refused(self.attempt(relay, recipient="b@elsewhere.example"), "550 5.7.1 ")

    def test_a_file_of_rules(self):
        file = self.world.folder("rules") / "access"
        file.write_text("# who is not welcome\n\nsender spam@far.example REJECT Not you\nclient %s DEFER later\n"
                        "helo .bots.example REJECT\n" % self.world.address(LISTED))
        relay = self.policy({"rules_files": [str(file)]})
        self.assert_refused(self.attempt(relay, sender="spam@far.example"), "550 5.7.1 Not you", relay, rf"\S*access:3")
        self.assert_refused(self.attempt(relay, hello="a.bots.example"), "550 5.7.1 ", relay, rf"\S*access:5")

    def test_mistakes_in_a_file_of_rules_are_told_at_the_start(self):
        file = self.world.folder("rules") / "broken"
        file.write_text("sender spam@far.example REJECT\nsander x@y.example REJECT\nclient 1.2.3 REJECT\nsender a@b.example MAYBE\n")
        relay = Relais(self.world, 9, policy={"rules_files": [str(file)]})
        relay.launch()
        self.assertEqual(relay.process.wait(), 78)
        for line in (2, 3, 4):
            self.assertIn(f"broken:{line}: ", relay.log)

    # -- rates -------------------------------------------------------------------------------------

    def test_messages_of_a_client(self):
        relay = self.policy({"rates": [{"of": "messages", "per": "client", "limit": 3, "window": "1h"}],
                             "rate_exempt": [f"{self.world.address(ALLOWED)}/32"]})
        for _ in range(3):
            self.assertEqual(self.attempt(relay).code, 250)
        self.assert_refused(self.attempt(relay), "450 4.7.1 ", relay, r"\S*relais\.yaml:\d+: policy\.rates")
        self.assertEqual(self.attempt(relay, DOUBLY).code, 250)
        for _ in range(5):
            self.assertEqual(self.attempt(relay, ALLOWED).code, 250)

    def test_recipients_of_a_sender_and_a_network(self):
        for per in ("sender", "network"):
            with self.subTest(per=per):
                relay = self.policy({"rates": [{"of": "recipients", "per": per, "limit": 10, "window": "1h"}]})
                session = self.session(relay)
                session.command("MAIL FROM:<joe@sender.test.example>")
                codes = [session.command(f"RCPT TO:<r{n}@sink.test.example>").code for n in range(12)]
                self.assertEqual(codes, [250] * 10 + [450] * 2)
                neighbour = self.attempt(relay, DOUBLY, sender="other@sender.test.example").code
                self.assertEqual(neighbour, 450 if per == "network" else 250)
                session.close()
                relay.terminate()

    def test_connections_of_a_client(self):
        relay = self.policy({"rates": [{"of": "connections", "per": "client", "limit": 4, "window": "1h"}]})
        for _ in range(4):
            self.session(relay).close()
        session = Session(relay, source=self.world.address(CLEAN), greeted=False)
        self.addCleanup(session.close)
        self.assertTrue(session.reply().text.startswith("421 "))
        self.assertTrue(session.is_closed())
        self.session(relay, DOUBLY)

    def test_connections_at_once(self):
        relay = self.policy({}, limits={"connections_per_client": 3, "connections_per_network": 5})
        held = [self.session(relay) for _ in range(3)]
        for host, room in ((CLEAN, False), (DOUBLY, True), (LISTED, True), (ALLOWED, False), (TRUSTED, True)):
            with self.subTest(host=host):
                session = Session(relay, source=self.world.address(host), greeted=False)
                self.addCleanup(session.close)
                self.assertEqual(session.reply().code, 220 if room else 421)
        held[0].command("QUIT")

    # -- DNS lists ---------------------------------------------------------------------------------

    def lists(self, **more):
        return self.policy({"dns_lists": [{"zone": "bl.test.example", "score": 2, "answers": ["127.0.0.2", "127.0.0.4/30"]},
                                          {"zone": "grey.test.example", "text": "See https://grey.example/"},
                                          {"zone": "allow.test.example", "score": -5}], "dns_reject_score": 2, **more})

    def test_block_and_allow_lists(self):
        relay = self.lists()
        self.assert_refused(self.attempt(relay, LISTED), "550 5.7.1 ", relay, r"\S*relais\.yaml:\d+: policy\.dns_lists bl\.test\.example")
        self.assertEqual(self.attempt(relay, DOUBLY).code, 550)
        for host in (ALLOWED, CLEAN, NAMED, TRUSTED):
            with self.subTest(host=host):
                self.assertEqual(self.attempt(relay, host).code, 250)

    def test_scores_are_summed_up(self):
        relay = self.lists(dns_reject_score=3)
        self.assertEqual(self.attempt(relay, LISTED).code, 250)  # 2
        self.assertEqual(self.attempt(relay, DOUBLY).code, 550)  # 2 + 1

    def test_a_list_that_does_not_answer_refuses_nobody(self):
        relay = self.policy({"dns_lists": [{"zone": "bl.broken.example"}]})
        self.assertEqual(self.attempt(relay).code, 250)

    # -- names -------------------------------------------------------------------------------------

    def test_names_of_clients(self):
        """A name counts only if it leads back to the address."""
        relay = self.policy({"client_names": True})
        for host, name in ((NAMED, r"named\.test\.example"), (LIAR, "unknown"), (NAMELESS, "unknown")):
            with self.subTest(name=name):
                session = self.session(relay, host)
                identity, content = self.message(recipient=RECIPIENT)
                session.command("MAIL FROM:<joe@sender.test.example>")
                session.command(f"RCPT TO:<{RECIPIENT}>")
                session.command("DATA")
                session.send(dot_stuffed(content) + b"\r\n").reply()
                relay.wait_for_log(rf"connect from {name}\[{self.world.address(host)}\]")
                relay.wait_for_log(rf"client={name}\[{self.world.address(host)}\]")
        arrived = [s for _, s in self.sink.wait_for(1) if b"(named.test.example [" in s.octets]
        self.assertTrue(arrived)

    def test_rules_by_name_need_a_confirmed_one(self):
        relay = self.policy({"rules": [{"client_names": ["named.test.example", "liar.test.example"], "action": "reject"}]})
        with Session(relay, source=self.world.address(LIAR)) as session:
            self.assertEqual(session.greeting.code, 220)
        session = Session(relay, source=self.world.address(NAMED))
        self.addCleanup(session.close)
        codes = [session.greeting.code]
        if codes == [220]:
            session.command("EHLO x.example")
            codes += [session.command("MAIL FROM:<a@sender.test.example>").code, session.command(f"RCPT TO:<{RECIPIENT}>").code]
        self.assertTrue({550, 554} & set(codes), codes)

    def test_reverse_dns(self):
        named = self.policy({"reverse_dns": "name"})
        self.assertEqual(self.attempt(named, NAMED).code, 250)
        self.assertEqual(self.attempt(named, LIAR).code, 250)
        self.assert_refused(self.attempt(named, NAMELESS), "550 5.7.25 ")
        named.process.stop()
        confirmed = self.policy({"reverse_dns": "confirmed"})
        self.assertEqual(self.attempt(confirmed, NAMED).code, 250)
        self.assert_refused(self.attempt(confirmed, LIAR), "550 5.7.25 ")
        self.assertEqual(self.attempt(confirmed, TRUSTED).code, 250)

    def test_hello(self):
        syntax = self.policy({"hello": "syntax"})
        for hello, code in (("client.test.example", 250), ("[127.0.0.1]", 250), ("localhost", 550), ("under_score.example", 550),
                            ("127.0.0.1", 550)):
            with self.subTest(hello=hello):
                self.assertEqual(self.attempt(syntax, hello=hello).code, code)
        self.assertEqual(self.attempt(syntax, TRUSTED, hello="printer").code, 250)
        syntax.process.stop()
        resolvable = self.policy({"hello": "resolvable"})
        self.assertEqual(self.attempt(resolvable, hello="named.test.example").code, 250)
        self.assertEqual(self.attempt(resolvable, hello="nowhere.test.example").code, 550)

    def test_domain_of_the_sender(self):
        relay = self.policy({"sender_domain": True})
        for sender, start in (("a@sender.test.example", "250 "), ("a@only-address.test.example", "250 "), ("", "250 "),
                              ("a@nowhere.test.example", "550 5.1.8 "), ("a@nomail.test.example", "550 5.7.27 "),
                              ("a@broken.example", "450 4.1.8 ")):
            with self.subTest(sender=sender):
                self.assertTrue(self.attempt(relay, sender=sender).text.startswith(start))
        self.assertEqual(self.attempt(relay, TRUSTED, sender="a@nowhere.test.example").code, 250)

    def test_domain_of_the_recipient(self):
        relay = self.policy({"recipient_domain": True})
        for recipient, start in ((RECIPIENT, "250 "), ("a@nomail.test.example", "556 5.1.10 "), ("a@nowhere.test.example", "550 5.1.2 "),
                                 ("a@broken.example", "450 4.1.2 ")):
            with self.subTest(recipient=recipient):
                self.assertTrue(self.attempt(relay, recipient=recipient).text.startswith(start))

    # -- greylisting -------------------------------------------------------------------------------

    def test_greylisting_over_a_restart(self):
        relay = self.policy({"greylist": {"enabled": True, "delay": "1s"}})
        first = self.attempt(relay)
        self.assert_refused(first, "450 4.7.1 ", relay, r"\S*greylist")
        self.assertRegex(first.text, r"\d+ second")
        self.assertEqual(self.attempt(relay, TRUSTED).code, 250)
        relay.restart()
        from_now_on = self.eventually_accepted(relay)
        self.assertEqual(from_now_on.code, 250)
        relay.restart()
        self.assertEqual(self.attempt(relay).code, 250)
        self.assertEqual(self.attempt(relay, sender="other@sender.test.example").code, 450)
        relay.kill()  # and over the end of a process
        relay.start()
        self.assertEqual(self.attempt(relay).code, 250)

    def eventually_accepted(self, relay):
        return eventually(lambda: (lambda reply: reply if reply.code == 250 else None)(self.attempt(relay)),
                          "the second attempt is welcome")

    # -- replies -----------------------------------------------------------------------------------

    def test_texts_of_our_own(self):
        relay = self.policy({}, replies={"relay_denied": "You may not send to <{}>, see https://help.example/",
                                         "greeting": "{} ESMTP no fax please"})
        session = Session(relay, source=self.world.address(CLEAN))
        self.addCleanup(session.close)
        self.assertEqual(session.greeting.text, "220 relay.test.example ESMTP no fax please")
        self.assertEqual(self.attempt(relay, recipient="b@elsewhere.example").text,
                         "550 5.7.1 You may not send to <b@elsewhere.example>, see https://help.example/")

    def test_codes_cannot_be_changed(self):
        for replies, word in (({"no_such_reply": "x"}, "no_such_reply"), ({"greeting": "no name"}, "greeting"),
                              ({"relay_denied": "line\r\nbreak"}, "relay_denied")):
            with self.subTest(replies=replies):
                relay = Relais(self.world, 9, replies=replies)
                relay.launch()
                self.assertEqual(relay.process.wait(), 78)
                self.assertIn(word, relay.log)


if __name__ == "__main__":
    main()
