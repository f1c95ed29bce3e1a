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

import copy
import pathlib
import queue
import re
import threading
import time

import fixtures
from oslo_messaging.notify import notifier
from stevedore import driver as stevedore_driver

from ceilometer_graphite import driver
from tests import releases
from tests.unit import base

PIPELINE = """
sources:
  - {name: compute, meters: ["*"], sinks: [graphite]}
sinks:
  - {name: graphite, publishers: %s}
"""


TWO_SOURCES = """
sources:
  - {name: disks, meters: ["disk.device.*"], sinks: [graphite]}
  - {name: cards, meters: ["network.*"], sinks: [graphite]}
sinks:
  - {name: graphite, publishers: %s}
"""
TWICE = """
sources:
  - {name: all, meters: ["*"], sinks: [graphite]}
  - {name: cpu, meters: ["cpu"], sinks: [graphite]}
sinks:
  - {name: graphite, publishers: %s}
"""
NO_SAMPLES = (None, {}, [], "cpu", {"counter_name": "cpu"})


class CountedMeters(list):
    """Meters of a source that count their iterations."""

    iterations = 0

    def __iter__(self):
        self.iterations += 1
        return super().__iter__()


class HangingDriver(notifier.Driver):
    """A forward driver whose bus does not answer."""

    ends = threading.Event()

    def notify(self, ctxt, message, priority, retry):
        self.ends.wait()


class RecordingDriver(notifier.Driver):
    """A forward driver that records notifications."""

    calls: queue.Queue = queue.Queue()

    def notify(self, ctxt, message, priority, retry):
        self.calls.put((ctxt, message, priority, retry))
        if message.get("fails"):
            raise ValueError("no bus")


