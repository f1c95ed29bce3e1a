#
# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

import logging
import os
import queue
import threading
import types

import fixtures
from oslotest import base

from ceilometer_graphite import backlog
from ceilometer_graphite import connection
from ceilometer_graphite import sender
from ceilometer_graphite import spool
from ceilometer_graphite import stats
from ceilometer_graphite import transports
from tests import fakes

A = ("a", 2003)
B = ("b", 2003)
GONE = transports.TransportError("gone")


class SenderTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.INFO))
        self.delays = []

    def make(self, transport, endpoints=(A,), buffer_size=1 << 20,
             replay_seconds=0, reconnect_interval=0, **kwargs):
        settings = types.SimpleNamespace(
            endpoints=endpoints, reconnect_delay_max_seconds=1.0,
            reconnect_interval=reconnect_interval)
        self.counts = stats.Counts()
        clocks = {"clock": kwargs["clock"]} if "clock" in kwargs else {}
        made = sender.Sender(
            connection.Connection(settings, transport, **clocks), buffer_size,
            replay_seconds, self.counts, sleep=self.delays.append, **kwargs)
        self.addCleanup(made.close, 10)
        self.addCleanup(transport.may_send.set)
        return made

    def take(self, transport):
        return transport.sent.get(timeout=10)

    def send(self, made, transport, lines):
        """Submit lines and wait until they, and no others, are sent."""
        made.submit(lines, lines.count(b"\n"))
        self.assertEqual(lines, self.take(transport))

    def all_sent(self, transport):
        lines = b""
        while not transport.sent.empty():
            lines += transport.sent.get()
        return lines


