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
import types

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


class NamerTest(base.BaseTestCase):

    def name(self, slot="", **settings):
        return stats.namer(types.SimpleNamespace(
            **{"host": "compute-1", "prefix": "ceilometer.",
               "naming": "path", "url": "graphite://relay:2003",
               "endpoints": (("relay", 2003),), **settings}),
            slot)("lines_sent")

    def test_a_path_has_the_host_and_the_endpoints(self):
        self.assertEqual(
            "ceilometer.compute-1.graphite_publisher.relay_2003."
            "lines_sent", self.name())

    def test_a_path_without_prefix_has_no_empty_component(self):
        self.assertEqual(
            "compute-1.graphite_publisher.relay_2003.lines_sent",
            self.name(prefix=""))

    def test_tags_are_written_where_they_are_asked_for(self):
        self.assertEqual(
            "ceilometer.graphite_publisher.lines_sent;"
            "host=compute-1;endpoint=relay_2003",
            self.name(naming="tags"))

    def test_no_two_publishers_have_one_name(self):
        names = {self.name(**changed) for changed in (
            {}, {"host": "compute-1.example.com"},
            {"host": "compute-1.example.org"}, {"slot": "2"},
            {"url": "graphite://relay:2003?counters=raw"},
            {"url": "graphite://relay:2003?counters=both"},
            {"endpoints": (("relay", 2003), ("other", 2003))})}
        self.assertEqual(7, len(names))

    def test_a_host_cannot_leave_its_component(self):
        self.assertEqual(
            "ceilometer.a_b_evil_1_2.graphite_publisher.relay_2003."
            "lines_sent", self.name(host="a/b\nevil 1 2"))


class SelfMetricsTest(base.BaseTestCase):

    def make(self):
        return stats.SelfMetrics(
            lambda name: "me." + name, lambda: 1795334320.9)

    def values(self, made, totals, levels=None):
        return {line.split()[0]: float(line.split()[1])
                for line in made.lines(totals, levels or {})}

    def test_lines_are_of_the_plaintext_protocol(self):
        self.assertIn("me.lines_sent 7 1795334320\n",
                      self.make().lines({stats.LINES_SENT: 7}, {}))

    def test_counters_are_what_they_grew_by(self):
        made = self.make()
        self.assertEqual(5, self.values(made, {"a": 5})["me.a"])
        self.assertEqual(2, self.values(made, {"a": 7})["me.a"])
        self.assertEqual(0, self.values(made, {"a": 7})["me.a"])

    def test_levels_are_as_they_are(self):
        made = self.make()
        for _ in range(2):
            self.assertEqual(
                5, self.values(made, {}, {"buffer_bytes": 5})[
                    "me.buffer_bytes"])

    def test_what_an_operator_graphs_begins_at_zero(self):
        self.assertEqual(
            {"me.lines_sent": 0, "me.lines_replayed": 0, "me.failures": 0},
            self.values(self.make(), {}))