class PipelineDriverTest(base.AgentTestCase):

    def setUp(self):
        super().setUp()
        self.entries = base.recorded("polling-27.0.0.json")
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        RecordingDriver.calls = queue.Queue()
        HangingDriver.ends = threading.Event()

    def make(self, pipeline=None, forward=()):
        """Return the driver, loaded by name like in an agent."""
        path = self.directory / "pipeline.yaml"
        path.write_text(pipeline if pipeline is not None
                        else PIPELINE % [self.url()])
        self.conf.set_override("pipeline_cfg_file", str(path))
        driver.opts.register_opts(self.conf)
        self.conf.set_override("forward_drivers", list(forward),
                               group="ceilometer_pipeline")
        made = stevedore_driver.DriverManager(
            driver.NAMESPACE, driver.NAME).driver(
                self.conf, topics=["notifications"], transport=None)
        for pipeline in made._pipelines:
            for each in pipeline.publishers:
                if hasattr(each, "counts"):
                    self.addCleanup(each.close, 10)
        return made

    def notify_all(self, made):
        for entry in self.entries:
            made.notify(**entry)

    def lines(self):
        """Return the lines of all notifications, from a new driver."""
        self.notify_all(self.make())
        return sorted(self.receiver.take(129))

    def test_a_sample_that_a_pipeline_raises_for_does_not_affect_others(self):
        for fields in ({"counter_volume": []}, {"counter_name": None},
                       {"counter_name": []}):
            made = self.make()
            self.entries = base.recorded("polling-27.0.0.json")
            for entry in self.entries:
                samples = entry["message"]["payload"]["samples"]
                samples.append({**samples[0], **fields})
            self.notify_all(made)
            self.assertEqual(129, len(self.receiver.take(129)))

    def test_the_samples_of_a_cycle_arrive(self):
        self.notify_all(self.make())
        lines = self.receiver.take(129)
        self.assertEqual(129, len(set(lines)))
        self.assertIn(
            b"ceilometer.compute-1.b7065232a8825374b4764148b3f0cee5."
            b"vm-2-spin_ab7fffc1-6830-5a5d-b949-cb2d0d494020."
            b"memory.resident 46.26171875 1795334320\n", lines)

    def test_rates_come_from_the_monotonic_clock_of_the_samples(self):
        made = self.make()
        for entry in self.entries:
            for sample in entry["message"]["payload"]["samples"]:
                sample["timestamp"] = "2026-11-22T07:58:40"
        self.notify_all(made)
        lines = self.receiver.take(129)
        self.assertTrue([line for line in lines if b".cpu_util " in line])

    def test_other_notifications_are_ignored(self):
        made = self.make()
        message = {**self.entries[0]["message"], "event_type": "other"}
        made.notify({}, message, "SAMPLE", -1)
        made.notify({}, {}, "SAMPLE", -1)
        self.notify_all(made)
        self.assertEqual(129, len(self.receiver.take(129)))
        self.assertTrue(self.receiver.lines.empty())

    def test_an_object_that_is_no_sample_does_not_affect_others(self):
        made = self.make()
        samples = self.entries[0]["message"]["payload"]["samples"]
        samples.insert(0, {"counter_name": "cpu"})
        self.notify_all(made)
        self.assertEqual(129, len(self.receiver.take(129)))
        self.assertIn("The sample {'counter_name': 'cpu'} failed",
                      self.log.output)

    def test_its_position_in_the_batch_does_not_matter(self):
        expected = self.lines()
        for place in 0, 1, -1, None:
            entries = self.entries
            self.entries = copy.deepcopy(entries)
            for entry in self.entries:
                samples = entry["message"]["payload"]["samples"]
                samples.insert(len(samples) if place is None else place,
                               {"counter_name": "cpu"})
            self.assertEqual(expected, self.lines())
            self.entries = entries
        self.assertTrue(self.receiver.lines.empty())

    def test_no_kind_of_bad_sample_affects_others(self):
        expected = self.lines()
        for entry in self.entries:
            samples = entry["message"]["payload"]["samples"]
            entry["message"]["payload"]["samples"] = [
                each for sample in samples for each in (
                    sample, *NO_SAMPLES, *(
                        [{**sample, "counter_type": "x"}]
                        if releases.CHECKS_TYPES else []))]
        self.assertEqual(expected, self.lines())
        self.assertTrue(self.receiver.lines.empty())

    def test_beside_a_bad_sample_others_keep_their_monotonic_time(self):
        for entry in self.entries:
            for sample in entry["message"]["payload"]["samples"]:
                sample["timestamp"] = "2026-11-22T07:58:40"
        expected = self.lines()
        for entry in self.entries:
            entry["message"]["payload"]["samples"].insert(1, None)
        self.assertEqual(expected, self.lines())

    def test_bad_notifications_never_raise(self):
        made = self.make()
        for message in (None, {}, [], {"event_type": driver.POLLING},
                        {"event_type": driver.POLLING, "payload": None}):
            made.notify({}, message, "SAMPLE", -1)
        self.notify_all(made)
        self.assertEqual(129, len(self.receiver.take(129)))

    def test_each_source_takes_the_meters_that_it_names(self):
        instance = re.compile(rb"ceilometer\.[^.]+\.[^.]+\.[^.]+\.")
        expected = [line for line in self.lines() if instance.sub(
            b"", line).startswith((b"disk.device.", b"network."))]
        self.assertEqual({b"disk", b"network"}, {
            instance.sub(b"", line).split(b".")[0] for line in expected})
        self.notify_all(self.make(TWO_SOURCES % [self.url()]))
        self.assertEqual(expected,
                         sorted(self.receiver.take(len(expected))))
        self.assertTrue(self.receiver.lines.empty())

    def test_a_source_matches_each_meter_only_once(self):
        meters = CountedMeters(["disk.*", "cpu"])
        source = driver._Source(
            {"name": "own", "meters": meters, "sinks": ["graphite"]})
        names = ("cpu", "disk.x", "disk.y", "network.x")
        first = [source.support_meter(name) for name in names]
        self.assertEqual([True, True, True, False], first)
        iterations = meters.iterations
        self.assertEqual(first, [source.support_meter(name)
                                 for name in names])
        self.assertEqual(iterations, meters.iterations)

    def test_a_broken_pipeline_is_logged_once_and_raises_nothing(self):
        for text in ("", "sources: [", "sources: []", "- a",
                     PIPELINE % "[]", "sinks: []\nsources: [{name: a}]"):
            made = self.make(text)
            self.notify_all(made)
            self.assertEqual(
                1, self.log.output.count("the pipeline cannot be used"),
                text)
            self.log.reset_output()

    def test_a_broken_publisher_is_logged_and_others_work(self):
        made = self.make(PIPELINE % [self.url("?colour=red"), self.url()])
        self.notify_all(made)
        self.assertEqual(129, len(self.receiver.take(129)))
        self.assertIn("colour is not an option", self.log.output)

    def test_a_pipeline_without_any_publisher_is_logged(self):
        self.make(PIPELINE % [self.url("?colour=red")])
        self.assertIn("has no publisher that works", self.log.output)

    def test_a_publisher_that_would_call_the_driver_again_is_refused(self):
        self.conf.set_override("telemetry_driver", driver.NAME,
                               group="publisher_notifier")
        made = self.make(PIPELINE % ["notifier://", self.url()])
        self.notify_all(made)
        self.assertEqual(129, len(self.receiver.take(129)))
        self.assertIn("forward_drivers = messagingv2", self.log.output)

    def forward_to(self, made, each):
        lane = made._lane("recording", each.notify)
        made._forward = [lane]
        return lane

    def test_notifications_are_forwarded_as_they_came(self):
        made = self.make(forward=["noop"])
        self.assertEqual(1, len(made._forward))
        self.forward_to(made, RecordingDriver(None, [], None))
        self.notify_all(made)
        self.assertEqual(
            [tuple(entry[key] for key in (
                "ctxt", "message", "priority", "retry"))
             for entry in self.entries],
            [RecordingDriver.calls.get(timeout=20) for _ in self.entries])

    def test_other_notifications_are_forwarded_as_well(self):
        made = self.make()
        self.forward_to(made, RecordingDriver(None, [], None))
        made.notify({}, {"event_type": "other"}, "SAMPLE", -1)
        self.assertEqual(({}, {"event_type": "other"}, "SAMPLE", -1),
                         RecordingDriver.calls.get(timeout=20))

    def test_the_driver_of_the_bus_can_be_forwarded_to(self):
        made = self.make(forward=["messagingv2"])
        name, forward = made._load_forward("messagingv2")
        self.assertEqual(
            ("messagingv2", made.topics, made.transport),
            (name, forward.topics, forward.transport))

    def test_a_forward_driver_that_fails_is_logged_and_loses_no_line(self):
        made = self.make()
        self.forward_to(made, RecordingDriver(None, [], None))
        for entry in self.entries:
            entry["message"]["fails"] = True
        self.notify_all(made)
        self.assertEqual(129, len(self.receiver.take(129)))
        RecordingDriver.calls.get(timeout=20)
        while "recording did not get" not in self.log.output:
            time.sleep(0.01)
        ours, = made._ours
        self.assertEqual(1, ours.counts["forward_dropped.recording"])

    def test_a_forward_driver_that_hangs_loses_no_line(self):
        made = self.make()
        self.forward_to(made, HangingDriver(None, [], None))
        self.addCleanup(HangingDriver.ends.set)
        for _ in range(10):
            self.notify_all(made)
        self.assertEqual(129, len(set(self.receiver.take(129))))
        ours, = made._ours
        self.assertEqual(10 * len(self.entries) - 201,
                         ours.counts["forward_dropped.recording"])

    def test_other_publishers_have_their_own_lane(self):
        made = self.make(PIPELINE % [self.url(), "test://"])
        self.notify_all(made)
        self.assertEqual(129, len(self.receiver.take(129)))
        other = made._pipelines[0].publishers[1]
        count = sum(len(entry["message"]["payload"]["samples"])
                    for entry in self.entries)
        while len(other.samples) < count:
            time.sleep(0.01)

    def test_a_sample_that_two_sources_take_is_one_line(self):
        expected = self.lines()
        self.notify_all(self.make(TWICE % [self.url()]))
        self.assertEqual(expected, sorted(self.receiver.take(129)))
        self.assertTrue(self.receiver.lines.empty())

    def test_a_volume_that_is_no_number_is_counted(self):
        made = self.make()
        sample = self.entries[0]["message"]["payload"]["samples"][0]
        for volume in (None, "text"):
            made.notify({}, {"event_type": driver.POLLING, "payload": {
                "samples": [{**sample, "counter_volume": volume}]}},
                "SAMPLE", -1)
        ours, = made._ours
        self.assertEqual(2, ours.counts["samples_skipped.not_a_number"])

    def test_a_missing_forward_driver_is_logged(self):
        self.make(forward=["no_such_driver"])
        self.assertIn("forward_drivers: no_such_driver cannot be used",
                      self.log.output)

    def test_the_driver_does_not_forward_to_itself(self):
        self.make(forward=[driver.NAME])
        self.assertIn("it would forward to itself", self.log.output)
