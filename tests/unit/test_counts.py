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

import threading

import fixtures
from oslotest import base

from ceilometer_graphite import stats


class CountsTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.counts = stats.Counts()

    def test_what_was_never_counted_is_zero_and_no_total(self):
        self.assertEqual(0, self.counts["a"])
        self.assertEqual({}, self.counts.totals())

    def test_numbers_add_up(self):
        self.counts.add("a")
        self.counts.add("a", 41)
        self.counts.add("b", 2)
        self.assertEqual({"a": 42, "b": 2}, self.counts.totals())

    def test_totals_do_not_change_afterwards(self):
        self.counts.add("a")
        totals = self.counts.totals()
        self.counts.add("a")
        self.assertEqual({"a": 1}, totals)

    def test_a_warning_counts_each_time_and_is_logged_once(self):
        for number in range(10):
            self.counts.warn("a", 3, "%d of them", number)
        self.assertEqual(30, self.counts["a"])
        self.assertEqual("a: 0 of them\n", self.log.output)

    def test_warnings_of_two_kinds_do_not_hide_each_other(self):
        self.counts.warn("a", 1, "one")
        self.counts.warn("b", 1, "other")
        self.assertEqual("a: one\nb: other\n", self.log.output)

    def test_a_warning_shows_the_exception_that_it_is_about(self):
        self.counts.warn("a", 1, "that", exc_info=ZeroDivisionError("why"))
        self.assertIn("ZeroDivisionError: why", self.log.output)

    def test_a_full_buffer_is_counted_and_named(self):
        self.counts.warn_buffer_full(3, 65536)
        self.assertEqual({"lines_dropped.buffer_full": 3},
                         self.counts.totals())
        self.assertIn("buffer_size = 65536 bytes", self.log.output)

    def test_a_buffer_that_is_not_full_is_nothing(self):
        self.counts.warn_buffer_full(0, 65536)
        self.assertEqual({}, self.counts.totals())
        self.assertEqual("", self.log.output)

    def test_many_threads_lose_no_count(self):
        def add():
            for _ in range(2000):
                self.counts.add("a")
        threads = [threading.Thread(target=add) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(16000, self.counts["a"])

    def test_numbers_are_written_in_the_order_of_their_names(self):
        self.assertEqual("a 1, b 2", stats.text({"b": 2, "a": 1}))
