"""An authorization server of one test: an introspection endpoint (RFC 7662), and JSON Web Tokens (RFC 7519) with
the key set that belongs to them, signed by the openssl program.
"""

import base64
import http.server
import json
import threading
import time
import urllib.parse

from .certificates import openssl

CLIENT, SECRET = "relais", "introspection secret"
HTTP_PORT = 8089


class TokenServer:
    """Answers for the tokens it was told of; everything else is not active."""

    def __init__(self, world, host=70):
        self.address = world.address(host)
        self.asked = []  # (authorization, token)
        self.broken = False
        self._tokens = {}
        self._server = http.server.ThreadingHTTPServer((self.address, HTTP_PORT), self._handler())

    def start(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def allow(self, token, **claims):
        self._tokens[token] = claims

    def settings(self):
        return {"introspection_url": f"http://{self.address}:{HTTP_PORT}/introspect", "client_id": CLIENT,
                "client_secret": SECRET}

    def _handler(self):
        tokens = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                token = urllib.parse.parse_qs(body).get("token", [""])[0]
                tokens.asked.append((self.headers.get("Authorization"), token))
                if tokens.broken:
                    self.send_error(500)
                    return
                claims = tokens._tokens.get(token)
                answer = {"active": True, **claims} if claims is not None else {"active": False}
                octets = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                self.wfile.write(octets)

            def log_message(self, *_):
                pass

        return Handler


def base64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


class SigningKey:
    """RS256 or ES256."""

    def __init__(self, folder, algorithm="RS256", name="k1"):
        self._file, self.algorithm, self.name = folder / f"{name}.pem", algorithm, name
        kind = ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if algorithm == "RS256" else ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        openssl("genpkey", "-algorithm", *kind, "-out", self._file)

    def public(self):
        """As an entry of a key set."""
        common = {"kid": self.name, "alg": self.algorithm, "use": "sig"}
        if self.algorithm == "RS256":
            modulus = openssl("rsa", "-in", self._file, "-noout", "-modulus").decode().strip().split("=")[1]
            return {**common, "kty": "RSA", "n": base64url(bytes.fromhex(modulus)), "e": "AQAB"}
        point = openssl("pkey", "-in", self._file, "-pubout", "-outform", "DER")[-64:]
        return {**common, "kty": "EC", "crv": "P-256", "x": base64url(point[:32]), "y": base64url(point[32:])}

    def token(self, header=None, **claims):
        claims = {"exp": int(time.time()) + 600, "iat": int(time.time()), **claims}
        signed = ".".join(base64url(json.dumps(part).encode())
                          for part in ({"alg": self.algorithm, "kid": self.name, "typ": "JWT", **(header or {})}, claims))
        signature = openssl("dgst", "-sha256", "-sign", self._file, octets=signed.encode())
        return f"{signed}.{base64url(signature if self.algorithm == 'RS256' else raw_signature(signature))}"


def raw_signature(der):
    """r and s of an ECDSA signature, 32 octets each (RFC 7518 3.4)."""
    numbers, at = [], 2
    for _ in range(2):
        length = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + length], "big").to_bytes(32, "big"))
        at += 2 + length
    return b"".join(numbers)
