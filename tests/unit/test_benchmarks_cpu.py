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

import json

from ceilometer import publisher
from oslo_utils import netutils

from benchmarks.common import clients
from benchmarks.common import report
from benchmarks.cpu import cycle
from ceilometer_graphite import conversion
from ceilometer_graphite import settings
from tests.unit import base

NODE = cycle.Node(7, 5)


def samples(number=0, node=NODE):
    return [each for batch in node.batches(number) for each in batch]


class FloorTest(base.AgentTestCase):

    def setUp(self):
        super().setUp()
        self.batches = [batch for number in range(2)
                        for batch in NODE.batches(number)]
        self.lines = b"".join(map(clients.lines, self.batches))

    def test_its_lines_are_ours_with_raw_counters(self):
        no_gauges = self.create_tempfiles([("none", "rates: []\n")])[0]
        made = publisher.get_publisher(
            self.conf, self.url("?counters=raw&definitions_file=" + no_gauges),
            "ceilometer.sample.publisher")
        self.addCleanup(made.close, 10)
        for batch in self.batches:
            made.publish_samples(batch)
        self.assertEqual(
            self.lines, b"".join(self.receiver.take(self.lines.count(b"\n"))))

    def test_its_lines_with_rates_are_ours(self):
        floor = clients.RatesSocket(0)
        converter = conversion.Converter(settings.load_settings(
            self.conf, netutils.urlsplit("graphite://localhost")))
        ours = {}
        for batch in self.batches:
            for line in converter.convert(batch)[0]:
                path, value, second = line.split()
                ours[path, second] = float(value)
        lines = "".join(floor.lines(batch).decode() for batch in self.batches)
        for path, value, second in map(str.split, lines.splitlines()):
            # The floor makes no cpu_util.
            if not path.endswith(".cpu.rate"):
                self.assertAlmostEqual(
                    1, (1 + float(value)) / (1 + ours[path, second]), 9)

    def test_other_clients_get_the_same_datapoints(self):
        self.assertEqual(self.lines, "".join(
            "%s %s %d\n" % datapoint for batch in self.batches
            for datapoint in clients.datapoints(batch)).encode("ascii"))


class NodeTest(base.AgentTestCase):

    def test_three_instances_equal_the_recording(self):
        recorded = [each for message in cycle.recorded()[0]
                    for each in message["payload"]["samples"]]

        def shape(name, kind, unit, timestamp, metadata):
            return (name, kind, unit, timestamp, sorted(metadata),
                    len(json.dumps(metadata)))

        self.assertEqual(
            sorted(shape(each["counter_name"], each["counter_type"],
                         each["counter_unit"], each["timestamp"],
                         each["resource_metadata"]) for each in recorded),
            sorted(shape(each.name, each.type, each.unit, each.timestamp,
                         each.resource_metadata)
                   for each in samples(node=cycle.Node(3, 50))))

    def test_a_batch_is_of_one_meter_and_not_too_large(self):
        for batch in NODE.batches(0):
            self.assertEqual(1, len({each.name for each in batch}))
            self.assertLessEqual(len(batch), 5)

    def test_each_series_is_its_own(self):
        found = [(each.name, each.resource_id) for each in samples()]
        self.assertEqual(NODE.samples_per_cycle, len(set(found)))
        self.assertEqual(NODE.samples_per_cycle, len(found))

    def test_a_series_goes_on_in_the_next_cycle(self):
        grown = 0
        for before, after in zip(samples(3), samples(4), strict=True):
            self.assertEqual((before.name, before.resource_id),
                             (after.name, after.resource_id))
            self.assertIs(type(before.volume), type(after.volume))
            self.assertAlmostEqual(
                60, after.monotonic_time - before.monotonic_time, 1)
            self.assertGreaterEqual(after.volume, before.volume)
            grown += after.volume > before.volume
        self.assertGreater(grown, 0)

    def test_samples_of_an_instance_share_values_but_not_metadata(self):
        found = [each.resource_metadata for each in samples()]
        self.assertEqual(len(found), len({id(each) for each in found}))
        self.assertIs(found[0]["flavor"], found[7]["flavor"])


class TargetTest(base.AgentTestCase):

    def test_a_figure_may_equal_its_maximum(self):
        self.assertEqual("met: it: 3 (at most 3)",
                         str(report.Target("it", 3, 3)))
        self.assertEqual("missed: it: 3.01 (at most 3)",
                         str(report.Target("it", 3.01, 3)))

    def test_a_limit_may_be_a_minimum(self):
        self.assertEqual("met: it: 8.5 (at least 8)",
                         str(report.Target("it", 8.5, 8, is_least=True)))
        self.assertEqual("missed: it: 7.5 (at least 8)",
                         str(report.Target("it", 7.5, 8, is_least=True)))
