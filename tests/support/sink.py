#!/usr/bin/env python3
"""The next hop of ./dev run and of the system tests: a small, strict SMTP server.

It takes every message and stores it octet for octet, together with what the envelope said and with
what was wrong on the wire (bare CR, bare LF, NUL). What it answers can be scripted, also while it
runs. It is strict on purpose: a line ends with CRLF and nothing else (RFC 5321 2.3.8), so that a
fault of the relay is seen here and not mended.

Not here: a queue, delivery, DNS, anything a real server does with a message. Python 3.11 (Debian 12),
standard library only.

The reply file holds one JSON object and is read again before each command:

    {"greeting": "554 5.3.2 closed today",
     "ehlo": ..., "helo": ..., "starttls": ..., "auth": ..., "rset": ..., "noop": ..., "quit": ...,
     "mail": "451 4.3.0 later",
     "rcpt": {"bad@x": "550 5.1.1 no such user", "*": "250 2.1.5 fine"},
     "data": ["451 4.3.0 not now", "421 4.3.2 nor now"],
     "end_of_data": ["451 4.3.0 try later", "accept-close"],
     "without": ["PIPELINING", "SIZE"]}

A string is the answer each time; the strings of a list are used one by one, then the normal answer
follows (null in a list = the normal answer once); an object chooses by address, "*" = any other. Line
feeds in a string separate the lines of a reply; it goes out as written, so it may also be nonsense.
Instead of a reply: "close" (hang up), "hang" (never answer), "accept-close" (end_of_data only: keep
the message, then hang up: the lost 250 of RFC 1047). A reply 421 is followed by hanging up.
"without" lists EHLO keywords that are not offered.
"""

import argparse
import asyncio
import base64
import binascii
import itertools
import json
import os
import re
import signal
import ssl
import sys

COMMAND_LIMIT = 4096  # octets with CRLF; more than RFC 5321 4.5.3.1.4 asks for
PATH = re.compile(rb'\s*<((?:"(?:\\.|[^"\\])*"|[^>"])*)>\s*(.*)\Z', re.S)
BARE_LF = re.compile(rb"(?<!\r)\n")
BARE_CR = re.compile(rb"\r(?!\n)")


class HangUp(Exception):
    """Ends a session without another word."""


def to_text(octets):
    """UTF-8 where it is, and no octet lost where it is not (JSON then shows lone surrogates)."""
    return octets.decode("utf-8", "surrogateescape")


def printable(text):
    """Safe to show on a terminal: controls of a message must not reach it."""
    return "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in text)


def parse_endpoint(text):
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not ADDRESS:PORT")
    return host.strip("[]"), int(port)


class Script:
    """The scripted answers. Knows how far each list is used up, also across changes of the file."""

    def __init__(self, file):
        self.file, self.raw, self.rules, self.used = file, None, {}, {}

    def reload(self):
        if self.file is None:
            return
        try:
            with open(self.file, "rb") as source:
                raw = source.read()
        except FileNotFoundError:
            raw = b"{}"
        if raw == self.raw:
            return
        try:
            rules = json.loads(raw)
            if not isinstance(rules, dict):
                raise ValueError("not a JSON object")
        except ValueError as why:  # half written: the rules before stay in force, the next command looks again
            print(f"sink: {self.file}: {why}", file=sys.stderr, flush=True)
            return
        self.raw, self.rules = raw, rules

    def answer(self, command, address=None):
        """The scripted answer, or None where the normal one applies."""
        key, rule = (command,), self.rules.get(command)
        if isinstance(rule, dict):
            name = address if address in rule else "*"
            key, rule = (command, name), rule.get(name)
        if not isinstance(rule, list):
            return rule
        before, position = self.used.get(key, (None, 0))
        if before != rule:  # the test wrote a new list: begin at its head
            position = 0
        self.used[key] = (rule, position + 1)
        return rule[position] if position < len(rule) else None

    def offers(self, keyword):
        return keyword not in self.rules.get("without", [])


