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
import concurrent.futures
import decimal
import functools
import itertools
import math
import os
import threading
import tracemalloc
import urllib.parse

import hypothesis
from hypothesis import strategies as st

from ceilometer_graphite import conversion
from ceilometer_graphite import naming
from ceilometer_graphite import rates
from ceilometer_graphite import sanitize
from ceilometer_graphite import settings
from ceilometer_graphite import wire
from tests import fakes
from tests.unit import base

SECOND = 1795334320
NOW = 1700000000.75
HEAD = "ceilometer.compute-1.p.i1."
FINITE = st.floats(allow_nan=False, allow_infinity=False)
DEVICE = "disk.device.read.bytes"


class ConverterTestCase(base.AgentTestCase):

    def setUp(self):
        super().setUp()
        self.clock = fakes.Clock()
        self.settings = functools.cache(self.load)

    def load(self, **options):
        query = "?" + urllib.parse.urlencode(options) if options else ""
        return settings.load_settings(self.conf, self.parsed_url(query))

    def make(self, **options):
        return conversion.Converter(
            self.settings(**options), self.clock, lambda: NOW)

    def counter(self, volume, monotonic_time, **fields):
        return base.make_sample(
            volume=volume, monotonic_time=monotonic_time, **{
                "name": DEVICE, "unit": "B", "type": "cumulative", **fields})

    def cpu(self, volume, monotonic_time, **fields):
        return self.counter(volume, monotonic_time, name="cpu", unit="ns",
                            **fields)

    def lines(self, samples, made=None, **options):
        """Return the lines of a batch without problems."""
        made = made or self.make(**options)
        lines, problems = made.convert(samples)
        self.assertEqual([], problems)
        return lines

    def assert_problems(self, expected, problems):
        """Compare problems with (sample, reason) pairs."""
        self.assertEqual(
            [(id(sample), reason) for sample, reason in expected],
            [(id(sample), reason) for sample, reason, _ in problems])
        for _, reason, error in problems:
            self.assertEqual(reason is None, isinstance(error, Exception))


def only_rates(lines):
    return [line for line in lines if ".rate" in line or "cpu_util" in line]


class LinesTest(ConverterTestCase):
    """Lines of samples without problems."""

    def test_no_samples_make_no_lines(self):
        self.assertEqual(([], []), self.make().convert([]))

    def test_gauges_and_deltas_are_as_they_are(self):
        self.assertEqual(
            [HEAD + "power.state 1 %d\n" % SECOND,
             HEAD + "network.incoming.bytes.delta 2.5 %d\n" % SECOND],
            self.lines([base.make_sample(), base.make_sample(
                name="network.incoming.bytes.delta", type="delta",
                volume=2.5)]))

    def both_ways(self):
        return [self.counter(100, 10.0), self.counter(250, 15.0)]

    def test_a_counter_becomes_its_rate(self):
        self.assertEqual(
            [HEAD + DEVICE + ".rate 30 %d\n" % SECOND],
            self.lines(self.both_ways()))

    def test_a_counter_can_be_published_as_it_is(self):
        self.assertEqual(
            [HEAD + "%s %d %d\n" % (DEVICE, volume, SECOND)
             for volume in (100, 250)],
            self.lines(self.both_ways(), counters="raw"))

    def test_a_counter_can_be_published_both_ways(self):
        self.assertEqual(
            sorted(self.lines(self.both_ways(), counters="raw")
                   + self.lines(self.both_ways(), counters="rate")),
            sorted(self.lines(self.both_ways(), counters="both")))

    def test_a_counter_that_definitions_leave_out_has_no_rate(self):
        path, = self.create_tempfiles([("own", "gauges: []\n")])
        for counters, expected in ("rate", 0), ("both", 2), ("raw", 2):
            self.assertEqual(expected, len(self.lines(
                self.both_ways(), counters=counters, definitions_file=path)))

    def test_a_rate_has_the_unit_of_a_rate(self):
        self.assertEqual(
            ["B_s.%s.rate 30 %d\n" % (DEVICE, SECOND)],
            self.lines(self.both_ways(), template="{unit}.{meter}"))

    def test_cpu_becomes_percent_of_the_vcpus_of_each(self):
        made = self.make()
        for volume, monotonic_time, expected in (
                (0, 10.0, []), (5 * 10 ** 9, 15.0, [100, 50, 25, 12.5])):
            self.assertEqual(
                ["ceilometer.compute-1.p.%d.cpu_util %.12g %d\n" % (
                    number, percent, SECOND)
                 for number, percent in enumerate(expected)],
                self.lines([self.cpu(
                    volume, monotonic_time, resource_id=str(number),
                    metadata={"cpu_number": 2 ** number})
                    for number in range(4)], made))

    def test_metadata_that_are_no_mapping_do_not_stop_a_rate(self):
        first, second = self.both_ways()
        first.resource_metadata = second.resource_metadata = ["x"]
        self.assertEqual(
            ["ceilometer.none.p.i1.%s.rate 30 %d\n" % (DEVICE, SECOND)],
            self.lines([first, second]))

    def test_a_counter_that_comes_from_another_host_has_no_rate(self):
        made = self.make()
        self.lines([self.counter(1, 1.0)], made)
        moved = [self.counter(volume, seconds, metadata={
            "instance_host": "c2"}) for volume, seconds in ((9, 5.0),
                                                            (12, 6.0))]
        self.assertEqual(
            ["ceilometer.c2.p.i1.%s.rate 3 %d\n" % (DEVICE, SECOND)],
            self.lines(moved, made))

    def test_a_counter_that_was_not_seen_for_long_begins_anew(self):
        made = self.make(rate_expiry_seconds=100)
        self.lines([self.counter(1, 1.0)], made)
        self.clock.advance(101)
        late = self.counter(2, 102.0)
        lines, problems = made.convert([late])
        self.assertEqual([], lines)
        self.assert_problems([(late, conversion.RATE_EXPIRED)], problems)
        self.assertEqual(1, len(self.lines([self.counter(3, 103.0)], made)))

    def test_timestamps_make_rates_where_there_is_no_monotonic_time(self):
        self.assertEqual(
            [HEAD + DEVICE + ".rate 20 %d\n" % (SECOND + 5)],
            self.lines([self.counter(volume, None, timestamp=timestamp)
                        for volume, timestamp in (
                            (0, "2026-11-22T07:58:40"),
                            (100, "2026-11-22T07:58:45"))]))

    def test_tags_are_written_where_they_are_asked_for(self):
        self.assertEqual(
            ["ceilometer.power.state;host=compute-1;project=p;instance=i1;"
             "device=vda 1 %d\n" % SECOND],
            self.lines([base.make_sample(metadata={"disk_name": "vda"})],
                       naming="tags"))

    def test_a_fraction_of_a_second_is_cut_not_rounded(self):
        timestamp = "2026-11-22T07:58:40.999999"
        samples = [base.make_sample(timestamp=timestamp),
                   *(self.cpu(n, float(n), timestamp=timestamp,
                              metadata={"memory_mb": 5}) for n in range(2))]
        lines = self.lines(samples, counters="both")
        # One gauge; and of cpu two counters, their gauges and one rate.
        self.assertEqual(6, len(lines))
        self.assertEqual({str(SECOND)}, {line.split()[2] for line in lines})

    def test_samples_without_a_timestamp_get_the_time_of_now(self):
        for nothing in None, "":
            samples = [base.make_sample(timestamp=nothing, resource_id=name)
                       for name in "ab"]
            lines, problems = self.make().convert(samples)
            self.assertEqual(["%d\n" % NOW] * 2,
                             [line.split(" ")[2] for line in lines])
            self.assert_problems(
                [(sample, conversion.NO_TIMESTAMP) for sample in samples],
                problems)

    def test_every_line_of_a_sample_has_its_own_meter_in_any_template(
            self):
        samples = [self.cpu(10 ** 9 * step, float(step), metadata={
            "memory_mb": 64, "vcpus": 1, "disk_gb": 5}) for step in (1, 2)]
        expected = [("cpu", 10 ** 9, "ns"), ("cpu", 2 * 10 ** 9, "ns"),
                    ("cpu_util", 100, "_")] + 2 * [
            ("memory", 64, "MiB"), ("cpu_count", 1, "vcpu"),
            ("disk_space", 5, "GB")]
        for template in ("{meter}.{unit}", "{meter}.{instance_id}.{unit}",
                         "vm-{instance_id}-{meter}.{unit}.{meter}"):
            self.assertEqual(
                sorted("%s %d %d\n" % (template.format(
                    meter=meter, unit=unit, instance_id="i1"), value, SECOND)
                    for meter, value, unit in expected),
                sorted(self.lines(samples, template=template,
                                  counters="both")))

    def test_one_meter_may_come_in_several_units_and_types(self):
        samples = [base.make_sample(name="x", type=kind, unit=unit,
                                    volume=volume, monotonic_time=1.0)
                   for volume, (kind, unit) in enumerate(itertools.product(
                       ("gauge", "delta", "cumulative"), ("B", "ns", None)))]
        self.assertEqual(
            ["%s.x %d %d\n" % (unit, volume, SECOND)
             for volume, unit in enumerate(["B", "ns", "none"] * 2)],
            self.lines(samples, template="{unit}.{meter}"))


