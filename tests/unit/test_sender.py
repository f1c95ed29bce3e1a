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
import queue
import threading
import types

import fixtures
from oslotest import base

from ceilometer_graphite import connection
from ceilometer_graphite import counts
from ceilometer_graphite import sender
from ceilometer_graphite import transports
from tests import fakes

A = ("a", 2003)
B = ("b", 2003)
GONE = transports.TransportError("gone")


class SenderTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.INFO))
        self.delays = []

    def make(self, transport, endpoints=(A,), buffer_size=1 << 20,
             replay_seconds=0, **kwargs):
        settings = types.SimpleNamespace(
            endpoints=endpoints, reconnect_delay_max_seconds=1.0,
            reconnect_interval=0)
        self.counts = counts.Counts()
        made = sender.Sender(
            connection.Connection(settings, transport), buffer_size,
            replay_seconds, self.counts, sleep=self.delays.append, **kwargs)
        self.addCleanup(made.close, 10)
        self.addCleanup(transport.may_send.set)
        return made

    def take(self, transport):
        return transport.sent.get(timeout=10)

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
        self.assertEqual(100, self.counts[counts.LINES_SENT])

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
        dropped = self.counts[counts.DROPPED + "buffer_full"]
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
