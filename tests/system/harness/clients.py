"""Programs that hand a message to the relay: swaks, curl, msmtp, smtplib, and a raw socket.

Each sends one message, octet for octet, and returns a Conversation: the reply codes on the way, which
the tests compare, and the transcript, which they show when something is wrong.
"""

import collections
import re
import smtplib
import socket
import ssl
import struct
import subprocess

WHOLE = [220, 250, 250, 250, 354, 250, 221]  # greeting EHLO MAIL RCPT DATA . QUIT, one recipient


class Conversation:
    def __init__(self, codes, transcript):
        self.codes = codes
        self.transcript = transcript


def dot_stuffed(content):
    """The wire form of a message up to and including the final dot, without the CRLF after it."""
    return re.sub(rb"(?m)^\.", b"..", content) + b"."


def _run(command, octets=None):
    done = subprocess.run([str(word) for word in command], input=octets, capture_output=True, timeout=120)
    return (done.stdout + done.stderr).decode("utf-8", "backslashreplace")


def _codes(transcript, mark):
    """Codes of final reply lines ("250 text", not "250-text")."""
    return [int(code) for code in re.findall(rf"(?m)^{mark}\s*(\d{{3}}) ", transcript)]


def swaks(relais, sender, recipients, content, folder):
    wire = folder / "swaks.wire"
    wire.write_bytes(dot_stuffed(content))
    transcript = _run(["swaks", "--server", relais.address, "--port", relais.port, "--from", sender or "<>",
                       "--to", ",".join(recipients), "--no-data-fixup", "--data", f"@{wire}",
                       "--helo", "client.test.example", "--hide-informational", "--suppress-data"])
    return Conversation(_codes(transcript, r"<(?:-|\*\*)"), transcript)


def curl(relais, sender, recipients, content, folder):
    command = ["curl", "--silent", "--verbose", "--mail-from", sender, "--upload-file", "-",
               "--url", f"smtp://{relais.address}:{relais.port}/client.test.example"]
    for recipient in recipients:
        command += ["--mail-rcpt", recipient]
    transcript = _run(command, content)
    codes = _codes(transcript, "<")
    # curl writes QUIT when its connection is closed, after its log: the 221 is not shown.
    return Conversation(codes + [221] if codes[-1:] == [250] else codes, transcript)


def msmtp(relais, sender, recipients, content, folder):
    transcript = _run(["msmtp", "--file=/dev/null", f"--host={relais.address}", f"--port={relais.port}",
                       "--auth=off", "--tls=off", "--domain=client.test.example", f"--from={sender}", "--debug",
                       "--", *recipients], content.replace(b"\r\n", b"\n"))
    return Conversation(_codes(transcript, "<--"), transcript)


def python_smtplib(relais, sender, recipients, content, folder):
    client = smtplib.SMTP(timeout=60)
    replies = [client.connect(relais.address, relais.port), client.ehlo("client.test.example"),
               client.mail(sender, ["BODY=8BITMIME"])]
    replies += [client.rcpt(recipient) for recipient in recipients]
    replies += [(354, b"inside data()"), client.data(content), client.quit()]
    return Conversation([code for code, _ in replies], repr(replies))


def bare_line_feeds(relais, sender, recipients, content, folder):
    """Ends its commands by a bare LF, as a person at nc or a careless device does."""
    with Session(relais, line_end=b"\n") as session:
        codes = [session.greeting.code, session.command("EHLO client.test.example").code,
                 session.command(f"MAIL FROM:<{sender}>").code]
        codes += [session.command(f"RCPT TO:<{recipient}>").code for recipient in recipients]
        codes += [session.command("DATA").code, session.send(dot_stuffed(content) + b"\r\n").reply().code,
                  session.command("QUIT").code]
        return Conversation(codes, session.transcript)


PROGRAMS = {"swaks": swaks, "curl": curl, "msmtp": msmtp, "smtplib": python_smtplib,
            "bare LF": bare_line_feeds}


class Reply:
    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[-1][:3])
        self.text = "\n".join(lines)

    def __repr__(self):
        return f"<{self.text}>"


class Session:
    """One SMTP connection typed by hand: octets out, replies in.

    `source`: address to come from; `port`: of another listener; `tls`: an ssl.SSLContext for TLS from the
    first octet (starttls() does it later), `name`: that of SNI.
    """

    def __init__(self, relais, line_end=b"\r\n", greeted=True, source=None, port=None, tls=None, name=None):
        self._socket = socket.create_connection((relais.address, port or relais.port), timeout=30,
                                                source_address=(source, 0) if source else None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._line_end = line_end
        self._file = None
        self._said = collections.deque(maxlen=500)
        if tls:
            self._socket = tls.wrap_socket(self._socket, server_hostname=name)
        self._file = self._socket.makefile("rb")
        self.greeting = self.reply() if greeted else None

    @property
    def transcript(self):
        return "\n".join(self._said)

    @property
    def socket(self):
        return self._socket

    def starttls(self, context, name=None):
        """STARTTLS and the handshake; everything after it goes through TLS."""
        reply = self.command("STARTTLS")
        if reply.code != 220:
            raise AssertionError(f"STARTTLS: {reply}\n{self.transcript}")
        self.handshake(context, name)
        return reply

    def handshake(self, context, name=None):
        self._file.close()
        self._socket = context.wrap_socket(self._socket, server_hostname=name)
        self._file = self._socket.makefile("rb")
        self._said.append(f"-- {self._socket.version()} {self._socket.cipher()}")

    def hello(self, name="client.test.example"):
        """EHLO; returns what was announced: keyword -> parameters."""
        reply = self.command(f"EHLO {name}")
        if reply.code != 250:
            raise AssertionError(f"EHLO: {reply}\n{self.transcript}")
        return {line[4:].split(" ")[0]: line[4:].split(" ")[1:] for line in reply.lines[1:]}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._file.close()
        self._socket.close()

    def reset(self):
        """Ends the connection by RST, as a crashed host or a firewall does."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def send(self, octets):
        self._said.append(f"C: {octets[:200]!r}")
        self._socket.sendall(octets)
        return self

    def reply(self):
        """The next reply; EOFError where the server has hung up instead."""
        lines = []
        while True:
            try:
                line = self._file.readline()
            except TimeoutError:
                raise AssertionError(f"no reply within {self._socket.gettimeout():.0f} s:\n{self.transcript}") from None
            self._said.append(f"S: {line!r}")
            if not line:
                raise EOFError(f"connection closed, expected a reply:\n{self.transcript}")
            if not line.endswith(b"\r\n") or not re.match(rb"[2-5]\d\d[ -]", line) or len(line) > 512:
                raise AssertionError(f"not a reply line: {line!r}\n{self.transcript}")
            lines.append(line.decode("ascii").rstrip("\r\n"))
            if line[3:4] == b" ":
                return Reply(lines)

    def replies(self, count):
        return [self.reply() for _ in range(count)]

    def command(self, text):
        return self.send(text.encode() + self._line_end).reply()

    def send_bytewise(self, octets):
        for at in range(len(octets)):
            self._socket.sendall(octets[at:at + 1])
        self._said.append(f"C: {octets[:200]!r}, octet by octet")
        return self

    def is_closed(self):
        """Waits for the server to close: True if nothing but the end comes."""
        try:
            return self._file.read() == b""
        except (ConnectionResetError, ssl.SSLEOFError):
            return True