class SenderTest(SenderTestCase):

    def test_lines_are_sent(self):
        transport = fakes.FakeTransport()
        self.make(transport).submit(b"a 1 1\nb 1 1\n", 2)
        self.assertEqual(b"a 1 1\nb 1 1\n", self.take(transport))

    def test_no_thread_and_no_connection_before_the_first_lines(self):
        before = threading.active_count()
        transport = fakes.FakeTransport()
        self.make(transport)
        self.assertEqual(before, threading.active_count())
        self.assertEqual([], transport.connects)

    def test_submit_does_not_wait_for_a_send_that_blocks(self):
        transport = fakes.FakeTransport()
        transport.may_send.clear()
        made = self.make(transport)
        for number in range(100):
            made.submit(b"a %d 1\n" % number, 1)
        self.assertTrue(transport.sent.empty())
        transport.may_send.set()
        self.assertTrue(made.close(10))
        self.assertEqual(100, self.counts[stats.LINES_SENT])

    def test_what_a_broken_connection_did_not_take_is_sent_again(self):
        transport = fakes.FakeTransport(send_errors=[None, GONE])
        made = self.make(transport)
        made.submit(b"a 1 1\n", 1)
        self.assertEqual(b"a 1 1\n", self.take(transport))
        made.submit(b"b 1 1\n", 1)
        self.assertEqual(b"b 1 1\n", self.take(transport))
        self.assertEqual([A, A], transport.connects)

    def test_lines_keep_their_order_over_a_broken_connection(self):
        transport = fakes.FakeTransport(send_errors=[GONE, GONE, GONE])
        made = self.make(transport)
        for number in range(1000):
            made.submit(b"a %d 1\n" % number, 1)
        self.assertTrue(made.close(10))
        sent = b""
        while not transport.sent.empty():
            sent += transport.sent.get()
        self.assertEqual([b"a %d 1" % n for n in range(1000)],
                         sent.splitlines())

    def test_a_closed_connection_is_noticed_before_the_next_send(self):
        transport = fakes.FakeTransport()
        made = self.make(transport)
        made.submit(b"a 1 1\n", 1)
        self.take(transport)
        transport.is_gone = True
        made.submit(b"b 1 1\n", 1)
        self.assertEqual(b"b 1 1\n", self.take(transport))
        self.assertEqual(2, len(transport.connects))

    def test_a_closed_connection_is_noticed_without_a_send(self):
        transport = fakes.FakeTransport()
        connected_again = threading.Event()
        connect = transport.connect

        def noting_connect(endpoint):
            connect(endpoint)
            if len(transport.connects) == 2:
                connected_again.set()
        transport.connect = noting_connect
        made = self.make(transport)
        made.submit(b"a 1 1\n", 1)
        self.take(transport)
        transport.is_gone = True
        self.assertTrue(connected_again.wait(10))

    def test_it_goes_on_to_the_next_endpoint_without_a_delay(self):
        transport = fakes.FakeTransport(connect_failures=1)
        self.make(transport, (A, B)).submit(b"a 1 1\n", 1)
        self.take(transport)
        self.assertEqual([A, B], transport.connects)
        self.assertEqual([], self.delays)

    def test_it_stays_with_an_endpoint_that_works(self):
        transport = fakes.FakeTransport(connect_failures=1)
        made = self.make(transport, (A, B))
        for _ in range(10):
            made.submit(b"a 1 1\n", 1)
            self.take(transport)
        self.assertEqual([A, B], transport.connects)

    def test_delays_between_rounds_grow_to_the_maximum(self):
        transport = fakes.FakeTransport(connect_failures=20)
        self.make(transport, (A, B)).submit(b"a 1 1\n", 1)
        self.take(transport)
        self.assertEqual(10, len(self.delays))
        self.assertTrue(all(0 < d <= 1.0 for d in self.delays))
        self.assertLessEqual(self.delays[0], 0.2)
        self.assertGreaterEqual(self.delays[-1], 0.5)

    def test_the_oldest_lines_are_dropped_and_counted_when_full(self):
        transport = fakes.FakeTransport()
        transport.may_send.clear()
        made = self.make(transport, buffer_size=100)
        for number in range(100):
            made.submit(b"a %02d 1\n" % number, 1)
        transport.may_send.set()
        self.assertTrue(made.close(10))
        sent = b""
        while not transport.sent.empty():
            sent += transport.sent.get()
        lines = sent.splitlines()
        self.assertEqual(b"a 99 1", lines[-1])
        self.assertEqual(sorted(lines), lines)
        dropped = self.counts[stats.DROPPED + "buffer_full"]
        self.assertEqual(100, len(lines) + dropped)
        self.assertIn("buffer_size = 100 bytes", self.log.output)

    def test_a_fault_of_the_transport_keeps_the_lines(self):
        transport = fakes.FakeTransport(send_errors=[ZeroDivisionError()])
        self.make(transport).submit(b"a 1 1\n", 1)
        self.assertEqual(b"a 1 1\n", self.take(transport))
        self.assertIn("ZeroDivisionError", self.log.output)

    def test_an_outage_is_told_once_with_its_reason(self):
        transport = fakes.FakeTransport(connect_failures=50)
        self.make(transport).submit(b"a 1 1\n", 1)
        self.take(transport)
        self.assertEqual(1, self.log.output.count("cannot be reached"))
        self.assertIn("no way to ('a', 2003)", self.log.output)

    def test_closing_gives_up_at_its_time_when_nothing_answers(self):
        transport = fakes.FakeTransport(connect_failures=1 << 30)
        made = self.make(transport)
        made.submit(b"a 1 1\n", 1)
        self.assertFalse(made.close(0.1))
        self.assertRaises(queue.Empty, transport.sent.get, block=False)


