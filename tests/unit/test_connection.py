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

import types

import fixtures
from oslotest import base

from ceilometer_graphite import connection
from ceilometer_graphite import transports
from tests import fakes

A = ("a", 2003)
B = ("b", 2003)
C = ("::1", 2003)
GONE = transports.TransportError("gone")


class ConnectionTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.clock = fakes.Clock()

    def make(self, transport, endpoints=(A, B), reconnect_interval=0):
        return connection.Connection(types.SimpleNamespace(
            endpoints=endpoints, reconnect_delay_max_seconds=1.0,
            reconnect_interval=reconnect_interval), transport, self.clock)

    def test_there_is_none_before_it_is_opened(self):
        transport = fakes.FakeTransport()
        self.assertFalse(self.make(transport).is_open)
        self.assertEqual([], transport.connects)

    def test_the_first_endpoint_that_answers_is_used(self):
        transport = fakes.FakeTransport(connect_failures=1)
        made = self.make(transport)
        self.assertEqual(0, made.open())
        self.assertEqual([A, B], transport.connects)
        self.assertEqual("b:2003", made.endpoint)

    def test_each_endpoint_is_tried_once_before_a_wait(self):
        transport = fakes.FakeTransport(connect_failures=3)
        made = self.make(transport, (A, B, C))
        self.assertGreater(made.open(), 0)
        self.assertEqual([A, B, C], transport.connects)
        self.assertFalse(made.is_open)

    def test_the_waits_grow_to_the_maximum(self):
        made = self.make(fakes.FakeTransport(connect_failures=100))
        waits = [made.open() for _ in range(10)]
        self.assertLessEqual(waits[0], connection.RECONNECT_DELAY_SECONDS)
        self.assertTrue(all(0.5 <= wait <= 1.0 for wait in waits[4:]))

    def test_the_next_endpoint_comes_when_one_broke(self):
        transport = fakes.FakeTransport()
        made = self.make(transport)
        made.open()
        made.lost(GONE)
        made.open()
        self.assertEqual([A, B], transport.connects)

    def test_the_first_comes_again_after_the_last(self):
        transport = fakes.FakeTransport()
        made = self.make(transport)
        for _ in range(3):
            made.open()
            made.lost(GONE)
        self.assertEqual([A, B, A], transport.connects)

    def test_after_one_that_lived_the_next_comes_at_once(self):
        made = self.make(fakes.FakeTransport())
        made.open()
        self.clock.advance(connection.SETTLED_SECONDS + 1)
        self.assertEqual(0, made.lost(GONE))

    def test_one_that_closes_at_once_is_not_hammered(self):
        made = self.make(fakes.FakeTransport())
        waits = []
        for _ in range(10):
            made.open()
            waits.append(made.lost(GONE))
        self.assertTrue(all(waits))
        self.assertGreaterEqual(waits[-1], 0.5)

    def test_waits_begin_anew_after_one_that_lived(self):
        transport = fakes.FakeTransport(connect_failures=100)
        made = self.make(transport)
        for _ in range(50):
            made.open()
        made.open()
        self.assertTrue(made.is_open)
        self.clock.advance(60)
        made.lost(GONE)
        made.open()
        self.assertLessEqual(made.lost(GONE),
                             connection.RECONNECT_DELAY_SECONDS)

    def test_a_clock_that_goes_on_makes_no_new_one_without_interval(self):
        made = self.make(fakes.FakeTransport())
        made.open()
        self.clock.advance(1 << 30)
        self.assertFalse(made.is_due)

    def test_a_new_one_is_due_after_the_interval_and_not_before(self):
        made = self.make(fakes.FakeTransport(), reconnect_interval=100)
        made.open()
        self.clock.advance(89)
        self.assertFalse(made.is_due)
        self.clock.advance(22)
        self.assertTrue(made.is_due)

    def test_a_new_one_is_of_the_same_endpoint(self):
        transport = fakes.FakeTransport()
        made = self.make(transport, reconnect_interval=100)
        made.open()
        self.clock.advance(111)
        made.close()
        self.assertFalse(made.is_open)
        made.open()
        self.assertFalse(made.is_due)
        self.assertEqual([A, A], transport.connects)

    def test_nodes_do_not_make_new_ones_at_the_same_moment(self):
        made = self.make(fakes.FakeTransport(), reconnect_interval=100)
        ages = set()
        for _ in range(20):
            made.open()
            age = 0
            while not made.is_due:
                self.clock.advance(1)
                age += 1
            ages.add(age)
        self.assertGreater(len(ages), 3)

    def test_what_is_sent_is_counted_from_the_connections_begin(self):
        made = self.make(fakes.FakeTransport())
        made.open()
        self.assertEqual([6, 8], [made.send(b"a 1 1\n"), made.send(b"ab")])
        made.lost(GONE)
        made.open()
        self.assertEqual(6, made.send(b"a 1 1\n"))

    def test_a_send_that_failed_counts_for_nothing(self):
        made = self.make(fakes.FakeTransport(send_errors=[GONE]))
        made.open()
        self.assertRaises(transports.TransportError, made.send, b"a 1 1\n")
        self.assertEqual(0, made.sent_bytes)

    def test_what_may_be_unread_is_not_read_for_sure(self):
        transport = fakes.FakeTransport()
        made = self.make(transport)
        made.open()
        made.send(b"a 1 1\n")
        transport.unread_bytes = 4
        self.assertEqual((2, 6), (made.read_bytes(True),
                                  made.read_bytes(False)))

    def test_trouble_is_told_once_for_each_endpoint_with_its_reason(self):
        made = self.make(fakes.FakeTransport(connect_failures=100))
        for _ in range(10):
            made.open()
        for endpoint in (A, B):
            self.assertEqual(1, self.log.output.count(
                "Graphite cannot be reached: no way to %s" % (endpoint,)))
