#!/usr/bin/env python3
"""Our delivery reports and conversions as Python's email package reads them: RFC 3464, 6522, 6533, 2045.

    read_samples.py PROGRAM     PROGRAM (mail_samples) writes the samples into a directory
"""

import base64
import email
import email.policy
import glob
import os
import subprocess
import sys
import tempfile
import unittest

UTF8 = email.policy.default.clone(utf8=True)
SAMPLES = None


def read(name):
    with open(os.path.join(SAMPLES, name), "rb") as file:
        return file.read()


def status_blocks(part):
    """The blocks of fields of the second part; Python knows only the ASCII type by name."""
    if part.get_content_type() == "message/delivery-status":
        return part.get_payload()
    first = part.get_payload(0)
    rest = [email.message_from_string(text, policy=UTF8) for text in first.get_payload().split("\r\n\r\n")]
    return [first, *(block for block in rest if block.keys())]


def returned_message(octets, part):
    """The third part: what came back, as a message. Python does not decode message/* in base64."""
    if part["Content-Transfer-Encoding"] == "base64":
        body = octets.split(b"Content-Transfer-Encoding: base64\r\n\r\n")[1].split(b"\r\n\r\n--")[0]
        return email.message_from_string(base64.b64decode(body).decode(), policy=UTF8)
    if part.get_content_maintype() == "message":
        return part.get_payload(0)
    return email.message_from_string(part.get_content(), policy=UTF8)


class Reports(unittest.TestCase):
    def parsed(self, name):
        octets = read(f"report-{name}.eml")
        for line in octets.split(b"\r\n"):
            self.assertLessEqual(len(line), 998)
            self.assertNotIn(b"\n", line)
        # Its parser of octets knows no UTF-8 in header fields, its parser of text no 8-bit bodies.
        report = email.message_from_string(octets.decode(), policy=UTF8)
        bodies = email.message_from_bytes(octets, policy=UTF8)
        for part in report.walk():
            # Of what Python wrongly reads as a message: base64.
            if part.get_content_type().startswith("message/global") or not part.defects:
                continue
            if "fallback" not in name:
                self.assertEqual(part.defects, [], f"{name}: {part.get_content_type()}")
        self.assertEqual(report.get_content_type(), "multipart/report")
        text, status, returned = report.iter_parts()
        self.assertEqual(report.get_param("report-type"), status.get_content_subtype())
        self.assertEqual(report["Auto-Submitted"], "auto-replied")
        self.assertEqual(report["Date"].datetime.year, 2026)
        self.assertEqual(text.get_content_type(), "text/plain")
        self.assertIn("Empfänger", next(bodies.iter_parts()).get_content())
        blocks = status_blocks(status)
        self.assertEqual(blocks[0]["Reporting-MTA"], "dns; relay.example")
        self.assertEqual(blocks[0]["Original-Envelope-Id"], "QQ+1")
        for block in blocks[1:]:
            self.assertTrue(block["Diagnostic-Code"].startswith("smtp; 550 "))
            self.assertEqual(block["Final-Log-ID"], "019AA00000000001")
            self.assertEqual(block["Remote-MTA"], "dns; mx.rcpt.example")
            self.assertTrue(block["Last-Attempt-Date"])
        return octets, report, text, status, returned, blocks

    def test_ascii(self):
        for name, kind in (("ascii-headers", "text/rfc822-headers"), ("ascii-full", "message/rfc822")):
            octets, report, _, status, returned, blocks = self.parsed(name)
            self.assertEqual(report["To"], "sender@client.example")
            self.assertEqual(status.get_content_type(), "message/delivery-status")
            self.assertEqual(returned.get_content_type(), kind)
            self.assertEqual(blocks[1]["Original-Recipient"], "rfc822; Bob@far.test")
            self.assertEqual(blocks[1]["Final-Recipient"], "rfc822; joe@rcpt.example")
            self.assertEqual(blocks[1]["Action"], "failed")
            self.assertEqual(blocks[1]["Status"], "5.1.1")
            self.assertEqual(returned_message(octets, returned)["Subject"], "hello")

    def test_utf8(self):
        for name, kind in (("utf8-headers", "message/global-headers"), ("utf8-full", "message/global")):
            octets, report, _, status, returned, blocks = self.parsed(name)
            self.assertEqual(report["To"].addresses[0].addr_spec, "sénder@client.example")
            self.assertEqual(status.get_content_type(), "message/global-delivery-status")
            self.assertEqual(returned.get_content_type(), kind)
            self.assertEqual(blocks[1]["Original-Recipient"], "utf-8; böb@far.test")
            self.assertEqual(blocks[1]["Final-Recipient"], "utf-8; jö+e@rcpt.example")
            self.assertEqual(returned_message(octets, returned)["Subject"], "grüß dich")

    def test_fallback(self):
        """Nothing but 8-bit text: no field of the report, and of its status, is beyond ASCII."""
        for name, kind in (("fallback-headers", "message/global-headers"), ("fallback-full", "message/global")):
            octets, report, _, status, returned, blocks = self.parsed(name)
            octets.split(b"\r\n\r\n")[0].decode("ascii")
            self.assertEqual(status.get_content_type(), "message/delivery-status")
            self.assertEqual(returned.get_content_type(), kind)
            self.assertEqual(blocks[1]["Original-Recipient"], "utf-8; b\\x{F6}b@far.test")
            self.assertEqual(blocks[1]["Final-Recipient"], "utf-8; j\\x{F6}\\x{2B}e@rcpt.example")
            original = returned_message(octets, returned)
            self.assertEqual(original["Subject"], "grüß dich")
            if name.endswith("full"):
                self.assertEqual(original.get_payload(), "körper\r\n")

    def test_mixed_and_delayed(self):
        blocks = self.parsed("mixed")[-1]
        self.assertEqual([b["Action"] for b in blocks[1:]], ["failed", "delayed", "relayed"])
        self.assertEqual([bool(b["Will-Retry-Until"]) for b in blocks[1:]], [False, True, False])
        _, report, _, _, _, blocks = self.parsed("delayed")
        self.assertEqual(report["Subject"], "Delayed Mail (still being retried)")
        self.assertEqual([b["Action"] for b in blocks[1:]], ["delayed"])


def leaves(octets):
    message = email.message_from_bytes(octets, policy=email.policy.default)
    return [
        (part.get_content_type(), part.get_payload(decode=True).replace(b"\r\n", b"\n").rstrip(b"\n"))
        for part in message.walk()
        if not part.is_multipart()
    ]


class Conversions(unittest.TestCase):
    def test_every_part_decodes_to_what_it_was(self):
        names = sorted(glob.glob(os.path.join(SAMPLES, "conversion-*-original.eml")))
        self.assertEqual(len(names), 4)
        for name in names:
            original, converted = read(name), read(name.replace("original", "converted"))
            self.assertTrue(converted.isascii())
            self.assertTrue(converted.endswith(b"\r\n"))
            self.assertTrue(all(len(line) <= 998 for line in converted.split(b"\r\n")))
            self.assertEqual(leaves(converted), leaves(original), name)
            for part in email.message_from_bytes(converted, policy=email.policy.default).walk():
                self.assertEqual(part.defects, [], name)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as SAMPLES:
        subprocess.run([sys.argv[1], SAMPLES], check=True)
        unittest.main(argv=sys.argv[:1])