class ReplayTest(SenderTestCase):

    def setUp(self):
        super().setUp()
        self.clock = fakes.Clock()
        self.transport = fakes.FakeTransport()

    def make(self, replay_seconds=10, **kwargs):
        return super().make(self.transport, replay_seconds=replay_seconds,
                            clock=self.clock, **kwargs)

    def send_and_prove(self, made, lines):
        """Send lines in a turn that looks at what is proven."""
        while not self.transport.unread_asked.empty():
            self.transport.unread_asked.get()
        self.clock.advance(sender.CHECK_SECONDS)
        self.send(made, self.transport, lines)
        self.transport.unread_asked.get(timeout=10)

    def sent_after_a_break(self, made, endpoint_count=2):
        self.transport.is_gone = True
        made.submit(b"last 1 1\n", 1)
        lines = b""
        while not lines.endswith(b"last 1 1\n"):
            lines += self.take(self.transport)
        self.assertEqual(endpoint_count, len(self.transport.connects))
        return lines.splitlines()

    def test_a_broken_connection_replays_what_it_had_not_proven(self):
        made = self.make()
        for lines in (b"a 1 1\n", b"b 1 1\n"):
            self.send(made, self.transport, lines)
        self.assertEqual([b"a 1 1", b"b 1 1", b"last 1 1"],
                         self.sent_after_a_break(made))
        self.assertEqual(2, self.counts[stats.LINES_REPLAYED])

    def test_what_is_being_sent_is_replayed_with_what_was_sent(self):
        self.transport = fakes.FakeTransport(send_errors=[None, GONE])
        made = self.make()
        self.send(made, self.transport, b"a 1 1\n")
        made.submit(b"b 1 1\n", 1)
        self.assertEqual(b"a 1 1\nb 1 1\n", self.take(self.transport))

    def test_what_the_connection_outlived_is_not_replayed(self):
        made = self.make()
        self.send_and_prove(made, b"a 1 1\n")
        self.clock.advance(10)
        self.send_and_prove(made, b"b 1 1\n")
        self.assertEqual([b"b 1 1", b"last 1 1"],
                         self.sent_after_a_break(made))

    def test_nothing_is_proven_before_its_time(self):
        made = self.make()
        self.send_and_prove(made, b"a 1 1\n")
        self.clock.advance(8)
        self.send_and_prove(made, b"b 1 1\n")
        self.assertEqual([b"a 1 1", b"b 1 1", b"last 1 1"],
                         self.sent_after_a_break(made))

    def test_what_the_far_end_may_not_have_read_is_never_proven(self):
        self.transport.unread_bytes = 12
        made = self.make()
        for lines in (b"a 1 1\n", b"b 1 1\n", b"c 1 1\n"):
            self.send_and_prove(made, lines)
            self.clock.advance(100)
        self.send_and_prove(made, b"d 1 1\n")
        self.clock.advance(100)
        self.send_and_prove(made, b"e 1 1\n")
        self.assertEqual([b"c 1 1", b"d 1 1", b"e 1 1", b"last 1 1"],
                         self.sent_after_a_break(made))

    def test_without_replay_nothing_that_was_sent_is_sent_again(self):
        made = self.make(replay_seconds=0)
        self.transport.unread_bytes = 1000
        self.send(made, self.transport, b"a 1 1\n")
        self.assertEqual([b"last 1 1"], self.sent_after_a_break(made))
        self.assertEqual(0, self.counts[stats.LINES_REPLAYED])

    def test_what_is_kept_for_replay_is_bounded(self):
        made = self.make(buffer_size=100)
        for number in range(100):
            self.send(made, self.transport, b"a %02d 1\n" % number)
        lines = self.sent_after_a_break(made)
        self.assertLessEqual(len(b"".join(lines)) + len(lines), 100)
        self.assertEqual([b"a 98 1", b"a 99 1", b"last 1 1"], lines[-3:])
        self.assertEqual(0, self.counts["lines_dropped.buffer_full"])

    def test_a_connection_is_made_anew_after_its_interval(self):
        made = self.make(reconnect_interval=60, endpoints=(A, B))
        self.send(made, self.transport, b"a 1 1\n")
        self.clock.advance(53)
        self.send(made, self.transport, b"b 1 1\n")
        self.assertEqual([A], self.transport.connects)
        self.clock.advance(14)
        self.send(made, self.transport, b"c 1 1\n")
        self.assertEqual(b"c 1 1\n", self.take(self.transport))
        self.assertEqual([A, A], self.transport.connects)

    def test_a_connection_made_anew_doubles_nothing_without_replay(self):
        made = self.make(reconnect_interval=60, replay_seconds=0)
        self.send(made, self.transport, b"a 1 1\n")
        self.clock.advance(67)
        self.send(made, self.transport, b"b 1 1\n")
        self.send(made, self.transport, b"c 1 1\n")
        self.assertTrue(made.close(10))
        self.assertEqual([A, A], self.transport.connects)
        self.assertTrue(self.transport.sent.empty())

    def test_no_connection_is_made_anew_without_an_interval(self):
        made = self.make()
        self.send(made, self.transport, b"a 1 1\n")
        self.clock.advance(1 << 20)
        self.send(made, self.transport, b"b 1 1\n")
        self.assertTrue(made.close(10))
        self.assertEqual([A], self.transport.connects)

    def test_it_reports_on_itself_through_the_same_path(self):
        made = self.make(metrics=stats.SelfMetrics(
            lambda name: "me." + name, 60, self.clock, lambda: 7))
        self.send(made, self.transport, b"a 1 1\nb 1 1\n")
        self.clock.advance(60)
        made.submit(b"c 1 1\n", 1)
        lines = b""
        while b"c 1 1\n" not in lines or b"me." not in lines:
            lines += self.take(self.transport)
        self.assertIn(b"me.connected 1 7\n", lines)
        self.assertIn(b"me.lines_sent 2 7\n", lines)