class Mailbox:
    """Where messages end: files, the terminal, or both."""

    def __init__(self, directory, show):
        self.directory, self.show = directory, show
        first = 1
        if directory is not None:
            os.makedirs(directory, exist_ok=True)
            first += max((int(n[:-4]) for n in os.listdir(directory) if re.fullmatch(r"\d+\.eml", n)), default=0)
        self.numbers = itertools.count(first)

    def keep(self, content, facts):
        number = next(self.numbers)
        facts = {"number": number, **facts}
        if self.directory is not None:
            # The .json comes last and by rename: whoever sees it sees the whole message.
            base = os.path.join(self.directory, str(number))
            with open(base + ".eml", "wb") as file:
                file.write(content)
            with open(base + ".json.part", "w", encoding="ascii") as file:
                json.dump(facts, file, indent=1)
            os.rename(base + ".json.part", base + ".json")
        if self.show:
            self.print(content, facts)
        return number

    @staticmethod
    def print(content, facts):
        recipients = ", ".join(f"<{r}>" for r in facts["rcpt_to"])
        head = f"message {facts['number']} from <{facts['mail_from']}> to {recipients}: {facts['size']} octets"
        if facts["bare_lf"] or facts["bare_cr"]:
            head += ", WITH BARE CR OR LF"
        lines = to_text(content).removesuffix("\r\n").split("\r\n")
        print("next hop: " + printable(head), *("next hop | " + printable(line) for line in lines), sep="\n", flush=True)


