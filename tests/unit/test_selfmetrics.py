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

from oslotest import base

from ceilometer_graphite import stats
from tests import fakes


class NamerTest(base.BaseTestCase):

    def name(self, **settings):
        return stats.namer(types.SimpleNamespace(
            **{"host": "compute-1.example.org", "append_hostname": True,
               "prefix": "ceilometer.", "naming": "path", **settings}),
            "relay_2003")("lines_sent")

    def test_a_path_is_beside_those_of_the_host(self):
        self.assertEqual("ceilometer.compute-1.graphite_publisher.relay_2003."
                         "lines_sent", self.name())

    def test_a_path_without_prefix_or_host_has_no_empty_components(self):
        self.assertEqual("graphite_publisher.relay_2003.lines_sent",
                         self.name(prefix="", append_hostname=False))

    def test_tags_are_written_where_they_are_asked_for(self):
        self.assertEqual(
            "ceilometer.graphite_publisher.lines_sent;host=compute-1;"
            "endpoint=relay_2003", self.name(naming="tags"))

    def test_tags_without_prefix_or_host_have_no_empty_parts(self):
        self.assertEqual(
            "graphite_publisher.lines_sent;endpoint=relay_2003",
            self.name(naming="tags", prefix="", append_hostname=False))

    def test_a_host_cannot_leave_its_component(self):
        self.assertEqual(
            "ceilometer.a_b_evil_1_2.graphite_publisher.relay_2003."
            "lines_sent", self.name(host="a/b\nevil 1 2"))


class SelfMetricsTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.clock = fakes.Clock()

    def make(self, interval_seconds=60):
        return stats.SelfMetrics(
            lambda name: "me." + name, interval_seconds, self.clock,
            lambda: 1795334320.9)

    def values(self, made, totals, levels=None):
        return {line.split()[0]: float(line.split()[1])
                for line in made.lines(totals, levels or {})}

    def test_it_is_due_after_its_interval_and_not_before(self):
        made = self.make()
        self.clock.advance(59)
        self.assertFalse(made.is_due())
        self.clock.advance(1)
        self.assertTrue(made.is_due())

    def test_a_report_is_due_again_after_the_next_interval(self):
        made = self.make()
        self.clock.advance(90)
        made.lines({}, {})
        self.assertFalse(made.is_due())
        self.clock.advance(60)
        self.assertTrue(made.is_due())

    def test_it_is_never_due_without_an_interval(self):
        made = self.make(0)
        self.clock.advance(1 << 30)
        self.assertFalse(made.is_due())

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
            {"me.lines_sent": 0, "me.lines_replayed": 0, "me.reconnects": 0},
            self.values(self.make(), {}))
