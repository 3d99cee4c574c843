"""Mail programs that log in and use TLS: swaks, msmtp, curl, smtplib, nodemailer, Perl's Net::SMTP, s-nail,
Jakarta Mail, openssl s_client.

Each sends one message to a door and fails unless the program says that it was taken. What they do to a
message on the way (a Date, other line ends) is theirs: the tests compare the body and fields of their own.
"""

import base64
import json
import os
import pathlib
import shutil
import smtplib
import ssl
import subprocess
import threading
import unittest
import urllib.parse

from .clients import dot_stuffed
from .world import PEERS

HELO = "client.test.example"
SNAIL = PEERS / "s-nail/usr/bin/s-nail"
NODEMAILER = PEERS / "node-nodemailer/usr/share/nodejs"
JAVA_MAIL = (PEERS / "libmail-java/usr/share/java/javax.mail.jar", pathlib.Path("/usr/share/java/javax.activation.jar"))


class Door:
    """A listener as a client's user sees it. `tls`: "none", "starttls" or "implicit"."""

    def __init__(self, address, port, tls="none", ca=None, user=None, password=None, mechanism=None, certificate=None):
        self.address, self.port, self.tls, self.ca = address, port, tls, ca
        self.user, self.password, self.mechanism, self.certificate = user, password, mechanism, certificate

    def changed(self, **changes):
        return Door(**{**vars(self), **changes})

    def __str__(self):
        return f"{self.tls} {self.mechanism or 'without AUTH'}"


class Letter:
    def __init__(self, sender, recipients, content, folder):
        self.sender, self.content, self.folder = sender, content, folder
        self.recipients = [recipients] if isinstance(recipients, str) else recipients


class Refused(AssertionError):
    """The program did not get rid of the message; `transcript` is what it printed."""

    def __init__(self, words, code, transcript):
        super().__init__(f"{' '.join(map(str, words))[:400]}\nexit code {code}\n{transcript[-6000:]}")
        self.transcript = transcript


def run(words, octets=None, environment=None):
    words = [str(word) for word in words]
    done = subprocess.run(words, input=octets, capture_output=True, timeout=120,
                          env={**os.environ, "HOME": "/nonexistent", **(environment or {})})
    transcript = (done.stdout + done.stderr).decode("utf-8", "backslashreplace")
    if done.returncode != 0:
        raise Refused(words, done.returncode, transcript)
    return transcript


def swaks(door, letter, *more):
    wire = letter.folder / "swaks.wire"
    wire.write_bytes(dot_stuffed(letter.content))
    words = ["swaks", "--server", door.address, "--port", door.port, "--from", letter.sender or "<>", "--to",
             ",".join(letter.recipients), "--no-data-fixup", "--data", f"@{wire}", "--helo", HELO, "--suppress-data"]
    if door.tls != "none":
        words += ["--tls-on-connect" if door.tls == "implicit" else "--tls", "--tls-verify", "--tls-ca-path", door.ca]
    if door.certificate:
        words += ["--tls-cert", door.certificate.certificate, "--tls-key", door.certificate.key]
    if door.mechanism:
        words += ["--auth", door.mechanism, "--auth-user", door.user, "--auth-password", door.password]
    return run([*words, *more])


def swaks_pipelining(door, letter):
    return swaks(door, letter, "--pipeline")


def msmtp(door, letter):
    words = ["msmtp", "--file=/dev/null", f"--host={door.address}", f"--port={door.port}", f"--domain={HELO}",
             f"--from={letter.sender}", "--debug"]
    if door.tls == "none":
        words += ["--tls=off"]
    else:
        words += ["--tls=on", f"--tls-starttls={'on' if door.tls == 'starttls' else 'off'}", f"--tls-trust-file={door.ca}"]
    if door.certificate:
        words += [f"--tls-cert-file={door.certificate.certificate}", f"--tls-key-file={door.certificate.key}"]
    if door.mechanism:
        secret = letter.folder / "msmtp.secret"
        secret.write_text(f"{door.password}\n")
        words += [f"--auth={door.mechanism.lower()}", f"--user={door.user}", f"--passwordeval=cat {secret}"]
    else:
        words += ["--auth=off"]
    return run([*words, "--", *letter.recipients], letter.content.replace(b"\r\n", b"\n"))