class ValuesTest(ConverterTestCase):

    def value(self, line):
        return line.split(" ")[1]

    @hypothesis.given(st.integers(-10 ** 308, 10 ** 308))
    def test_an_int_is_written_exactly(self, volume):
        for kind in "gauge", "delta", "cumulative":
            lines, _ = self.make(counters="raw").convert([
                base.make_sample(volume=volume, type=kind)])
            is_missing = kind == "cumulative" and volume < 0
            self.assertEqual([] if is_missing else [str(volume)],
                             [self.value(line) for line in lines])

    @hypothesis.given(FINITE)
    def test_a_float_reads_back_as_the_same_float(self, volume):
        line, = self.lines([base.make_sample(volume=volume)])
        read = float(self.value(line))
        self.assertEqual((volume, math.copysign(1, volume)),
                         (read, math.copysign(1, read)))

    @hypothesis.given(st.integers(0, 2 ** 64), st.integers(0, 2 ** 64),
                      st.floats(0.5, 1e9), st.integers(1, 512))
    def test_a_rate_reads_back_within_a_part_of_1e11(
            self, start, growth, seconds, vcpus):
        metadata = {"vcpus": vcpus}
        used = min(growth, int(seconds * 1e9 * vcpus))
        for name, grown, expected in (
                (DEVICE, growth, growth / seconds),
                ("cpu", used, used / seconds / 1e7 / vcpus)):
            samples = [self.counter(volume, time, name=name,
                                    metadata=metadata)
                       for volume, time in ((start, 0.0),
                                            (start + grown, seconds))]
            line = only_rates(self.lines(samples))[-1]
            self.assertTrue(math.isclose(
                expected, float(self.value(line)), rel_tol=1e-11,
                abs_tol=0.0), (expected, line))
            digits = self.value(line).partition("e")[0].replace(".", "")
            self.assertLessEqual(len(digits.strip("0")), 12)

    def test_the_smallest_and_the_largest_rates_are_numbers(self):
        for growth, seconds in ((5e-324, 1.0), (1, 1e300), (1e308, 1.0),
                                (10 ** 308, 2.0), (0, 7.0)):
            line, = self.lines([self.counter(0, 0.0),
                                self.counter(growth, seconds)])
            self.assertTrue(math.isclose(
                growth / seconds, float(self.value(line)), rel_tol=1e-11))

    def test_a_rate_beyond_the_floats_is_a_problem_and_no_line(self):
        for samples in (
                [self.counter(volume, seconds) for volume, seconds in (
                    (0, 0.0), (10 ** 308, 0.5))],
                [self.counter(volume, seconds) for volume, seconds in (
                    (0.0, 0.0), (1.5e308, 0.6))]):
            good = [self.counter(volume, seconds, resource_id="good")
                    for volume, seconds in ((0, 0.0), (1, 1.0))]
            lines, problems = self.make().convert(
                [samples[0], good[0], samples[1], good[1]])
            self.assertEqual(
                ["ceilometer.compute-1.p.good.%s.rate 1 %d\n" % (
                    DEVICE, SECOND)], lines)
            self.assert_problems([(samples[1], conversion.NOT_FINITE)],
                                 problems)

    def test_a_scale_beyond_the_floats_is_a_problem_and_no_line(self):
        path, = self.create_tempfiles([(
            "own", 'rates: [{meter: "*", name: "{meter}.rate", '
            "scale: 1e300}]\n")])
        samples = [self.counter(volume, float(volume))
                   for volume in (0, 1)] + [self.counter(10 ** 9, 2.0)]
        lines, problems = self.make(definitions_file=path).convert(samples)
        self.assertEqual(["1e+300"], [self.value(line) for line in lines])
        self.assert_problems([(samples[2], conversion.NOT_FINITE)], problems)

    def test_the_longest_line_fits_a_datagram(self):
        self.assertLess(wire.MAX_LINE_BYTES, wire.MAX_DATAGRAM_BYTES)
        lengths = []
        for number in range(1, 45):
            sample = base.make_sample(
                name="y" * 200, volume=-10 ** 308,
                timestamp="2106-02-07T06:28:15",
                metadata={"display_name": "x" * 200})
            lines, problems = self.make(template=".".join(
                ["{instance_name}"] * number + ["{meter}"] * number)
            ).convert([sample])
            lengths += map(len, lines)
            self.assert_problems(
                [] if lines else [(sample, conversion.LINE_TOO_LONG)],
                problems)
        self.assertLessEqual(max(lengths), wire.MAX_LINE_BYTES)
        # Of 19 instances and 19 meters; the 20th of each is too long.
        self.assertEqual(19, len(lengths))


