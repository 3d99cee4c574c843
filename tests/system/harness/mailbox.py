"""What the next MTAs stored, and the comparison of it with what was sent.

A stored message is: the fields of the delivering MTA, the Received field that relais added, and then,
octet for octet, what the client sent (line ends are LF in a Maildir).
"""

import email
import email.policy
import pathlib
import re
import socket

from .process import eventually


class StoredMessage:
    def __init__(self, octets, origin):
        self.octets = octets  # CRLF line ends, as sent on the wire
        self.origin = origin

    def parsed(self):
        return email.message_from_bytes(self.octets, policy=email.policy.default)

    def prefix_before(self, sent):
        """The fields on top of what was sent, None if what was sent is not exactly the rest."""
        return self.octets[:len(self.octets) - len(sent)] if self.octets.endswith(sent) else None


def header_fields(octets):
    """Field names and unfolded values of a header section, in order."""
    unfolded = re.sub(rb"\r\n(?=[ \t])", b"", octets)
    return [tuple(part.strip() for part in line.decode("latin-1").split(":", 1))
            for line in unfolded.split(b"\r\n") if line]


class Maildirs:
    """<path>/<domain>/<user>/new"""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def messages(self, address):
        user, domain = address.split("@")
        folder = self.path / domain / user / "new"
        if not folder.is_dir():
            return []
        files = sorted(folder.iterdir(), key=lambda p: p.stat().st_mtime_ns)
        return [StoredMessage(p.read_bytes().replace(b"\n", b"\r\n"), p) for p in files]

    def wait_for(self, address, count=1, matching=None, timeout=30):
        """Waits for `count` messages (of those for which matching(octets) holds) and returns them."""
        def found():
            return [m for m in self.messages(address) if matching is None or matching(m.octets)]
        return eventually(lambda: len(found()) >= count and found(),
                          lambda: f"{count} message(s) for {address} (there are {len(found())})", timeout)


def speaks_smtp(address, port):
    try:
        with socket.create_connection((address, port), timeout=5) as s:
            return s.recv(512).startswith(b"220")
    except OSError:
        return False
