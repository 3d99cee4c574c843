"""The mail programs of this world at the submission ports: each mechanism that it has, over STARTTLS and over
implicit TLS. The next hop gets what was written, the trace header and the log say how it came and from whom.
"""

import smtplib
import ssl

from harness import submitters
from harness.case import main
from harness.relais import merged
from harness.submission import PASSWORD, RECIPIENT, SUBMISSIONS, USER, SubmissionTest
from harness.submitters import Refused
from harness.tokens import TokenServer

WAYS = (("starttls", None), ("implicit", SUBMISSIONS))


class Clients(SubmissionTest):
    @classmethod
    def prepare(cls):
        cls.client_certificate = cls.authority.issue(USER, file="client")
        cls.tokens = TokenServer(cls.world).start()
        cls.tokens.allow("the-token", email=USER)

    @classmethod
    def relay_settings(cls):
        listeners = [{**listener, "client_certificates": True} for listener in cls.service()["listeners"]]
        # The sink offers something else in each test.
        return {"listeners": listeners, "delivery": {"idle_timeout": "0s"}, "auth": merged({"tokens": cls.tokens.settings()}, {}),
                "tls": {"client_ca_file": str(cls.authority.certificate)}}

    def send_all(self, program, *mechanisms, ways=WAYS, whole=True, **door):
        for mechanism in mechanisms:
            for tls, port in ways:
                with self.subTest(mechanism=mechanism, tls=tls):
                    at = self.door(mechanism=mechanism, tls=tls, **{**({"port": port} if port else {}), **door})
                    letter = self.letter()
                    program(at, letter)
                    self.assert_submitted(at, letter, whole=whole)

    def test_swaks(self):
        self.send_all(submitters.swaks, "PLAIN", "LOGIN")
        self.send_all(submitters.swaks_pipelining, "PLAIN")

    def test_swaks_is_not_offered_what_it_asks_for(self):
        """CRAM-MD5 and the like would need passwords in clear on our disk."""
        for mechanism in ("CRAM-MD5", "CRAM-SHA1", "DIGEST-MD5"):
            with self.subTest(mechanism=mechanism), self.assertRaises(Refused):
                submitters.swaks(self.door(mechanism=mechanism), self.letter())

    def test_msmtp(self):
        self.send_all(submitters.msmtp, "PLAIN", "LOGIN", "SCRAM-SHA-256")
        self.send_all(submitters.msmtp, "OAUTHBEARER", "XOAUTH2", password="the-token")
        self.send_all(submitters.msmtp, "EXTERNAL", certificate=self.client_certificate)

    def test_curl(self):
        self.send_all(submitters.curl, "PLAIN", "LOGIN")
        self.send_all(submitters.curl, "OAUTHBEARER", password="the-token")  # it never takes XOAUTH2 then
        self.send_all(submitters.curl, "EXTERNAL", certificate=self.client_certificate, password=None)

    def test_smtplib(self):
        self.send_all(submitters.python_smtplib, "PLAIN", "LOGIN")

    def test_nodemailer(self):
        self.send_all(submitters.nodemailer, "PLAIN", "LOGIN")
        self.send_all(submitters.nodemailer, "XOAUTH2", password="the-token")

    def test_net_smtp(self):
        self.send_all(submitters.net_smtp, "PLAIN", "LOGIN")

    def test_s_nail(self):
        self.send_all(submitters.s_nail, "PLAIN", "LOGIN", whole=False)

    def test_jakarta_mail(self):
        self.send_all(submitters.java_mail, "PLAIN", ways=WAYS[:1])
        self.send_all(submitters.java_mail, "LOGIN", ways=WAYS[1:])
        self.send_all(submitters.java_mail, "XOAUTH2", ways=WAYS[:1], password="the-token")

    def test_openssl_s_client(self):
        self.send_all(submitters.s_client, "PLAIN")

    def test_a_wrong_password_is_refused_to_each_program(self):
        for program in (submitters.swaks, submitters.msmtp, submitters.curl, submitters.nodemailer, submitters.net_smtp,
                        submitters.s_nail):
            with self.subTest(program=program.__name__):
                with self.assertRaises(Refused) as caught:
                    program(self.door(password="wrong"), self.letter())
                self.assertNotIn(PASSWORD, caught.exception.transcript)
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            submitters.python_smtplib(self.door(password="wrong"), self.letter())
        self.relay.wait_for_log(r"smtpd\S*: warning: \S+\[127\.0\.0\.1\]: SASL PLAIN authentication failed: .*, "
                                rf"sasl_username={USER}")

    def test_nobody_sends_without_login(self):
        for program in (submitters.swaks, submitters.msmtp, submitters.curl):
            with self.subTest(program=program.__name__), self.assertRaises(Refused) as caught:
                program(self.door(mechanism=None), self.letter())
            self.assertIn("530", caught.exception.transcript)

    def test_utf8_and_8bit_of_smtplib(self):
        """SMTPUTF8 and 8BITMIME as Python's library asks for them; the trace header names UTF8SMTPSA."""
        self.sink.script(ehlo="250-sink.example\n250-PIPELINING\n250-8BITMIME\n250-SMTPUTF8\n250 ENHANCEDSTATUSCODES")
        self.addCleanup(self.sink.script)
        letter = self.letter("Gr\u00fc\u00dfe\r\n".encode(), recipient="j\u00f6rg@sink.test.example")
        with smtplib.SMTP(self.relay.address, self.door().port, "client.test.example", timeout=60) as client:
            client.starttls(context=ssl.create_default_context(cafile=self.authority.certificate))
            client.login(USER, PASSWORD)
            client.sendmail(USER, letter.recipients, letter.content, ["SMTPUTF8", "BODY=8BITMIME"])
        facts, stored, _ = self.assert_submitted(self.door(mechanism=client_login(client)), letter, protocol="UTF8SMTPSA")
        self.assertIn("SMTPUTF8", facts["mail_params"])
        self.assertIn("BODY=8BITMIME", facts["mail_params"])

    def test_the_relay_port_takes_mail_in_clear_and_under_tls_without_login(self):
        for program in (submitters.swaks, submitters.msmtp, submitters.curl, submitters.nodemailer, submitters.net_smtp):
            for tls in ("none", "starttls"):
                with self.subTest(program=program.__name__, tls=tls):
                    door = self.door(port=self.relay.port, tls=tls, mechanism=None, user=None, password=None)
                    letter = self.letter(sender="anybody@far.example")
                    program(door, letter)
                    self.assert_submitted(door, letter)

    def test_recipients_and_blind_copies(self):
        """Several recipients: no for clause, so that none learns of another."""
        letter = self.letter(recipient=RECIPIENT)
        letter.recipients = [RECIPIENT, "bob@sink.test.example", "hidden@sink.test.example"]
        submitters.swaks(self.door(), letter)
        _, stored, _ = self.assert_submitted(self.door(), letter)
        self.assertNotIn(" for <", self.our_trace(stored))
        self.assertNotIn(b"hidden@", stored.octets)


def client_login(client):
    """The mechanism that smtplib's login() took: its first choice among those offered."""
    offered = client.esmtp_features["auth"].split()
    return next(m for m in ("CRAM-MD5", "PLAIN", "LOGIN") if m in offered)


if __name__ == "__main__":
    main()
