"""`relaisctl route test`: the row that decides, the hosts of a real zone with what is wrong with each, and
the exit code that tells what would become of the mail. Nothing is sent, and no daemon runs.
"""

from harness import relaisctl
from harness.case import EXIM, SystemTest, main
from harness.dns import BROKEN
from harness.relais import HOSTNAME, Relais
from harness.world import SMTP_PORT

GOOD, NO_HOST, TEMPORARY, USAGE, CONFIG = 0, 68, 75, 64, 78
SECRET = "correct-horse"
PRIVATE = "10.9.8.7"


class RouteVerb(SystemTest):
    needs_relaisd = False

    @classmethod
    def neighbours(cls):
        at = cls.world.address
        cls.start_dns(
            "two MX 20 mx.exim", "two MX 10 first", f"first A {at(71)}", f"first A {at(72)}",
            "mixed MX 10 inside", "mixed MX 20 mx.exim", f"inside A {PRIVATE}",
            "hidden MX 10 inside",
            "null MX 0 .",
            'nothing TXT "neither MX nor address"',
            "self MX 10 self-host", f"self-host A {at(1)}",
            f"gateway A {at(73)}", f"backup A {at(74)}")
        cls.relay = Relais(cls.world, 1)
        cls.relay.write_config(
            delivery={"hosts_per_attempt": 3, "tls": "encrypt"},
            routes=[
                {"name": "partner", "recipients": ["two.test.example"], "users": ["eve"], "tls": "verify",
                 "next_hops": ["[gateway.test.example]:587"], "username": "us", "password": SECRET,
                 "fallback": ["[backup.test.example]"], "fallback_attempts": 2,
                 "retry_intervals": ["5s", "1h"], "queue_lifetime": "2h", "source_ipv4": "127.0.0.1",
                 "hello": "bulk.test.example", "messages": 60},
                {"senders": ["news@sender.test.example"], "listeners": [f"{at(1)}:{SMTP_PORT}"], "action": "hold"},
                {"recipients": [".closed.example"], "action": "error", "text": "5.7.1 Closed for good"},
                {"recipients": ["lost.example"], "next_hops": ["[no-such-host.test.example]"]},
                {"recipients": ["store.example"], "protocol": "lmtp", "next_hops": ["unix:/run/store/lmtp"]},
            ])

    def ask(self, to, *more, code=GOOD):
        outcome = relaisctl.run("--config", self.relay.config, "--json", "route", "test", "--to", to, *more)
        self.assertEqual(outcome.code, code, outcome)
        self.assertNotIn(SECRET, outcome.text + outcome.errors)
        return outcome.json()

    def addresses(self, way, host=0):
        return [(a["preference"], a["name"], a["address"]) for a in way["hosts"][host]["addresses"]]

    def test_a_domain_has_its_mx_hosts_in_order(self):
        way = self.ask("jane@two.test.example", "--from", "joe@sender.test.example")
        self.assertEqual((way["route"], way["place"], way["next_hop"]), ("MX", None, f"two.test.example:{SMTP_PORT}"))
        self.assertEqual([(p["route"], p["mismatch"]) for p in way["passed"]],
                         [("partner", "users"), ("route 2", "senders"), ("route 3", "recipients"),
                          ("route 4", "recipients"), ("route 5", "recipients")])
        found = self.addresses(way)
        first = {(10, "first.test.example", self.world.address(n)) for n in (71, 72)}
        self.assertEqual(set(found[:2]), first)
        self.assertEqual(found[2:], [(20, "mx.exim.test.example", self.world.address(EXIM))])
        self.assertEqual(way["tls"]["level"], "encrypt")
        self.assertEqual(way["tls"]["source"], "delivery.tls")
        self.assertEqual(way["hello"], HOSTNAME)
        self.assertEqual(way["attempts"]["at"][:5], [0, 1, 2, 4, 6])
        self.assertEqual(way["attempts"]["then_every"], 2)

    def test_a_row_that_matches_says_where_it_stands_and_all_that_holds(self):
        way = self.ask("jane@two.test.example", "--user", "eve")
        self.assertEqual((way["route"], way["passed"]), ("partner", []))
        self.assertRegex(way["place"], rf"^{self.relay.config}:\d+$")
        self.assertEqual(way["next_hop"], "[gateway.test.example]:587")
        self.assertEqual(self.addresses(way), [(None, "gateway.test.example", self.world.address(73))])
        self.assertEqual(way["tls"]["level"], "verify")
        self.assertEqual(way["tls"]["source"], f"{way['place']}: routes")
        self.assertEqual((way["login"], way["source_ipv4"], way["hello"]), ("us", "127.0.0.1", "bulk.test.example"))
        self.assertEqual((way["limits"]["messages"], way["limits"]["rate_window"]), (60, 60))
        self.assertEqual(way["attempts"], {"at": [0, 5, 3605, 7200], "then_every": None, "lifetime": 7200})
        self.assertEqual(way["fallback"]["attempts"], 2)
        self.assertEqual([a["address"] for a in way["fallback"]["hosts"][0]["addresses"]], [self.world.address(74)])

    def test_the_sender_and_the_listener_count(self):
        listener = f"{self.relay.address}:{SMTP_PORT}"
        news = ["--from", "news@sender.test.example"]
        self.assertEqual(self.ask("x@two.test.example", *news, "--listener", listener)["action"], "hold")
        self.assertEqual(self.ask("x@two.test.example", *news)["route"], "MX")

    def test_what_would_go_back_to_its_sender_has_exit_code_68(self):
        for domain, fault in (("null", "null_mx"), ("nothing", "no_mail_host"), ("missing", "no_such_domain"),
                              ("self", "loops_to_self"), ("hidden", "forbidden_address")):
            with self.subTest(domain):
                way = self.ask(f"x@{domain}.test.example", code=NO_HOST)
                self.assertEqual(way["hosts"][0]["fault"], fault)
                self.assertTrue(way["hosts"][0]["reason"])
        way = self.ask("x@a.closed.example", code=NO_HOST)
        self.assertEqual((way["action"], way["status"], way["text"]), ("error", "5.7.1", "Closed for good"))

    def test_what_would_wait_has_exit_code_75(self):
        self.assertEqual(self.ask(f"x@{BROKEN}", code=TEMPORARY)["hosts"][0]["fault"], "temporary")
        # A host that the configuration names, and nobody knows.
        self.assertEqual(self.ask("x@lost.example", code=TEMPORARY)["hosts"][0]["fault"], "no_mail_host")

    def test_addresses_that_are_never_connected_to_are_named(self):
        way = self.ask("x@mixed.test.example")
        self.assertEqual([a[1] for a in self.addresses(way)], ["mx.exim.test.example"])
        self.assertEqual([r["address"] for r in way["hosts"][0]["refused"]], [PRIVATE])

    def test_a_socket_is_not_looked_up(self):
        way = self.ask("x@store.example")
        self.assertEqual((way["next_hop"], way["protocol"]), ("unix:/run/store/lmtp", "lmtp"))
        self.assertEqual((way["tls"]["level"], way["tls"]["source"]), ("none", "UNIX socket"))
        self.assertEqual(way["hosts"][0]["addresses"], [])

    def test_people_read_the_same(self):
        outcome = relaisctl.run("--config", self.relay.config, "route", "test", "--to", "jane@two.test.example",
                                "--user", "eve")
        self.assertEqual(outcome.code, GOOD, outcome)
        self.assertNotIn(SECRET, outcome.text)
        for line in (r"to +jane@two\.test\.example", r"from +<>", r"user +eve", r"route +partner \(.*:\d+\)",
                     r"next hop +\[gateway\.test\.example\]:587", r"TLS +verify \(.*: routes\)", r"login +us",
                     r"attempts +at once, after 5s, 1h5s, 2h; then it goes back",
                     rf" +gateway\.test\.example\[{self.world.address(73)}\]:587",
                     r"fallback +\[backup\.test\.example\].* behind 2 failed attempts"):
            self.assertRegex(outcome.text, rf"(?m)^{line}$")

    def test_mistakes_of_the_caller_have_a_sentence(self):
        for arguments, code, sentence in (
                (["--to", "x@"], USAGE, "--to: x@ is no address"),
                (["--to", "<>"], USAGE, "--to: <> is no recipient"),
                (["--to", "x@y.example", "--from", "@"], USAGE, "--from: @ is no address"),
                (["--to", "x@y.example", "--listener", "127.0.0.1:1"], USAGE, "--listener: there is none at 127.0.0.1:1"),
                ([], USAGE, "--to is required")):
            with self.subTest(arguments):
                outcome = relaisctl.run("--config", self.relay.config, "route", "test", *arguments)
                self.assertEqual((outcome.code, outcome.text), (code, ""), outcome)
                self.assertIn(sentence, outcome.errors)
        missing = relaisctl.run("--config", "/nowhere/relais.yaml", "route", "test", "--to", "x@y.example")
        self.assertEqual(missing.code, CONFIG, missing)


if __name__ == "__main__":
    main()