class TooLongTest(ConverterTestCase):
    """Names here have at most 45 components, of up to 200 bytes each."""

    TEMPLATES = {
        "before the meter": ".".join(["{instance_name}"] * 45 + ["{meter}"]),
        "after the meter": ".".join(["{meter}"] + ["{instance_name}"] * 45),
        "around the meter": ".".join(
            ["{instance_name}"] * 22 + ["{meter}"]
            + ["{instance_name}"] * 22),
        "of the meter": ".".join(["{meter}"] * 45),
        "between meters": ".".join(["{instance_name}.{meter}"] * 22),
    }

    def sample(self, name, meter):
        return base.make_sample(name=meter, metadata={"display_name": name})

    def test_a_name_that_no_line_can_have_is_a_problem_each_time(self):
        for what, template in self.TEMPLATES.items():
            made = self.make(template=template)
            for _ in range(2):
                with self.subTest(what):
                    sample = self.sample("x" * 200, "y" * 200)
                    lines, problems = made.convert([sample])
                    self.assertEqual([], lines)
                    self.assert_problems(
                        [(sample, conversion.LINE_TOO_LONG)], problems)

    def test_the_same_template_has_names_that_are_short_enough(self):
        for what, template in self.TEMPLATES.items():
            with self.subTest(what):
                line, = self.lines([self.sample("x", "y")],
                                   template=template)
                self.assertEqual(
                    template.replace("{instance_name}", "x").replace(
                        "{meter}", "y"), line.split()[0])


class GaugesTest(ConverterTestCase):
    """Gauges from the metadata of a sample."""

    def flavor(self, **metadata):
        return self.cpu(5, 1.0, metadata=metadata)

    def test_each_cpu_sample_brings_the_flavor_of_its_instance(self):
        samples = [self.cpu(5, 1.0, resource_id=name, metadata={
            "memory_mb": size, "vcpus": size + 1, "disk_gb": size + 2})
            for name, size in (("a", 10), ("b", 20))]
        self.assertEqual(
            ["ceilometer.compute-1.p.%s.%s %d %d\n" % (*each, SECOND)
             for each in (("a", "memory", 10), ("a", "cpu_count", 11),
                          ("a", "disk_space", 12), ("b", "memory", 20),
                          ("b", "cpu_count", 21), ("b", "disk_space", 22))],
            self.lines(samples))

    def test_missing_metadata_make_no_gauge(self):
        for nothing in None, [], {}, {"a": 1}:
            self.assertEqual(
                [HEAD + "cpu_count 2 %d\n" % SECOND],
                self.lines([self.flavor(memory_mb=nothing, vcpus=2)]))

    def test_a_gauge_that_is_no_number_is_a_problem_and_others_stay(self):
        sample = self.flavor(memory_mb="much", vcpus=2, disk_gb=math.nan)
        lines, problems = self.make().convert([sample])
        self.assertEqual([HEAD + "cpu_count 2 %d\n" % SECOND], lines)
        self.assert_problems(
            [(sample, conversion.NOT_A_NUMBER),
             (sample, conversion.NOT_FINITE)], problems)

    def test_a_polled_gauge_takes_the_flavors_place(self):
        polled = base.make_sample(name="memory", volume=256)
        made = self.make()
        self.assertEqual(
            [HEAD + "memory 512 %d\n" % SECOND,
             HEAD + "memory 256 %d\n" % SECOND],
            self.lines([self.flavor(memory_mb=512), polled,
                        self.flavor(memory_mb=512)], made))
        self.assertEqual([], self.lines([self.flavor(memory_mb=512)], made))

    def test_a_gauge_that_is_not_polled_stays_beside_one_that_is(self):
        polled = base.make_sample(name="memory", volume=256)
        self.assertEqual(
            [HEAD + "memory 256 %d\n" % SECOND,
             HEAD + "cpu_count 2 %d\n" % SECOND],
            self.lines([polled, self.flavor(memory_mb=512, vcpus=2)]))