def curl(door, letter):
    scheme = "smtps" if door.tls == "implicit" else "smtp"
    words = ["curl", "--silent", "--show-error", "--verbose", "--mail-from", letter.sender, "--upload-file", "-",
             "--url", f"{scheme}://{door.address}:{door.port}/{HELO}"]
    for recipient in letter.recipients:
        words += ["--mail-rcpt", recipient]
    if door.tls != "none":
        words += ["--ssl-reqd", "--cacert", door.ca]
    if door.certificate:
        words += ["--cert", door.certificate.certificate, "--key", door.certificate.key]
    if door.mechanism in ("OAUTHBEARER", "XOAUTH2"):
        words += ["--user", f"{door.user}:", "--oauth2-bearer", door.password, "--login-options", f"AUTH={door.mechanism}"]
    elif door.mechanism:
        words += ["--user", f"{door.user}:{door.password or ''}", "--login-options", f"AUTH={door.mechanism}"]
    return run(words, letter.content)


def python_smtplib(door, letter, options=("BODY=8BITMIME",)):
    context = ssl.create_default_context(cafile=door.ca) if door.tls != "none" else None
    if door.certificate:
        context.load_cert_chain(door.certificate.certificate, door.certificate.key)
    if door.tls == "implicit":
        client = smtplib.SMTP_SSL(door.address, door.port, HELO, timeout=60, context=context)
    else:
        client = smtplib.SMTP(door.address, door.port, HELO, timeout=60)
    with client:
        if door.tls == "starttls":
            client.starttls(context=context)
        client.ehlo()
        if door.mechanism:
            if door.mechanism not in client.esmtp_features.get("auth", ""):
                raise Refused(["smtplib"], 1, f"{door.mechanism} is not offered: {client.ehlo_resp}")
            client.user, client.password = door.user, door.password
            client.auth(door.mechanism, getattr(client, "auth_" + door.mechanism.lower()))
        client.sendmail(letter.sender, letter.recipients, letter.content, options)
    return ""


def nodemailer(door, letter):
    node = need("node", NODEMAILER / "nodemailer")
    auth = {"user": door.user, "pass": door.password}
    if door.mechanism == "XOAUTH2":
        auth = {"type": "OAuth2", "user": door.user, "accessToken": door.password}
    if door.mechanism in ("PLAIN", "LOGIN"):
        auth["method"] = door.mechanism
    options = {"host": door.address, "port": door.port, "secure": door.tls == "implicit", "name": HELO,
               "requireTLS": door.tls == "starttls", "ignoreTLS": door.tls == "none",
               "authMethod": door.mechanism, "auth": auth if door.mechanism else None,
               "tls": {"ca": pathlib.Path(door.ca).read_text()} if door.ca else {}}
    mail = {"envelope": {"from": letter.sender, "to": letter.recipients}, "raw": letter.content.decode("utf-8")}
    program = f"""
const mailer = require('nodemailer').createTransport({json.dumps(options)});
mailer.sendMail({json.dumps(mail)}).then(
  info => console.log(info.response), e => {{ console.error(e); process.exitCode = 1; }});
"""
    return run([node, "-e", program], environment={"NODE_PATH": str(NODEMAILER)})


def net_smtp(door, letter):
    program = r"""
use strict; use warnings; use Net::SMTP; use Authen::SASL;
my ($address, $port, $tls, $ca, $mechanism, $user, $password, $sender, @to) = @ARGV;
my %verified = (SSL_ca_file => $ca, SSL_verify_mode => 1, SSL_verifycn_name => $address);
my $smtp = Net::SMTP->new($address, Port => $port, Hello => 'client.test.example', Timeout => 60,
    $tls eq 'implicit' ? (SSL => 1, %verified) : ()) or die "cannot connect: $@";
if ($tls eq 'starttls') { $smtp->starttls(%verified) or die 'STARTTLS: ' . $smtp->message; }
if ($mechanism) {
  my $sasl = Authen::SASL->new(mechanism => $mechanism, callback => {user => $user, pass => $password, authname => $user});
  $smtp->auth($sasl) or die "AUTH: " . $smtp->message;
}
$smtp->mail($sender) or die 'MAIL: ' . $smtp->message;
$smtp->to(@to) or die 'RCPT: ' . $smtp->message;
my $content = do { local $/; <STDIN> };
$smtp->data($content) or die 'DATA: ' . $smtp->message;
$smtp->quit;
"""
    return run(["perl", "-e", program, door.address, door.port, door.tls, door.ca or "", door.mechanism or "",
                door.user or "", door.password or "", letter.sender, *letter.recipients],
               letter.content.replace(b"\r\n", b"\n"))


