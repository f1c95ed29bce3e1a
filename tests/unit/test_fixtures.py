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

import datetime

from ceilometer.telemetry import notifications
from oslo_config import cfg
from oslotest import base

from ceilometer_graphite import definitions
from ceilometer_graphite import encoding
from ceilometer_graphite import naming
from ceilometer_graphite import rates
from tests.unit import base as unit_base

LINUX = ("1845bc6208f4577ea32c6473b722cadd."
         "084fce35-db18-5086-9b08-7723a5368aa3")
SPINNING = ("b7065232a8825374b4764148b3f0cee5."
            "ab7fffc1-6830-5a5d-b949-cb2d0d494020")
IDLE = ("1845bc6208f4577ea32c6473b722cadd."
        "f7735ec4-d4e9-556a-b095-d3c31a8e1ca0")
NANOSECONDS_A_SECOND = 1e9


def expected_points(samples, host):
    """{(path, second): value} of samples, worked out without the plugin."""
    points, previous = {}, {}
    for fields in samples:
        metadata = fields["resource_metadata"]
        meter, value = fields["counter_name"], fields["counter_volume"]
        device = metadata.get("disk_name") or metadata.get("vnic_name")
        time = datetime.datetime.fromisoformat(fields["timestamp"] + "+00:00")
        if fields["counter_type"] == "cumulative":
            counter = (fields["resource_id"], meter)
            before = previous.get(counter)
            previous[counter] = fields
            if before is None:
                continue
            value = ((value - before["counter_volume"])
                     / (fields["monotonic_time"] - before["monotonic_time"]))
            if meter == "cpu":
                value *= 100 / NANOSECONDS_A_SECOND / metadata["vcpus"]
            meter = "cpu_util" if meter == "cpu" else meter + ".rate"
        parts = ["ceilometer", host, fields["project_id"],
                 metadata["instance_id"] if device else fields["resource_id"],
                 meter, *([device] if device else [])]
        points[".".join(parts), int(time.timestamp())] = value
    return points


class RecordingTestCase(base.BaseTestCase):
    """Takes recorded samples the whole way to lines, without a publisher."""

    HOST = "compute-1"

    def setUp(self):
        super().setUp()
        self.build = notifications.TelemetryIpc(
            cfg.ConfigOpts(), None).build_sample
        self.definitions = definitions.load()
        self.rates = rates.RateTable(86400, 200000)
        self.name = naming.PathNamer(naming.DEFAULT_TEMPLATE, "ceilometer",
                                     True, "unused").name
        self.samples = []
        self.points = {}
        self.gauges = {}

    def publish_recording(self, recording):
        for entry in unit_base.recorded(recording):
            for fields in entry["message"]["payload"]["samples"]:
                self.samples.append(fields)
                self.publish(fields)

    def publish(self, fields):
        sample, = self.build({"payload": {"samples": [fields]}})
        sample.monotonic_time = fields["monotonic_time"]
        seconds = encoding.timestamp(sample.timestamp)
        for gauge in self.definitions.gauges(sample.name):
            self.add(self.gauges, sample, gauge, naming.metadata_value(
                sample.resource_metadata, gauge.metadata), seconds)
        if sample.type != "cumulative":
            self.add(self.points, sample, sample, sample.volume, seconds)
            return
        rate = self.definitions.rate(sample.name, sample.unit)
        value = self.rates.per_second(
            sample, encoding.number(sample.volume), seconds)
        if value is not None:
            value *= rate.factor(sample.resource_metadata)
            self.add(self.points, sample, rate, value, seconds)

    def add(self, points, sample, named, value, seconds):
        line = encoding.line(self.name(sample, named.name, named.unit),
                             encoding.number(value), seconds)
        path, value, second = line.split()
        points[path, int(second)] = float(value)

    def assert_points_are_those_expected(self, count):
        """``count``: the samples, less the first one of each counter."""
        expected = expected_points(self.samples, self.HOST)
        self.assertEqual(count, len(expected))
        self.assertEqual(expected.keys(), self.points.keys())
        for key, value in expected.items():
            self.assertAlmostEqual(value, self.points[key], 6, key)

    def values(self, instance, meter, points=None):
        wanted = "ceilometer.%s.%s.%s" % (self.HOST, instance, meter)
        found = self.points if points is None else points
        return [round(found[path, second], 2)
                for path, second in sorted(found) if path == wanted]

    def meters(self, instance):
        head = "ceilometer.%s.%s." % (self.HOST, instance)
        return {path[len(head):] for path, _ in self.points
                if path.startswith(head)}


