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

"""Hostile samples in the publisher and in Carbon's parsers."""

import collections
import itertools
import math
import random
import re
import time

from carbon import events
from carbon import protocols
from carbon import state
from carbon import util
import hypothesis
from hypothesis import strategies as st
from twisted.internet import testing

from ceilometer_graphite import publisher
from ceilometer_graphite import stats
from ceilometer_graphite import wire
from tests.unit import base

SAMPLES = 100000
SECOND = 1795334320
PATH = re.compile(r"ceilometer(\.[A-Za-z0-9_-]{1,200})+\Z")
PARTS = ["\n", "\r\n", "\x00", "\x0b", "\x0c", "\x1c", "\x85", "\u2028",
         "\ud800", "\udcff", "\xa0", " ", "\t", ".", "..", "/", "../", "\\",
         ";", "=", "~", "!", "^", "{", "}", "{meter}", "%s", "%(a)s", "*",
         "?", "[a]", "'", '"', "$(id)", "`id`", "\u00e9", "\u4e2d",
         "\U0001f600", "a", "Z", "0", "_", "-", "none", "vda", "cpu", "disk",
         "x" * 300, "evil 1 2", "\nevil 1 2\n", "cpu_util 1 -1",
         "b9bee4a5_0123456789abcdef", "cos\nposix\nsystem\n"]
NO_TEXTS = [None, 0, 1, -1, 1.5, math.nan, True, b"", b"a\nb", [], ["a"], {},
            {"a": "b"}, (), ("a", "b"), object(), 10 ** 5000]
NUMBERS = [0, 1, -1, True, False, 0.0, -0.0, 1e308, -1e308, 5e-324, 0.1,
           2 ** 53 + 1, 10 ** 308, 10 ** 309, -10 ** 5000, math.nan, math.inf,
           -math.inf, "1", "1.5", " 1 ", "1\n", "1e400", "nan", "inf", "1_000",
           "0x10", "1 2\nevil 3 4", "\uff11", "9" * 5000, "", None, b"1", [1],
           {}, 1j, object()]
# (timestamp, its second or None).
TIMES = [("2026-11-22T07:58:40.330078", SECOND),
         ("2026-11-22T07:58:40", SECOND), ("2026-11-22 07:58:40Z", SECOND),
         ("2026-11-22T08:58:40.999999+01:00", SECOND),
         ("2106-02-07T06:28:15", 2 ** 32 - 1), ("1970-01-01T00:00:01", 1),
         ("1970-01-01T00:00:00", None), ("2106-02-07T06:28:16", None),
         ("9999-12-31T23:59:59", None), ("0001-01-01T00:00:00+14:00", None),
         ("nan", None), ("inf", None), ("-1", None), ("1", None),
         ("2026-11-22T07:58:40\n", SECOND), (None, None), ("", None),
         ("2026-11-22T07:58:40\nevil", None),
         ("N", None), ("\ud800", None), ("x" * 10000, None), (1.5, None),
         (SECOND, None), (math.nan, None), (b"2026", None), ([1], None),
         ({1: 1}, None), (True, None)]
TYPES = ["gauge", "delta", "cumulative", None, "\n", []]
FIELDS = ["volume", "timestamp", "unit", "type", "resource_id", "project_id",
          "monotonic_time", "resource_metadata"]
METADATA = ["instance_host", "instance_id", "disk_name", "vnic_name",
            "display_name", "vcpus", "a\nb"]


def expected_value(volume):
    """Return the float that Carbon should read, or None."""
    if not isinstance(volume, (int, float, str)):
        return None
    try:
        value = float(volume)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def component_count(sample):
    """Return the number of components of a default path."""
    name = sample.name
    parts = (len([part for part in name.split(".") if part])
             if isinstance(name, str) and len(name) <= 200 else None)
    metadata = sample.resource_metadata
    device = isinstance(metadata, dict) and bool(
        metadata.get("disk_name") or metadata.get("vnic_name"))
    return None if parts is None else 4 + (parts or 1) + device


def is_understood(sample):
    """Return whether a sample can have a name and a plan."""
    metadata = sample.resource_metadata
    if not isinstance(metadata, dict):
        metadata = {}
    try:
        hash((sample.name, sample.unit, sample.type))
        str((sample.name, sample.project_id, sample.resource_id))
        for key in ("instance_id", "display_name", "instance_host",
                    "disk_name", "vnic_name"):
            str(metadata.get(key))
    except (TypeError, ValueError):  # not hashable, or a number of 5000 digits
        return False
    return True