HUGE = 10 ** 400
UNWRITABLE = 10 ** 5000
# Samples without a line: the reason, or None for an unexpected error.
BAD = {
    "NaN": (conversion.NOT_FINITE, {"volume": math.nan}),
    "infinity": (conversion.NOT_FINITE, {"volume": -math.inf}),
    "an int beyond the floats": (conversion.NOT_FINITE, {"volume": HUGE}),
    "no volume": (conversion.NOT_A_NUMBER, {"volume": None}),
    "a word": (conversion.NOT_A_NUMBER, {"volume": "many"}),
    "a list": (conversion.NOT_A_NUMBER, {"volume": [1]}),
    "a bad time": (conversion.BAD_TIMESTAMP, {"timestamp": "yesterday"}),
    "a number for a time": (conversion.BAD_TIMESTAMP, {"timestamp": SECOND}),
    "a list for a time": (conversion.BAD_TIMESTAMP, {"timestamp": ["x"]}),
    "a time before 1970": (conversion.BAD_TIMESTAMP,
                           {"timestamp": "1969-12-31T23:59:59"}),
    "a name that is no key": (None, {"name": []}),
    "a unit that is no key": (None, {"unit": {}}),
    "a name that no text can be": (None, {"name": UNWRITABLE}),
    "a resource that no text can be": (
        None, {"resource_id": UNWRITABLE}),
    "a project that no text can be": (None, {"project_id": UNWRITABLE}),
    "a device that no text can be": (
        None, {"metadata": {"disk_name": UNWRITABLE}}),
}
# Odd samples that are published.
ODD = {
    "a list for a project": {"project_id": ["a", {"b": 1}]},
    "a number for a project": {"project_id": True},
    "a mapping for a user": {"user_id": {}},
    "no metadata": {"resource_metadata": None},
    "a list for metadata": {"resource_metadata": [1, 2]},
    "a host that is a list": {"metadata": {"instance_host": ["c1"]}},
    "a device that is a mapping": {"metadata": {"vnic_name": {"a": 1}}},
    "cpus that are no number": {"metadata": {"cpu_number": ["many"]}},
    "an infinite number of cpus": {"metadata": {"cpu_number": math.inf}},
    "a monotonic time that is none": {"monotonic_time": ["soon"]},
    "a monotonic time beyond the floats": {"monotonic_time": HUGE},
    "a volume that is a text": {"volume": "7"},
    "a volume that is true": {"volume": True},
    "a project of many bytes": {"project_id": "x\n" * 10000},
}
GOOD = "good"
MIXES = st.lists(st.sampled_from(
    [GOOD] * len(BAD | ODD) + list(BAD | ODD)), min_size=1, max_size=12)


