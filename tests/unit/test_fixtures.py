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

import collections
import datetime
import gzip
import math

from ceilometer.telemetry import notifications
from oslo_utils import netutils

from ceilometer_graphite import conversion
from ceilometer_graphite import settings
from tests import fakes
from tests.unit import base as unit_base

LINUX = ("1845bc6208f4577ea32c6473b722cadd."
         "vm-1-linux_084fce35-db18-5086-9b08-7723a5368aa3")
SPINNING = ("b7065232a8825374b4764148b3f0cee5."
            "vm-2-spin_ab7fffc1-6830-5a5d-b949-cb2d0d494020")
IDLE = ("1845bc6208f4577ea32c6473b722cadd."
        "vm-3-idle_f7735ec4-d4e9-556a-b095-d3c31a8e1ca0")
NANOSECONDS_A_SECOND = 1e9
FLAVOR = {"memory": "memory_mb", "cpu_count": "vcpus",
          "disk_space": "disk_gb"}


def whole_second(fields):
    time = datetime.datetime.fromisoformat(fields["timestamp"] + "+00:00")
    return int(time.timestamp())


def instance(fields):
    return "%(display_name)s_%(instance_id)s" % fields["resource_metadata"]


def expected_points(samples, host):
    """Return {(path, second): value}, computed without the plugin."""
    points, previous = {}, {}
    for fields in samples:
        metadata = fields["resource_metadata"]
        meter, value = fields["counter_name"], fields["counter_volume"]
        device = metadata.get("disk_name") or metadata.get("vnic_name")
        if fields["counter_type"] == "cumulative":
            counter = (fields["resource_id"], meter)
            before = previous.get(counter)
            previous[counter] = fields
            if before is None:
                continue
            value = ((value - before["counter_volume"])
                     / (fields["monotonic_time"] - before["monotonic_time"]))
            if meter == "cpu":
                value = min(100, value * 100 / NANOSECONDS_A_SECOND
                            / metadata["vcpus"])
            meter = "cpu_util" if meter == "cpu" else meter + ".rate"
        parts = ["ceilometer", host, fields["project_id"],
                 instance(fields), meter, *([device] if device else [])]
        points[".".join(parts), whole_second(fields)] = value
    return points


def expected_flavors(samples, host):
    """Return the gauges of cpu samples, except for polled meters."""
    points, polled = {}, set()
    for fields in samples:
        polled.add(fields["counter_name"])
        for gauge in FLAVOR.keys() - polled:
            if fields["counter_name"] == "cpu":
                path = ".".join(("ceilometer", host, fields["project_id"],
                                 instance(fields), gauge))
                points[path, whole_second(fields)] = fields[
                    "resource_metadata"][FLAVOR[gauge]]
    return points


RECORDINGS = ("polling-27.0.0.json", "polling-19.0.0.jsonl",
              "paused-and-shutoff-27.0.0.jsonl",
              "report-stopped-27.0.0.jsonl")
TEMPLATE = "{prefix}.{hostname}.{project_id}.{instance_id}.{meter}.{device}"


class RecordingTestCase(unit_base.AgentTestCase):
    """Converts recorded samples to lines, without a publisher.

    :ivar samples: the recorded samples
    :ivar points: {(path, second): value} of their lines
    :ivar gauges: the same for gauges of the cpu samples alone
    """

    HOST = "compute-1"

    def setUp(self):
        super().setUp()
        self.build = notifications.TelemetryIpc(self.conf, None).build_sample
        self.converter = self.make()
        self.samples = []
        self.points = {}
        self.gauges = {}

    def make(self, query=""):
        return conversion.Converter(
            settings.load_settings(
                self.conf, netutils.urlsplit("graphite://127.0.0.1" + query)),
            clock=fakes.Clock())

    def built(self, recorded):
        samples = list(self.build({"payload": {"samples": recorded}}))
        for sample, fields in zip(samples, recorded, strict=True):
            sample.monotonic_time = fields["monotonic_time"]
        return samples

    def publish_recording(self, recording):
        for entry in unit_base.recorded(recording):
            recorded = entry["message"]["payload"]["samples"]
            self.samples += recorded
            self.publish(recorded)
        flavors = self.make()
        for fields in self.samples:
            if fields["counter_name"] == "cpu":
                self.add(self.gauges, flavors, [fields])

    def publish(self, recorded):
        return self.add(self.points, self.converter, recorded)

    def add(self, points, converter, recorded):
        lines, problems = converter.convert(self.built(recorded))
        self.assertEqual([], problems)
        for line in lines:
            path, value, second = line.split()
            points[path, int(second)] = float(value)
        return lines

    def assert_points_are_those_expected(self, count):
        """Compare points; ``count`` excludes each counter's first sample."""
        expected = expected_points(self.samples, self.HOST)
        self.assertEqual(count, len(expected))
        expected |= expected_flavors(self.samples, self.HOST)
        self.assertEqual(expected.keys(), self.points.keys())
        for key, value in expected.items():
            # Rates are written with 12 digits.
            self.assertTrue(math.isclose(value, self.points[key],
                                         rel_tol=1e-11), key)

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

    def test_exactly_the_expected_points_are_made(self):
        self.assert_points_are_those_expected(117)

    def test_a_busy_guest_uses_100_percent_cpu(self):
        self.assertEqual([99.92], self.values(SPINNING, "cpu_util"))

    def test_an_idle_guest_of_two_cpus_uses_next_to_nothing(self):
        self.assertEqual([0.3], self.values(IDLE, "cpu_util"))

    def test_each_disk_has_its_own_rates(self):
        self.assertEqual([39365.44], self.values(
            LINUX, "disk.device.write.bytes.rate.vda"))

    def test_each_network_card_has_its_own_rates(self):
        self.assertEqual([14.02], self.values(
            LINUX, "network.incoming.bytes.rate.tapaab6b260-56"))

    def test_a_gauge_has_the_polled_value(self):
        self.assertEqual([128.0, 128.0], self.values(LINUX, "memory"))

    def test_each_cycle_has_the_flavors_gauges(self):
        self.assertEqual(
            [[128.0] * 2, [1.0] * 2, [1.0] * 2],
            [self.values(LINUX, gauge, self.gauges)
             for gauge in ("memory", "cpu_count", "disk_space")])
        self.assertEqual([2.0] * 2,
                         self.values(IDLE, "cpu_count", self.gauges))

    def test_samples_that_are_delivered_again_change_nothing(self):
        before = dict(self.points)
        self.publish(self.samples[-40:])
        self.assertEqual(before, self.points)

    def test_one_by_one_the_samples_make_the_same_lines(self):
        one_by_one, together = self.make(), self.make()
        for entry in unit_base.recorded("polling-27.0.0.json"):
            recorded = entry["message"]["payload"]["samples"]
            self.assertEqual(
                sorted(self.add({}, together, recorded)),
                sorted(line for fields in recorded
                       for line in self.add({}, one_by_one, [fields])))

    def test_one_batch_of_all_samples_makes_the_same_points(self):
        together = {}
        self.add(together, self.make(), self.samples)
        self.assertEqual(self.points, together)