class Session:
    def __init__(self, server, reader, writer, number):
        self.server, self.reader, self.writer, self.number = server, reader, writer, number
        self.script, self.options = server.script, server.options
        self.buffer = b""
        self.hello, self.esmtp, self.tls, self.user = None, False, None, None
        self.messages, self.commands, self.reads = 0, [], 0
        self.bare_lf = self.bare_cr = False
        self.reset()

    def reset(self):
        self.mail_from, self.mail_parameters, self.rcpt_to, self.rcpt_parameters = None, [], [], []

    # --- octets -----------------------------------------------------------------------------------

    async def fill(self):
        """Reads more; replies go out here, together, so a pipelined flight gets one answer in return."""
        await self.writer.drain()
        octets = await self.reader.read(65536)
        if not octets:
            raise HangUp
        self.reads += 1
        self.buffer += octets

    def say(self, text):
        for line in text.split("\n"):
            self.writer.write(line.encode("utf-8", "surrogateescape") + b"\r\n")

    async def reply(self, command, normal, address=None):
        """Sends the scripted answer or the normal one; returns what was sent."""
        scripted = self.script.answer(command, address)
        return await self.send(normal if scripted is None else scripted)

    async def send(self, text):
        if text == "hang":
            await self.writer.drain()
            while await self.reader.read(65536):
                pass
        if text in ("hang", "close", "accept-close"):
            raise HangUp
        self.say(text)
        if text.startswith("421"):
            await self.writer.drain()
            raise HangUp
        return text

    async def line(self):
        while (end := self.buffer.find(b"\r\n")) < 0:
            if len(self.buffer) > COMMAND_LIMIT:
                self.say("500 5.5.6 line too long, or its end is not CRLF")
                await self.writer.drain()
                raise HangUp
            await self.fill()
        line, self.buffer = self.buffer[:end], self.buffer[end + 2 :]
        self.bare_lf |= b"\n" in line
        self.bare_cr |= b"\r" in line
        return line

    async def content(self):
        """The octets up to CRLF.CRLF, dots unstuffed; None if there were more than allowed."""
        received, self.buffer = bytearray(b"\r\n" + self.buffer), b""  # so that a first line is like any other
        searched, too_big = 0, False
        while (end := received.find(b"\r\n.\r\n", searched)) < 0:
            if len(received) > self.options.size_limit + 65536:
                too_big = True
                del received[:-4]
            searched = max(0, len(received) - 4)
            await self.fill()
            received += self.buffer
            self.buffer = b""
        self.buffer = bytes(received[end + 5 :])
        if too_big:
            return None
        return bytes(received[: end + 2]).replace(b"\r\n.", b"\r\n")[2:]

    # --- commands ---------------------------------------------------------------------------------

    async def run(self):
        self.script.reload()
        greeting = await self.reply("greeting", "220 sink.example ESMTP next hop of the relais tests")
        refused = not greeting.startswith("2")
        while True:
            line = await self.line()
            self.script.reload()
            self.commands.append(to_text(line))
            verb, _, rest = line.partition(b" ")
            name = verb.decode("ascii", "replace").lower()
            if name == "quit":
                await self.reply("quit", "221 2.0.0 bye")
                return
            if refused:
                self.say("503 5.5.1 not open")
            elif name in ("ehlo", "helo", "mail", "rcpt", "data", "rset", "noop", "vrfy", "starttls", "auth"):
                await getattr(self, "command_" + name)(rest)
            else:
                self.say("500 5.5.2 what?")

    async def command_ehlo(self, rest):
        offers = ["PIPELINING", f"SIZE {self.options.size_limit}", "8BITMIME", "ENHANCEDSTATUSCODES"]
        if self.server.tls_context and not self.tls:
            offers.append("STARTTLS")
        if self.server.users and self.tls:
            offers.append("AUTH PLAIN LOGIN")
        offers = [offer for offer in offers if self.script.offers(offer.split()[0])]
        lines = ["sink.example", *offers]
        normal = "\n".join(f"250{' ' if i == len(lines) - 1 else '-'}{t}" for i, t in enumerate(lines))
        if (await self.reply("ehlo", normal)).startswith("2"):
            self.hello, self.esmtp = to_text(rest.strip()), True
            self.reset()

    async def command_helo(self, rest):
        if (await self.reply("helo", "250 sink.example")).startswith("2"):
            self.hello, self.esmtp = to_text(rest.strip()), False
            self.reset()

    @staticmethod
    def parse_path(rest, keyword):
        if rest[: len(keyword)].upper() != keyword:
            return None
        match = PATH.match(rest[len(keyword) :])
        return match and (to_text(match[1]), to_text(match[2]).split())

    def declared_size(self, parameters):
        return max((int(p[5:]) for p in parameters if re.fullmatch(r"(?i)size=\d{1,20}", p)), default=0)

    async def command_mail(self, rest):
        parsed = self.parse_path(rest, b"FROM:")
        if self.hello is None or self.mail_from is not None:
            return self.say("503 5.5.1 bad sequence of commands")
        if parsed is None:
            return self.say("501 5.5.4 syntax: MAIL FROM:<address>")
        if self.server.users and self.user is None:
            return self.say("530 5.7.0 authentication required" if self.tls else "530 5.7.0 STARTTLS first")
        address, parameters = parsed
        if self.declared_size(parameters) > self.options.size_limit:
            return self.say("552 5.3.4 message too big")
        if (await self.reply("mail", "250 2.1.0 sender ok", address)).startswith("2"):
            self.mail_from, self.mail_parameters = address, parameters

    async def command_rcpt(self, rest):
        parsed = self.parse_path(rest, b"TO:")
        if self.mail_from is None:
            return self.say("503 5.5.1 MAIL first")
        if parsed is None or not parsed[0]:
            return self.say("501 5.5.4 syntax: RCPT TO:<address>")
        if (await self.reply("rcpt", "250 2.1.5 recipient ok", parsed[0])).startswith("2"):
            self.rcpt_to.append(parsed[0])
            self.rcpt_parameters.append(parsed[1])

    async def command_data(self, rest):
        if self.mail_from is None:
            return self.say("503 5.5.1 MAIL first")
        if not self.rcpt_to:
            return self.say("554 5.5.1 no valid recipients")
        if rest.strip():
            return self.say("501 5.5.4 DATA takes no argument")
        if not (await self.reply("data", "354 go on, end with <CRLF>.<CRLF>")).startswith("354"):
            return None
        content = await self.content()
        if content is None:
            self.say("552 5.3.4 message too big")
        else:
            await self.end_of_data(content)
        self.reset()
        return None

    async def end_of_data(self, content):
        text = self.script.answer("end_of_data")
        if text is None or text == "accept-close" or text.startswith("2"):
            number = self.server.mailbox.keep(content, self.facts(content))
            self.messages += 1
            self.commands, self.reads, self.bare_lf, self.bare_cr = [], 0, False, False
            text = text or f"250 2.0.0 kept as {number}"
        await self.send(text)

    def facts(self, content):
        return {
            "session": self.number,
            "message_of_session": self.messages + 1,
            "peer": self.writer.get_extra_info("peername")[0],
            "helo": self.hello,
            "esmtp": self.esmtp,
            "tls": self.tls is not None,
            "tls_version": self.tls,
            "user": self.user,
            "mail_from": self.mail_from,
            "mail_params": self.mail_parameters,
            "rcpt_to": self.rcpt_to,
            "rcpt_params": self.rcpt_parameters,
            "size": len(content),
            "bare_lf": self.bare_lf or BARE_LF.search(content) is not None,
            "bare_cr": self.bare_cr or BARE_CR.search(content) is not None,
            "nul": b"\0" in content,
            "commands": self.commands,  # since the message before
            "reads": self.reads,  # how many flights they came in, content included
        }

    async def command_rset(self, _):
        self.reset()
        await self.reply("rset", "250 2.0.0 ok")

    async def command_noop(self, _):
        await self.reply("noop", "250 2.0.0 ok")

    async def command_vrfy(self, _):
        self.say("252 2.1.5 send it and see")

    # --- TLS and AUTH -----------------------------------------------------------------------------

    async def command_starttls(self, rest):
        if not self.server.tls_context or self.tls:
            return self.say("502 5.5.1 not offered")
        if rest.strip():
            return self.say("501 5.5.4 STARTTLS takes no argument")
        if self.buffer:  # octets in clear behind the command: injection, RFC 3207 and CVE-2011-0411
            self.say("501 5.5.1 octets behind STARTTLS")
            await self.writer.drain()
            raise HangUp
        if not (await self.reply("starttls", "220 2.0.0 go on")).startswith("220"):
            return None
        # Nothing may be awaited between the 220 and here: the ClientHello must find TLS in place.
        await self.writer.start_tls(self.server.tls_context)
        self.tls = self.writer.get_extra_info("ssl_object").version()
        self.hello, self.user = None, None  # RFC 3207 4.2: all knowledge of the client is void
        self.reset()
        return None

    async def challenge(self, text):
        self.say("334 " + base64.b64encode(text).decode())
        return await self.line()

    async def command_auth(self, rest):
        if not (self.server.users and self.tls):
            return self.say("502 5.5.1 not offered")
        if self.user is not None:
            return self.say("503 5.5.1 already authenticated")
        mechanism, _, initial = rest.strip().partition(b" ")
        try:
            if mechanism.upper() == b"PLAIN":
                response = initial or await self.challenge(b"")
                _, user, password = base64.b64decode(response, validate=True).split(b"\0")
            elif mechanism.upper() == b"LOGIN":
                user = base64.b64decode(initial or await self.challenge(b"Username:"), validate=True)
                password = base64.b64decode(await self.challenge(b"Password:"), validate=True)
            else:
                return self.say("504 5.5.4 PLAIN or LOGIN")
        except (binascii.Error, ValueError):
            return self.say("501 5.5.2 cannot decode that")
        good = self.server.users.get(to_text(user)) == to_text(password)
        normal = "235 2.7.0 welcome" if good else "535 5.7.8 credentials invalid"
        if (await self.reply("auth", normal)).startswith("235"):
            self.user = to_text(user)
        return None