class Release27Test(RecordingTestCase):

    def setUp(self):
        super().setUp()
        self.publish_recording("polling-27.0.0.json")

    def test_every_sample_arrives_and_nothing_else(self):
        self.assert_points_are_those_expected(117)

    def test_a_spinning_guest_uses_its_cpu_whole(self):
        self.assertEqual([99.92], self.values(SPINNING, "cpu_util"))

    def test_an_idle_guest_of_two_cpus_uses_next_to_nothing(self):
        self.assertEqual([0.3], self.values(IDLE, "cpu_util"))

    def test_a_disk_has_rates_of_its_own(self):
        self.assertEqual([39365.44], self.values(
            LINUX, "disk.device.write.bytes.rate.vda"))

    def test_a_network_card_has_rates_of_its_own(self):
        self.assertEqual([14.02], self.values(
            LINUX, "network.incoming.bytes.rate.tapaab6b260-56"))

    def test_a_gauge_is_what_was_polled(self):
        self.assertEqual([128.0, 128.0], self.values(LINUX, "memory"))

    def test_each_cycle_brings_the_flavor(self):
        self.assertEqual(
            [[128.0] * 2, [1.0] * 2, [1.0] * 2],
            [self.values(LINUX, gauge, self.gauges)
             for gauge in ("memory", "cpu_count", "disk_space")])
        self.assertEqual([2.0] * 2,
                         self.values(IDLE, "cpu_count", self.gauges))

    def test_samples_that_are_delivered_again_change_nothing(self):
        before = dict(self.points)
        for fields in self.samples[-40:]:
            self.publish(fields)
        self.assertEqual(before, self.points)


class Release19Test(RecordingTestCase):

    HOST = "deb-1"

    def setUp(self):
        super().setUp()
        self.publish_recording("polling-19.0.0.jsonl")

    def test_every_sample_arrives_and_nothing_else(self):
        self.assert_points_are_those_expected(151)

    def test_a_spinning_guest_uses_its_cpu_whole(self):
        self.assertEqual([99.7, 100.08], self.values(SPINNING, "cpu_util"))

    def test_the_flavor_comes_along(self):
        self.assertEqual([64.0] * 3,
                         self.values(SPINNING, "memory", self.gauges))


class PausedAndStoppedTest(RecordingTestCase):
    """One guest runs, one is paused and one is off, in two cycles."""

    def setUp(self):
        super().setUp()
        self.publish_recording("paused-and-shutoff-27.0.0.jsonl")
        self.first = set(self.points)
        self.stopped_first = self.meters(IDLE)
        self.publish_recording("report-stopped-27.0.0.jsonl")

    def test_every_sample_arrives_and_nothing_else(self):
        self.assert_points_are_those_expected(90)

    def test_a_single_cycle_makes_no_rate(self):
        self.assertEqual([], [path for path, _ in self.first
                              if ".rate" in path or "cpu_util" in path])

    def test_a_paused_guest_uses_no_cpu(self):
        self.assertEqual([0.0], self.values(SPINNING, "cpu_util"))

    def test_a_paused_guest_tells_its_state(self):
        self.assertEqual([3.0, 3.0], self.values(SPINNING, "power.state"))

    def test_a_guest_that_is_off_has_the_sizes_of_its_flavor_alone(self):
        self.assertEqual({"disk.root.size", "disk.ephemeral.size"},
                         self.stopped_first)

    def test_a_guest_that_is_off_tells_more_where_that_is_asked_for(self):
        self.assertEqual(
            {"disk.root.size", "disk.ephemeral.size", "memory", "vcpus",
             "power.state", "disk.device.allocation.vda",
             "disk.device.capacity.vda", "disk.device.usage.vda"},
            self.meters(IDLE))

    def test_a_guest_that_is_off_has_no_cpu_usage(self):
        self.assertEqual([], self.values(IDLE, "cpu_util"))

    def test_the_running_guest_beside_them_has_its_rates(self):
        self.assertEqual([2.49], self.values(LINUX, "cpu_util"))