class HostileBatchTest(ConverterTestCase):
    """A bad sample in a batch does not affect the other samples."""

    def sample(self, name, number, volume, monotonic_time, fields):
        given = dict(fields)
        metadata = {"vcpus": 1, **given.pop("metadata", {})}
        made = base.make_sample(
            name=name, unit="u", volume=volume, resource_id="i%d" % number,
            type="gauge" if name == "power.state" else "cumulative",
            monotonic_time=monotonic_time, metadata=metadata)
        for field, value in given.items():
            setattr(made, field, value)
        return made

    def batch(self, name, mix, volume, monotonic_time):
        """Return samples; the ``n``-th one grows ``n + 1`` times as fast."""
        return [self.sample(
            name, number, volume * (number + 1), monotonic_time,
            BAD[kind][1] if kind in BAD else ODD.get(kind, {}))
            for number, kind in enumerate(mix)]

    def good_lines(self, name, mix):
        """Yield the lines of good samples in a second batch, 10 s later."""
        for number, kind in enumerate(mix):
            head = "ceilometer.compute-1.p.i%d." % number
            if kind == GOOD and name == "cpu":
                yield head + "cpu_count 1 %d\n" % SECOND
                yield head + "cpu_util %d %d\n" % (number + 1, SECOND)
            if kind == GOOD and name == DEVICE:
                yield head + DEVICE + ".rate %d %d\n" % (
                    10 ** 7 * (number + 1), SECOND)
            if kind == GOOD:
                yield head + name + " %d %d\n" % (
                    2 * 10 ** 8 * (number + 1), SECOND)

    def test_an_object_that_is_no_sample_does_not_affect_others(self):
        good = base.make_sample()
        for bad in None, object():
            lines, problems = self.make().convert([good, bad, good])
            self.assertEqual((2, 1), (len(lines), len(problems)))
            self.assertIs(bad, problems[0].sample)

    @hypothesis.given(MIXES, st.sampled_from(["cpu", DEVICE, "power.state"]),
                      st.sampled_from(["rate", "both"]))
    def test_every_good_sample_comes_out_once_with_its_rate(
            self, mix, name, counters):
        made = self.make(counters=counters)
        made.convert(self.batch(name, mix, 10 ** 8, 10.0))
        samples = self.batch(name, mix, 2 * 10 ** 8, 20.0)
        lines, problems = made.convert(samples)
        expected = [line for line in self.good_lines(name, mix)
                    if counters == "both" or name == "power.state"
                    or name + " " not in line]
        good = tuple("ceilometer.compute-1.p.i%d." % number
                     for number, kind in enumerate(mix) if kind == GOOD)
        self.assertEqual(sorted(expected), sorted(
            line for line in lines if line.startswith(good)))
        self.assert_problems(
            [(sample, BAD[kind][0]) for kind, sample in zip(
                mix, samples, strict=True) if kind in BAD], problems)

    @hypothesis.given(MIXES, st.sampled_from(["cpu", DEVICE, "power.state"]))
    def test_odd_samples_are_published(self, mix, name):
        lines, _ = self.make(counters="raw").convert(
            self.batch(name, mix, 10 ** 8, 10.0))
        self.assertEqual(
            sum(kind not in BAD for kind in mix),
            sum(".%s." % name in line.replace(" ", ".") for line in lines))

    def test_each_bad_sample_is_bad_in_a_batch_of_its_own(self):
        for what, (reason, _) in BAD.items():
            with self.subTest(what):
                sample, = self.batch("power.state", [what], 1, 1.0)
                lines, problems = self.make().convert([sample])
                self.assertEqual([], lines)
                self.assert_problems([(sample, reason)], problems)

    def test_a_resource_that_is_not_hashable_has_no_rate_and_others_do(self):
        made = self.make()
        for step, expected in (1, []), (
                3, ["ceilometer.compute-1.p.i%d.%s.rate 2 %d\n" % (
                    number, DEVICE, SECOND) for number in (0, 2)]):
            samples = [self.sample(DEVICE, number, step * 2, float(step), {})
                       for number in range(3)]
            samples[1].resource_id = ["x"]
            samples[1].resource_metadata["instance_id"] = "i1"
            lines, problems = made.convert(samples)
            self.assertEqual(expected, lines)
            self.assert_problems([(samples[1], None)], problems)

    def test_a_type_that_is_not_hashable_does_not_affect_others(self):
        samples = [self.sample("power.state", number, 1, 1.0, {
            "type": [] if number == 1 else "gauge"}) for number in range(3)]
        lines, problems = self.make().convert(samples)
        self.assertEqual(2, len(lines))
        self.assert_problems([(samples[1], None)], problems)

    def test_a_divisor_beyond_the_floats_does_not_affect_other_rates(self):
        for bad in range(3):
            made = self.make()
            for volume, rates_expected in (1, []), (2, [0, 1, 2]):
                lines, problems = made.convert([self.sample(
                    "cpu", number, volume * 10 ** 9, float(volume),
                    {"metadata": {"vcpus": HUGE if number == bad else 1}})
                    for number in range(3)])
                self.assertEqual(
                    ["ceilometer.compute-1.p.i%d.cpu_util 100 %d\n" % (
                        number, SECOND)
                     for number in rates_expected if number != bad],
                    [line for line in lines
                     if "cpu_util" in line and ".i%d." % bad not in line])
                self.assertEqual({bad}, {int(problem.sample.resource_id[1:])
                                         for problem in problems})

    def test_samples_without_a_timestamp_do_not_affect_others(self):
        samples = [base.make_sample(resource_id=str(number),
                                    timestamp=timestamp)
                   for number, timestamp in enumerate(
                       ("2026-11-22T07:58:40", None, "", "2026-11-22T07:58:40",
                        "never", None))]
        lines, problems = self.make().convert(samples)
        self.assertEqual(
            ["ceilometer.compute-1.p.%d.power.state 1 %d\n" % each
             for each in ((0, SECOND), (1, NOW), (2, NOW), (3, SECOND),
                          (5, NOW))], lines)
        self.assert_problems(
            [(samples[1], conversion.NO_TIMESTAMP),
             (samples[2], conversion.NO_TIMESTAMP),
             (samples[4], conversion.BAD_TIMESTAMP),
             (samples[5], conversion.NO_TIMESTAMP)], problems)

    def test_a_name_that_is_too_long_does_not_affect_others(self):
        made = self.make(template="{instance_name}." * 45 + "{meter}")
        for step, expected in (1, []), (3, ["2", "2"]):
            samples = [self.sample(DEVICE, number, step * 2, float(step), {
                "metadata": {"display_name": "x" * (200 if number == 1
                                                    else 1)}})
                       for number in range(3)]
            lines, problems = made.convert(samples)
            self.assertEqual(expected, [line.split()[1] for line in lines])
            self.assert_problems([(samples[1], conversion.LINE_TOO_LONG)],
                                 problems)

    def test_a_meter_that_is_too_long_does_not_affect_others(self):
        samples = [base.make_sample(name=name)
                   for name in ("a", "x" * 200, "b")]
        lines, problems = self.make(
            template=".".join(["{meter}"] * 45)).convert(samples)
        self.assertEqual(["a", "b"], [line[0] for line in lines])
        self.assert_problems(
            [(samples[1], conversion.LINE_TOO_LONG)], problems)

    def test_counters_beyond_the_table_have_no_rate_and_others_do(self):
        made = self.make(rate_max_series=2, counters="both")
        for volume, expected in (1, 0), (3, 2):
            samples = [self.sample(DEVICE, number, volume, float(volume), {})
                       for number in range(4)]
            lines, problems = made.convert(samples)
            self.assertEqual(4 + expected, len(lines))
            self.assertEqual(expected, len(only_rates(lines)))
            self.assert_problems(
                [(sample, conversion.TABLE_FULL) for sample in samples[2:]],
                problems)


VOLUMES = st.one_of(
    st.integers(0, 9), st.integers(0, 9), st.floats(0, 9),
    st.sampled_from([math.nan, None, "5", "x", HUGE, True, [], -1]))
MIXED = st.lists(st.fixed_dictionaries({
    "name": st.sampled_from([
        "cpu", "cpu", DEVICE, DEVICE, "memory", "cpu_count", "x", []]),
    "type": st.sampled_from(["cumulative", "cumulative", "gauge", "delta"]),
    "unit": st.sampled_from(["B", "B", "B", "ns", None, []]),
    "volume": VOLUMES,
    "timestamp": st.sampled_from([
        "2026-11-22T07:58:40", "2026-11-22T07:58:40",
        "2026-11-22T07:58:50.5", None, "", "never", 5]),
    "resource_id": st.sampled_from(["i1", "i1", "i2", "i3", None, []]),
    "project_id": st.sampled_from(["p", "p", None, ["p"], 1, True]),
    "monotonic_time": st.none() | st.integers(0, 5).map(float),
    "resource_metadata": st.sampled_from([
        None, ["x"], {"vcpus": 2, "memory_mb": 512},
        {"vcpus": 2, "memory_mb": 512}, {"instance_host": "c2"},
        {"vcpus": "x", "memory_mb": math.nan}, {"disk_name": "vda"},
        {"display_name": "x" * 200}, {"vcpus": HUGE}]),
}), max_size=12)
TEMPLATES = st.sampled_from([
    naming.DEFAULT_TEMPLATE, "{unit}.{host}.{instance_id}.{meter}",
    "{meter}.{project_id}.{unit}.{instance_name}-{device}",
    "{instance_name}." * 38 + "{meter}"])