class Server:
    def __init__(self, options):
        self.options = options
        self.script = Script(options.reply_file)
        self.mailbox = Mailbox(options.store, options.print)
        self.users = dict(user.split(":", 1) for user in options.user)
        self.sessions, self.numbers = set(), itertools.count(1)
        self.tls_context = None
        if options.tls_cert:
            self.tls_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls_context.load_cert_chain(options.tls_cert, options.tls_key)

    async def serve(self, reader, writer):
        task = asyncio.current_task()
        self.sessions.add(task)
        try:
            await Session(self, reader, writer, next(self.numbers)).run()
            await writer.drain()
        except (HangUp, OSError, asyncio.CancelledError):
            pass  # the peer left, or we are to stop: nothing to say to anyone
        finally:
            self.sessions.discard(task)
            writer.close()

    async def run(self):
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # ignored = whoever started us decides when to stop
            loop.add_signal_handler(signal.SIGINT, stop.set)
        host, port = self.options.listen
        listener = await asyncio.start_server(self.serve, host, port, backlog=512)
        address = listener.sockets[0].getsockname()
        shown = f"[{address[0]}]" if ":" in address[0] else address[0]
        print(f"listening on {shown}:{address[1]}", flush=True)
        await stop.wait()
        listener.close()
        for task in list(self.sessions):
            task.cancel()
        await asyncio.gather(*self.sessions, return_exceptions=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--listen", type=parse_endpoint, default=("127.0.0.1", 2626), metavar="ADDRESS:PORT")
    parser.add_argument("--store", metavar="DIR", help="keep messages as DIR/<n>.eml and DIR/<n>.json")
    parser.add_argument("--print", action="store_true", help="show messages on standard output")
    parser.add_argument("--reply-file", metavar="FILE", help="scripted answers, see above")
    parser.add_argument("--size-limit", type=int, default=100 << 20, metavar="OCTETS")
    parser.add_argument("--tls-cert", metavar="FILE", help="offer STARTTLS with this certificate (PEM)")
    parser.add_argument("--tls-key", metavar="FILE", help="its key, if it is not in the same file")
    parser.add_argument(
        "--user", action="append", default=[], metavar="NAME:PASSWORD",
        help="require AUTH, offered under TLS only; may be repeated",
    )  # fmt: skip
    options = parser.parse_args()
    if any(":" not in user for user in options.user):
        parser.error("--user takes NAME:PASSWORD")
    if options.user and not options.tls_cert:
        parser.error("--user needs --tls-cert: AUTH is offered under TLS only")
    try:
        asyncio.run(Server(options).run())
    except OSError as why:
        sys.exit(f"sink: {why}")


if __name__ == "__main__":
    main()