class Release19Test(RecordingTestCase):

    HOST = "deb-1"

    def setUp(self):
        super().setUp()
        self.publish_recording("polling-19.0.0.jsonl")

    def test_exactly_the_expected_points_are_made(self):
        self.assert_points_are_those_expected(151)

    def test_a_busy_guest_uses_100_percent_cpu(self):
        self.assertEqual([99.7, 100], self.values(SPINNING, "cpu_util"))

    def test_the_flavors_gauges_are_published(self):
        self.assertEqual([64.0] * 3,
                         self.values(SPINNING, "memory", self.gauges))


class PausedAndStoppedTest(RecordingTestCase):
    """Two cycles with a running guest, a paused one and one that is off."""

    def setUp(self):
        super().setUp()
        self.publish_recording("paused-and-shutoff-27.0.0.jsonl")
        self.first = set(self.points)
        self.stopped_first = self.meters(IDLE)
        self.publish_recording("report-stopped-27.0.0.jsonl")

    def test_exactly_the_expected_points_are_made(self):
        self.assert_points_are_those_expected(90)

    def test_a_single_cycle_makes_no_rate(self):
        self.assertEqual([], [path for path, _ in self.first
                              if ".rate" in path or "cpu_util" in path])

    def test_a_paused_guest_uses_no_cpu(self):
        self.assertEqual([0.0], self.values(SPINNING, "cpu_util"))

    def test_a_paused_guest_has_its_power_state(self):
        self.assertEqual([3.0, 3.0], self.values(SPINNING, "power.state"))

    def test_a_guest_that_is_off_has_only_disk_sizes_of_its_flavor(self):
        self.assertEqual({"disk.root.size", "disk.ephemeral.size"},
                         self.stopped_first)

    def test_a_guest_that_is_off_has_more_with_the_option(self):
        self.assertEqual(
            {"disk.root.size", "disk.ephemeral.size", "memory", "vcpus",
             "power.state", "disk.device.allocation.vda",
             "disk.device.capacity.vda", "disk.device.usage.vda"},
            self.meters(IDLE))

    def test_a_guest_that_is_off_has_no_cpu_usage(self):
        self.assertEqual([], self.values(IDLE, "cpu_util"))

    def test_the_running_guest_beside_them_has_its_rates(self):
        self.assertEqual([2.49], self.values(LINUX, "cpu_util"))


class RecordedLinesTest(RecordingTestCase):
    """Compares the lines of all recordings with ``lines-*.txt.gz``."""

    def lines(self, counters):
        """Return all lines; each recording has a new agent."""
        for recording in RECORDINGS:
            converter = self.make(
                "?counters=%s&template=%s" % (counters, TEMPLATE))
            for entry in unit_base.recorded(recording):
                yield from self.add({}, converter, entry[
                    "message"]["payload"]["samples"])

    def test_recordings_make_the_same_lines_as_before(self):
        for counters in "rate", "both":
            golden = gzip.decompress((
                unit_base.FIXTURES / ("lines-%s.txt.gz" % counters)
            ).read_bytes()).decode("ascii").splitlines(keepends=True)
            self.assertEqual(collections.Counter(golden),
                             collections.Counter(self.lines(counters)))
