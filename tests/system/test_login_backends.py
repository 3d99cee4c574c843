"""Where passwords and tokens are checked: Dovecot's auth socket, PAM, an introspection endpoint, signed tokens;
and what happens when a backend is down.
"""

import base64
import json
import pathlib
import time

from harness.case import main
from harness.clients import Session
from harness.dovecot import ROOT, Dovecot
from harness.relais import HOSTNAME
from harness.submission import SUBMISSIONS, USER, SubmissionTest
from harness.submitters import need
from harness.tokens import CLIENT, SECRET, SigningKey, TokenServer

PAM_MODULE = pathlib.Path("/lib/x86_64-linux-gnu/security/pam_exec.so")


class Backends(SubmissionTest):
    @classmethod
    def prepare(cls):
        cls.tokens = TokenServer(cls.world).start()
        cls.addClassCleanup(cls.tokens.stop)

    def backend(self, host, auth):
        """A relay with only that behind its logins."""
        return self.relais(host=host, **self.service({"auth": {"users_file": None, **auth}}, host=host))

    def session(self, relay):
        session = Session(relay, port=SUBMISSIONS, tls=self.authority.client_context(), name=HOSTNAME)
        self.addCleanup(session.close)
        session.hello()
        return session

    def plain(self, relay, user, password):
        response = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return self.session(relay).command("AUTH PLAIN " + response)

    def bearer(self, relay, token, user=USER, mechanism="OAUTHBEARER"):
        """The verdict; a failure is told by a challenge first (RFC 7628 3.2.3)."""
        session = self.session(relay)
        response = f"n,a={user},\x01auth=Bearer {token}\x01\x01" if mechanism == "OAUTHBEARER" else f"user={user}\x01auth=Bearer {token}\x01\x01"
        reply = session.command(f"AUTH {mechanism} " + base64.b64encode(response.encode()).decode())
        if reply.code == 334:
            json.loads(base64.b64decode(reply.text[4:]))
            reply = session.command(base64.b64encode(b"\x01").decode())
        return reply

    # -- Dovecot -----------------------------------------------------------------------------------

    def test_dovecot(self):
        need("unshare", ROOT / "sbin/dovecot")
        dovecot = Dovecot(self.world, {USER: "dove cot", "x@y.example": "other"}).start()
        relay = self.backend(4, {"dovecot_socket": str(dovecot.socket)})
        self.assertEqual(set(self.session(relay).hello()["AUTH"]), {"PLAIN", "LOGIN"})
        self.assertEqual(self.plain(relay, USER, "dove cot").code, 235)
        for user, password in ((USER, "wrong"), ("nobody", "x"), (USER, ""), (USER + "\tuser=root", "dove cot")):
            with self.subTest(user=user, password=password):
                self.assertEqual(self.plain(relay, user, password).code, 535)
        self.assertEqual(self.plain(relay, "x@y.example", "other").code, 235)
        dovecot.stop()
        self.assertTrue(self.plain(relay, USER, "dove cot").text.startswith("454 4.7.0 "))
        relay.wait_for_log(r"SASL PLAIN authentication failed: ")

    # -- PAM ---------------------------------------------------------------------------------------

    def test_pam(self):
        need(None, PAM_MODULE)
        folder = self.world.folder("pam")
        check = folder / "check"  # the password comes on standard input, ended by NUL
        check.write_text(f'#!/bin/sh\nread -r word\n[ "$PAM_USER" = "{USER}" ] && [ "$(printf %s "$word" | tr -d "\\0")" = "pam secret" ]\n')
        check.chmod(0o755)
        service = pathlib.Path(f"/etc/pam.d/relais-test-{self.world.address(1).replace('.', '-')}")
        service.write_text(f"auth [success=done default=ignore] pam_exec.so quiet expose_authtok {check}\n"
                           "auth required pam_deny.so\naccount required pam_permit.so\n")
        self.addCleanup(service.unlink)
        relay = self.backend(5, {"pam_service": service.name})
        self.assertEqual(self.plain(relay, USER, "pam secret").code, 235)
        for user, password in ((USER, "wrong"), ("other", "pam secret"), (USER, "")):
            with self.subTest(user=user, password=password):
                self.assertEqual(self.plain(relay, user, password).code, 535)
        self.assertNotIn("pam secret", relay.log)

    # -- tokens ------------------------------------------------------------------------------------

    def test_introspection(self):
        self.tokens.allow("good", email=USER)
        self.tokens.allow("other", email="other@exim.test.example")
        self.tokens.allow("nameless", sub="x")
        self.tokens.allow("expired", email=USER, exp=int(time.time()) - 100)
        relay = self.backend(6, {"tokens": self.tokens.settings()})
        self.assertEqual(set(self.session(relay).hello()["AUTH"]), {"OAUTHBEARER", "XOAUTH2"})
        for mechanism in ("OAUTHBEARER", "XOAUTH2"):
            for token, code in (("good", 235), ("bad", 535), ("nameless", 535), ("expired", 535)):
                with self.subTest(mechanism=mechanism, token=token):
                    self.assertEqual(self.bearer(relay, token, mechanism=mechanism).code, code)
        self.assertEqual(self.bearer(relay, "other").code, 535)  # a token of somebody else
        credentials = base64.b64encode(f"{CLIENT}:{SECRET}".replace(" ", "+").encode()).decode()
        self.assertIn(self.tokens.asked[-1][0].removeprefix("Basic "),
                      (credentials, base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode(),
                       base64.b64encode(f"{CLIENT}:{SECRET}".replace(" ", "%20").encode()).decode()))
        self.assertNotIn("good", relay.log)
        self.tokens.broken = True
        self.addCleanup(setattr, self.tokens, "broken", False)
        self.assertTrue(self.bearer(relay, "unheard-of").text.startswith("454 4.7.0 "))

    def test_signed_tokens(self):
        folder = self.world.folder("keys")
        rsa, ec, unknown = SigningKey(folder, name="rsa"), SigningKey(folder, "ES256", "ec"), SigningKey(folder, name="unknown")
        keys = folder / "keys.json"
        keys.write_text(json.dumps({"keys": [rsa.public(), ec.public()]}))
        relay = self.backend(7, {"tokens": {"jwt_keys_file": str(keys), "issuer": "https://issuer.example", "audience": "smtp"}})
        good = {"iss": "https://issuer.example", "aud": ["imap", "smtp"], "email": USER}
        for name, token, code in (
                ("RS256", rsa.token(**good), 235), ("ES256", ec.token(**good), 235),
                ("unknown key", unknown.token(**good), 535), ("key of another name", unknown.token({"kid": "rsa"}, **good), 535),
                ("expired", rsa.token(**{**good, "exp": int(time.time()) - 3600}), 535),
                ("not yet", rsa.token(**{**good, "nbf": int(time.time()) + 3600}), 535),
                ("other issuer", rsa.token(**{**good, "iss": "https://evil.example"}), 535),
                ("other audience", rsa.token(**{**good, "aud": "imap"}), 535),
                ("somebody else", rsa.token(**{**good, "email": "boss@exim.test.example"}), 535),
                ("no signature", rsa.token({"alg": "none"}, **good).rsplit(".", 1)[0] + ".", 535),
                ("MAC with the public key", rsa.token({"alg": "HS256"}, **good), 535),
                ("flipped", flipped(rsa.token(**good)), 535), ("garbage", "a.b.c", 535), ("empty", "", 535)):
            with self.subTest(name=name):
                self.assertIn(self.bearer(relay, token).code, (code,) if code == 235 else (535, 501))
        session = self.session(relay)
        self.assertEqual(session.command(f"MAIL FROM:<{USER}>").code, 530)


def flipped(token):
    """One letter of the claims changed."""
    head, claims, signature = token.split(".")
    middle = len(claims) // 2
    return f"{head}.{claims[:middle]}{'A' if claims[middle] != 'A' else 'B'}{claims[middle + 1:]}.{signature}"


if __name__ == "__main__":
    main()