class MixedBatchTest(ConverterTestCase):

    @hypothesis.given(
        st.lists(MIXED, min_size=1, max_size=3), TEMPLATES,
        st.sampled_from(["rate", "raw", "both"]),
        st.sampled_from(["path", "tags"]))
    def test_a_batch_makes_the_lines_that_its_samples_make_alone(
            self, batches, template, counters, style):
        together, alone = (self.make(
            template=template, counters=counters, naming=style,
            rate_max_series=4) for _ in range(2))
        for batch in batches:
            samples = []
            for fields in batch:
                sample = base.make_sample()
                for field, value in fields.items():
                    setattr(sample, field, value)
                samples.append(sample)
            lines, problems = together.convert(samples)
            converted = [alone.convert([sample]) for sample in samples]
            self.assertEqual(
                collections.Counter(itertools.chain.from_iterable(
                    lines for lines, _ in converted)),
                collections.Counter(lines))
            self.assertEqual(*(collections.Counter(
                (id(sample), reason, type(error))
                for sample, reason, error in found)
                for found in (
                    itertools.chain.from_iterable(
                        problems for _, problems in converted), problems)))

    def test_mixed_meters_times_and_types_stay_separate(self):
        made = self.make(counters="both")

        def batch(volume):
            for number in range(4):
                for timestamp in "2026-11-22T07:58:40", "2026-11-22T07:58:41":
                    device = {"disk_name": timestamp[-1]}
                    yield self.counter(
                        volume * (number + 1), float(volume),
                        timestamp=timestamp, metadata=device,
                        resource_id="i%d-%s" % (number, timestamp[-1]))
                    yield base.make_sample(
                        name="x", volume=volume, timestamp=timestamp,
                        metadata=device, resource_id="i%d" % number)
        self.assertEqual(16, len(self.lines(list(batch(1)), made)))
        lines = self.lines(list(batch(2)), made)
        self.assertEqual(24, len(lines))
        self.assertEqual(
            {"ceilometer.compute-1.p.i%d-%d.%s.rate.%d %d %d\n" % (
                number, second, DEVICE, second, number + 1, SECOND + second)
             for number, second in itertools.product(range(4), range(2))},
            set(only_rates(lines)))


class RenamedTest(ConverterTestCase):
    """A changed instance has its new name at once."""

    TEMPLATE = ("{hostname}.{host}.{instance_name}.{flavor}.{project_name}"
                ".{metadata.status}.{metadata.image.name}.{meter}.{unit}")
    CHANGES = {
        "display_name": "new", "instance_type": "m1.large",
        "instance_host": "c2", "status": "paused", "image": {"name": "b"}}

    def sample(self, project_name="old", **changes):
        return base.make_sample(project_name=project_name, unit="u", metadata={
            "instance_host": "c1", "display_name": "old",
            "instance_type": "m1.tiny", "status": "active",
            "image": {"name": "a"}, **changes})

    def expected(self, **changes):
        of = {"instance_host": "c1", "display_name": "old",
              "instance_type": "m1_tiny", "project_name": "old",
              "status": "active", "image": {"name": "a"}, **changes}
        return "%s power.state.u 1 %d\n" % (".".join(
            sanitize.component(text) for text in (
                of["instance_host"], of["instance_host"], of["display_name"],
                of["instance_type"], of["project_name"], of["status"],
                of["image"]["name"])), SECOND)

    def changes(self):
        yield {"project_name": "new"}
        for key, value in self.CHANGES.items():
            yield {key: value}

    def assert_changes_show(self, publish):
        """Assert that ``publish(samples)`` makes lines with new names."""
        for changed in self.changes():
            changes = [{}, {}, changed, {}, changed, changed]
            self.assertEqual(
                [self.expected(**each).replace(" power", ".power")
                 for each in changes],
                publish([self.sample(**each) for each in changes]), changed)

    def test_a_new_name_shows_in_the_next_batch(self):
        made = self.make(template=self.TEMPLATE)
        self.assert_changes_show(lambda samples: [
            line for sample in samples
            for line in self.lines([sample], made)])

    def test_a_new_name_shows_within_a_batch(self):
        made = self.make(template=self.TEMPLATE)
        self.assert_changes_show(lambda samples: self.lines(samples, made))

    def test_a_new_name_shows_with_the_meter_inside_a_component(self):
        made = self.make(template="{meter}-x." + self.TEMPLATE)
        self.assert_changes_show(lambda samples: [
            line.partition("state-x.")[2]
            for line in self.lines(samples, made)])

    def test_a_moved_instance_has_its_new_host_in_each_naming(self):
        for style, before, after in (
                ("path", ".c1.p.", ".c2.p."),
                ("tags", ";host=c1;", ";host=c2;")):
            made = self.make(naming=style)
            for host, part in ("c1", before), ("c2", after), ("c1", before):
                line, = self.lines([self.sample(instance_host=host)], made)
                self.assertIn(part, line)

    def test_a_resized_instance_has_the_percent_of_its_new_cpus(self):
        made = self.make()
        found = [only_rates(self.lines([self.cpu(
            step * 10 ** 9, float(step), metadata={"vcpus": vcpus})], made))
            for step, vcpus in enumerate((1, 1, 4, 4, 1))]
        self.assertEqual(
            [[]] + [[HEAD + "cpu_util %d %d\n" % (percent, SECOND)]
                    for percent in (100, 25, 25, 25)], found)


