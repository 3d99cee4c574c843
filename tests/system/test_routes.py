"""Where mail goes: MX preference, implicit MX, aliases, null MX, names that do not exist, dead hosts,
and a name server that fails (RFC 5321 5.1, RFC 7505). One zone holds them all.
"""

from harness.case import EXIM, SystemTest, main
from harness.dns import BROKEN, DnsServer
from harness.exim import Exim
from harness.relais import Relais
from harness.sink import Sink

DEAD, ALSO_DEAD, LATE, LATE_DNS = 66, 67, 68, 54  # nobody listens there (LATE: not yet)
RELAY, SINK = 1, 20
SENDER = "joe@exim.test.example"


class Routes(SystemTest):
    @classmethod
    def neighbours(cls):
        at = cls.world.address
        cls.start_dns(
            f"dead-host A {at(DEAD)}", f"also-dead-host A {at(ALSO_DEAD)}",
            f"implicit A {at(EXIM)}",
            "alias CNAME exim",
            "fallback MX 10 dead-host", "fallback MX 20 mx.exim",
            "preferred MX 20 mx.exim", "preferred MX 10 mx.postfix",
            "two-addresses MX 10 two", f"two A {at(DEAD)}", f"two A {at(EXIM)}",
            "dangling MX 10 no-such-host", "dangling MX 20 mx.exim",
            "dead MX 10 dead-host", "dead MX 20 also-dead-host",
            "late MX 10 late-host", f"late-host A {at(LATE)}",
            "null MX 0 .",
            'nothing TXT "neither MX nor address"',
            "lost MX 10 no-such-host",
            "self MX 10 self-host", f"self-host A {at(RELAY)}",
            "below-self MX 5 dead-host", "below-self MX 10 self-host", "below-self MX 20 mx.exim",
            "grumpy MX 10 sink-host", "grumpy MX 20 mx.exim", f"sink-host A {at(SINK)}",
            "sink MX 10 sink-host")
        cls.start_exim("implicit.test.example", "alias.test.example", "fallback.test.example",
                       "preferred.test.example", "two-addresses.test.example", "dangling.test.example",
                       "grumpy.test.example", "below-self.test.example")
        cls.start_postfix("preferred.test.example")
        cls.sink = Sink(cls.world, SINK).start()
        # What one test leaves open, another one would use.
        cls.relay = Relais(cls.world, RELAY, delivery={"idle_timeout": "0s"}).start()

    def deliver(self, domain, peer, sender=SENDER):
        recipient = f"jane@{domain}"
        identity, content = self.message(recipient=recipient)
        number = self.submit(self.relay, sender, recipient, content)
        outcome = self.relay.wait_for_log(rf"{number}: to=<{recipient}>.*relay=(\S+),.*status=sent")
        stored = peer.mail.wait_for(recipient, matching=lambda o: identity.encode() in o)
        self.assert_relayed(stored[0], content, f"mx.{peer.name}.test.example")
        return outcome[1]

    def bounce(self, domain, status):
        """A message to that domain comes back; returns the machine-readable fields of its recipient."""
        recipient = f"jane@{domain}"
        identity, content = self.message(recipient=recipient)
        number = self.submit(self.relay, SENDER, recipient, content)
        self.relay.wait_for_log(rf"{number}: to=<{recipient}>.*relay=none.*dsn={status}, status=bounced")
        stored = self.exim.mail.wait_for(SENDER, matching=lambda o: identity.encode() in o)[0]
        _, _, recipients, _ = self.parsed_report(stored.octets)
        self.assertEqual(recipients[0]["Action"], "failed")
        self.assertEqual(recipients[0]["Status"], status)
        self.assertEqual(recipients[0]["Final-Recipient"], f"rfc822; {recipient}")
        return recipients[0]

    def defer(self, recipient, dsn):
        _, content = self.message(recipient=recipient)
        number = self.submit(self.relay, SENDER, recipient, content)
        self.relay.wait_for_log(rf"{number}: to=<{recipient}>.*dsn={dsn}, status=deferred \(.+\)", count=2)
        return number

    def test_the_mx_of_lowest_preference_is_used(self):
        self.assertIn("mx.postfix.test.example", self.deliver("preferred.test.example", self.postfix))

    def test_a_dead_first_mx_makes_way_for_the_second(self):
        self.assertIn("mx.exim.test.example", self.deliver("fallback.test.example", self.exim))

    def test_a_dead_address_of_an_mx_host_makes_way_for_its_other_one(self):
        self.assertIn(self.exim.address, self.deliver("two-addresses.test.example", self.exim))

    def test_an_mx_name_that_does_not_exist_makes_way_for_the_next(self):
        self.assertIn("mx.exim.test.example", self.deliver("dangling.test.example", self.exim))

    def test_a_domain_without_mx_is_its_own_mail_host(self):
        self.assertIn("implicit.test.example", self.deliver("implicit.test.example", self.exim))

    def test_an_alias_leads_to_the_mx_of_the_name_it_stands_for(self):
        self.assertIn("mx.exim.test.example", self.deliver("alias.test.example", self.exim))

    def test_domains_compare_without_case(self):
        identity, content = self.message(recipient="jane@EXIM.Test.Example")
        self.submit(self.relay, SENDER, "jane@EXIM.Test.Example", content)
        self.exim.mail.wait_for("jane@exim.test.example", matching=lambda o: identity.encode() in o)

    def test_a_null_mx_bounces_at_once(self):
        self.bounce("null.test.example", "5.1.10")

    def test_a_domain_that_does_not_exist_bounces_at_once(self):
        self.bounce("nowhere.test.example", "5.1.2")

    def test_a_name_without_mx_and_address_bounces_at_once(self):
        self.bounce("nothing.test.example", "5.4.4")

    def test_mx_hosts_that_do_not_exist_at_all_are_the_end_of_a_message(self):
        recipient = "jane@lost.test.example"
        identity, content = self.message(recipient=recipient)
        number = self.submit(self.relay, SENDER, recipient, content)
        self.relay.wait_for_log(rf"{number}: to=<{recipient}>.*dsn=5\.[14]\.\d+, status=bounced")

    def test_a_domain_whose_best_host_is_the_relay_itself_bounces_as_a_loop(self):
        self.bounce("self.test.example", "5.4.6")

    def test_hosts_not_preferred_to_the_relay_itself_are_left_out(self):
        """RFC 5321 5.1: only the dead host remains, although the one behind us would take the mail."""
        self.defer("jane@below-self.test.example", r"4\.4\.1")

    def test_a_host_that_refuses_service_makes_way_for_the_next(self):
        self.addCleanup(self.sink.script)
        for greeting in ("421 4.3.2 too busy", "554 5.3.2 no service here"):
            with self.subTest(greeting=greeting):
                self.sink.script(greeting=greeting)
                self.assertIn("mx.exim.test.example", self.deliver("grumpy.test.example", self.exim))

    def test_a_host_that_only_knows_helo_is_spoken_to_in_its_language(self):
        self.addCleanup(self.sink.script)
        self.sink.script(ehlo="502 5.5.1 what is that?")
        _, content = self.message(recipient="x@sink.test.example")
        number = self.submit(self.relay, SENDER, "x@sink.test.example", content)
        self.relay.wait_for_log(rf"{number}: to=<x@sink.test.example>.*status=sent")
        facts, stored = self.sink.messages()[-1]
        self.assertFalse(facts["esmtp"])
        self.assertTrue(stored.octets.endswith(content))

    def test_dead_hosts_defer_and_are_tried_again(self):
        self.defer("jane@dead.test.example", r"4\.4\.1")

    def test_a_name_server_that_answers_servfail_defers(self):
        self.defer(f"jane@{BROKEN}", r"4\.4\.3")

    def test_a_host_that_comes_up_gets_what_was_waiting_for_it(self):
        identity, content = self.message(recipient="jane@late.test.example")
        number = self.submit(self.relay, SENDER, "jane@late.test.example", content)
        self.relay.wait_for_log(rf"{number}: to=<jane@late.test.example>.*status=deferred")
        late = Exim(self.world, LATE, ["late.test.example"], ["jane"]).start()
        self.addCleanup(late.stop)
        stored = late.mail.wait_for("jane@late.test.example", matching=lambda o: identity.encode() in o)
        self.assertEqual(len(stored), 1)
        self.assert_relayed(stored[0], content, "mx.exim.test.example")
        self.relay.wait_for_log(rf"{number}: removed")

    def test_a_dead_name_server_defers_until_it_comes_up(self):
        relay = self.relais(host=4, name_server=LATE_DNS)
        identity, content = self.message(recipient="bob@exim.test.example")
        number = self.submit(relay, SENDER, "bob@exim.test.example", content)
        relay.wait_for_log(rf"{number}: to=<bob@exim.test.example>.*dsn=4\.4\.3, status=deferred")
        dns = DnsServer(self.world, LATE_DNS, ["exim MX 10 mx.exim", f"mx.exim A {self.exim.address}"])
        self.addCleanup(dns.stop)
        stored = self.exim.mail.wait_for("bob@exim.test.example", matching=lambda o: identity.encode() in o)
        self.assertEqual(len(stored), 1)

    def test_loopback_hosts_are_never_connected_to_unless_the_configuration_allows_it(self):
        relay = self.relais(host=5, delivery={"allowed_special_networks": []})
        _, content = self.message(recipient="bob@exim.test.example")
        number = self.submit(relay, SENDER, "bob@exim.test.example", content)
        relay.wait_for_log(rf"{number}: to=<bob@exim.test.example>.*relay=none.*status=(deferred|bounced)")


if __name__ == "__main__":
    main()
