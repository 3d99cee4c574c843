"""All mail through one next hop, with AUTH over STARTTLS, and what the TLS levels of delivery.tls mean.

The smarthost is tests/support/sink.py with a self-signed certificate: it offers AUTH under TLS only,
and notes who authenticated and how each message came.
"""

import base64

from harness.case import SystemTest, main
from harness.sink import Sink

SINK, PLAIN_SINK = 20, 21
SENDER, RECIPIENT = "joe@exim.test.example", "somebody@far.example"  # not in any zone of ours
USER, PASSWORD = "relay-user", "pass word:\u00fc"
NAME = "smart.test.example"


class Smarthost(SystemTest):
    @classmethod
    def neighbours(cls):
        cls.start_dns(f"smart A {cls.world.address(SINK)}", f"clear A {cls.world.address(PLAIN_SINK)}",
                      "clear-domain MX 10 clear", "tls-domain MX 10 smart")
        cls.certificate = cls.world.certificate(NAME)
        cls.start_postfix(certificate=cls.certificate)
        cls.sink = Sink(cls.world, SINK, certificate=cls.certificate, user=f"{USER}:{PASSWORD}").start()
        cls.clear_sink = Sink(cls.world, PLAIN_SINK).start()

    def setUp(self):
        self.before = len(self.sink.messages())
        self.addCleanup(self.sink.script)

    def relay(self, smarthost=None, **changes):
        host = {"host": f"[{NAME}]:2525", "username": USER, "password": PASSWORD}
        return self.relais(smarthost={**host, **(smarthost or {})},
                           **{"delivery": {"tls": "encrypt"}, **changes})

    def send(self, relay, recipient=RECIPIENT):
        identity, content = self.message(recipient=recipient)
        return self.submit(relay, SENDER, recipient, content), content

    def check_arrival(self, relay, number, content, recipient=RECIPIENT):
        relay.wait_for_log(rf"{number}: to=<{recipient}>, relay={NAME}\[{self.sink.address}\]:2525, .*"
                           rf"tls=TLSv1\.[23].*dsn=2\.0\.0, status=sent")
        facts, stored = self.sink.wait_for(self.before + 1)[-1]
        self.assertEqual((facts["user"], facts["rcpt_to"], facts["mail_from"]), (USER, [recipient], SENDER))
        self.assertTrue(facts["tls"])
        self.assertTrue(stored.octets.endswith(content))
        return facts

    def test_auth_plain_over_starttls(self):
        relay = self.relay()
        facts = self.check_arrival(relay, *self.send(relay))
        self.assertTrue(any(c.upper().startswith("AUTH PLAIN") for c in facts["commands"]), facts["commands"])
        for secret in (PASSWORD, base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()):
            self.assertNotIn(secret, relay.log)

    def test_auth_login_where_nothing_else_is_offered(self):
        self.sink.script(ehlo="250-smart.test.example\n250-STARTTLS\n250 AUTH LOGIN")
        relay = self.relay()
        facts = self.check_arrival(relay, *self.send(relay))
        self.assertTrue(any(c.upper().startswith("AUTH LOGIN") for c in facts["commands"]), facts["commands"])

    def test_the_password_may_come_from_a_file(self):
        file = self.world.directory / "password"
        file.write_text(PASSWORD + "\n")
        file.chmod(0o600)
        relay = self.relay({"password": None, "password_file": str(file)})
        self.check_arrival(relay, *self.send(relay))

    def test_a_wrong_password_defers_and_does_not_bounce(self):
        relay = self.relay({"password": "wrong"})
        number, _ = self.send(relay)
        relay.wait_for_log(rf"{number}: to=<{RECIPIENT}>.*dsn=4\.7\.[08], status=deferred \(.*535 5\.7\.8", count=2)
        self.assertEqual(len(self.sink.messages()), self.before)

    def test_a_smarthost_without_authentication_is_not_given_credentialed_mail(self):
        self.sink.script(ehlo="250-smart.test.example\n250 STARTTLS")
        relay = self.relay()
        number, _ = self.send(relay)
        relay.wait_for_log(rf"{number}: to=<{RECIPIENT}>.*status=deferred \(.*")
        self.assertEqual(len(self.sink.messages()), self.before)

    def test_credentials_never_travel_in_clear(self):
        self.sink.script(without=["STARTTLS"])
        relay = self.relay()
        number, _ = self.send(relay)
        relay.wait_for_log(rf"{number}: to=<{RECIPIENT}>.*dsn=4\.7\.\d+, status=deferred")
        self.assertEqual(len(self.sink.messages()), self.before)

    def test_verify_refuses_a_self_signed_certificate_and_defers(self):
        relay = self.relay(delivery={"tls": "verify"})
        number, _ = self.send(relay)
        relay.wait_for_log(rf"{number}: to=<{RECIPIENT}>.*dsn=4\.7\.5, status=deferred \(.*certificate", count=2)
        self.assertEqual(len(self.sink.messages()), self.before)

    def test_verify_accepts_a_certificate_that_the_configured_file_vouches_for(self):
        relay = self.relay(delivery={"tls": "verify", "tls_ca_file": str(self.certificate[0])})
        self.check_arrival(relay, *self.send(relay))

    def test_verify_refuses_a_good_certificate_of_another_name(self):
        relay = self.relay({"host": f"[{self.sink.address}]:2525"},
                           delivery={"tls": "verify", "tls_ca_file": str(self.certificate[0])})
        number, _ = self.send(relay)
        relay.wait_for_log(rf"{number}: to=<{RECIPIENT}>.*dsn=4\.7\.5, status=deferred")

    def test_starttls_is_used_where_it_is_offered(self):
        relay = self.relais()  # by MX, delivery.tls: may
        identity, content = self.message(recipient="bob@postfix.test.example")
        number = self.submit(relay, SENDER, "bob@postfix.test.example", content)
        relay.wait_for_log(rf"{number}: to=<bob@postfix.test.example>.*tls=TLSv1\.[23].*status=sent")
        stored = self.postfix.mail.wait_for("bob@postfix.test.example", matching=lambda o: identity.encode() in o)
        self.assertIn(b"(using TLSv1.", stored[0].octets[:600])
        self.assert_relayed(stored[0], content, "mx.postfix.test.example")

    def test_may_delivers_in_clear_where_starttls_is_not_offered(self):
        relay = self.relais()
        number, content = self.send(relay, "x@clear-domain.test.example")
        facts, stored = self.clear_sink.wait_for(1)[-1]
        self.assertFalse(facts["tls"])
        self.assertTrue(stored.octets.endswith(content))

    def test_encrypt_waits_where_starttls_is_not_offered(self):
        relay = self.relais(delivery={"tls": "encrypt"})
        before = len(self.clear_sink.messages())
        number, _ = self.send(relay, "y@clear-domain.test.example")
        relay.wait_for_log(rf"{number}: to=<y@clear-domain.test.example>.*dsn=4\.7\.\d+, status=deferred")
        self.assertEqual(len(self.clear_sink.messages()), before)


if __name__ == "__main__":
    main()
