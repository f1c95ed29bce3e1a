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

import math
import os
import signal
import threading

import ceilometer

from ceilometer_graphite import conversion
from ceilometer_graphite import publisher
from ceilometer_graphite import stats
from tests.unit import base

SECOND = 1795334320
HEAD = b"ceilometer.compute-1.p.i1."


class GraphitePublisherTest(base.AgentTestCase):

    def make(self, query=""):
        made = publisher.GraphitePublisher(self.conf, self.parsed_url(query))
        self.addCleanup(made.close, 10)
        return made

    def lines(self, made, samples):
        """What the receiver read when ``samples`` were published."""
        end = base.make_sample(name="end")
        made.publish_samples([*samples, end])
        lines = []
        while True:
            line, = self.receiver.take(1)
            if line.startswith(HEAD + b"end "):
                return lines
            lines.append(line)

    def counter(self, volume, monotonic_time, **fields):
        return base.make_sample(
            type="cumulative", volume=volume, monotonic_time=monotonic_time,
            **{"name": "disk.device.read.bytes", "unit": "B", **fields})

    def test_a_gauge_becomes_a_line(self):
        self.assertEqual(
            [HEAD + b"power.state 1 %d\n" % SECOND],
            self.lines(self.make(), [base.make_sample()]))

    def test_a_delta_is_published_as_it_is(self):
        sample = base.make_sample(name="network.incoming.bytes.delta",
                                  type="delta", volume=7)
        self.assertEqual(
            [HEAD + b"network.incoming.bytes.delta 7 %d\n" % SECOND],
            self.lines(self.make(), [sample]))

    def test_a_counter_becomes_its_rate(self):
        samples = [self.counter(100, 10.0), self.counter(250, 15.0)]
        self.assertEqual(
            [HEAD + b"disk.device.read.bytes.rate 30 %d\n" % SECOND],
            self.lines(self.make(), samples))

    def test_a_counter_can_stay_one(self):
        samples = [self.counter(100, 10.0), self.counter(250, 15.0)]
        self.assertEqual(
            [HEAD + b"disk.device.read.bytes 100 %d\n" % SECOND,
             HEAD + b"disk.device.read.bytes 250 %d\n" % SECOND],
            self.lines(self.make("?counters=raw"), samples))

    def test_a_counter_can_be_published_both_ways(self):
        samples = [self.counter(100, 10.0), self.counter(250, 15.0)]
        self.assertEqual(
            3, len(self.lines(self.make("?counters=both"), samples)))

    def test_cpu_becomes_percent_of_the_vcpus(self):
        samples = [
            self.counter(volume, monotonic_time, name="cpu", unit="ns",
                         metadata={"cpu_number": 4})
            for volume, monotonic_time in ((0, 10.0), (10 * 10 ** 9, 15.0))]
        self.assertEqual([HEAD + b"cpu_util 50 %d\n" % SECOND],
                         self.lines(self.make(), samples))

    def test_each_cpu_sample_brings_the_flavor(self):
        sample = self.counter(5, 1.0, name="cpu", metadata={
            "memory_mb": 512, "vcpus": 2, "disk_gb": 10})
        self.assertEqual(
            [HEAD + b"memory 512 %d\n" % SECOND,
             HEAD + b"cpu_count 2 %d\n" % SECOND,
             HEAD + b"disk_space 10 %d\n" % SECOND],
            self.lines(self.make(), [sample]))

    def test_a_gauge_that_is_polled_takes_the_flavors_place(self):
        samples = [
            base.make_sample(name="memory", volume=256),
            self.counter(5, 1.0, name="cpu", metadata={"memory_mb": 512})]
        self.assertEqual([HEAD + b"memory 256 %d\n" % SECOND],
                         self.lines(self.make(), samples))

    def test_tags_are_written_where_they_are_asked_for(self):
        sample = base.make_sample(metadata={"disk_name": "vda"})
        made = self.make("?naming=tags&prefix=")
        made.publish_samples([sample])
        self.assertEqual(
            [b"power.state;host=compute-1;project=p;instance=i1;device=vda"
             b" 1 %d\n" % SECOND], self.receiver.take(1))

    def test_a_sample_that_cannot_be_published_costs_nothing_else(self):
        for reason, fields in (
                (conversion.NOT_A_NUMBER, {"volume": "many"}),
                (conversion.NOT_A_NUMBER, {"volume": None}),
                (conversion.NOT_FINITE, {"volume": math.nan}),
                (conversion.BAD_TIMESTAMP, {"timestamp": "yesterday"}),
                (publisher.FAULT, {"name": [], "type": "cumulative"})):
            made = self.make()
            samples = [base.make_sample(**fields), base.make_sample()]
            self.assertEqual([HEAD + b"power.state 1 %d\n" % SECOND],
                             self.lines(made, samples))
            self.assertEqual(1, made.counts[stats.SKIPPED + reason])
            self.assertIn(reason + ": left out", self.log.output)
            self.assertEqual(reason == publisher.FAULT,
                             "Traceback" in self.log.output)

    def test_a_batch_loses_nothing_but_what_cannot_be_published(self):
        made = self.make()
        bad = [{"volume": "many"}, {"volume": math.nan}, {"unit": []},
               {"timestamp": "yesterday"}, {"resource_id": []}]

        def batch(volume, monotonic_time):
            for number, fields in enumerate(bad):
                for each in {"resource_id": "g%d" % number}, fields:
                    yield self.counter(**{
                        "volume": volume * number,
                        "monotonic_time": monotonic_time, **each})

        self.assertEqual([], self.lines(made, batch(10, 1.0)))
        self.assertEqual(
            [b"ceilometer.compute-1.p.g%d.disk.device.read.bytes.rate %d %d\n"
             % (number, 10 * number, SECOND) for number in range(len(bad))],
            sorted(self.lines(made, batch(20, 2.0))))
        self.assertEqual(
            {conversion.NOT_A_NUMBER: 2, conversion.NOT_FINITE: 2,
             conversion.BAD_TIMESTAMP: 2, publisher.FAULT: 4},
            {name[len(stats.SKIPPED):]: number
             for name, number in made.counts.totals().items()
             if name.startswith(stats.SKIPPED)})

    def test_a_name_that_is_too_long_is_told(self):
        made = self.make("?template=" + "{instance_name}." * 45 + "{meter}")
        made.publish_samples([
            base.make_sample(metadata={"display_name": name})
            for name in ("x" * 200, "x")])
        self.assertEqual([b"x." * 45 + b"power.state 1 %d\n" % SECOND],
                         self.receiver.take(1))
        self.assertEqual(
            1, made.counts[stats.SKIPPED + conversion.LINE_TOO_LONG])
        self.assertIn("its line is too long", self.log.output)

    def test_metadata_that_are_none_cost_nothing(self):
        sample = base.make_sample()
        sample.resource_metadata = None
        self.assertEqual(
            [b"ceilometer.none.p.i1.power.state 1 %d\n" % SECOND],
            self.lines(self.make(), [sample]))

    def test_a_sample_without_a_timestamp_gets_one_and_is_counted(self):
        made = self.make()
        self.assertEqual(
            1, len(self.lines(made, [base.make_sample(timestamp=None)])))
        self.assertEqual(1, made.counts[conversion.NO_TIMESTAMP])

    def test_a_counter_beyond_the_table_is_counted(self):
        made = self.make("?rate_max_series=1")
        samples = [self.counter(1, 1.0),
                   self.counter(1, 1.0, resource_id="i2")]
        self.assertEqual([], self.lines(made, samples))
        self.assertEqual(
            1, made.counts[stats.SKIPPED + conversion.TABLE_FULL])
        self.assertIn("rate_max_series", self.log.output)

    def test_what_is_skipped_is_logged_once(self):
        made = self.make()
        self.lines(made, [base.make_sample(volume=None)] * 100)
        self.assertEqual(1, self.log.output.count("not_a_number: "))
        self.assertEqual(
            100, made.counts[stats.SKIPPED + conversion.NOT_A_NUMBER])

    def test_events_are_refused_as_by_other_sample_publishers(self):
        self.assertRaises(ceilometer.NotImplementedError,
                          self.make().publish_events, [])

    def own_branches(self, count):
        """Where that many publishers report on themselves."""
        found = set()
        while len(found) < count:
            path = self.receiver.take(1)[0].split()[0].decode()
            if path.endswith(".connected"):
                found.add(path.rpartition(".")[0])
        return sorted(found)

    def test_publishers_that_are_alike_have_series_of_their_own(self):
        self.conf.set_default("self_metrics_interval", 60.0, "graphite")
        self.make()
        first, = self.own_branches(1)
        self.make()
        self.assertEqual([first + "_2"], self.own_branches(1))

    def test_a_publisher_that_ended_leaves_its_series_to_the_next(self):
        self.conf.set_default("self_metrics_interval", 60.0, "graphite")
        made = self.make()
        first, = self.own_branches(1)
        made.close(10)
        while not self.receiver.lines.empty():
            self.receiver.take(1)
        self.make()
        self.assertEqual([first], self.own_branches(1))

    def test_a_child_process_sends_its_own_lines_and_only_those(self):
        made = self.make()
        self.lines(made, [base.make_sample(volume=1)])

        def publish():
            made.publish_samples([base.make_sample(volume=2)])
            return made.close(10) == 0
        self.assertTrue(base.in_child(publish))
        self.assertEqual([HEAD + b"power.state 2 %d\n" % SECOND],
                         self.receiver.take(1))
        self.assertEqual([HEAD + b"power.state 3 %d\n" % SECOND],
                         self.lines(made, [base.make_sample(volume=3)]))

    def test_a_closed_publisher_does_not_start_again_in_a_child(self):
        made = self.make()
        self.lines(made, [base.make_sample(volume=1)])
        made.close(10)
        self.assertTrue(base.in_child(lambda: not any(
            thread.name.startswith("graphite")
            for thread in threading.enumerate())))

    def test_a_process_that_is_ended_sends_its_lines_first(self):
        """As an agent's worker does: a handler, then os._exit."""
        def publish_and_end():
            ended = []
            signal.signal(signal.SIGTERM, lambda *args: ended.append(1))
            made = publisher.GraphitePublisher(self.conf, self.parsed_url())
            for number in range(100):
                made.publish_samples([base.make_sample(volume=number)])
            os.kill(os.getpid(), signal.SIGTERM)
            made.publish_samples([base.make_sample(volume=100)])
            return ended
        self.assertTrue(base.in_child(publish_and_end))
        self.assertEqual([HEAD + b"power.state %d %d\n" % (number, SECOND)
                          for number in range(101)], self.receiver.take(101))

    def test_many_threads_publish_at_once(self):
        made = self.make()
        threads = [threading.Thread(target=lambda t=thread: [
            made.publish_samples([base.make_sample(volume=t * 1000 + n)])
            for n in range(100)]) for thread in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        volumes = {int(line.split()[1]) for line in self.receiver.take(1600)}
        self.assertEqual({t * 1000 + n for t in range(16)
                          for n in range(100)}, volumes)
