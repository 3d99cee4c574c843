#!/usr/bin/env python3
"""Reads a spool of relais without any code of relais: docs/spool-format.md, in two hundred lines.

    read_spool.py [--json] [--all] [--quick] SPOOL

Lists the messages, oldest first: id, size, sender, each recipient with its state. --all: also those that
have left, as far as their records are still there. --quick: contents are not summed (CRC32C is slow in
Python). Damage goes to standard error; exit 0, or 65 if there was any. Changes nothing; for a spool that
is at rest. Standard library only.
"""

import argparse
import datetime
import json
import mmap
import os
import re
import sys

BLOCK, HEADER = 4096, 128
RECORD = re.compile(rb"@SP1 (MSG |MOVD|STAT|DONE|CMIT) id=([0-9a-f]{16}) seq=([0-9a-f]{16}) gen=([0-9a-f]{16})"
                    rb" env=([0-9a-f]{8}) body=([0-9a-f]{10}) crc=([0-9a-f]{8}) hcrc=([0-9a-f]{8})\n")
SEGMENT = re.compile(rb"@SPOOL relais-log (\S+) kind=(free|hot|cold) .*?gen=([0-9a-f]{16}) .*crc=([0-9a-f]{8})\n")
STATUS = {"p": "pending", "d": "delivered", "b": "bounced", "r": "removed"}

TABLE = []
for value in range(256):
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    TABLE.append(value)


def crc32c(octets, table=TABLE):
    crc = 0xFFFFFFFF
    for octet in octets:
        crc = crc >> 8 ^ table[(crc ^ octet) & 0xFF]
    return crc ^ 0xFFFFFFFF


class Record:
    """The header at an offset of a segment, if there is one of that generation."""

    @staticmethod
    def at(data, offset, generation, after):
        match = RECORD.match(data, offset)
        if not match or int(match[8], 16) != crc32c(match[0][: HEADER - 15]):
            return None
        r = Record()
        r.kind = match[1].decode().strip()
        r.id, r.sequence, r.generation, r.env, r.body, r.crc = (int(match[n], 16) for n in range(2, 8))
        r.offset, r.end = offset, offset + (HEADER + r.env + r.body + 7) // 8 * 8
        return r if r.generation == generation and r.sequence > after and r.end <= len(data) else None


def batches(data, generation, quick):
    """Yields what counts: records of whole batches, intact records of damaged ones, holes as (offset, end).
    Behind the last whole batch nothing was acknowledged, unless a valid record of the same generation follows."""
    at, last, waiting, doubt = BLOCK, 0, [], False
    while True:
        r = Record.at(data, at, generation, last)
        if r is None:
            found = (m.start() for m in re.compile(rb"@SP1 ").finditer(data, at + 8))
            following = next((n for n in found if n % 8 == 0 and Record.at(data, n, generation, last)), None)
            if following is None:
                return
            waiting.append((at, following))
            at = following
            continue
        if doubt:
            yield from waiting
            waiting, doubt = [], False
        last, at = r.sequence, r.end
        r.text = bytes(data[r.offset + HEADER : r.offset + HEADER + r.env])
        body = b"" if quick else data[r.offset + HEADER + r.env : r.offset + HEADER + r.env + r.body]
        if not (quick and r.body) and crc32c(r.text + body) != r.crc:
            waiting.append((r.offset, r.end))
        elif r.kind != "CMIT":
            waiting.append(r)
        else:
            count, begin = map(int, re.match(rb"records (\d+) from (\d+) ", r.text).groups())
            at = -(-at // BLOCK) * BLOCK
            place = [w.offset if isinstance(w, Record) else w[0] for w in waiting]
            yield from (w for w, n in zip(waiting, place) if n < begin)  # the batches before were committed, too
            waiting = [w for w, n in zip(waiting, place) if n >= begin]
            if len(waiting) == count and all(isinstance(w, Record) for w in waiting):
                yield from waiting
                waiting = []
            else:
                doubt = True


def rfc3339(microseconds):
    at = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=microseconds)
    return at.isoformat(timespec="microseconds") + "Z"


def text_of(octets):
    return octets.decode("utf-8", "surrogateescape")