class SpoolingTest(SenderTestCase):

    def setUp(self):
        super().setUp()
        self.clock = fakes.Clock()
        self.pauses = fakes.Pauses()
        self.directory = os.path.join(
            self.useFixture(fixtures.TempDir()).path, "spool")
        self.store = spool.Spool(self.directory, "a", 1 << 20)
        self.transport = fakes.FakeTransport()

    def make(self, replay_seconds=10, catch_up_rate=100.0, pause=None,
             **kwargs):
        def make_backlog(waiting, lock):
            return backlog.Backlog(
                spool.Spool(self.directory, "a", 1 << 20), waiting, lock,
                catch_up_rate, self.counts, clock=self.clock,
                sleep=pause or self.short_pause)
        return super().make(
            self.transport, replay_seconds=replay_seconds, clock=self.clock,
            make_backlog=make_backlog, **kwargs)

    def short_pause(self, seconds):
        threading.Event().wait(0.001)

    def on_disk(self):
        return [row.lines for row in self.store.read(0, 1 << 30)]

    def rows(self, *lines):
        self.store.append([(each, each.count(b"\n")) for each in lines])

    def test_at_the_end_unsent_lines_are_on_disk(self):
        self.transport = fakes.FakeTransport(connect_failures=1 << 30)
        made = self.make()
        for number in range(100):
            made.submit(b"a %02d 1\n" % number, 1)
        self.assertTrue(made.close(10))
        self.assertEqual(b"".join(b"a %02d 1\n" % n for n in range(100)),
                         b"".join(self.on_disk()))

    def test_at_the_end_unproven_lines_are_on_disk(self):
        made = self.make()
        self.send(made, self.transport, b"a 1 1\n")
        self.assertFalse(made.is_idle())
        self.assertTrue(made.close(10))
        self.assertEqual([b"a 1 1\n"], self.on_disk())

    def test_at_the_end_lines_whose_send_hangs_are_on_disk(self):
        self.transport.may_send.clear()
        made = self.make()
        made.submit(b"a 1 1\n", 1)
        made.submit(b"b 1 1\n", 1)
        made.end()
        while not made.is_idle():
            self.short_pause(0)
        self.assertEqual(b"a 1 1\nb 1 1\n",
                         b"".join(sorted(self.on_disk())))

    def test_without_replay_nothing_that_was_sent_is_on_disk(self):
        made = self.make(replay_seconds=0)
        self.send(made, self.transport, b"a 1 1\n")
        self.assertTrue(made.close(10))
        self.assertEqual([], self.on_disk())

    def test_lines_on_disk_are_sent_and_forgotten_once_proven(self):
        self.rows(b"a 1 1\n")
        made = self.make()
        self.send(made, self.transport, b"b 1 1\n")
        self.assertEqual(b"a 1 1\n", self.take(self.transport))
        self.assertEqual([b"a 1 1\n"], self.on_disk())
        for number in range(3):
            self.clock.advance(10)
            self.send(made, self.transport, b"c %d 1\n" % number)
        self.assertEqual([], self.on_disk())

    def test_lines_on_disk_stay_when_their_connection_breaks(self):
        self.rows(b"a 1 1\n")
        made = self.make()
        self.send(made, self.transport, b"b 1 1\n")
        self.take(self.transport)
        self.transport.is_gone = True
        made.submit(b"c 1 1\n", 1)
        lines = b""
        while b"a 1 1\n" not in lines:
            lines += self.take(self.transport)
            self.clock.advance(2)
            made.submit(b"d 1 1\n", 1)
        self.assertEqual([b"a 1 1\n"], self.on_disk())

    def test_live_lines_go_before_those_on_disk(self):
        self.rows(b"old 1 1\n")
        self.transport.may_send.clear()
        made = self.make()
        made.submit(b"a 1 1\n", 1)
        made.submit(b"b 1 1\n", 1)
        self.transport.may_send.set()
        lines = b""
        while not lines.endswith(b"old 1 1\n"):
            lines += self.take(self.transport)
        self.assertEqual(b"a 1 1\nb 1 1\nold 1 1\n", lines)

    def test_lines_on_disk_come_no_faster_than_the_rate(self):
        self.rows(b"old 1 1\n" * 100, b"old 2 1\n" * 100)
        made = self.make(catch_up_rate=100.0)
        self.send(made, self.transport, b"a 1 1\n")
        self.assertEqual(b"old 1 1\n" * 100, self.take(self.transport))
        self.clock.advance(0.9)
        for number in range(10):
            self.send(made, self.transport, b"b %d 1\n" % number)
        self.clock.advance(0.4)
        self.send(made, self.transport, b"c 1 1\n")
        self.assertEqual(b"old 2 1\n" * 100, self.take(self.transport))

    def test_lines_wait_in_memory_when_the_disk_takes_none(self):
        with open(self.directory, "w"):
            pass
        self.transport.may_send.clear()
        made = self.make(pause=self.pauses)
        made.submit(b"a 1 1\n", 1)
        self.assertEqual(backlog.WAITED_SECONDS, self.pauses.reached())
        self.assertTrue(self.transport.is_sending.wait(10))
        made.submit(b"b 1 1\n", 1)
        self.clock.advance(1)
        self.pauses.go()
        self.assertEqual(backlog.RETRY_SECONDS, self.pauses.reached())
        self.assertIn("The spool failed", self.log.output)
        self.transport.may_send.set()
        lines = b""
        while not lines.endswith(b"b 1 1\n"):
            lines += self.take(self.transport)
        self.assertEqual(b"a 1 1\nb 1 1\n", lines)
        os.unlink(self.directory)
        self.pauses.go_on()

    def test_a_send_that_hangs_does_not_keep_lines_from_the_disk(self):
        self.transport.may_send.clear()
        made = self.make(pause=self.pauses)
        made.submit(b"a 1 1\n", 1)
        self.pauses.reached()
        self.assertTrue(self.transport.is_sending.wait(10))
        self.clock.advance(1)
        self.pauses.go()
        self.pauses.reached()
        self.assertEqual([b"a 1 1\n"], self.on_disk())
        self.pauses.go_on()

    def test_what_hung_and_was_sent_after_all_is_sent_once(self):
        self.transport.may_send.clear()
        made = self.make(pause=self.pauses, replay_seconds=0)
        made.submit(b"a 1 1\n", 1)
        self.pauses.reached()
        self.assertTrue(self.transport.is_sending.wait(10))
        self.clock.advance(1)
        self.pauses.go()
        self.pauses.reached()
        self.transport.may_send.set()
        self.assertEqual(b"a 1 1\n", self.take(self.transport))
        self.clock.advance(10)
        for number in range(3):
            self.send(made, self.transport, b"b %d 1\n" % number)
        self.assertEqual([], self.on_disk())
        self.pauses.go_on()