class Carbon:
    """Carbon's protocol classes, and the datapoints that they read."""

    def __init__(self, case):
        self.datapoints = []
        handlers = events.metricReceived.handlers
        events.metricReceived.handlers = [
            lambda path, datapoint: self.datapoints.append((path, datapoint))]
        case.addCleanup(
            setattr, events.metricReceived, "handlers", handlers)
        self._case = case

    def connection(self, kind):
        """Return a protocol object with a connected client."""
        made = kind()
        transport = testing.StringTransport()
        made.makeConnection(transport)
        self._case.addCleanup(
            state.connectedMetricReceiverProtocols.discard, made)
        return made, transport

    def take(self):
        taken, self.datapoints[:] = list(self.datapoints), []
        return taken


class Capture:
    """An outbox that keeps all lines."""

    def __init__(self):
        self.lines = []

    def put(self, lines, count):
        assert count == lines.count(b"\n")
        self.lines.append(lines)

    def unsaved_lines(self):
        return 0

    def take(self):
        taken, self.lines[:] = list(self.lines), []
        return taken


class PoisonTestCase(base.AgentTestCase):

    def make(self, query):
        made = publisher.GraphitePublisher(
            self.conf, self.parsed_url("?self_metrics_interval=0" + query))
        self.addCleanup(made.close, 0)
        made._outbox = self.sender = Capture()
        return made

    def skipped(self, made):
        return sum(number for name, number in made.counts.totals().items()
                   if name.startswith(stats.SKIPPED))

    def publish(self, made, sample, seconds):
        """Publish one sample.

        :returns: its line, and its expected value and second; or None if it
            is dropped and counted
        """
        before = self.skipped(made)
        faults = made.counts[stats.SKIPPED + publisher.FAULT]
        made.publish_samples([sample])
        value = expected_value(sample.volume)
        taken = self.sender.take()
        if not taken:
            self.assertEqual(before + 1, self.skipped(made))
            if made.counts[stats.SKIPPED + publisher.FAULT] > faults:
                self.assertFalse(is_understood(sample))
            else:
                is_missing = (sample.type == "cumulative"
                              and value is not None and value < 0)
                self.assertTrue(
                    value is None or seconds is None or is_missing)
            return None
        self.assertEqual(before, self.skipped(made))
        line, = taken
        self.assertEqual(1, line.count(b"\n"))
        return line, sample, value, seconds

    def assert_read(self, published, datapoints):
        """Assert that Carbon read exactly the expected datapoints."""
        self.assertEqual(len(published), len(datapoints))
        now = time.time()
        for (_, sample, value, seconds), (path, datapoint) in zip(
                published, datapoints, strict=True):
            self.assertRegex(path, PATH)
            count = component_count(sample)
            if count is not None:
                self.assertEqual(count, path.count(".") + 1, path)
            if seconds is None:
                self.assertFalse(sample.timestamp)
                self.assertLess(abs(now - datapoint[0]), 600)
                seconds = datapoint[0]
            self.assertEqual((float(seconds), value), datapoint)


