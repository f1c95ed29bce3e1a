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


"""The publisher in the real notification agent, behind a message bus."""

import math
import re

from lab import agent
from lab import process
from lab import rabbitmq
from tests import host
from tests.functional import base
from tests.functional import truth

CYCLES = 4
INSTANCES = 12
WORKERS = 2
START_SECONDS = 120
# With three messages per cycle, each meter alternates between two workers.
POLLING = """\
sources:
  - {name: all, interval: 2,
     meters: [cpu, power.state, network.incoming.bytes]}
"""
RATE = re.compile(r"\.cpu_util$|\.rate(\.|$)")
# The resolution of a time as a float is some 0.2 microseconds.
TOLERANCE = 1e-6


def is_close(one, other):
    return math.isclose(one, other, rel_tol=TOLERANCE)


def averages(samples):
    """Return the growth per second since each earlier sample.

    :returns: {path: {second: values}}
    """
    found, before = {}, {}
    for sample in samples:
        earlier = before.setdefault(
            (sample["resource_id"], sample["name"]), [])
        for other in earlier:
            for path, points in truth.expected([other, sample]).items():
                for second, value in points.items():
                    found.setdefault(path, {}).setdefault(
                        second, []).append(value)
        earlier.append(sample)
    return found


def counters(samples):
    """Return the raw counters, which `counters = both` also publishes."""
    return truth.expected([{**sample, "type": "gauge"} for sample in samples
                           if sample["type"] == "cumulative"])


class NotificationTest(base.GraphiteTestCase):
    """A polling agent that sends its notifications to two agents.

    One of these has one worker, the other has several. Each has its own topic.
    """

    def setUp(self):
        if not rabbitmq.SERVER.exists():
            host.lacks(f"the bus needs {rabbitmq.PACKAGE}")
        super().setUp()
        self.broker = rabbitmq.RabbitMQ(self.directory / "rabbitmq")
        # The broker and the agents start concurrently.
        self.several = self.start_notification_agent(
            "several", WORKERS,
            self.url + "?prefix=several&counters=both"
            "&self_metrics_interval=0")
        self.one = self.start_notification_agent(
            "one", 1, self.url + "?self_metrics_interval=1",
            f"file://{self.truth_path}?json")
        self.start(self.broker)
        self.broker.wait_until(self.are_all_workers_there, START_SECONDS,
                               "the workers at the broker")

    def are_all_workers_there(self):
        return self.broker.log_text().count("authenticated and") > WORKERS

    def start_notification_agent(self, name, workers, *publishers):
        return self.start(agent.NotificationAgent(
            self.directory / name,
            base.PIPELINE.format(publishers=list(publishers)),
            self.broker.url,
            {"DEFAULT": {"host": f"network-{name}.example.org"},
             "oslo_messaging_notifications": {"topics": name},
             "notification": {"pipelines": "meter", "workers": workers}}))

    def poll(self):
        """Run the compute agent for some cycles.

        It publishes, and forwards to the bus.
        """
        polling_agent = self.start(agent.Agent(
            self.directory / "polling", polling=POLLING,
            pipeline=base.PIPELINE.format(publishers=[
                self.url + "?prefix=direct&self_metrics_interval=0"]),
            options={
                "ceilometer_pipeline": {"forward_drivers": "messagingv2"},
                "DEFAULT": {"transport_url": self.broker.url},
                "oslo_messaging_notifications": {"topics": "one,several"}},
            env=agent.simulator_env(INSTANCES, events=0)))
        self.wait_for_cycles(polling_agent, CYCLES, INSTANCES)
        polling_agent.terminate()

    def series(self, prefix):
        """Return the series below a prefix, without the publishers' own."""
        return sorted(
            path.removeprefix(prefix) for path in self.web.series_paths()
            if path.startswith(prefix + ".") and truth.OWN_BRANCH not in path)

    def points_of_several(self, since):
        """Return the series of several workers, with the other prefix."""
        paths = [path for path in self.web.series_paths()
                 if path.startswith("several.")]
        return {path.replace("several", truth.PREFIX, 1): points
                for path, points in self.web.points(paths, since).items()}

    def differences(self):
        """Describe extra and missing points."""
        samples = truth.load(self.truth_path)
        wanted = truth.expected(samples)
        since = min(map(min, wanted.values())) - 60
        one, _ = truth.read_back(self.web, since)
        lines = list(compare("one", wanted, one, compare_one))
        possible = averages(samples)
        return lines + list(compare(
            "several", {**wanted, **counters(samples)},
            self.points_of_several(since),
            lambda path, *points: compare_several(
                path, *points, possible.get(path))))

    def test_the_bus_brings_the_series_of_the_compute_agent(self):
        self.poll()
        try:
            process.wait_for(lambda: not self.differences(), 20,
                             "what the bus brings")
        except process.LabError:
            self.assertEqual([], self.differences())
        own = [path for path in self.web.series_paths()
               if path.startswith(truth.PREFIX) and truth.OWN_BRANCH in path]
        self.assertEqual(
            self.series("direct"), self.series(truth.PREFIX))
        self.assertEqual({"network-one"},
                         {path.split(".")[1] for path in own})
        # So each worker has published some.
        self.assertEqual(WORKERS, self.several.log_text().count(
            "Connected to Graphite"))


def compare(name, wanted, found, compare_series):
    if wanted.keys() != found.keys():
        yield f"series of {name}: {wanted.keys() ^ found.keys()}"
    for path in wanted.keys() & found.keys():
        yield from compare_series(path, wanted[path], found[path])


def compare_one(path, wanted, found):
    """Compare the points of one worker exactly."""
    if wanted.keys() != found.keys() or not all(
            is_close(value, found[second])
            for second, value in wanted.items()):
        yield f"one: {path} {found}, expected {wanted}"


def compare_several(path, wanted, found, possible):
    """Compare several workers: rates are averages, all else is exact.

    Each worker makes no rate of its first sample of a counter. Its later
    rates are since the sample that the same worker had before.
    """
    if not RATE.search(path):
        if wanted != found:
            yield f"several: {path} {found}, expected {wanted}"
        return
    if len(found) < len(wanted) - (WORKERS - 1):
        yield f"several: {path} {found}, of {wanted}"
    for second, value in found.items():
        if not any(is_close(value, average)
                   for average in possible.get(second, ())):
            yield (f"several: {path} {value} {second}, expected one of "
                   f"{possible.get(second)}")
