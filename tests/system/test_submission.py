"""What the submission ports do for users and to guessers: headers are completed, senders belong to logins,
failures look alike and cost patience; and `relaisctl user`, which keeps the file of users.
"""

import base64
import hashlib
import hmac
import os
import stat

from harness import relaisctl
from harness.case import main
from harness.clients import Session, dot_stuffed
from harness.mailbox import header_fields
from harness.process import eventually
from harness.relais import HOSTNAME
from harness.sink import Sink
from harness.submission import PASSWORD, RECIPIENT, SUBMISSIONS, USER, SubmissionTest
from harness.world import SMTP_PORT

LEGACY = 2588
LATER = 99  # last octet of a next hop that comes up later
OFFICE, BOSS = "office", "boss@exim.test.example"


def plain(user, password, authorization=""):
    return base64.b64encode(f"{authorization}\0{user}\0{password}".encode()).decode()


class Submission(SubmissionTest):
    @classmethod
    def prepare(cls):
        relaisctl.add_user(cls.users_file, OFFICE, "office secret", "--senders", f"{BOSS},@office.test.example")

    @classmethod
    def relay_settings(cls):
        address = cls.world.address(1)
        return {"listeners": [*cls.service()["listeners"], {"address": f"{address}:{LEGACY}", "require_auth": True}],
                "auth": {"legacy_line": True, "without_tls": True, "failures_per_client": 0},
                "submission": {"domain": "exim.test.example", "add_sender": True},
                "relay": {"trusted_networks": [f"{cls.world.address(200)}/32"]}}

    def session(self, port=SUBMISSIONS, login=True, user=USER, password=PASSWORD, relay=None, **options):
        tls = self.authority.client_context() if port == SUBMISSIONS else None
        session = Session(relay or self.relay, port=port, tls=tls, name=HOSTNAME, **options)
        self.addCleanup(session.close)
        session.hello()
        if login:
            reply = session.command("AUTH PLAIN " + plain(user, password))
            self.assertTrue(reply.text.startswith("235 2.7.0 "), reply)
        return session

    def hand_over(self, session, content, sender=USER, recipients=(RECIPIENT,), parameters=""):
        reply = session.command(f"MAIL FROM:<{sender}>{parameters}")
        self.assertEqual(reply.code, 250, reply)
        for recipient in recipients:
            self.assertEqual(session.command(f"RCPT TO:<{recipient}>").code, 250)
        self.assertEqual(session.command("DATA").code, 354)
        reply = session.send(dot_stuffed(content) + b"\r\n").reply()
        self.assertEqual(reply.code, 250, reply)
        return reply.text.rsplit(" ", 1)[1]

    def arrived(self, mark):
        found = eventually(lambda: [s for _, s in self.sink.messages() if mark in s.octets], lambda: f"{mark} arrives")
        self.assertEqual(len(found), 1)
        return found[0]

    def fields(self, stored):
        head = stored.octets.split(b"\r\n\r\n", 1)[0] + b"\r\n"
        return [(name, value) for name, value in header_fields(head) if name != "Received"]

    # -- headers -----------------------------------------------------------------------------------

    def test_what_is_missing_is_added(self):
        self.hand_over(self.session(), b"Subject: incomplete 1\r\n\r\nbody\r\n.\r\n")
        stored = self.arrived(b"incomplete 1")
        fields = dict(self.fields(stored))
        self.assertRegex(fields["Date"], r"^\w{3}, \d\d? \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}$")
        self.assertRegex(fields["Message-ID"], r"^<\S+@\S+>$")
        self.assertEqual(fields["From"].strip("<>"), USER)
        self.assertTrue(stored.octets.endswith(b"\r\n\r\nbody\r\n.\r\n"))

    def test_what_is_there_stays_octet_for_octet(self):
        letter = self.letter()
        self.hand_over(self.session(), letter.content)
        _, stored = self.arrival(letter)
        self.assertIsNotNone(stored.prefix_before(letter.content), stored.octets)

    def test_blind_copies_are_removed_and_still_delivered(self):
        content = (b"From: <joe@exim.test.example>\r\nTo: <ann@sink.test.example>\r\nBcc: <hidden@sink.test.example>,\r\n"
                   b" Other <other@sink.test.example>\r\nSubject: blind 1\r\nBCC: again@sink.test.example\r\n\r\nBcc: in the body\r\n")
        self.hand_over(self.session(), content, recipients=(RECIPIENT, "hidden@sink.test.example"))
        stored = self.arrived(b"blind 1")
        self.assertNotIn(b"hidden@", stored.octets)
        self.assertNotIn(b"again@", stored.octets)
        self.assertTrue(stored.octets.endswith(b"\r\n\r\nBcc: in the body\r\n"))

    def test_bare_addresses_are_completed(self):
        content = (b"From: joe\r\nTo: ann (Ann Doe), \"Bob\" <bob>, full@far.example\r\nSubject: bare 1\r\n\r\nx\r\n")
        self.hand_over(self.session(), content)
        fields = dict(self.fields(self.arrived(b"bare 1")))
        self.assertIn("joe@exim.test.example", fields["From"])
        for address in ("ann@exim.test.example", "bob@exim.test.example", "full@far.example"):
            self.assertIn(address, fields["To"])

    def test_bare_recipients_are_taken_from_users_only(self):
        session = self.session()
        session.command(f"MAIL FROM:<{USER}>")
        self.assertIn(session.command("RCPT TO:<ann>").code, (250,))

    def test_a_sender_field_where_from_is_not_the_login_s(self):
        content = b"From: <other@exim.test.example>\r\nTo: <ann@sink.test.example>\r\nSubject: sender 1\r\n\r\nx\r\n"
        self.hand_over(self.session(), content)
        self.assertIn(USER, dict(self.fields(self.arrived(b"sender 1"))).get("Sender", ""))

    def test_a_relay_port_changes_nothing(self):
        content = b"Subject: untouched 1\r\nBcc: <kept@far.example>\r\n\r\nx\r\n"
        session = Session(self.relay, source=self.world.address(200))
        self.addCleanup(session.close)
        session.hello()
        self.hand_over(session, content)
        self.assertIsNotNone(self.arrived(b"untouched 1").prefix_before(content))

    # -- senders and recipients --------------------------------------------------------------------

    def test_senders_belong_to_logins(self):
        for user, password, sender, good in ((USER, PASSWORD, USER, True), (USER, PASSWORD, "joe@Exim.TEST.example", True),
                                             (USER, PASSWORD, BOSS, False), (USER, PASSWORD, "joe@far.example", False),
                                             (OFFICE, "office secret", BOSS, True), (OFFICE, "office secret", "x@office.test.example", True),
                                             (OFFICE, "office secret", USER, False), (OFFICE, "office secret", "x@sub.office.test.example", False)):
            with self.subTest(user=user, sender=sender):
                session = self.session(user=user, password=password)
                reply = session.command(f"MAIL FROM:<{sender}>")
                self.assertTrue(reply.text.startswith("250 2.1.0 " if good else "553 5.7.1 "), reply)
        self.relay.wait_for_log(rf"reject: MAIL from .*: 553 5\.7\.1 .* from=<joe@far\.example> .*sasl_username=<{USER}>")

    def test_users_may_send_anywhere_and_others_not(self):
        session = self.session()
        session.command(f"MAIL FROM:<{USER}>")
        self.assertEqual(session.command("RCPT TO:<b@elsewhere.example>").code, 250)
        session = self.session(login=False)
        for words in (f"MAIL FROM:<{USER}>", "MAIL FROM:<>"):
            self.assertTrue(session.command(words).text.startswith("530 5.7.0 "))

    # -- logins ------------------------------------------------------------------------------------

    def test_the_line_of_old_clients(self):
        session = Session(self.relay, port=LEGACY)
        self.addCleanup(session.close)
        lines = session.command("EHLO old.example").lines
        self.assertRegex("\n".join(lines), r"(?m)^250[- ]AUTH .*PLAIN")
        self.assertRegex("\n".join(lines), r"(?m)^250[- ]AUTH=PLAIN LOGIN$")
        self.assertEqual(session.command("AUTH LOGIN " + base64.b64encode(USER.encode()).decode()).code, 334)
        self.assertEqual(session.command(base64.b64encode(PASSWORD.encode()).decode()).code, 235)

    def test_failures_look_alike(self):
        """An unknown user, a wrong password, an empty one: the same words, the same steps."""
        answers = set()
        for user, password in ((USER, "wrong"), ("nobody@exim.test.example", PASSWORD), (USER, ""), ("", PASSWORD), (OFFICE, PASSWORD)):
            session = self.session(login=False)
            session.send(b"AUTH PLAIN " + plain(user, password).encode() + b"\r\n")
            answers.add(session.reply().text)
            if not (user and password):
                continue  # LOGIN has no empty words
            session.send(b"AUTH LOGIN\r\n")
            steps = [session.reply().text]
            for word in (user, password):
                steps.append(session.command(base64.b64encode(word.encode()).decode()).text)
            answers.add("\n".join(steps))
        self.assertEqual(len(answers), 2, answers)
        self.assertTrue(min(answers).startswith(("334", "535 5.7.8 ")))

    def test_a_connection_has_three_failures(self):
        session = self.session(login=False)
        for expected in ("535 5.7.8 ", "535 5.7.8 "):
            self.assertTrue(session.command("AUTH PLAIN " + plain(USER, "wrong")).text.startswith(expected))
        last = session.command("AUTH PLAIN " + plain(USER, "wrong"))
        if last.code == 535:
            last = session.reply()
        self.assertTrue(last.text.startswith(f"421 4.7.0 {HOSTNAME} "), last)
        self.assertTrue(session.is_closed())

    def test_an_address_that_guesses_is_refused_whatever_it_says(self):
        relay = self.relais(host=4, **self.service({"auth": {"failures_per_client": 4, "failures_per_connection": 100}}, host=4))
        guesser, other = self.world.address(201), self.world.address(202)
        session = self.session(login=False, relay=relay, source=guesser)
        for _ in range(4):
            self.assertEqual(session.command("AUTH PLAIN " + plain(USER, "wrong")).code, 535)
        again = self.session(login=False, relay=relay, source=guesser)
        self.assertIn(again.command("AUTH PLAIN " + plain(USER, PASSWORD)).code, (421, 454, 535))
        self.session(relay=relay, source=other)

    def test_exchanges_that_go_wrong(self):
        session = self.session(login=False)
        for words, start in (("AUTH", "501 5.5.4 "), ("AUTH NOSUCH", "504 5.5.4 "), ("AUTH CRAM-MD5", "504 5.5.4 "),
                             ("AUTH PLAIN !!!", "501 5.5.2 ")):
            with self.subTest(words=words):
                self.assertTrue(session.command(words).text.startswith(start))
        self.assertEqual(session.command("AUTH PLAIN").text, "334 ")
        self.assertTrue(session.command("*").text.startswith("501 5.7.0 "))
        self.assertEqual(session.command("AUTH LOGIN").code, 334)
        self.assertTrue(session.command("not base64 \x7f").text.startswith("501 5.5.2 "))
        self.assertEqual(session.command("AUTH PLAIN").code, 334)
        self.assertTrue(session.command("A" * 12290).text.startswith("500 5.5.6 "))
        session = self.session()
        self.assertTrue(session.command("AUTH PLAIN " + plain(USER, PASSWORD)).text.startswith("503 5.5.1 "))
        session = self.session()
        session.command(f"MAIL FROM:<{USER}>")
        self.assertTrue(session.command("AUTH PLAIN").text.startswith("503 5.5.1 "))

    def scram(self, session, password=PASSWORD, binding=None, flag=b"n,,", mechanism="SCRAM-SHA-256"):
        """RFC 5802 by hand; returns the last reply."""
        nonce = base64.b64encode(os.urandom(18))
        bare = b"n=" + USER.encode() + b",r=" + nonce
        reply = session.command(f"AUTH {mechanism} " + base64.b64encode(flag + bare).decode())
        if reply.code != 334:
            return reply
        server_first = base64.b64decode(reply.text[4:])
        facts = dict(part.split(b"=", 1) for part in server_first.split(b","))
        self.assertTrue(facts[b"r"].startswith(nonce) and len(facts[b"r"]) > len(nonce))
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(facts[b"s"]), int(facts[b"i"]))
        without_proof = b"c=" + base64.b64encode(flag + (binding or b"")) + b",r=" + facts[b"r"]
        message = b",".join((bare, server_first, without_proof))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        reply = session.command(base64.b64encode(without_proof + b",p=" + base64.b64encode(proof)).decode())
        if reply.code == 334:  # the server proves that it knows the secret, too
            server_key = hmac.digest(salted, b"Server Key", "sha256")
            self.assertEqual(base64.b64decode(reply.text[4:]), b"v=" + base64.b64encode(hmac.digest(server_key, message, "sha256")))
            reply = session.command("")
        return reply

    def end_point(self):
        return hashlib.sha256(self.certificate.der).digest()

    def test_scram(self):
        self.assertEqual(self.scram(self.session(login=False)).code, 235)
        self.assertEqual(self.scram(self.session(login=False), password="wrong").code, 535)

    def test_scram_plus_is_bound_to_the_connection(self):
        flag = b"p=tls-server-end-point,,"
        for binding, code in ((self.end_point(), 235), (b"x" * 32, 535), (b"", 535)):
            with self.subTest(binding=binding[:4]):
                reply = self.scram(self.session(login=False), binding=binding, flag=flag, mechanism="SCRAM-SHA-256-PLUS")
                self.assertEqual(reply.code, code, reply)

    def test_scram_sees_a_stripped_plus(self):
        """The client could bind and believes that the server cannot: somebody is between them."""
        self.assertEqual(self.scram(self.session(login=False), flag=b"y,,").code, 535)

    # -- extensions of submission ------------------------------------------------------------------

    def test_a_message_is_held(self):
        """FUTURERELEASE: not before its time, and listed by then."""
        letter = self.letter()
        session = self.session()
        queue_id = self.hand_over(session, letter.content, parameters=" HOLDFOR=3600")
        self.relay.wait_for_log(rf"qmgr\S*: {queue_id}: from=<{USER}>")
        soon = self.letter()
        self.hand_over(session, soon.content, parameters=" HOLDFOR=1")
        self.arrival(soon)
        self.assertEqual([s for _, s in self.sink.messages() if letter.mark in s.octets], [])
        for parameters, start in ((" HOLDFOR=1 HOLDUNTIL=2030-01-01T00:00:00Z", "501 5.5.4 "), (" HOLDFOR=x", "501 5.5.4 "),
                                  (" HOLDUNTIL=2001-01-01T00:00:00Z", "501 5.5.4 "), (" HOLDFOR=99999999", "5")):
            with self.subTest(parameters=parameters):
                session.command("RSET")
                self.assertTrue(session.command(f"MAIL FROM:<{USER}>{parameters}").text.startswith(start))

    def test_what_was_asked_about_reports_outlasts_a_restart(self):
        """DSN, MT-PRIORITY and DELIVERBY are in the queue, and told to a next hop that knows them."""
        hop = Sink(self.world, LATER)
        relay = self.relais(host=5, **self.service({"smarthost": {"host": f"[{hop.address}]:{SMTP_PORT}"}}, host=5))
        session = self.session(relay=relay)
        reply = session.command(f"MAIL FROM:<{USER}> RET=HDRS ENVID=QQ+2B1 MT-PRIORITY=3 BY=72000;N BODY=8BITMIME")
        self.assertEqual(reply.code, 250, reply)
        self.assertEqual(session.command(f"RCPT TO:<{RECIPIENT}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Ann+2BX@far.example").code, 250)
        self.assertEqual(session.command("RCPT TO:<bob@sink.test.example> NOTIFY=NEVER").code, 250)
        session.command("DATA")
        queue_id = session.send(b"Subject: kept\r\n\r\nx\r\n.\r\n").reply().text.rsplit(" ", 1)[1]
        relay.wait_for_log(rf"{queue_id}: to=<{RECIPIENT}>.*status=deferred")
        self.assertEqual(relay.terminate(), 0, relay.log)
        hop.script(ehlo="250-sink.example\n250-PIPELINING\n250-8BITMIME\n250-DSN\n250-MT-PRIORITY\n250-DELIVERBY\n250 SIZE")
        hop.start()
        self.addCleanup(hop.stop)
        relay.start()
        facts, _ = hop.wait_for(1)[0]
        self.assertLessEqual({"RET=HDRS", "ENVID=QQ+2B1", "MT-PRIORITY=3"}, set(facts["mail_params"]))
        parameters = dict(zip(facts["rcpt_to"], map(set, facts["rcpt_params"])))
        self.assertIn("ORCPT=rfc822;Ann+2BX@far.example", parameters[RECIPIENT])
        self.assertTrue(parameters[RECIPIENT] & {"NOTIFY=SUCCESS,FAILURE", "NOTIFY=FAILURE,SUCCESS"}, parameters)
        self.assertIn("NOTIFY=NEVER", parameters["bob@sink.test.example"])

    # -- the users file ----------------------------------------------------------------------------

    def ctl(self, file, verb, *arguments, code=0, **options):
        outcome = relaisctl.user(verb, file, *arguments, **options)
        self.assertEqual(outcome.code, code, outcome)
        return outcome

    def test_users_come_and_go_while_the_relay_runs(self):
        name = "new@exim.test.example"
        self.assertEqual(self.login(name, "first"), 535)
        self.ctl(self.users_file, "add", name, password="first")
        eventually(lambda: self.login(name, "first") == 235, "a new user may log in")
        self.ctl(self.users_file, "passwd", name, password="second")
        eventually(lambda: self.login(name, "second") == 235, "the new password counts")
        self.assertEqual(self.login(name, "first"), 535)
        listed = self.ctl(self.users_file, "list")
        self.assertIn(name, listed.text)
        self.assertIn(OFFICE, listed.text)
        self.assertIn(BOSS, listed.text)
        self.ctl(self.users_file, "remove", name)
        eventually(lambda: self.login(name, "second") == 535, "the user is gone")
        self.assertEqual(self.login(USER, PASSWORD), 235)

    def login(self, user, password):
        session = self.session(login=False)
        code = session.command("AUTH PLAIN " + plain(user, password)).code
        session.close()
        return code

    def test_the_file_and_its_mistakes(self):
        file = self.world.new_folder("users") / "users"
        self.ctl(file, "add", "a@b.example", password="secret one")
        self.assertEqual(stat.S_IMODE(file.stat().st_mode) & 0o037, 0)
        self.assertNotIn("secret one", file.read_text())
        before = file.read_text()
        self.assertNotEqual(self.try_(file, "add", "a@b.example", password="x"), 0)  # there already
        self.assertNotEqual(self.try_(file, "remove", "nobody"), 0)
        self.assertNotEqual(self.try_(file, "passwd", "nobody", password="x"), 0)
        self.assertNotEqual(self.try_(file, "add", "col:on", password="x"), 0)
        self.assertNotEqual(self.try_(file, "add", "line\nbreak", password="x"), 0)
        self.assertNotEqual(self.try_(file, "add", "empty", password=""), 0)
        self.assertNotEqual(self.try_(file, "frobnicate"), 0)
        self.assertEqual(file.read_text(), before)

    @staticmethod
    def try_(file, verb, *arguments, **options):
        return relaisctl.user(verb, file, *arguments, **options).code


if __name__ == "__main__":
    main()
