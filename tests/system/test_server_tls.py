"""TLS towards clients: which certificate is shown, new ones without a restart, old versions where they are asked
for, resumption, client certificates as identities, and what the log and the trace header say of it.
"""

import base64
import signal
import socket
import ssl
import subprocess

from harness.case import main
from harness.clients import Session, dot_stuffed
from harness.relais import HOSTNAME
from harness.submission import RECIPIENT, SUBMISSIONS, TLS_CLAUSE, USER, SubmissionTest
from harness.world import SMTP_PORT

OLD, ASKING, NO_EXTENSION = 2527, 2528, 2529
OTHER = "other.test.example"
V1_2, V1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
DEVICE = "device@exim.test.example"


class ServerTls(SubmissionTest):
    @classmethod
    def prepare(cls):
        cls.rsa = cls.authority.issue(HOSTNAME, key="rsa")
        cls.other = cls.authority.issue(OTHER, names=["*.wild.test.example"])
        cls.by_authority = cls.authority.issue(USER, file="client")
        stranger = type(cls.authority)(cls.world, "stranger")
        cls.by_stranger = stranger.issue("stranger@far.example", file="client")
        cls.by_fingerprint = stranger.issue("device.far.example", file="device")
        cls.trusted = stranger.issue("relay.far.example", file="trusted")

    @classmethod
    def relay_settings(cls):
        address = cls.world.address(1)
        return {"listeners": [*cls.service()["listeners"],
                              {"address": f"{address}:{OLD}", "tls_minimum": 1.0},
                              {"address": f"{address}:{ASKING}", "client_certificates": True},
                              {"address": f"{address}:{NO_EXTENSION}", "tls": "none"}],
                "tls": {"certificates": [c.settings() for c in (cls.certificate, cls.rsa, cls.other)],
                        "client_ca_file": str(cls.authority.certificate)},
                "auth": {"certificates": [{"fingerprint": cls.by_fingerprint.fingerprint, "user": DEVICE}]},
                "relay": {"trusted_networks": [f"{cls.world.address(200)}/32"], "domains": ["sink.test.example"],
                          "trusted_certificates": [cls.trusted.fingerprint.replace(":", "").lower()]}}

    def context(self, **options):
        return self.authority.client_context(**options)

    def session(self, context=None, port=None, name=HOSTNAME, relay=None):
        session = Session(relay or self.relay, port=port, source=self.world.address(1))
        self.addCleanup(session.close)
        session.hello()
        session.starttls(context or self.context(), name)
        return session

    def shown(self, name=HOSTNAME, relay=None, **options):
        """DER of the certificate that the relay shows."""
        context = self.context(**options)
        context.check_hostname = False
        return self.session(context, name=name, relay=relay).socket.getpeercert(binary_form=True)

    # -- which certificate -------------------------------------------------------------------------

    def test_sni_chooses(self):
        for name, certificate in ((HOSTNAME, self.certificate), (OTHER, self.other), (OTHER.upper(), self.other),
                                  ("a.wild.test.example", self.other), ("unknown.example", self.certificate),
                                  (None, self.certificate)):
            with self.subTest(name=name):
                self.assertEqual(self.shown(name), certificate.der)

    def test_the_key_type_follows_the_client(self):
        self.assertEqual(self.shown(maximum=V1_2, ciphers="ECDHE+aECDSA"), self.certificate.der)
        self.assertEqual(self.shown(maximum=V1_2, ciphers="ECDHE+aRSA"), self.rsa.der)

    def test_the_whole_name_is_verified_by_an_ordinary_client(self):
        for name in (HOSTNAME, OTHER):
            self.session(name=name).hello()

    # -- reload ------------------------------------------------------------------------------------

    def test_sighup_takes_new_certificates_and_keeps_sessions(self):
        old = self.authority.issue(HOSTNAME, file="renewed")
        relay = self.relais(host=4, **self.service({"tls": {"certificates": [old.settings()]}}, host=4))
        before = old.der
        held = self.session(relay=relay)
        self.assertEqual(self.shown(relay=relay), before)
        self.authority.issue(HOSTNAME, file="newer").copy_to(old)
        self.assertEqual(self.shown(relay=relay), before)
        relay.process.signal(signal.SIGHUP)
        relay.wait_for_log(r"(?i)certificates?.*(read|loaded|reloaded)|(re)?load.*certificate")
        self.assertEqual(self.shown(relay=relay), old.der)
        self.assertNotEqual(before, old.der)
        held.hello()
        # A broken file changes nothing but the log.
        renewed = old.der
        old.certificate.write_text("not a certificate\n")
        relay.process.signal(signal.SIGHUP)
        relay.wait_for_log(rf"warning: .*{old.certificate}")
        self.assertEqual(self.shown(relay=relay), renewed)
        self.assertTrue(relay.process.is_running())

    def test_a_bad_certificate_is_refused_at_the_start(self):
        broken = self.world.folder("broken") / "broken.crt"
        broken.write_text("nothing\n")
        for certificate, key in ((broken, self.certificate.key), (self.certificate.certificate, self.rsa.key),
                                 ("/nonexistent.crt", self.certificate.key)):
            with self.subTest(certificate=certificate, key=key):
                relay = type(self.relay)(self.world, 5, tls={"certificates": [{"certificate": str(certificate), "key": str(key)}]})
                relay.launch()
                self.assertNotEqual(relay.process.wait(), 0)
                self.assertIn(str(certificate if certificate != self.certificate.certificate else key), relay.log)

    # -- versions ----------------------------------------------------------------------------------

    def s_client(self, *options, port=SMTP_PORT, session=b"QUIT\n"):
        return subprocess.run(["openssl", "s_client", "-connect", f"{self.relay.address}:{port}", "-starttls", "smtp",
                               "-CAfile", str(self.authority.certificate), *options],
                              input=session, capture_output=True, timeout=60)

    def test_versions(self):
        for version in (V1_2, V1_3):
            session = self.session(self.context(minimum=version, maximum=version))
            self.assertEqual(session.socket.version(), {V1_2: "TLSv1.2", V1_3: "TLSv1.3"}[version])

    def test_old_devices_at_the_listener_that_serves_them(self):
        for option, version in (("-tls1", "TLSv1"), ("-tls1_1", "TLSv1.1")):
            with self.subTest(version=version):
                done = self.s_client(option, "-cipher", "ALL:@SECLEVEL=0", port=OLD)
                if b"no protocols available" in done.stderr:
                    self.skipTest("this machine's OpenSSL has no TLS 1.0 at all")
                self.assertRegex(done.stdout, rf"(?m)Protocol\s*:\s*{version}$|New, {version}".encode())
                refused = self.s_client(option, "-cipher", "ALL:@SECLEVEL=0")
                self.assertIn(b"no peer certificate available", refused.stdout)
                self.assertNotEqual(refused.returncode, 0)
        self.relay.wait_for_log(r"TLS connection established from \S+: TLSv1(\.0)? with cipher ")
        self.relay.wait_for_log(r"TLS handshake failed from \S+\[\S+\]: ")

    def test_a_listener_without_tls(self):
        with Session(self.relay, port=NO_EXTENSION) as session:
            self.assertNotIn("STARTTLS", session.hello())
            self.assertTrue(session.command("STARTTLS").text.startswith("502 5.5.1 "))

    def test_sessions_are_resumed(self):
        for version in (V1_2, V1_3):
            with self.subTest(version=version):
                context = self.context(minimum=version, maximum=version)
                first = Session(self.relay, port=SUBMISSIONS, tls=context, name=HOSTNAME)
                first.hello()  # TLS 1.3 tickets come behind the handshake
                ticket = first.socket.session
                first.close()
                plain = socket.create_connection((self.relay.address, SUBMISSIONS), timeout=30)
                again = context.wrap_socket(plain, server_hostname=HOSTNAME, session=ticket)
                self.assertTrue(again.recv(512).startswith(b"220 "))
                self.assertTrue(again.session_reused)
                again.close()

    def test_log_and_trace_header(self):
        letter = self.letter(sender="a@far.example")
        session = self.session(self.context(minimum=V1_3))
        self.deliver(session, letter)
        _, stored = self.arrival(letter)
        self.assertRegex(self.our_trace(stored), TLS_CLAUSE)
        self.assertIn(" with ESMTPS id ", self.our_trace(stored))
        self.relay.wait_for_log(r"smtpd\S*: TLS connection established from \S+\[\S+\]: TLSv1\.3 with cipher TLS_\S+ "
                                r"\((128|256)/(128|256) bits\)")

    def deliver(self, session, letter):
        session.hello()
        self.assertEqual(session.command(f"MAIL FROM:<{letter.sender}>").code, 250)
        reply = session.command(f"RCPT TO:<{letter.recipients[0]}>")
        self.assertEqual(reply.code, 250, reply)
        self.assertEqual(session.command("DATA").code, 354)
        self.assertEqual(session.send(dot_stuffed(letter.content) + b"\r\n").reply().code, 250)

    # -- client certificates -----------------------------------------------------------------------

    def offered(self, session):
        return session.hello().get("AUTH", [])

    def test_a_certificate_of_the_authority_is_an_identity(self):
        session = self.session(self.context(client=self.by_authority), port=ASKING)
        self.assertIn("EXTERNAL", self.offered(session))
        self.assertTrue(session.command("AUTH EXTERNAL =").text.startswith("235 2.7.0 "))
        letter = self.letter()
        self.deliver(session, letter)
        _, stored = self.arrival(letter)
        self.assertIn(" with ESMTPSA id ", self.our_trace(stored))
        self.relay.wait_for_log(rf"sasl_method=EXTERNAL, sasl_username={USER}")

    def test_a_certificate_known_by_its_fingerprint_is_an_identity(self):
        session = self.session(self.context(client=self.by_fingerprint), port=ASKING)
        self.assertIn("EXTERNAL", self.offered(session))
        reply = session.command("AUTH EXTERNAL " + base64.b64encode(DEVICE.encode()).decode())
        self.assertTrue(reply.text.startswith("235 2.7.0 "), reply)
        self.assertEqual(session.command(f"MAIL FROM:<{DEVICE}>").code, 250)
        self.assertEqual(session.command("RCPT TO:<b@elsewhere.example>").code, 250)

    def test_another_name_than_the_certificate_s_is_refused(self):
        session = self.session(self.context(client=self.by_fingerprint), port=ASKING)
        session.hello()
        reply = session.command("AUTH EXTERNAL " + base64.b64encode(USER.encode()).decode())
        self.assertTrue(reply.text.startswith("535 5.7.8 "), reply)

    def test_a_stranger_s_certificate_and_none_are_no_identity(self):
        for client in (self.by_stranger, None):
            with self.subTest(client=client):
                session = self.session(self.context(client=client), port=ASKING)
                self.assertNotIn("EXTERNAL", self.offered(session))
                self.assertIn(session.command("AUTH EXTERNAL =").code, (504, 535))
                session.command("MAIL FROM:<a@far.example>")
                self.assertEqual(session.command("RCPT TO:<b@elsewhere.example>").code, 550)
                self.assertEqual(session.command(f"RCPT TO:<{RECIPIENT}>").code, 250)

    def test_a_trusted_fingerprint_may_relay(self):
        session = self.session(self.context(client=self.trusted), port=ASKING)
        session.hello()
        session.command("MAIL FROM:<a@far.example>")
        self.assertEqual(session.command("RCPT TO:<b@elsewhere.example>").code, 250)
        elsewhere = self.session(self.context(client=self.trusted))  # a listener that does not ask
        elsewhere.hello()
        elsewhere.command("MAIL FROM:<a@far.example>")
        self.assertEqual(elsewhere.command("RCPT TO:<b@elsewhere.example>").code, 550)


if __name__ == "__main__":
    main()