class BulkPoisonTest(PoisonTestCase):
    """Many samples, the same ones in each run."""

    def setUp(self):
        super().setUp()
        self.random = random.Random(20261122)
        self.carbon = Carbon(self)

    def text(self):
        if self.random.random() < 0.1:
            return self.random.choice(NO_TEXTS)
        return "".join(self.random.choices(
            PARTS, k=self.random.choice((0, 1, 2, 3, 8))))

    def volume(self):
        if self.random.random() < 0.5:
            return self.random.uniform(-1e9, 1e9)
        return self.random.choice(NUMBERS)

    def sample(self):
        metadata = {key: self.text() for key in METADATA
                    if self.random.random() < 0.3}
        timestamp, seconds = self.random.choice(
            TIMES if self.random.random() < 0.5 else TIMES[:6])
        sample = base.make_sample(
            name=self.text(), volume=self.volume(), resource_id=self.text(),
            timestamp=timestamp, unit=self.text())
        sample.type = self.random.choice(TYPES)
        sample.project_id = self.text()
        sample.user_id = self.text()
        sample.resource_metadata = (
            metadata if self.random.random() < 0.95 else self.text())
        return sample, seconds

    def published(self, count, query="&counters=raw"):
        """Return the lines of many samples, in batches of 1000."""
        made = self.make(query)
        left = count
        while left:
            samples = [self.sample() for _ in range(min(left, 1000))]
            left -= len(samples)
            # Another test covers the flavor's gauges of cpu.
            yield [each for each in (
                self.publish(made, sample, seconds)
                for sample, seconds in samples if sample.name != "cpu")
                if each is not None]

    def cut(self, stream):
        """Split a stream into parts of any size, like a network."""
        start = 0
        while start < len(stream):
            end = start + self.random.randint(1, 3000)
            yield stream[start:end]
            start = end

    def test_carbon_reads_each_line_and_the_connection_lives(self):
        receiver, transport = self.carbon.connection(
            protocols.MetricLineReceiver)
        total = 0
        for published in self.published(SAMPLES):
            for piece in self.cut(b"".join(each[0] for each in published)):
                receiver.dataReceived(piece)
            self.assert_read(published, self.carbon.take())
            total += len(published)
        self.assertFalse(transport.disconnecting)
        self.assertGreater(total, SAMPLES / 4)

    def test_carbon_reads_each_datagram(self):
        receiver = protocols.MetricDatagramReceiver()
        receiver.makeConnection(testing.StringTransport())
        self.addCleanup(
            state.connectedMetricReceiverProtocols.discard, receiver)
        for published in self.published(5000):
            for datagram in wire.datagrams(
                    b"".join(each[0] for each in published), 1400):
                self.assertLessEqual(
                    len(datagram), wire.MAX_DATAGRAM_BYTES)
                receiver.datagramReceived(datagram, ("127.0.0.1", 2003))
            self.assert_read(published, self.carbon.take())

    def test_carbon_reads_each_pickle_and_the_connection_lives(self):
        receiver, transport = self.carbon.connection(
            protocols.MetricPickleReceiver)
        for published in self.published(5000):
            frames = wire.pickle_frames(
                b"".join(each[0] for each in published))
            for piece in self.cut(b"".join(frames)):
                receiver.dataReceived(piece)
            self.assert_read(published, self.carbon.take())
        self.assertFalse(transport.disconnecting)

    def test_carbon_reads_exactly_the_expected_tags(self):
        receiver, transport = self.carbon.connection(
            protocols.MetricLineReceiver)
        for published in self.published(5000, "&counters=raw&naming=tags"):
            receiver.dataReceived(b"".join(each[0] for each in published))
            datapoints = self.carbon.take()
            self.assertEqual(len(published), len(datapoints))
            for path, _ in datapoints:
                series = util.TaggedSeries.parse(path)
                self.assertRegex(series.metric, PATH)
                self.assertLessEqual(
                    {"name", "host", "project", "instance"}, set(series.tags))
                self.assertLessEqual(
                    set(series.tags),
                    {"name", "host", "project", "instance", "instance_name",
                     "device"})
        self.assertFalse(transport.disconnecting)

    def counter(self):
        sample, _ = self.sample()
        sample.name = self.random.choice(("cpu", "disk.device.read.bytes"))
        sample.type = "cumulative"
        sample.resource_id = self.random.choice("abc")
        sample.monotonic_time = self.volume()
        if isinstance(sample.resource_metadata, dict):
            for key in ("memory_mb", "vcpus", "disk_gb", "cpu_number"):
                sample.resource_metadata[key] = self.volume()
        return sample

    def test_carbon_reads_all_rates_and_gauges(self):
        receiver, transport = self.carbon.connection(
            protocols.MetricLineReceiver)
        made = self.make("&counters=both")
        total = 0
        for _ in range(5000):
            made.publish_samples([self.counter()])
            lines = b"".join(self.sender.take())
            receiver.dataReceived(lines)
            total += lines.count(b"\n")
        datapoints = self.carbon.take()
        self.assertEqual(total, len(datapoints))
        self.assertGreater(total, 1000)
        for path, (seconds, value) in datapoints:
            self.assertRegex(path, PATH)
            self.assertTrue(math.isfinite(value))
            self.assertTrue(1 <= seconds < 2 ** 32)
        self.assertFalse(transport.disconnecting)
        self.assertTrue(any(
            path.endswith(".rate") for path, _ in datapoints))

    def batch(self, number):
        """Return counters of one meter and time; few are hostile."""
        name = self.random.choice(("cpu", "disk.device.read.bytes"))
        samples = []
        for _ in range(50):
            sample = base.make_sample(
                name=name, type="cumulative", unit="B", volume=number,
                resource_id="i%d" % self.random.randrange(30),
                monotonic_time=float(number), metadata={"vcpus": 1})
            samples.append(sample)
            if self.random.random() < 0.02:
                hostile = self.counter()
                for field in self.random.sample(FIELDS, 2):
                    setattr(sample, field, getattr(hostile, field))
                # A sample without a timestamp would get the current one.
                sample.timestamp = sample.timestamp or "nan"
        return samples

    def test_batches_make_the_lines_that_their_samples_make_alone(self):
        batches = [self.batch(number) for number in range(200)]
        together, alone = self.make("&counters=both"), self.make(
            "&counters=both")
        total = 0
        for batch in batches:
            together.publish_samples(batch)
            for sample in batch:
                alone.publish_samples([sample])
            lines, expected = (
                collections.Counter(b"".join(made._outbox.take()).split(b"\n"))
                for made in (together, alone))
            self.assertEqual(({}, {}), (expected - lines, lines - expected))
            self.assertEqual(alone.counts.totals(), together.counts.totals())
            total += lines.total()
        self.assertGreater(total, 5000)