class TruthTest(ConverterTestCase):
    """Right values in special cases."""

    def values(self, *batches, **options):
        """Return {path: values} of batches, and the reasons of problems."""
        made, found, reasons = self.make(**options), {}, []
        for batch in batches:
            lines, problems = made.convert(batch)
            for line in lines:
                path, value, _ = line.split()
                found.setdefault(path, []).append(value)
            reasons += [problem.reason for problem in problems]
            self.clock.advance(1)
        return found, reasons

    def rates(self, samples, **options):
        found, reasons = self.values(*([each] for each in samples), **options)
        return [value for path, values in found.items()
                for value in values if "rate" in path or "util" in path
                ], reasons

    def test_a_counter_that_is_not_available_is_no_point_and_no_base(self):
        samples = [self.counter(volume, float(at)) for at, volume in (
            (0, 1000), (10, 1020), (20, -1), (30, -1), (40, 1080), (50, 1100))]
        self.assertEqual((["2", "2", "2"],
                          [conversion.NOT_AVAILABLE] * 2),
                         self.rates(samples))

    def test_a_counter_that_is_never_available_has_no_rate_of_zero(self):
        for counters in "rate", "raw", "both":
            found, reasons = self.values(
                [self.counter(-1, 0.0)], [self.counter(-1, 10.0)],
                counters=counters)
            self.assertEqual(({}, [conversion.NOT_AVAILABLE] * 2),
                             (found, reasons))

    def test_a_gauge_may_be_negative(self):
        found, _ = self.values([base.make_sample(volume=-1)])
        self.assertEqual([["-1"]], list(found.values()))

    def test_unplugged_cpus_still_count_until_the_next_sample(self):
        samples = [self.cpu(at * 4 * 10 ** 9, float(at), metadata={
            "vcpus": vcpus}) for at, vcpus in ((0, 8), (10, 8), (20, 1))]
        samples.append(self.cpu(90 * 10 ** 9, 30.0, metadata={"vcpus": 1}))
        self.assertEqual((["50", "50", "100"], []), self.rates(samples))

    def test_a_counter_that_jumps_is_no_cpu_usage(self):
        samples = [self.cpu(volume, float(at), metadata={"vcpus": 1})
                   for at, volume in ((0, 0), (10, 10 ** 10),
                                      (20, 10 ** 14), (30, 10 ** 14))]
        self.assertEqual((["100", "0"], [conversion.RATE_TOO_HIGH]),
                         self.rates(samples))

    def test_up_to_a_tenth_above_the_maximum_is_jitter(self):
        for used, expected in ((1.09, (["100"], [])), (
                1.11, ([], [conversion.RATE_TOO_HIGH]))):
            samples = [self.cpu(0, 0.0), self.cpu(int(used * 1e10), 10.0)]
            self.assertEqual(expected, self.rates(samples))

    def test_decimals_are_numbers(self):
        samples = [self.counter(decimal.Decimal(volume), float(at))
                   for at, volume in ((0, "10.5"), (10, "20.5"))]
        self.assertEqual((["1"], []), self.rates(samples))

    def test_names_that_are_sanitised_alike_have_series_of_their_own(self):
        for fields in (
                [{"metadata": {"disk_name": device}}
                 for device in ("a b", "a.b", "a_b")],
                [{"name": meter} for meter in ("m x", "m/x", "m_x")]):
            found, _ = self.values([base.make_sample(**each)
                                    for each in fields])
            self.assertEqual(3, len(found), found)

    def polled(self, meter, volume, **fields):
        return base.make_sample(name=meter, volume=volume, **fields)

    def test_a_polled_memory_ends_the_gauge_of_its_resource_alone(self):
        def cycle(*ids):
            return [self.cpu(0, 0.0, resource_id=each,
                             metadata={"memory_mb": 512})
                    for each in ids]
        with_balloon = [self.polled("memory", 256, resource_id="i1")]
        found, _ = self.values(*[
            with_balloon + cycle("i1", "i2") for _ in range(3)])
        self.assertEqual(["256"] * 3, found[HEAD + "memory"])
        self.assertEqual(
            ["512"] * 3, found["ceilometer.compute-1.p.i2.memory"])

    def test_a_gauge_comes_back_when_its_meter_is_no_longer_polled(self):
        metadata = {"memory_mb": 512}
        cpu = [self.cpu(0, 0.0, metadata=metadata)]
        polled = [self.polled("memory", 256)]
        found, _ = self.values(*[polled + cpu] * 3, *[cpu] * 5)
        self.assertEqual((["256"] * 3, "512"), (
            found[HEAD + "memory"][:3], found[HEAD + "memory"][-1]))

    def test_threads_and_sources_never_publish_a_suppressed_gauge(self):
        cpu = self.cpu(0, 0.0, metadata={"memory_mb": 512})
        memory = self.polled("memory", 256)
        # Another source also polls cpu, and then cpu comes first.
        found, _ = self.values(
            *[[memory, cpu]] * 3, [memory, cpu, cpu, cpu], [memory, cpu])
        self.assertEqual(["256"] * 5, found[HEAD + "memory"])

    def test_while_an_instance_is_on_two_hosts_its_polled_meter_stays(self):
        def at(host, **fields):
            return {**fields, "metadata": {
                "memory_mb": 512, "instance_host": host}}
        found, _ = self.values(*[
            [self.polled("memory", 256, **at("a")),
             self.polled("memory", 128, **at("b")),
             self.cpu(0, 0.0, **at("a")), self.cpu(0, 0.0, **at("b"))]
            for _ in range(3)])
        self.assertEqual(
            [["256"] * 3, ["128"] * 3],
            [values for path, values in sorted(found.items())
             if path.endswith(".memory")])

    def test_a_host_that_is_a_list_loses_no_line(self):
        metadata = {"memory_mb": 512, "instance_host": ["a"]}
        found, reasons = self.values(
            [self.polled("memory", 256, metadata=metadata),
             self.cpu(0, 0.0, metadata=metadata)])
        self.assertEqual((["256"], []),
                         (list(found.values())[0], reasons))

    def test_one_notification_of_another_host_ends_no_gauge(self):
        metadata = {"memory_mb": 512}
        notified = self.polled("memory", 256,
                               metadata={"instance_host": None})
        found, _ = self.values([notified], *[
            [self.cpu(0, 0.0, metadata=metadata)] for _ in range(3)])
        self.assertEqual(["512"] * 3, found[HEAD + "memory"])

    def test_a_gauge_and_a_rate_of_one_name_do_not_collide_silently(self):
        cycles = [[self.polled(DEVICE + ".rate", 7),
                   self.counter(at * 100, float(at))]
                  for at in range(0, 40, 10)]
        found, reasons = self.values(*cycles)
        self.assertEqual({HEAD + DEVICE + ".rate": ["7"] * 4}, found)
        self.assertIn(conversion.RATE_NAME_TAKEN, reasons)

    def test_a_guest_that_moves_away_and_back_has_no_rate_of_its_absence(self):
        samples = [self.counter(volume, float(at), metadata={
            "instance_host": host}) for at, volume, host in (
                (0, 0, "a"), (10, 10, "a"), (20, 500, "b"), (30, 510, "b"),
                (40, 1000, "a"), (50, 1010, "a"))]
        self.assertEqual((["1", "1", "1"], []), self.rates(samples))

    def test_an_expiry_below_the_polling_interval_is_a_problem_each_time(self):
        made, reasons = self.make(rate_expiry_seconds=60), []
        for at in range(0, 1500, 300):
            _, problems = made.convert([self.counter(at, float(at))])
            reasons += [problem.reason for problem in problems]
            self.clock.advance(300)
        self.assertEqual([conversion.RATE_EXPIRED] * 4, reasons)


