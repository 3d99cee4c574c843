"""relaisctl user: every verb on a users file, its output, its exit code, and that no secret is shown."""

import concurrent.futures
import os
import pathlib
import pty
import stat
import tempfile
import unittest

from harness import relaisctl

OK, USAGE, NO_INPUT, CANNOT_CREATE, CONFIG = 0, 64, 66, 73, 78


class Users(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="relais-users-")
        self.addCleanup(self.directory.cleanup)
        self.file = pathlib.Path(self.directory.name) / "users"

    def ctl(self, *arguments, password=None):
        data = {} if password is None else {"input": password.encode()}
        return relaisctl.run("user", "--file", self.file, *arguments, **data)

    def add(self, user, *options):
        outcome = self.ctl("add", user, "--scheme", "sha512", *options, password="secret of " + user + "\n")
        self.assertEqual((outcome.code, outcome.text), (OK, f"{user}: added\n"))

    def listed(self):
        outcome = self.ctl("list", "--json")
        self.assertEqual(outcome.code, OK)
        return {row["user"]: row for row in outcome.json()}

    def test_an_account_from_its_first_day_to_its_last(self):
        self.add("ann@a.example", "--senders", "ann@a.example,@b.example")
        self.add("printer", "--no-scram", "--disable")
        self.assertEqual(self.listed(), {
            "ann@a.example": {"user": "ann@a.example", "hash": "sha512", "scram": True, "disabled": False,
                              "senders": ["ann@a.example", "@b.example"]},
            "printer": {"user": "printer", "hash": "sha512", "scram": False, "disabled": True, "senders": []}})
        self.assertEqual(self.ctl("list").text,
                         "ann@a.example  sha512+scram  ann@a.example,@b.example\nprinter  sha512+disabled\n")
        before = self.file.read_text()
        changed = self.ctl("passwd", "ann@a.example", "--scheme", "bcrypt", password="another\n")
        self.assertEqual((changed.code, changed.text), (OK, "ann@a.example: password changed\n"))
        self.assertNotEqual(self.file.read_text().split("\n")[0], before.split("\n")[0])
        self.assertEqual(self.file.read_text().split("\n")[1], before.split("\n")[1])
        self.assertEqual(self.ctl("senders", "ann@a.example", "*").code, OK)
        self.assertEqual(self.ctl("disable", "ann@a.example").code, OK)
        self.assertEqual(self.ctl("enable", "printer").code, OK)
        self.assertEqual(self.listed()["ann@a.example"],
                         {"user": "ann@a.example", "hash": "bcrypt", "scram": True, "disabled": True, "senders": ["*"]})
        self.assertFalse(self.listed()["printer"]["disabled"])
        self.assertEqual(self.ctl("remove", "printer", "nobody").code, NO_INPUT)
        self.assertEqual(list(self.listed()), ["ann@a.example"])

    def test_every_scheme(self):
        for scheme in ("yescrypt", "bcrypt", "sha512", "argon2", "scram"):
            self.assertEqual(self.ctl("add", scheme, "--scheme", scheme, password="pw\n").code, OK, scheme)
        self.assertEqual(self.ctl("add", "none", "--scheme", "none").code, OK)
        kinds = {user: row["hash"] for user, row in self.listed().items()}
        self.assertEqual(kinds, {"yescrypt": "yescrypt", "bcrypt": "bcrypt", "sha512": "sha512", "argon2": "argon2",
                                 "scram": None, "none": None})

    def test_mistakes_change_nothing(self):
        self.add("ann")
        before = self.file.read_bytes()
        for code, arguments, password in (
                (CANNOT_CREATE, ("add", "ann"), "pw\n"),
                (USAGE, ("add", "bob"), ""),
                (USAGE, ("add", "bob"), "\n"),
                (USAGE, ("add", "bob"), "x" * 600),
                (USAGE, ("add", "bob:x"), "pw\n"),
                (USAGE, ("add", "#bob"), "pw\n"),
                (USAGE, ("add", "b\nob"), "pw\n"),
                (USAGE, ("add", "bob", "--scheme", "md5"), "pw\n"),
                (USAGE, ("add", "bob", "--scheme", "scram", "--no-scram"), "pw\n"),
                (USAGE, ("add", "bob", "--senders", "nowhere"), "pw\n"),
                (USAGE, ("senders", "ann", "a@b@c"), None),
                (NO_INPUT, ("passwd", "bob"), "pw\n"),
                (NO_INPUT, ("disable", "bob"), None),
                (NO_INPUT, ("remove", "bob"), None),
                (USAGE, ("remove",), None),
                (USAGE, (), None)):
            outcome = self.ctl(*arguments, password=password)
            self.assertEqual(outcome.code, code, (arguments, outcome))
            self.assertEqual(self.file.read_bytes(), before, arguments)
        self.assertEqual(relaisctl.run("--config", "/nonexistent", "user", "list").code, CONFIG)
        self.file.unlink()
        self.assertEqual(self.ctl("list").code, NO_INPUT)

    def test_mode_owner_and_comments_stay(self):
        self.add("ann")
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode) & 0o007, 0)
        with self.file.open("a") as file:
            file.write("# keep me\n")
        self.file.chmod(0o640)
        if os.geteuid() == 0:
            os.chown(self.file, 1, 1)
        self.add("bob")
        now = self.file.stat()
        self.assertEqual(stat.S_IMODE(now.st_mode), 0o640)
        if os.geteuid() == 0:
            self.assertEqual((now.st_uid, now.st_gid), (1, 1))
        self.assertEqual(self.file.read_text().split("\n")[1], "# keep me")
        self.assertEqual(os.listdir(self.directory.name), ["users"])

    def test_many_at_the_same_time_lose_nothing(self):
        names = [f"user{n}" for n in range(8)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(self.add, names))
        self.assertEqual(sorted(self.listed()), names)

    def test_no_secret_is_shown(self):
        self.add("ann")
        secrets = self.file.read_text().strip().split(":")[1].split(" ")
        for outcome in (self.ctl("list"), self.ctl("list", "--json"), self.ctl("disable", "ann")):
            for secret in (*secrets, "secret of ann"):
                self.assertNotIn(secret, outcome.text + outcome.errors)

    def test_a_person_at_a_terminal_types_twice_and_sees_nothing(self):
        def at_terminal(*lines):
            child, terminal = pty.fork()
            if child == 0:
                os.execv(relaisctl.PROGRAM, [relaisctl.PROGRAM, "user", "--file", str(self.file), "add", "ann",
                                             "--scheme", "sha512"])
            seen = b""
            for prompt, line in zip((b"New password: ", b"The same again: "), lines):
                while prompt not in seen:
                    seen += os.read(terminal, 1000)
                os.write(terminal, line + b"\n")
            try:
                while data := os.read(terminal, 1000):
                    seen += data
            except OSError:  # the end, on Linux
                pass
            os.close(terminal)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), seen

        code, seen = at_terminal(b"hidden-one", b"hidden-two")
        self.assertEqual(code, USAGE)
        self.assertIn(b"the two passwords differ", seen)
        code, seen = at_terminal(b"hidden-one", b"hidden-one")
        self.assertEqual(code, OK)
        self.assertNotIn(b"hidden", seen)
        self.assertEqual(list(self.listed()), ["ann"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