ANY = st.one_of(st.text(), st.sampled_from(NO_TEXTS), st.binary(),
                st.sampled_from(PARTS), st.floats(), st.integers())
VOLUMES = st.one_of(st.sampled_from(NUMBERS), st.floats(), st.integers(),
                    st.text(), st.binary(), st.none())


class AnySampleTest(PoisonTestCase):
    """Random samples; hypothesis shrinks failures."""

    # setUp creates the publisher and the receiver only once.
    @hypothesis.settings(
        max_examples=1000, deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(
        name=ANY, project=ANY, resource=ANY, kind=ANY, volume=VOLUMES,
        time=st.sampled_from(TIMES), unit=ANY,
        metadata=st.one_of(ANY, st.dictionaries(
            st.sampled_from(METADATA), ANY)))
    def test_any_sample_is_one_line_or_none(
            self, name, project, resource, kind, volume, time, unit,
            metadata):
        hypothesis.assume(name != "cpu")
        sample = base.make_sample(
            name=name, volume=volume, unit=unit, resource_id=resource,
            timestamp=time[0])
        sample.type = kind
        sample.project_id = project
        sample.resource_metadata = metadata
        published = self.publish(self.publisher, sample, time[1])
        if published is None:
            return
        self.receiver_of_lines.dataReceived(published[0])
        self.assert_read([published], self.carbon.take())
        self.assertFalse(self.transport.disconnecting)

    def setUp(self):
        super().setUp()
        self.carbon = Carbon(self)
        self.receiver_of_lines, self.transport = self.carbon.connection(
            protocols.MetricLineReceiver)
        self.publisher = self.make("&counters=raw")

    @hypothesis.given(st.lists(st.floats(allow_nan=False), max_size=20))
    def test_a_batch_consists_of_whole_lines(self, volumes):
        samples = [base.make_sample(volume=volume) for volume in volumes]
        self.publisher.publish_samples(samples)
        lines = b"".join(self.sender.take())
        self.assertEqual(
            [volume for volume in volumes if math.isfinite(volume)],
            [float(line.split()[1]) for line in lines.splitlines()])
        self.assertTrue(not lines or lines.endswith(b"\n"))


class CarbonItselfTest(base.AgentTestCase):
    """The tests above can fail."""

    def test_carbon_fails_on_text_that_is_not_utf8(self):
        receiver, _ = Carbon(self).connection(protocols.MetricLineReceiver)
        self.assertRaises(UnicodeDecodeError, receiver.dataReceived,
                          b"a\xff 1 1\n")

    def test_carbon_closes_the_connection_on_a_line_that_is_too_long(self):
        receiver, transport = Carbon(self).connection(
            protocols.MetricLineReceiver)
        receiver.dataReceived(b"a" * 20000 + b" 1 1\n")
        self.assertTrue(transport.disconnecting)

    def test_carbon_reads_a_good_line_only(self):
        carbon = Carbon(self)
        receiver, _ = carbon.connection(protocols.MetricLineReceiver)
        for line in itertools.chain((b"a b 1 1\n", b"a x 1\n", b"a 1 x\n"),
                                    (b"good 2 1\n",)):
            receiver.dataReceived(line)
        self.assertEqual([("good", (1.0, 2.0))], carbon.take())