class BoundsTest(ConverterTestCase):

    def test_names_stay_right_when_the_cache_is_full(self):
        self.patch(conversion, "_PLANS", 3)
        made = self.make(rate_max_series=10)
        samples = [base.make_sample(resource_id="i%d" % instance, name=meter)
                   for instance in range(50)
                   for meter in ("a", "b", "c", "d", "e")]
        for _ in range(3):
            self.assertEqual(
                ["ceilometer.compute-1.p.%s.%s 1 %d\n" % (
                    sample.resource_id, sample.name, SECOND)
                 for sample in samples], self.lines(samples, made))

    def test_rates_and_gauges_stay_when_plans_are_forgotten(self):
        self.patch(conversion, "_PLANS", 2)
        made = self.make()

        def batch(step):
            return [base.make_sample(name="memory", volume=1), *(
                self.counter(step * 10, float(step), name="meter-%d" % number)
                for number in range(20)), self.cpu(
                    step, float(step), metadata={"memory_mb": 5})]
        self.lines(batch(1), made)
        lines = self.lines(batch(2), made)
        self.assertEqual(
            [HEAD + "memory 1 %d\n" % SECOND,
             *(HEAD + "meter-%d.rate 10 %d\n" % (number, SECOND)
               for number in range(20)),
             HEAD + "cpu_util 1e-07 %d\n" % SECOND], lines)

    def allocated(self):
        """Return the bytes that the modules hold, without text caches."""
        return sum(statistic.size for statistic in tracemalloc.take_snapshot(
        ).filter_traces([tracemalloc.Filter(True, module.__file__)
                         for module in (naming, conversion, rates)]
                        ).statistics("filename"))

    def assert_memory_is_bounded(self, made, batch):
        """Publish batches of new samples; ``batch(numbers)`` makes them."""
        def convert(numbers):
            for start in numbers[::50]:
                self.lines(batch(range(start, start + 50)), made)

        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        convert(range(3000))
        before = self.allocated()
        convert(range(3000, 9000))
        # The names of all samples would need more than two megabytes.
        self.assertLess(self.allocated() - before, 500000)

    def test_memory_is_bounded_with_any_number_of_instances(self):
        made = self.make(rate_max_series=1000)
        self.assert_memory_is_bounded(made, lambda numbers: [
            base.make_sample(resource_id="i%d" % number)
            for number in numbers])

    def test_memory_is_bounded_with_any_number_of_meters(self):
        self.patch(conversion, "_PLANS", 1000)
        self.assert_memory_is_bounded(self.make(), lambda numbers: [
            base.make_sample(name="meter-%d" % number) for number in numbers])

    def test_memory_is_bounded_with_the_meter_inside_names(self):
        self.patch(conversion, "_PLANS", 1000)
        self.assert_memory_is_bounded(
            self.make(template="{meter}-{instance_id}"), lambda numbers: [
                base.make_sample(name="meter-%d" % number)
                for number in numbers])


class YieldingId(str):
    """A resource ID that lets other threads run at each lookup."""

    def __hash__(self):
        os.sched_yield()
        return super().__hash__()


class ConcurrencyTest(ConverterTestCase):

    THREADS = 16

    def run_together(self, function):
        barrier = threading.Barrier(self.THREADS)

        def run(number):
            barrier.wait()
            return function(number)

        with concurrent.futures.ThreadPoolExecutor(self.THREADS) as pool:
            return list(pool.map(run, range(self.THREADS)))

    def test_each_of_16_threads_gets_the_rates_of_its_own_counter(self):
        made = self.make()

        def deliver(number):
            return [line for step in range(300) for line in self.lines(
                [self.counter(step * number, float(step),
                              resource_id=YieldingId("i-%d" % number))], made)]

        for number, found in enumerate(self.run_together(deliver)):
            self.assertEqual(
                ["ceilometer.compute-1.p.i-%d.%s.rate %d %d\n" % (
                    number, DEVICE, number, SECOND)] * 299, found)

    def test_one_sample_that_16_threads_deliver_makes_one_rate(self):
        made = self.make()
        same = YieldingId("i1")
        self.lines([self.counter(0, 0.0, resource_id=same)], made)
        for step in range(1, 21):
            sample = self.counter(step * 5, float(step), resource_id=same)
            found = self.run_together(lambda _, s=sample: self.lines(
                [s], made))
            self.assertEqual([HEAD + DEVICE + ".rate 5 %d\n" % SECOND],
                             [line for lines in found for line in lines])

    def test_batches_of_16_threads_that_share_their_counters_agree(self):
        made = self.make()
        ids = [YieldingId("i%d" % number) for number in range(20)]

        def deliver(step):
            batch = [self.counter(step * 5, float(step), resource_id=each)
                     for each in ids]
            return [line for lines in self.run_together(
                lambda _: self.lines(batch, made)) for line in lines]

        self.assertEqual([], deliver(0))
        for step in range(1, 5):
            self.assertEqual(
                {"ceilometer.compute-1.p.%s.%s.rate 5 %d\n" % (
                    each, DEVICE, SECOND): 1 for each in ids},
                collections.Counter(deliver(step)))

    def test_16_threads_do_not_get_over_the_maximum(self):
        made = self.make(rate_max_series=100)

        def deliver(number):
            found = [made.convert([self.counter(1, 1.0, resource_id=YieldingId(
                "%d-%d" % (number, step)))])[1] for step in range(50)]
            return [problem.reason for problems in found
                    for problem in problems]

        self.assertEqual(
            [conversion.TABLE_FULL] * (16 * 50 - 100),
            [reason for found in self.run_together(deliver)
             for reason in found])
        self.assertEqual(100, made._resources.count)