def s_nail(door, letter):
    """It makes the header by itself: the test finds its message by the subject."""
    need(None, SNAIL)
    scheme = "smtps" if door.tls == "implicit" else "smtp"
    account = f"{quoted(door.user)}:{quoted(door.password)}@" if door.mechanism else ""
    options = ["v15-compat", f"mta={scheme}://{account}{door.address}:{door.port}",
               f"hostname={HELO}", "ttycharset=utf-8", "tls-verify=strict", f"from={letter.sender}",
               f"smtp-auth={door.mechanism.lower() if door.mechanism else 'none'}"]
    if door.tls != "none":
        options += [f"tls-ca-file={door.ca}", "tls-ca-no-defaults"]
    if door.tls == "starttls":
        options += ["smtp-use-starttls"]
    head, body = letter.content.split(b"\r\n\r\n", 1)
    subject = [line[9:].decode() for line in head.split(b"\r\n") if line.startswith(b"Subject: ")][0]
    words = [SNAIL, "-:/", "-v", "-Sexpandaddr", "-Ssendwait", "-r", letter.sender]
    for option in options:
        words += ["-S", option]
    return run([*words, "-s", subject, *letter.recipients], body.replace(b"\r\n", b"\n"), {"DEAD": "/dev/null"})


JAVA_PROGRAM = r"""
import java.util.*; import javax.mail.*; import javax.mail.internet.*;
public class Send {
  public static void main(String[] a) throws Exception {
    Session session = Session.getInstance(System.getProperties());
    MimeMessage message = new MimeMessage(session, System.in);
    Transport transport = session.getTransport("smtp");
    if (a[0].isEmpty()) transport.connect(); else transport.connect(a[0], a[1]);
    List<Address> to = new ArrayList<>();
    for (int i = 2; i < a.length; i++) to.add(new InternetAddress(a[i]));
    transport.sendMessage(message, to.toArray(new Address[0]));
    transport.close();
  }
}
"""


def java_mail(door, letter):
    java, compiler = need("java", *JAVA_MAIL), need("javac")
    classes = letter.folder.parent / "java"
    if not (classes / "Send.class").exists():
        classes.mkdir(exist_ok=True)
        (classes / "Send.java").write_text(JAVA_PROGRAM)
        run([compiler, "-cp", ":".join(map(str, JAVA_MAIL)), "-d", classes, classes / "Send.java"])
    properties = {"host": door.address, "port": door.port, "localhost": HELO, "from": letter.sender, "allow8bitmime": "true",
                  "starttls.enable": door.tls == "starttls", "starttls.required": door.tls == "starttls",
                  "ssl.enable": door.tls == "implicit", "ssl.trust": "*", "auth": bool(door.mechanism),
                  "auth.mechanisms": door.mechanism or ""}
    words = [java, "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", ":".join(map(str, (*JAVA_MAIL, classes)))]
    words += [f"-Dmail.smtp.{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in properties.items()]
    return run([*words, "Send", door.user or "", door.password or "", *letter.recipients], letter.content)


def s_client(door, letter):
    """Typed at openssl s_client: a whole session in one flight behind the handshake."""
    lines = [f"EHLO {HELO}"]
    if door.mechanism == "PLAIN":
        lines += ["AUTH PLAIN " + base64.b64encode(f"\0{door.user}\0{door.password}".encode()).decode()]
    lines += [f"MAIL FROM:<{letter.sender}>", *(f"RCPT TO:<{r}>" for r in letter.recipients), "DATA"]
    words = ["openssl", "s_client", "-connect", f"{door.address}:{door.port}", "-CAfile", door.ca, "-verify_return_error",
             "-quiet"]
    if door.tls == "starttls":
        words += ["-starttls", "smtp", "-name", HELO]
    if door.certificate:
        words += ["-cert", door.certificate.certificate, "-key", door.certificate.key]
    # Line by line, as a person types: each waits for the reply to the one before.
    with subprocess.Popen([str(w) for w in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as child:
        patience = threading.Timer(60, child.kill)
        patience.start()
        transcript = ""

        def reply(to=None):
            """The last line of the reply; "" at the end."""
            nonlocal transcript
            if to is not None:
                child.stdin.write(to + b"\r\n")
                child.stdin.flush()
            several = to is not None and to.startswith(b"EHLO")  # s_client itself may show a line of its own EHLO
            while True:
                line = child.stdout.readline().decode()
                transcript += line
                several = several and line[:1] != "" and line[3:4] != "-"
                if not line or line[3:4] == " " and not several:
                    return line

        try:
            if door.tls == "implicit":
                reply()  # the greeting
            for line in [*(line.encode() for line in lines), dot_stuffed(letter.content)]:
                answer = reply(line)
                if answer[:1] not in ("2", "3"):
                    raise Refused(words, answer, transcript)
            reply(b"QUIT")
        finally:
            patience.cancel()
            child.kill()
    return transcript


def need(program, *files):
    """The path of a program that not every machine has; a skipped test with one sentence otherwise."""
    found = shutil.which(program) if program else True
    missing = [program] if not found else [str(f) for f in files if not f.exists()]
    if missing:
        raise unittest.SkipTest(f"{missing[0]} is missing: run tests/system/setup-peers.sh")
    return found



def quoted(text):
    return urllib.parse.quote(text or "", safe="")
