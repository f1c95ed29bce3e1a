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
import time

import fixtures
from oslotest import base

from ceilometer_graphite import lanes
from tests.unit import base as unit_base


class LaneTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.lost = queue.Queue()
        self.called = queue.Queue()

    def make(self, call):
        return lanes.Lane("the bus", call, self.lost.put)

    def test_calls_keep_their_order(self):
        lane = self.make(lambda *args: self.called.put(args))
        for number in range(10):
            lane.put(number, "x")
        self.assertEqual([(number, "x") for number in range(10)], [
            self.called.get(timeout=20) for _ in range(10)])

    def test_nobody_waits_and_the_oldest_are_dropped(self):
        ends = threading.Event()

        def hang(number):
            self.called.put(number)
            ends.wait()
        lane = self.make(hang)
        lane.put(-1)
        self.assertEqual(-1, self.called.get(timeout=20))
        for number in range(lanes.QUEUED_CALLS + 5):
            lane.put(number)
        self.assertEqual(5, self.lost.qsize())
        self.assertFalse(lane.is_idle())
        ends.set()
        self.assertEqual(5, self.called.get(timeout=20))
        self.assertEqual(1, self.log.output.count("the bus did not get"))

    def test_a_failed_call_is_counted_and_logged_once(self):
        def fail():
            raise ValueError("no bus")
        lane = self.make(fail)
        lane.put()
        self.assertEqual(1, self.lost.get(timeout=20))
        while "no bus" not in self.log.output:
            time.sleep(0.01)
        self.assertEqual(1, self.log.output.count("did not get"))

    def test_an_error_that_oslo_messaging_logs_is_a_failure(self):
        messaging = logging.getLogger("oslo_messaging.notify.messaging")

        def fail():
            try:
                raise ValueError("no bus")
            except ValueError:
                messaging.exception("Payload=%s", "everything")
        lane = self.make(fail)
        lane.put()
        self.assertEqual(1, self.lost.get(timeout=20))
        while "no bus" not in self.log.output:
            time.sleep(0.01)
        self.assertNotIn("everything", self.log.output)
        messaging.error("of another thread")
        self.assertIn("of another thread", self.log.output)

    def test_the_end_of_the_process_waits_for_queued_calls(self):
        ends = threading.Event()
        lane = self.make(lambda number: (ends.wait(), self.called.put(number)))
        for number in range(3):
            lane.put(number)
        self.assertFalse(lane.is_done())
        ends.set()
        while not lane.is_done():
            time.sleep(0.01)
        self.assertEqual((0, 3), (lane.count_lost(), self.called.qsize()))

    def test_the_end_does_not_wait_for_a_hung_call_and_counts_the_rest(self):
        ends = threading.Event()
        self.addCleanup(ends.set)
        lane = self.make(lambda number: ends.wait())
        for number in range(3):
            lane.put(number)
        while not lane.is_done():
            time.sleep(0.01)
        self.assertEqual((3, 3), (lane.count_lost(), self.lost.get()))

    def test_a_forked_child_has_an_empty_lane_that_works(self):
        ends = threading.Event()
        self.addCleanup(ends.set)
        lane = self.make(lambda number: (
            ends.wait() if number < 3 else self.called.put(number)))
        for number in range(3):
            lane.put(number)

        def call():
            lane.put(3)
            return self.called.get(timeout=20) == 3
        self.assertTrue(unit_base.in_child(call))
