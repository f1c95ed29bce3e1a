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

import concurrent.futures
import logging

import fixtures
from oslotest import base

from ceilometer_graphite import throttle


class ThrottleTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.output = self.useFixture(fixtures.FakeLogger(
            name=self.id(), format="%(levelname)s %(message)s"))
        self.now = 1000.0
        self.throttle = throttle.Throttle(
            logging.getLogger(self.id()), window_seconds=60.0,
            clock=lambda: self.now)

    def lines(self):
        return self.output.output.splitlines()

    def warn(self, kind="k", text="lost"):
        self.throttle.log(logging.WARNING, kind, "it is %s", text)

    def test_the_first_message_is_logged_at_once(self):
        self.warn()
        self.assertEqual(["WARNING it is lost"], self.lines())

    def test_a_message_within_the_window_is_held_back(self):
        self.warn()
        self.now += 59.9
        self.warn()
        self.assertEqual(1, len(self.lines()))

    def test_the_next_line_says_how_many_were_held_back(self):
        for _ in range(4):
            self.warn()
        self.now += 60.0
        self.warn(text="gone")
        self.assertEqual(
            "WARNING it is gone (and 3 more like this since the last such "
            "line)", self.lines()[-1])

    def test_a_counted_message_is_not_counted_again(self):
        self.warn()
        self.warn()
        for _ in range(2):
            self.now += 60.0
            self.warn()
        self.assertEqual("WARNING it is lost", self.lines()[-1])

    def test_each_kind_has_its_own_window(self):
        self.warn("one")
        self.warn(("an", "endpoint"), "other")
        self.assertEqual(["WARNING it is lost", "WARNING it is other"],
                         self.lines())

    def test_the_level_and_the_traceback_are_passed_on(self):
        try:
            raise KeyError("why")
        except KeyError as e:
            self.throttle.log(logging.ERROR, "k", "%r", e, exc_info=True)
        self.assertEqual("ERROR KeyError('why')", self.lines()[0])
        self.assertIn("Traceback", self.output.output)

    def test_concurrent_messages_are_logged_once_and_all_counted(self):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda _: self.warn(), range(1600)))
        self.assertEqual(1, len(self.lines()))
        self.now += 60.0
        self.warn()
        self.assertIn("and 1599 more", self.lines()[-1])
