"""Running the daemon: signals and the drain, exit codes, and bad surroundings at the start, each told
in one clear sentence on stderr.
"""

import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess

from harness import relais as daemon
from harness.case import SystemTest, main
from harness.clients import Session
from harness.process import eventually
from harness.relais import HOSTNAME, Relais, run
from harness.sink import Sink
from harness.world import SMTP_PORT

SINK = 20
SENDER, RECIPIENT = "joe@exim.test.example", "x@sink.test.example"
USAGE, UNAVAILABLE, CANNOT_CREATE, IO_ERROR, TRY_AGAIN, CONFIG = 64, 69, 73, 74, 75, 78  # sysexits
HARD_STOP = 1


class Signals(SystemTest):
    @classmethod
    def neighbours(cls):
        cls.start_dns("sink MX 10 mx.sink", f"mx.sink A {cls.world.address(SINK)}")

    def in_data(self, relay):
        """A session in the middle of a message: (session, id of the message, the rest of it)."""
        session = Session(relay)
        self.addCleanup(session.close)
        identity, content = self.message(b"first half\r\nsecond half\r\n", recipient=RECIPIENT)
        session.command("EHLO client.test.example")
        session.command(f"MAIL FROM:<{SENDER}>")
        session.command(f"RCPT TO:<{RECIPIENT}>")
        self.assertEqual(session.command("DATA").code, 354)
        middle = content.index(b"second")
        session.send(content[:middle])
        return session, identity, content[middle:]

    def idle(self, relay):
        session = Session(relay)
        self.addCleanup(session.close)
        session.command("EHLO client.test.example")
        return session

    def refuses_connections(self, relay):
        try:
            socket.create_connection((relay.address, relay.port), timeout=5).close()
        except (ConnectionRefusedError, ConnectionResetError):
            # Reset: the kernel took the handshake into a backlog that was closed before its end.
            return True
        return False

    def drain(self, number):
        relay = self.relais()
        silent, idle = Session(relay), self.idle(relay)
        self.addCleanup(silent.close)
        busy, identity, rest = self.in_data(relay)
        relay.process.signal(number)
        for session in (silent, idle):
            reply = session.reply()
            self.assertTrue(reply.text.startswith("421 "), reply)
            self.assertIn(HOSTNAME, reply.text)
            self.assertTrue(session.is_closed())
        eventually(lambda: self.refuses_connections(relay), "no new connection is taken")
        self.assertTrue(relay.process.is_running())
        self.assertEqual(busy.send(rest + b".\r\n").reply().code, 250)
        self.assertEqual(busy.reply().code, 421)
        self.assertEqual(relay.process.wait(), 0, relay.log)
        # The next hop was never up: the message has to be in the spool.
        sink = Sink(self.world, SINK).start()
        self.addCleanup(sink.stop)
        before = len(sink.messages())
        relay.start()
        stored = [stored for _, stored in sink.wait_for(before + 1)[before:]]
        self.assertEqual([s.parsed()["Message-ID"] for s in stored], [f"<{identity}>"])
        relay.wait_for_log(r"qmgr\S*: \w+: removed")
        self.assertEqual(relay.terminate(), 0, relay.log)

    def test_sigterm_drains(self):
        self.drain(signal.SIGTERM)

    def test_sigint_drains(self):
        self.drain(signal.SIGINT)

    def test_a_second_signal_is_a_hard_stop_that_keeps_what_was_acknowledged(self):
        relay = self.relais(host=4)
        self.submit(relay, SENDER, RECIPIENT, self.message()[1])
        busy, _, _ = self.in_data(relay)
        relay.process.signal(signal.SIGTERM)
        eventually(lambda: self.refuses_connections(relay), "no new connection is taken")
        self.assertTrue(relay.process.is_running())
        relay.process.signal(signal.SIGTERM)
        code = relay.process.wait(timeout=10)  # server_timeout.shutdown is 30 s
        self.assertEqual(code, HARD_STOP, relay.log)
        relay.start()
        relay.wait_for_log(rf"to=<{RECIPIENT}>.*status=deferred")
        self.assertEqual(relay.terminate(), 0, relay.log)

    def test_transactions_that_do_not_end_are_cut_off_when_the_time_for_shutdown_is_over(self):
        relay = self.relais(host=5, server_timeout={"shutdown": "1s"})
        self.in_data(relay)
        code = relay.terminate()
        self.assertIn(code, (0, HARD_STOP), relay.log)

    def test_a_next_hop_that_hangs_does_not_hold_up_the_shutdown_and_gets_the_message_later(self):
        relay = self.relais(host=7, server_timeout={"shutdown": "1s"})
        identity, content = self.message(recipient=RECIPIENT)
        with socket.create_server((self.world.address(SINK), SMTP_PORT)) as silent:
            self.submit(relay, SENDER, RECIPIENT, content)
            silent.settimeout(30)
            with silent.accept()[0]:  # and never says a word
                code = relay.terminate()
        self.assertIn(code, (0, HARD_STOP), relay.log)
        sink = Sink(self.world, SINK).start()
        self.addCleanup(sink.stop)
        before = len(sink.messages())
        relay.start()
        stored = sink.wait_for(before + 1)[-1][1]
        self.assertEqual(stored.parsed()["Message-ID"], f"<{identity}>")
        self.assertEqual(relay.terminate(), 0, relay.log)

    def test_a_hangup_during_the_start_is_answered_behind_it(self):
        relay = Relais(self.world, 12, http={"control_socket": str(self.world.directory / "no/such/control")})
        relay.launch()
        self.addCleanup(lambda: relay.process.stop())
        relay.wait_for_log("relaisctl cannot reach this daemon")  # told when much of the start is still to come
        relay.process.signal(signal.SIGHUP)
        relay.wait_for_log("SIGHUP: certificates read anew")
        self.assertEqual(relay.terminate(), 0, relay.log)

    def test_a_start_waits_for_relaisctl_to_leave_the_spool(self):
        relay = self.relais(host=10)
        self.assertEqual(relay.terminate(), 0, relay.log)
        with open(relay.spool / "lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            relay.launch()
            relay.wait_for_log("in use by another process: waiting")
        relay.wait_for_log("ready$")
        self.assertEqual(relay.terminate(), 0, relay.log)

    def is_connecting(self, address):
        """Somebody here waits for that address to take a connection."""
        wanted = socket.inet_aton(address)[::-1].hex().upper() + f":{SMTP_PORT:04X}"
        with open("/proc/net/tcp", encoding="ascii") as connections:
            return any(fields[2] == wanted and fields[3] == "02" for fields in map(str.split, connections))

    def stop_before_a_connection(self, host, next_hop):
        """A stop that nothing but the sessions without a connection could hold up, for an hour."""
        relay = self.relais(host=host, server_timeout={"shutdown": "1h"},
                            client_timeout={"connect": "1h", "greeting": "1h"})
        self.submit(relay, SENDER, RECIPIENT, self.message(recipient=RECIPIENT)[1])
        next_hop()
        self.assertEqual(relay.terminate(), 0, relay.log)
        self.assertEqual(relay.process.matches(r"status="), [], relay.log)

    def test_a_next_hop_that_never_greets_does_not_hold_up_the_shutdown(self):
        with socket.create_server((self.world.address(SINK), SMTP_PORT)) as silent:
            silent.settimeout(30)
            taken = []
            self.stop_before_a_connection(8, lambda: taken.append(silent.accept()[0]))
            taken[0].close()

    def test_a_next_hop_that_takes_no_connection_does_not_hold_up_the_shutdown(self):
        address = self.world.address(SINK)
        with socket.create_server((address, SMTP_PORT), backlog=0):
            with socket.create_connection((address, SMTP_PORT)):  # there is no place for another
                self.stop_before_a_connection(
                    9, lambda: eventually(lambda: self.is_connecting(address), "relais connects"))

    def test_sigterm_with_nothing_to_do(self):
        relay = self.relais(host=6)
        self.assertEqual(relay.terminate(), 0, relay.log)
        self.assertTrue(relay.spool.is_dir())


class BadSurroundings(SystemTest):
    @classmethod
    def neighbours(cls):
        """None: what is wrong here is at home."""

    def fails(self, relay_or_command, code, *words, **options):
        """The run ends with `code` and exactly one error line, which holds the words."""
        if isinstance(relay_or_command, Relais):
            command = ["--config", relay_or_command.config]
        else:
            command = relay_or_command
        done = run(*command, **options)
        self.assertEqual(done.returncode, code, done)
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        told = [line for line in lines if all(word in line for word in words)]
        self.assertEqual(len(told), 1, done.stderr)
        self.assertGreater(len(told[0].split()), 3)  # a sentence, not a code
        for noise in ("terminate called", "what():", "Sanitizer", "std::"):
            self.assertNotIn(noise, done.stderr)
        return done

    def configured(self, host, **changes):
        return Relais(self.world, host, **changes)

    def test_an_unreadable_configuration(self):
        self.fails(["--config", "/nonexistent/relais.yaml"], CONFIG, "/nonexistent/relais.yaml", "No such file")

    def test_a_mistake_in_the_configuration_is_told_with_its_place_and_the_nearest_key(self):
        relay = self.configured(10)
        relay.config.write_text('hostname: relay.test.example\nretri:\n  jitter: 3\n')
        for option in ([], ["--check-config"]):
            with self.subTest(option=option):
                self.fails(["--config", relay.config, *option], CONFIG, f"{relay.config}:2:1", "retri", "retry")

    def test_an_unknown_option_is_a_usage_error(self):
        self.fails(["--cofnig", "x"], USAGE, "--cofnig")

    def test_an_occupied_port(self):
        relay = self.configured(11)
        with socket.socket() as other:
            other.bind((relay.address, relay.port))
            other.listen()
            self.fails(relay, UNAVAILABLE, f"{relay.address}:{relay.port}", "in use")

    def test_an_unwritable_spool(self):
        relay = self.configured(12)
        shutil.copy(daemon.PROGRAM, self.world.directory / "relaisd")
        (self.world.directory / "relaisd").chmod(0o755)
        relay.config.chmod(0o644)
        nobody = pwd.getpwnam("nobody")
        done = subprocess.run([self.world.directory / "relaisd", "--config", relay.config], user=nobody.pw_uid,
                              group=nobody.pw_gid, extra_groups=[], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, CANNOT_CREATE, done)
        told = [line for line in done.stderr.splitlines() if str(relay.spool) in line and "ermission denied" in line]
        self.assertEqual(len(told), 1, done.stderr)

    def test_a_spool_below_something_that_is_no_directory(self):
        relay = self.configured(13)
        file = self.world.directory / "a-file"
        file.write_text("")
        relay.write_config(spool={"directory": str(file / "spool")})
        self.fails(relay, CANNOT_CREATE, str(file / "spool"))

    def test_a_spool_that_another_daemon_uses(self):
        first = self.relais(host=14)
        second = self.configured(15, spool={"directory": str(first.spool)})
        self.fails(second, TRY_AGAIN, str(first.spool), "is relaisd running")
        # The lock dies with its holder: after kill -9 the spool is free.
        first.kill()
        second.start()
        self.assertEqual(second.terminate(), 0)

    def full_disk(self, relay):
        """A tiny file system, mounted as the spool and filled to the last octet."""
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", relay.spool],
                                 capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"cannot mount a file system here: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", relay.spool])
        with open(relay.spool / "filler", "wb", buffering=0) as filler:
            try:
                while filler.write(b"x" * 4096):
                    pass
            except OSError:
                pass

    def test_a_full_disk(self):
        relay = self.configured(16)
        self.full_disk(relay)
        self.fails(relay, IO_ERROR, str(relay.spool), "space")

    def test_a_full_disk_without_any_reserve_configured(self):
        relay = self.configured(17, spool={"minimum_free": "0", "minimum_free_inodes": 0})
        self.full_disk(relay)
        self.fails(relay, IO_ERROR, str(relay.spool), "space")

    def test_check_config_of_a_good_file_says_nothing_bad_and_starts_nothing(self):
        relay = self.configured(18)
        done = run("--config", relay.config, "--check-config")
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(list(relay.spool.iterdir()), [])

    def test_print_config_is_a_fixed_point(self):
        relay = self.configured(19, smarthost={"host": "[smart.test.example]:587"},
                                relay={"domains": ["a.example", ".b.example"]})
        printed = run("--config", relay.config, "--print-config")
        self.assertEqual(printed.returncode, 0, printed)
        again = self.world.directory / "printed.yaml"
        again.write_text(printed.stdout)
        self.assertEqual(run("--config", again, "--print-config").stdout, printed.stdout)
        for value in ("relay.test.example", "[smart.test.example]:587", ".b.example", str(relay.spool)):
            self.assertIn(value, printed.stdout)

    def test_print_config_hides_secrets(self):
        relay = self.configured(21, smarthost={"host": "[smart.test.example]:587", "username": "u",
                                               "password": "do-not-show-me"}, delivery={"tls": "encrypt"})
        printed = run("--config", relay.config, "--print-config")
        self.assertEqual(printed.returncode, 0, printed)
        self.assertNotIn("do-not-show-me", printed.stdout + printed.stderr)

    def test_values_come_from_the_environment(self):
        relay = self.configured(22)
        relay.write_config(hostname="${RELAIS_TEST_NAME}", smarthost={"host": "${RELAIS_TEST_HOST:-[a.example]:25}"})
        printed = run("--config", relay.config, "--print-config",
                      env={**os.environ, "RELAIS_TEST_NAME": "n.test.example"})
        self.assertIn("n.test.example", printed.stdout)
        self.assertIn("[a.example]:25", printed.stdout)
        self.fails(relay, CONFIG, "RELAIS_TEST_NAME", f"{relay.config}:")

    def test_version(self):
        done = run("--version")
        self.assertEqual(done.returncode, 0, done)
        self.assertRegex(done.stdout, r"^relaisd? \d+\.\d+\.\d+")

    def test_running_out_of_disk_while_running_is_a_452_and_nothing_is_queued(self):
        relay = self.configured(23, spool={"minimum_free": "0", "minimum_free_inodes": 0, "segment_size": "4 MiB",
                                           "inline_max": "64 KiB", "spare_segments": 1})
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m,mode=0700", "tmpfs", relay.spool],
                                 capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"cannot mount a file system here: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", relay.spool])
        relay.start()
        self.addCleanup(lambda: relay.process.stop())
        # More than the whole disk; no SIZE, so that it shows only when the disk is full.
        _, content = self.message((b"x" * 98 + b"\r\n") * 140000, recipient=RECIPIENT)
        with Session(relay) as s:
            s.command("EHLO client.test.example")
            s.command(f"MAIL FROM:<{SENDER}>")
            s.command(f"RCPT TO:<{RECIPIENT}>")
            self.assertEqual(s.command("DATA").code, 354)
            self.assertEqual(s.send(content + b".\r\n").reply().code, 452, s.transcript[-500:])
            self.assertEqual(s.command("NOOP").code, 250)
        self.assertEqual(relay.process.matches(rf"to=<{RECIPIENT}>"), [])
        # What was written of it is gone, and there is room for what fits.
        eventually(lambda: not [f for f in (relay.spool / "large").rglob("*") if f.is_file()], "the file is removed")
        self.submit(relay, SENDER, RECIPIENT, self.message()[1])
        self.assertEqual(relay.terminate(), 0, relay.log)


if __name__ == "__main__":
    main()
