"""The operator's hand on a running relaisd: relaisctl over the control socket, the socket itself, and the same verbs
when the daemon has stopped.

What relaisctl says must come true: at a sink, in the log, and in the next life of the daemon.
"""

import http.client
import json
import os
import shutil
import socket
import stat
import subprocess

from harness import relaisctl
from harness.case import SystemTest, main
from harness.process import eventually
from harness.sink import Sink
from harness.world import SMTP_PORT

SENDER, FAR, DEAD = "joe@sender.test.example", "ann@far.test.example", "bob@dead.test.example"
HOP = f"far.test.example:{SMTP_PORT}"  # as it is shown: delivery.port is another one
TROUBLE, USAGE, NO_INPUT, UNAVAILABLE, TEMPORARY, NO_PERMISSION = 1, 64, 66, 69, 75, 77


class Control(http.client.HTTPConnection):
    """HTTP over the control socket."""

    def __init__(self, path):
        super().__init__("relais", timeout=30)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self._path)

    def ask(self, method, target, body=None):
        self.request(method, target, json.dumps(body) if body is not None else None)
        answer = self.getresponse()
        return answer.status, json.loads(answer.read())


class Verbs(SystemTest):
    sinks = iter(range(20, 110))

    @classmethod
    def neighbours(cls):
        cls.far = next(cls.sinks)
        cls.start_dns(f"far MX 10 mx.far", f"mx.far A {cls.world.address(cls.far)}",
                      "dead MX 10 mx.dead", f"mx.dead A {cls.world.address(cls.far + 120)}")
        cls.sink = Sink(cls.world, cls.far)

    def setUp(self):
        self.relay = self.relais(host=next(self.sinks) + 120, retry={"intervals": ["10m"], "jitter": 0},
                                 delivery={"host_retry": "1s"}, spool={"segment_size": "4 MiB"})
        self.before = len(self.sink.messages())

    def start_sink(self):
        self.sink.start()
        self.addCleanup(self.sink.stop)

    def ctl(self, *arguments, code=0, **options):
        outcome = relaisctl.run("--config", self.relay.config, *arguments, **options)
        self.assertEqual(outcome.code, code, outcome)
        return outcome

    def deferred(self, *recipients, sender=SENDER):
        """A message that was tried once, in vain: (queue id, Message-ID)."""
        identity, content = self.message()
        queue_id = self.submit(self.relay, sender, list(recipients) or [FAR], content)
        for recipient in recipients or [FAR]:
            self.relay.wait_for_log(rf"{queue_id}: to=<{recipient}>.*status=deferred")
        # The queue learns of it a moment behind the log.
        eventually(lambda: all(r["diagnostic"] for r in self.ctl("queue", "show", queue_id, "--json").json()["recipients"]),
                   f"the queue knows that {queue_id} was deferred")
        return queue_id, f"<{identity}>"

    def arrived(self, count):
        """The Message-IDs of what this test sent."""
        return [stored.parsed()["Message-ID"] for _, stored in self.sink.wait_for(self.before + count)[self.before:]]

    def queued(self):
        return [m["id"] for m in self.ctl("queue", "list", "--json").json()]

    def await_queued(self, *ids):
        """What has arrived at the sink is listed until the daemon has read the reply and noted the delivery."""
        eventually(lambda: self.queued() == list(ids), lambda: f"queued are {ids}: {self.queued()}")

    # -- looking -----------------------------------------------------------------------------------

    def test_the_list_has_the_shape_of_mailq_and_says_what_the_next_hop_is_at(self):
        first, _ = self.deferred()
        second, _ = self.deferred(FAR, DEAD)
        text = self.ctl("queue", "list").text
        self.assertTrue(text.startswith("----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n"), text)
        self.assertEqual([line[:16] for line in text.splitlines() if line[:1] == "0"], [first, second])
        self.assertRegex(text, rf"\n *\(.*refused.*\)\n *\(next hop {HOP} is down: .*; next probe "
                               rf"\w\w\w \w\w\w [ \d]\d [\d:]+\)\n {{47}}{FAR}")
        self.assertRegex(text, r"\n-- \d+ Kbytes in 2 Requests\.\n$")
        self.assertEqual([m["id"] for m in self.ctl("queue", "list", "--recipient", DEAD, "--json").json()], [second])
        self.assertEqual(self.ctl("queue", "list", "--older", "1h").text, "Mail queue is empty\n")

    def test_show_and_cat(self):
        queue_id, identity = self.deferred()
        self.assertIn(f"next hop {HOP} is down", self.ctl("queue", "show", queue_id.lower()).text)
        self.assertEqual(self.ctl("queue", "show", queue_id, "--json").json()["recipients"][0]["next_hop"], HOP)
        octets = self.ctl("queue", "cat", queue_id).octets
        self.assertTrue(octets.startswith(b"Received: ") and octets.endswith(b"Hello.\r\n"), octets)
        for verb in ("show", "cat"):
            for unknown in ("0123456789ABCDEF", "nonsense"):
                self.assertIn("no such message", self.ctl("queue", verb, unknown, code=NO_INPUT).errors)

    def test_a_large_message_comes_out_as_it_went_in(self):
        identity, content = self.message((b"3" * 998 + b"\r\n") * 3000)
        queue_id = self.submit(self.relay, SENDER, [FAR], content)
        self.assertTrue(self.ctl("queue", "cat", queue_id).octets.endswith(content))

    def test_status_is_for_people_and_for_monitoring(self):
        self.assertIn("intake        mail is taken\n", self.ctl("status").text)
        self.deferred()
        self.assertRegex(self.ctl("status").text, r"queue         1 messages, the oldest since .*\n(.*\n)+"
                                                  rf" *{HOP} \(1 waiting\): down: .*refused")
        self.ctl("status", "--oldest", "1ms", code=TROUBLE)
        state = self.ctl("status", "--json").json()
        self.assertEqual((state["ready"], state["queue"]["messages"], state["destinations"]["down"]), (True, 1, 1))

    def test_ten_thousand_messages_are_listed_each_once(self):
        self.ctl("destination", "suspend", "far.test.example")
        self.ctl("queue", "flush")
        count = 10_000
        for _ in range(count // 500):
            self.submit_many(500)
        listed = self.ctl("queue", "list", "--json").json()
        self.assertEqual(len({m["id"] for m in listed}), count)
        self.assertEqual(len(listed), count)
        self.assertRegex(self.ctl("queue", "list").text, rf"\n-- \d+ Kbytes in {count} Requests\.\n$")
        held = self.ctl("queue", "hold", "--all", "--yes").text
        self.assertEqual(held.count(": held ("), count)
        self.assertEqual(len(self.ctl("queue", "list", "--held", "--json").json()), count)
        self.assertEqual(self.ctl("queue", "remove", "--held", "--yes").text.count(": removed ("), count)
        self.assertEqual(self.ctl("queue", "list").text, "Mail queue is empty\n")

    def submit_many(self, count):
        """All in one connection, without waiting."""
        content = b"Subject: many\r\n\r\nx\r\n"
        one = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{FAR}>\r\nBDAT {len(content)} LAST\r\n".encode() + content
        with socket.create_connection((self.relay.address, self.relay.port), timeout=60) as client:
            answers = client.makefile("rb")
            answers.readline()
            client.sendall(b"HELO client.test.example\r\n")
            answers.readline()
            for _ in range(count // 50):
                client.sendall(one * 50)
                for _ in range(3 * 50):
                    line = answers.readline()
                    self.assertEqual(line[:3], b"250", line)

    # -- changing ----------------------------------------------------------------------------------

    def test_what_is_held_waits_for_its_release(self):
        held, held_identity = self.deferred()
        free, free_identity = self.deferred()
        self.assertIn(f"{held}: held (", self.ctl("queue", "hold", held).text)
        self.relay.wait_for_log(rf"control\S*: {held}: held \(by uid 0\)")
        self.start_sink()
        self.assertIn(f"{held}: is held, release it", self.ctl("queue", "retry", "--all", "--yes").text)
        self.assertEqual(self.arrived(1), [free_identity])
        self.await_queued(held)
        self.assertIn(f"{held}: released (", self.ctl("queue", "release", "--held", "--yes").text)
        self.assertEqual(sorted(self.arrived(2)), sorted([free_identity, held_identity]))

    def test_more_than_ids_needs_a_look_first(self):
        queue_id, _ = self.deferred()
        for arguments, code in ((["--all"], USAGE), (["--sender", SENDER], USAGE), (["--older", "1ms", "--dry-run"], 0)):
            text = self.ctl("queue", "remove", *arguments, code=code).text
            self.assertRegex(text, rf"^{queue_id}: would be removed \(\d+ octets from {SENDER}, 1 pending\)\n$")
        self.assertEqual(self.queued(), [queue_id])
        self.assertEqual(self.ctl("queue", "remove", "--sender", "x@y.example").text, "Mail queue is empty\n")
        self.assertIn("removed (", self.ctl("queue", "remove", "--sender", SENDER, "--yes").text)
        self.assertEqual(self.queued(), [])

    def test_ids_may_come_from_a_pipe_and_unknown_ones_are_named(self):
        queue_id, _ = self.deferred()
        outcome = self.ctl("queue", "remove", "-", "--json", code=NO_INPUT,
                           input=f"nonsense\n{queue_id}\n0123456789ABCDEF\n".encode()).json()
        self.assertEqual({o["id"]: o["changed"] for o in outcome},
                         {"nonsense": False, queue_id: True, "0123456789ABCDEF": False})

    def test_what_is_removed_is_gone_and_what_is_given_up_is_reported(self):
        removed, _ = self.deferred()
        bounced, _ = self.deferred(sender=DEAD)
        self.ctl("queue", "remove", removed)
        self.assertIn(f"{bounced}: bounced (", self.ctl("queue", "bounce", bounced).text)
        self.relay.wait_for_log(rf"{bounced}: sender non-delivery notification: \w+")
        self.assertEqual(self.relay.process.matches(rf"{removed}: sender non-delivery"), [])
        report = self.ctl("queue", "cat", self.queued()[0]).text
        self.assertIn("given up by the postmaster", report)
        self.relay.restart()
        self.relay.wait_for_log("found in the spool")
        self.assertEqual(len(self.queued()), 1)

    def test_a_message_for_a_dead_host_goes_another_way(self):
        queue_id, identity = self.deferred(DEAD)
        self.start_sink()
        self.ctl("queue", "reroute", queue_id, "--to", "not a host", code=USAGE)
        self.assertIn(f"{queue_id}: rerouted", self.ctl("queue", "reroute", queue_id, "--to", "far.test.example").text)
        self.assertEqual(self.arrived(1), [identity])

    def test_a_retry_does_not_wait(self):
        _, first = self.deferred()
        _, second = self.deferred()
        self.start_sink()
        self.ctl("queue", "flush")
        self.assertEqual(sorted(self.arrived(2)), sorted([first, second]))

    def test_orders_while_thousands_are_delivered_lose_and_double_nothing(self):
        self.start_sink()
        self.ctl("destination", "suspend", "far.test.example")
        identities = []
        for _ in range(300):
            identity, content = self.message()
            self.submit(self.relay, SENDER, [FAR], content)
            identities.append(f"<{identity}>")
        self.ctl("destination", "resume", "far.test.example")
        removed = set()
        for _ in range(5):
            self.ctl("queue", "hold", "--all", "--yes")
            self.ctl("queue", "retry", "--all", "--yes")
            self.ctl("queue", "release", "--all", "--yes")
        for queue_id in self.queued()[:5]:
            outcome = relaisctl.run("--config", self.relay.config, "queue", "remove", queue_id, "--json")
            self.assertIn(outcome.code, (0, NO_INPUT), outcome)  # it may have been delivered since it was listed
            done = outcome.json()[0]
            self.assertEqual(done["known"], outcome.code == 0, outcome)
            if done["changed"] and not done["in_hand"]:
                removed.add(queue_id)
        arrived = self.arrived(len(identities) - len(removed))
        self.assertEqual(len(arrived), len(set(arrived)))
        self.assertLessEqual(set(arrived), set(identities))
        self.await_queued()

    # -- destinations ------------------------------------------------------------------------------

    def test_a_suspended_destination_stays_so_over_restarts(self):
        self.start_sink()
        self.assertIn(f"{HOP} (suspended)", self.ctl("destination", "suspend", "far.test.example").text)
        identity, content = self.message()
        self.submit(self.relay, SENDER, [FAR], content)
        self.relay.restart()
        self.relay.wait_for_log("found in the spool")
        self.assertIn(f"{HOP} (suspended)", self.ctl("destinations").text)
        self.assertEqual(self.ctl("destinations", "--closed", "--json").json()[0]["state"], "suspended")
        self.relay.kill()
        self.relay.start()
        self.relay.wait_for_log("found in the spool")
        self.assertEqual(len(self.queued()), 1)
        self.assertEqual(len(self.sink.messages()), self.before)
        self.ctl("destination", "resume", "far.test.example")
        self.assertEqual(self.arrived(1), [f"<{identity}>"])
        self.relay.restart()
        self.relay.wait_for_log("found in the spool")
        self.assertEqual(self.ctl("destinations", "--closed", "--json").json(), [])
        self.assertIn("no such destination",
                      self.ctl("destination", "resume", "nowhere.test.example", code=NO_INPUT).errors)

    # -- without the daemon ------------------------------------------------------------------------

    def test_without_the_daemon_the_spool_is_worked_on(self):
        first, _ = self.deferred()
        second, second_identity = self.deferred(DEAD)
        self.assertEqual(self.relay.terminate(), 0)
        self.assertFalse(self.relay.control.exists(), "the socket goes with the daemon")
        self.assertEqual(self.queued(), [first, second])
        self.assertEqual(self.ctl("queue", "list", "--destination", "dead.test.example", "--json").json()[0]["id"], second)
        held = self.ctl("queue", "hold", first)
        self.assertIn(f"{first}: held (", held.text)
        self.assertIn("relaisd is not running: the spool itself was changed", held.errors)
        self.ctl("queue", "reroute", second, "--to", "far.test.example")
        for arguments in (["queue", "bounce", first], ["queue", "retry", first], ["queue", "flush"], ["status"],
                          ["destinations"], ["destination", "suspend", "far.test.example"]):
            self.assertIn("relaisd is not running", self.ctl(*arguments, code=UNAVAILABLE).errors)
        self.start_sink()
        self.relay.start()
        self.relay.wait_for_log("found in the spool")
        self.assertEqual(self.arrived(1), [second_identity])
        self.await_queued(first)

    def test_a_spool_that_is_named_is_left_alone_while_the_daemon_runs(self):
        outcome = relaisctl.run("--spool", self.relay.spool, "queue", "list")
        self.assertEqual(outcome.code, TEMPORARY, outcome)
        self.assertIn("relaisd is running with this spool", outcome.errors)

    # -- the socket --------------------------------------------------------------------------------

    def test_the_socket_is_for_root_and_the_user_of_the_daemon(self):
        facts = os.stat(self.relay.control)
        self.assertTrue(stat.S_ISSOCK(facts.st_mode))
        self.assertEqual(stat.S_IMODE(facts.st_mode), 0o600)
        program = shutil.copy(relaisctl.PROGRAM, self.world.new_folder("program"))
        for code_of_mode in (0o600, 0o666):  # by its mode, and by who asks
            self.relay.control.chmod(code_of_mode)
            os.chmod(self.relay.control.parent, 0o755)
            done = subprocess.run([program, "--socket", self.relay.control, "status"], user="nobody", capture_output=True,
                                  text=True, timeout=60)
            self.assertEqual(done.returncode, NO_PERMISSION, done)
            self.assertIn("only root and the user of relaisd may", done.stderr)

    def test_a_stale_socket_is_replaced_and_a_second_daemon_takes_none_away(self):
        self.relay.kill()
        self.assertTrue(self.relay.control.exists())
        self.relay.start()
        self.ctl("status")
        other = self.relais(host=next(self.sinks) + 120, http={"control_socket": str(self.relay.control)})
        other.wait_for_log("relaisctl cannot reach this daemon: cannot listen on")
        self.assertEqual(other.terminate(), 0)
        self.ctl("status")

    def test_the_api_speaks_http(self):
        queue_id, _ = self.deferred()
        control = Control(self.relay.control)
        self.addCleanup(control.close)
        status, listed = control.ask("GET", "/v1/queue?limit=1")
        self.assertEqual((status, [m["id"] for m in listed["messages"]]), (200, [queue_id]))
        status, state = control.ask("GET", "/v1/status")
        self.assertEqual((status, state["queue"]["messages"]), (200, 1))
        self.assertEqual(control.ask("POST", "/v1/queue/remove", {"all": True})[0], 409)
        self.assertEqual(control.ask("GET", "/v1/queue/0123456789ABCDEF")[0], 404)
        self.assertEqual(control.ask("GET", "/healthz")[0], 404)
        self.assertEqual(control.ask("POST", "/v1/queue/hold", {"ids": [queue_id]})[1]["changed"], 1)

    def test_probes_do_not_lead_to_the_api(self):
        port = 9025
        self.relay.write_config(http={"listen": f"{self.relay.address}:{port}"})
        self.relay.restart()
        probe = http.client.HTTPConnection(self.relay.address, port, timeout=30)
        self.addCleanup(probe.close)
        for target, code in (("/readyz", 200), ("/v1/status", 404), ("/v1/queue", 404)):
            probe.request("GET", target)
            answer = probe.getresponse()
            self.assertEqual(answer.status, code, answer.read())
            answer.read()


if __name__ == "__main__":
    main()