class Message:
    def __init__(self, record):
        envelope, _, states = record.text.partition(b"\n\n")
        self.id, self.size, self.large = record.id, record.body, None
        self.body, self.smtputf8, self.recipients = "7BIT", False, []
        self.requests = {}  # of DSN, REQUIRETLS, MT-PRIORITY, FUTURERELEASE, DELIVERBY, AUTH=
        self.recipient_requests = []
        for line in envelope.split(b"\n"):
            word, _, rest = line.partition(b" ")
            if word == b"at":
                self.arrival = int(rest)
            elif word == b"from":
                self.sender = text_of(rest)
            elif word == b"to":
                self.recipients.append(text_of(rest))
                self.recipient_requests.append({})
            elif word in (b"notify", b"orcpt"):
                self.recipient_requests[-1][text_of(word)] = text_of(rest)
            elif word == b"large":
                self.size, self.large = int(rest.split()[0]), int(rest.split()[1], 16)
            elif word == b"body":
                self.body = {b"8bitmime": "8BITMIME", b"binarymime": "BINARYMIME"}[rest]
            elif word == b"smtputf8":
                self.smtputf8 = True
            elif word == b"requiretls":
                self.requests["requiretls"] = True
            elif word in (b"ret", b"envid", b"submitter", b"user", b"listener"):
                self.requests[text_of(word)] = text_of(rest)
            elif word == b"priority":
                self.requests["priority"] = int(rest)
            elif word == b"until":
                self.requests["until"] = rfc3339(int(rest))
            elif word == b"by":
                at, mode = rest.split(b" ")
                self.requests["by"] = {"at": rfc3339(int(at)), "mode": text_of(mode)}
            else:
                raise ValueError(f"unknown line in an envelope: {text_of(line)}")
        self.states_text = states

    def as_object(self, states, live):
        held, next_hop, entries = fold(states, len(self.recipients))
        recipients = []
        for address, requests, (letter, attempts, warnings, next_attempt, diagnostic) in zip(
                self.recipients, self.recipient_requests, entries):
            waits = letter == "p" and next_attempt != 0
            recipients.append({"address": address, "status": STATUS[letter], "attempts": attempts,
                               "next_attempt": rfc3339(next_attempt) if waits else None, "diagnostic": diagnostic,
                               **({"warnings": warnings} if warnings else {}), **requests})
        return {"id": f"{self.id:016X}", "size": self.size, "arrival": rfc3339(self.arrival), "held": held,
                "reverse_path": self.sender, "body": self.body, "smtputf8": self.smtputf8, "live": live,
                **({"next_hop": next_hop} if next_hop else {}),
                **self.requests,
                "recipients": recipients}


def fold(states, count):
    """The newest state of each recipient. A full set speaks for all up to the sequence it names; deltas with a
    higher sequence of their own win."""
    held, next_hop, entries, base = False, "", [("p", 0, 0, 0, "")] * count, 0
    parsed = [(sequence, text_of(text).split("\n")[:-1]) for sequence, text in states]
    full = [(int(lines[0].split()[1], 16), lines) for _, lines in parsed if lines[0].startswith("full ")]
    chain = [max(full, key=lambda f: f[0])] if full else []
    base = chain[0][0] if chain else 0
    chain += sorted((s, lines) for s, lines in parsed if lines[0] == "delta" and s > base)
    for _, lines in chain:
        for line in lines[1:]:
            if line in ("hold", "release"):
                held = line == "hold"
            elif line.startswith("via "):
                next_hop = line[4:]
            else:
                n, letter, attempts, next_attempt, diagnostic = line.split(" ", 4)
                attempts, _, warnings = attempts.partition("/")
                entries[int(n)] = (letter, int(attempts), int(warnings or 0), int(next_attempt), diagnostic)
    return held, next_hop, entries


def read(spool, quick, complain):
    messages, states, gone = {}, {}, set()
    for name in sorted(os.listdir(os.path.join(spool, "segments"))):
        path = os.path.join("segments", name)
        with open(os.path.join(spool, path), "rb") as file:
            if os.fstat(file.fileno()).st_size <= BLOCK:
                continue
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        head = SEGMENT.match(data)
        if head and int(head[4], 16) == crc32c(head[0][:-14]):
            if head[1] != b"1":
                sys.exit(f"{path}: format {head[1].decode()} is not known here")
            generation = None if head[2] == b"free" else int(head[3], 16)
        else:
            first = RECORD.match(data, BLOCK)  # freeing takes it away: it tells what the header cannot
            generation = int(first[4], 16) if first else None
            if first or any(data[:512]):
                complain(path, 0, "the header of the segment is damaged")
        if generation is not None:
            for r in batches(data, generation, quick):
                if isinstance(r, tuple):
                    complain(path, r[0], f"damaged up to {r[1]}")
                elif r.kind in ("MSG", "MOVD"):
                    messages[r.id] = Message(r)
                    if r.kind == "MOVD":
                        states.setdefault(r.id, []).append((r.sequence, messages[r.id].states_text))
                elif r.kind == "STAT":
                    states.setdefault(r.id, []).append((r.sequence, r.text))
                elif r.kind == "DONE":
                    gone |= {int(line[:16], 16) for line in r.text.splitlines()}
    return messages, states, gone


def verify_large(spool, message, quick, complain):
    path = f"large/{(message.id * 0x9E3779B97F4A7C15 % 2**64) >> 56:02x}/{message.id:016X}"
    try:
        with open(os.path.join(spool, path), "rb") as file:
            octets = file.read()
    except FileNotFoundError:
        return complain(path, 0, "the file is missing")
    if len(octets) != message.size or not quick and crc32c(octets) != message.large:
        complain(path, 0, "the file does not match its record")
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("spool")
    for option in ("--json", "--all", "--quick"):
        parser.add_argument(option, action="store_true")
    options = parser.parse_args()
    faults = []

    def complain(path, offset, what):
        faults.append(path)
        print(f"{path}: offset {offset}: {what}", file=sys.stderr)

    messages, states, gone = read(options.spool, options.quick, complain)
    listed = []
    for number, message in sorted(messages.items()):
        live = number not in gone
        if live and message.large is not None:
            verify_large(options.spool, message, options.quick, complain)
        if live or options.all:
            listed.append(message.as_object(states.get(number, []), live))
    if options.json:
        print(json.dumps(listed, indent=1))
    for m in [] if options.json else listed:
        print(m["id"], m["size"], m["arrival"], "live" if m["live"] else "done", "held" if m["held"] else "",
              m["reverse_path"] or "<>")
        for r in m["recipients"]:
            print(f"    {r['address']} {r['status']} {r['attempts']} {r['diagnostic']}")
    sys.exit(65 if faults else 0)


if __name__ == "__main__":
    main()
