"""relaisctl on the spool of a stopped daemon: every verb, its output, its exit code.

The messages come in through a real relaisd whose smarthost does not answer, so that each has been tried
and deferred once. What the tools say is compared with what was sent and with an independent reader of the
spool; what they do must show in the next life of the daemon.
"""

import hashlib
import json
import os
import pathlib
import pwd
import re
import shutil
import stat
import subprocess
import sys

from harness import relaisctl
from harness.case import SystemTest, main
from harness.sink import Sink
from harness.world import SMTP_PORT

sys.path.append(str(relaisctl.SUPPORT))
from read_spool import crc32c  # noqa: E402

SENDER, RECIPIENTS = "joe@sender.test.example", ["ann@sink.test.example", "bob@sink.test.example"]
USAGE, DATA_ERROR, NO_INPUT, CANNOT_CREATE, IO_ERROR = 64, 65, 66, 73, 74
TEMPORARY, NO_PERMISSION, CONFIG = 75, 77, 78
NOBODY = pwd.getpwnam("nobody")


def fingerprint(folder):
    """Of every file: name, content, owner, mode, time of change."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        facts = path.stat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = (content, facts.st_uid, facts.st_mode, facts.st_mtime_ns)
    return found


def flip(path, octets, offset=0):
    """Changes one bit where `octets` stand in the file; returns their place."""
    content = bytearray(path.read_bytes())
    at = content.find(octets)
    if at < 0:
        raise AssertionError(f"{octets[:60]!r} is not in {path}")
    content[at + offset] ^= 1
    path.write_bytes(content)
    return at


class Tools(SystemTest):
    sinks = iter(range(20, 120))

    def setUp(self):
        """A relay, stopped; `self.sent`: id -> octets, the third is large enough for a file of its own."""
        host = next(self.sinks)
        self.sink = Sink(self.world, host)
        self.relay = self.relais(
            host=host + 120, smarthost={"host": f"[{self.sink.address}]:{SMTP_PORT}"},
            spool={"segment_size": "4 MiB", "inline_max": "256 KiB"}, retry={"intervals": ["1s"], "jitter": 0})
        self.spool = self.relay.spool
        self.sent, self.identities = {}, {}
        for body in (b"one\r\n", b"two\r\n.\r\n" + b"2" * 70 + b"\r\n", (b"3" * 998 + b"\r\n") * 500):
            identity, content = self.message(body)
            queue_id = self.submit(self.relay, SENDER, RECIPIENTS, content)
            self.sent[queue_id], self.identities[queue_id] = content, f"<{identity}>"
            for recipient in RECIPIENTS:
                self.relay.wait_for_log(rf"{queue_id}: to=<{recipient}>.*status=deferred")
        self.ids = list(self.sent)
        self.stop()

    def stop(self):
        self.assertEqual(self.relay.terminate(), 0)

    def ctl(self, *arguments, code=0, **options):
        outcome = relaisctl.run("--spool", self.spool, *arguments, **options)
        self.assertEqual(outcome.code, code, outcome)
        return outcome

    def queued(self):
        return [m["id"] for m in relaisctl.queue(self.spool)]

    def segment_with(self, octets):
        return next(p for p in (self.spool / "segments").iterdir() if octets in p.read_bytes())

    def large_file(self):
        return next(p for p in (self.spool / "large").rglob("*") if p.is_file())

    def delivered(self, count):
        return [stored.parsed()["Message-ID"] for _, stored in self.sink.wait_for(count)]

    # -- looking -----------------------------------------------------------------------------------

    def test_list_has_the_shape_of_mailq(self):
        lines = self.ctl("queue", "list").text.split("\n")
        self.assertEqual(lines[0], "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------")
        self.assertRegex(lines[1], rf"^{self.ids[0]}  +\d+ \w\w\w \w\w\w [ \d]\d \d\d:\d\d:\d\d {SENDER}$")
        self.assertRegex(lines[2], r"^ *\(.*refused.*; next attempt \w\w\w \w\w\w [ \d]\d \d\d:\d\d:\d\d\)$")
        self.assertEqual(lines[3], " " * 47 + RECIPIENTS[0])
        self.assertEqual([line[:16] for line in lines if line[:1] == "0"], self.ids)
        octets = sum(m["size"] for m in relaisctl.queue(self.spool))
        self.assertEqual(lines[-2:], [f"-- {-(-octets // 1024)} Kbytes in 3 Requests.", ""])

    def test_list_in_json_says_the_same_as_a_reader_without_our_code(self):
        self.ctl("queue", "hold", self.ids[1])
        listed = relaisctl.queue(self.spool)
        self.assertEqual([m["id"] for m in listed], self.ids)
        self.assertEqual([m["held"] for m in listed], [False, True, False])
        for message in listed:
            self.assertEqual(message["reverse_path"], SENDER)
            self.assertGreater(message["size"], len(self.sent[message["id"]]))
            self.assertEqual([r["address"] for r in message["recipients"]], RECIPIENTS)
            for recipient in message["recipients"]:
                self.assertEqual(recipient["status"], "pending")
                self.assertGreaterEqual(recipient["attempts"], 1)
                self.assertGreater(recipient["next_attempt"], message["arrival"])
                self.assertIn("refused", recipient["diagnostic"])
        independent = relaisctl.read_independently(self.spool, "--json")
        self.assertEqual(independent.code, 0, independent)
        self.assertEqual([{k: v for k, v in m.items() if k != "live"} for m in independent.json()], listed)

    def test_options_may_stand_behind_the_verb(self):
        before = relaisctl.run("--json", "--spool", self.spool, "queue", "list")
        behind = relaisctl.run("queue", "list", "--json", "--spool", self.spool)
        by_config = relaisctl.run("--config", self.relay.config, "queue", "--json", "list")
        self.assertEqual((before.code, before.text), (0, behind.text))
        self.assertEqual(before.text, by_config.text)

    def test_show_knows_every_recipient(self):
        text = self.ctl("queue", "show", self.ids[0].lower()).text
        self.assertIn(f"id          {self.ids[0]}\n", text)
        self.assertIn(f"sender      {SENDER}\n", text)
        for recipient in RECIPIENTS:
            self.assertRegex(text, rf"recipient   {recipient}\n            pending, \d+ attempts?, next attempt \w")
        self.assertEqual(self.ctl("queue", "show", self.ids[0], "--json").json(), relaisctl.queue(self.spool)[0])

    def test_cat_writes_what_was_accepted_octet_for_octet(self):
        self.assertTrue(self.large_file())
        for queue_id, content in self.sent.items():
            octets = self.ctl("queue", "cat", queue_id).octets
            self.assertTrue(octets.startswith(b"Received: "), octets[:100])
            self.assertTrue(octets.endswith(content), octets[-100:])

    def test_cat_of_a_damaged_message_ends_with_65(self):
        for victim, path in ((1, self.segment_with(b"2" * 70)), (2, self.large_file())):
            flip(path, str(victim + 1).encode() * 70)
            self.assertIn("damaged", self.ctl("queue", "cat", self.ids[victim], code=DATA_ERROR).errors)
        self.assertTrue(self.ctl("queue", "cat", self.ids[0]).octets.endswith(self.sent[self.ids[0]]))

    def test_grep_tail_and_head_find_a_message_as_the_description_of_the_format_says(self):
        queue_id = self.ids[1]
        found = subprocess.run(f"grep -a -b -o '@SP1 MSG  id={queue_id.lower()}.*' *", shell=True, check=True,
                               cwd=self.spool / "segments", capture_output=True, text=True).stdout
        segment, offset, header = found.rstrip("\n").split(":", 2)
        text, body = (int(re.search(rf" {name}=([0-9a-f]+) ", header)[1], 16) for name in ("env", "body"))
        octets = subprocess.run(f"tail -c +{int(offset) + 128 + text + 1} {segment} | head -c {body}", shell=True,
                                check=True, cwd=self.spool / "segments", capture_output=True).stdout
        self.assertEqual(octets, self.ctl("queue", "cat", queue_id).octets)

    def test_output_that_gets_nowhere_is_a_failure_and_a_reader_that_has_enough_is_none_to_complain_about(self):
        command = f"{relaisctl.PROGRAM} --spool {self.spool} queue cat {self.ids[2]}"
        full = subprocess.run(f"{command} > /dev/full", shell=True, capture_output=True, text=True)
        self.assertEqual((full.returncode, full.stderr),
                         (IO_ERROR, "relaisctl: cannot write to standard output: No space left on device\n"))
        enough = subprocess.run(["bash", "-c", f"{command} | head -c 1 ; exit ${{PIPESTATUS[0]}}"],
                                capture_output=True, text=True)
        self.assertEqual((enough.returncode, enough.stderr), (IO_ERROR, ""))

    # -- changing ----------------------------------------------------------------------------------

    def test_what_is_held_stays_until_it_is_released(self):
        held = self.ids[1]
        self.assertIn(f"{held}: held (", self.ctl("queue", "hold", held).text)
        self.assertIn(f"{held}: was held already", self.ctl("queue", "hold", held).text)
        self.assertIn(f"\n{held}! ", self.ctl("queue", "list").text)
        self.assertIn("held        yes\n", self.ctl("queue", "show", held).text)
        self.sink.start()
        self.addCleanup(self.sink.stop)
        self.relay.start()
        free = sorted(self.identities[i] for i in self.ids if i != held)
        self.assertEqual(sorted(self.delivered(2)), free)
        self.relay.wait_for_log(r"qmgr\S*: \w+: removed", count=2)
        self.stop()
        self.assertEqual(self.queued(), [held])
        self.assertIn(f"{held}: released (", self.ctl("queue", "release", held).text)
        self.assertIn(f"{held}: was not held", self.ctl("queue", "release", held).text)
        self.relay.start()
        self.assertEqual(self.delivered(3)[2], self.identities[held])
        self.relay.wait_for_log(r"qmgr\S*: \w+: removed")
        self.stop()
        self.assertEqual(self.ctl("queue", "list").text, "Mail queue is empty\n")

    def test_what_is_removed_is_gone_and_nobody_is_told(self):
        text = self.ctl("queue", "remove", self.ids[0], self.ids[2], self.ids[0].lower()).text
        self.assertEqual([line.split(" (")[0] for line in text.splitlines()],
                         [f"{self.ids[0]}: removed", f"{self.ids[2]}: removed"])
        self.assertEqual(self.queued(), [self.ids[1]])
        self.sink.start()
        self.addCleanup(self.sink.stop)
        self.relay.start()
        self.relay.wait_for_log(rf"{self.ids[1]}: removed")
        self.stop()
        self.assertEqual(self.delivered(1), [self.identities[self.ids[1]]])
        self.assertEqual(self.relay.process.matches("non-delivery"), [])
        self.assertEqual(self.queued(), [])
        self.assertEqual([p for p in (self.spool / "large").rglob("*") if p.is_file()], [])

    def test_an_unknown_id_is_named_and_the_others_are_dealt_with(self):
        for unknown in ("0123456789ABCDEF", "nonsense"):
            for verb in ("show", "cat"):
                self.assertIn(f"{unknown}: no such message", self.ctl("queue", verb, unknown, code=NO_INPUT).errors)
            self.assertIn(f"{unknown}: no such message", self.ctl("queue", "release", unknown, code=NO_INPUT).text)
        outcome = self.ctl("queue", "remove", "nonsense", self.ids[0], "--json", code=NO_INPUT).json()
        self.assertEqual([(o["id"], o["changed"]) for o in outcome], [("nonsense", False), (self.ids[0], True)])
        self.assertEqual(self.queued(), self.ids[1:])

    def test_all_needs_yes_and_a_dry_run_does_nothing(self):
        for arguments, code in ((["--all"], USAGE), (["--all", "--dry-run"], 0), (["--all", "--yes", "--dry-run"], 0)):
            text = self.ctl("queue", "remove", *arguments, code=code).text
            self.assertEqual([line.split(" (")[0] for line in text.splitlines()],
                             [f"{i}: would be removed" for i in self.ids])
        self.assertIn("would be held", self.ctl("queue", "hold", self.ids[0], "--dry-run").text)
        self.assertEqual([(m["id"], m["held"]) for m in relaisctl.queue(self.spool)], [(i, False) for i in self.ids])
        self.ctl("queue", "hold", "--all", "--yes")
        self.assertEqual([m["held"] for m in relaisctl.queue(self.spool)], [True] * 3)
        self.ctl("queue", "remove", "--all", "--yes")
        self.assertEqual(self.ctl("queue", "remove", "--all").text, "Mail queue is empty\n")
        self.assertEqual(self.ctl("queue", "list", "--json").json(), [])

    # -- the spool as a whole ----------------------------------------------------------------------

    def test_check_finds_nothing_in_a_good_spool_and_changes_nothing(self):
        before = fingerprint(self.spool)
        text = self.ctl("spool", "check").text
        self.assertRegex(text, r"^segments     1 in use with \d+ octets, \d+ free\ncheckpoints  1\nrecords      \d+\n"
                               r"messages     3, 1 of them in files of their own\nno damage found\n$")
        self.assertEqual(fingerprint(self.spool), before)
        figures = self.ctl("spool", "check", "--json").json()
        self.assertEqual((figures["messages"], figures["damaged"], figures["complaints"]), (3, 0, []))

    def test_check_names_file_and_offset_of_what_is_damaged_and_changes_nothing(self):
        segment, large = self.segment_with(b"2" * 70), self.large_file()
        flip(segment, b"2" * 70)
        flip(large, b"3" * 70)
        before = fingerprint(self.spool)
        text = self.ctl("spool", "check", code=DATA_ERROR).text
        self.assertRegex(text, rf"(?m)^segments/{segment.name}\b.*offset \d+")
        self.assertRegex(text, rf"(?m)^large/{large.parent.name}/{large.name}\b")
        self.assertIn("2 DAMAGED\n", text)
        self.assertEqual(len(self.ctl("spool", "check", "--json", code=DATA_ERROR).json()["complaints"]), 2)
        self.assertEqual(fingerprint(self.spool), before)
        self.assertEqual(relaisctl.read_independently(self.spool).code, DATA_ERROR)

    def test_check_finds_a_damaged_checkpoint(self):
        checkpoints = list(self.spool.glob("checkpoint-*"))
        self.assertNotEqual(checkpoints, [], "a clean stop leaves a checkpoint")
        content = bytearray(checkpoints[0].read_bytes())
        content[len(content) // 2] ^= 1
        checkpoints[0].write_bytes(content)
        self.assertIn(checkpoints[0].name, self.ctl("spool", "check", code=DATA_ERROR).text)
        # The truth is in the segments.
        self.assertEqual(self.queued(), self.ids)

    def test_a_spool_of_a_later_format_is_refused_and_left_as_it_is(self):
        segment = self.segment_with(b"one")
        line = segment.read_bytes().split(b" crc=")[0].replace(b"relais-log 1 ", b"relais-log 2 ")
        with open(segment, "r+b") as file:
            file.write(line + b" crc=%08x\n" % crc32c(line))
        before = fingerprint(self.spool)
        for verb in (["queue", "list"], ["queue", "remove", self.ids[0]],
                     ["spool", "export", self.world.new_folder("export")]):
            self.assertIn("of a format that this version", self.ctl(*verb, code=DATA_ERROR).errors)
        self.assertIn("of a format that this version", self.ctl("spool", "check", code=DATA_ERROR).text)
        self.assertEqual(fingerprint(self.spool), before)

    def test_export_writes_every_message_with_its_envelope(self):
        target = self.world.new_folder("export") / "new"
        self.assertEqual(self.ctl("spool", "export", target).text, f"3 messages exported to {target}\n")
        self.assertEqual(sorted(p.name for p in target.iterdir()),
                         sorted(f"{i}.{kind}" for i in self.ids for kind in ("eml", "json")))
        self.assertEqual(stat.S_IMODE(target.stat().st_mode), 0o700)
        for message in relaisctl.queue(self.spool):
            eml, envelope = target / f"{message['id']}.eml", target / f"{message['id']}.json"
            self.assertEqual({stat.S_IMODE(p.stat().st_mode) for p in (eml, envelope)}, {0o600})
            self.assertEqual(eml.read_bytes(), self.ctl("queue", "cat", message["id"]).octets)
            self.assertEqual(json.loads(envelope.read_text()), message)
        self.assertIn("is not empty", self.ctl("spool", "export", target, code=CANNOT_CREATE).errors)
        self.assertIn("No such file", self.ctl("spool", "export", target / "a/b", code=CANNOT_CREATE).errors)

    def test_export_leaves_out_what_is_damaged_and_says_so(self):
        flip(self.segment_with(b"2" * 70), b"2" * 70)
        target = self.world.new_folder("export")
        outcome = self.ctl("spool", "export", target, code=DATA_ERROR)
        self.assertIn(f"{self.ids[1]}: not exported", outcome.errors)
        self.assertEqual(sorted(p.stem for p in target.glob("*.eml")), [self.ids[0], self.ids[2]])
        self.assertEqual([p.name for p in target.iterdir() if self.ids[1] in p.name], [])

    # -- who may, and when -------------------------------------------------------------------------

    def test_a_running_daemon_is_left_alone(self):
        self.relay.start()
        target = self.world.new_folder("export")
        for arguments in (["queue", "list"], ["queue", "show", self.ids[0]], ["queue", "cat", self.ids[0]],
                          ["queue", "remove", self.ids[0]], ["queue", "hold", "--all", "--yes"],
                          ["queue", "release", self.ids[0]], ["spool", "check"], ["spool", "export", target]):
            outcome = self.ctl(*arguments, code=TEMPORARY)
            self.assertIn("relaisd is running with this spool; stop it first", outcome.errors)
        self.stop()
        self.assertEqual(self.queued(), self.ids)

    def test_a_spool_that_is_not_there_is_not_made(self):
        empty = self.world.new_folder("no-spool")
        empty.chmod(0o700)
        link = self.world.new_folder("link") / "spool"
        link.symlink_to(self.spool)
        for place in (empty, empty / "missing", self.relay.config, link):
            outcome = relaisctl.run("--spool", place, "queue", "list")
            self.assertEqual((outcome.code, outcome.text), (NO_INPUT, ""), outcome)
            self.assertIn(f"there is no spool in {place}", outcome.errors)
        self.assertFalse((empty / "missing").exists())
        self.assertEqual(list(empty.iterdir()), [])

    def test_wrong_arguments_and_a_wrong_configuration_are_told_apart(self):
        for arguments in ([], ["queue"], ["queue", "nonsense"], ["queue", "show"], ["queue", "remove"],
                          ["queue", "remove", self.ids[0], "--all"], ["spool", "export"],
                          ["queue", "cat", self.ids[0], "--json"], ["--nonsense", "queue", "list"]):
            self.ctl(*arguments, code=USAGE)
        for config in (self.world.directory / "missing.yaml", self.segment_with(b"one")):
            self.assertEqual(relaisctl.run("--config", config, "queue", "list").code, CONFIG)
        self.assertEqual(relaisctl.run("--version").text.split()[0], "relais")
        self.assertEqual(relaisctl.run("queue", "--help").code, 0)

    def test_root_works_as_the_owner_of_the_spool(self):
        for path in (self.spool, *self.spool.rglob("*")):
            os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
        target = self.world.new_folder("export") / "new"
        self.ctl("queue", "hold", self.ids[0])
        self.ctl("spool", "export", target)
        self.ctl("queue", "remove", "--all", "--yes")
        self.assertEqual({p.stat().st_uid for p in (self.spool, *self.spool.rglob("*"))}, {NOBODY.pw_uid})
        self.assertEqual({p.stat().st_uid for p in (target, *target.iterdir())}, {0})

    def test_others_are_not_let_in(self):
        program = shutil.copy(relaisctl.PROGRAM, self.world.new_folder("program"))
        done = subprocess.run([program, "--spool", self.spool, "queue", "list"], user="nobody", capture_output=True)
        self.assertEqual(done.returncode, NO_PERMISSION, done)
        self.assertEqual(done.stdout, b"")


if __name__ == "__main__":
    main()
