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


"""The publishers of a fleet: some processes with many of them each.

A publisher has settings, a host name, a thread and a connection of its own,
so that it is to Graphite what a compute node is.
"""

import collections
import dataclasses
import itertools
import math
import multiprocessing
import os
import time

from ceilometer import publisher
from ceilometer import service
from oslo_config import cfg

from benchmarks.common import child
from benchmarks.common import usage
from benchmarks.fleet import series
from lab import process

_LOOK_SECONDS = 0.1
_MAKE_SECONDS = 300
_END_SECONDS = 60
# No lines but those that are accounted for.
_URL = "graphite://127.0.0.1:%d?self_metrics_interval=0"


@dataclasses.dataclass
class Report:
    """What publishers tell when they have ended.

    :ivar batches: how many each published, by the number of the node
    :ivar totals: their counts, summed
    :ivar rss_mb: that each took of resident memory
    :ivar late: seconds that a batch was published after it was due, at most
    """

    batches: dict
    totals: collections.Counter
    rss_mb: float
    late: float


class Nodes:
    """Publishers that publish a batch at each interval, evenly spread.

    :param count: of publishers
    :param processes: over which they are spread
    :param port: of loopback, to which they send
    :param shape: a :class:`~benchmarks.fleet.series.Shape`
    :param log_path: for whatever they print
    """

    def __init__(self, count, processes, port, shape, log_path):
        self.count = count
        self.shape = shape
        self._url = _URL % port
        self._log_path = log_path
        self._groups = [range(first, count, processes)
                        for first in range(processes)]
        # Written here, read there: when to begin and to end.
        self._times = child.shared_doubles(2)
        self._times[1] = math.inf
        # Written there, read here: publishers that each process has made,
        # and batches that it published.
        self._made = child.shared_doubles(processes)
        self._published = child.shared_doubles(processes)
        self._children = []
        self._pipes = []

    def start(self):
        """Make all publishers, and then begin to publish."""
        for number, group in enumerate(self._groups):
            ours, theirs = multiprocessing.Pipe()
            self._pipes.append(ours)
            self._children.append(child.start(
                self._run, number, group, theirs))
        process.wait_for(lambda: sum(self._made) == self.count, _MAKE_SECONDS,
                         "%d publishers" % self.count)
        self._times[0] = math.ceil(time.time())

    @property
    def pids(self):
        return [each.pid for each in self._children]

    def lines(self):
        """How many lines were published so far."""
        return int(sum(self._published)) * series.BATCH

    def due_at(self, node, number):
        """When a batch is published, in seconds since 1970."""
        interval = self.shape.interval
        phase = round(interval * node / self.count, 3)
        return self._times[0] + phase + number * interval

    def points(self, node, count):
        """The datapoints of each series of a node, after so many batches.

        :returns: of each its time, and when it was published, in seconds
            since 1970; its value is its index
        """
        return [(second, due) for number in range(count)
                for due in (self.due_at(node, number),)
                for second in self.shape.seconds(due)]

    def stop(self):
        """Publish no batch that is due from now on."""
        self._times[1] = time.time()

    def report(self):
        """Ask all, once they have stopped.

        :returns: a :class:`Report`
        """
        reports = []
        for pipe in self._pipes:
            pipe.send(None)
        for pipe in self._pipes:
            if not pipe.poll(_END_SECONDS):
                raise child.ChildError("publishers did not end")
            reports.append(pipe.recv())
        return Report(
            dict(collections.ChainMap(*(each.batches for each in reports))),
            sum((each.totals for each in reports), collections.Counter()),
            sum(each.rss_mb for each in reports) / len(reports),
            max(each.late for each in reports))

    def close(self):
        """End the processes."""
        for each in self._children:
            each.kill()
            each.join()
        self._children = []

    def _run(self, tell_ready, number, group, pipe):
        child.print_to(self._log_path)
        tell_ready()
        rss_mb = usage.rss_mb([os.getpid()])
        publishers = _make(self._url, group)
        self._made[number] = len(publishers)
        while not self._times[0]:
            time.sleep(_LOOK_SECONDS)
        batches, late = self._publish(publishers, number)
        rss_mb = (usage.rss_mb([os.getpid()]) - rss_mb) / len(publishers)
        pipe.recv()
        totals = collections.Counter()
        for each in publishers.values():
            totals.update(each.counts.totals())
        pipe.send(Report(batches, totals, rss_mb, late))
        time.sleep(_END_SECONDS)

    def _publish(self, publishers, process):
        names = {node: self.shape.names(node) for node in publishers}
        batches = dict.fromkeys(publishers, 0)
        late = 0.0
        for number in itertools.count():
            for node, each in publishers.items():
                due = self.due_at(node, number)
                if not self._wait(due):
                    return batches, late
                late = max(late, time.time() - due)
                each.publish_samples(self.shape.samples(
                    names[node], number, due))
                batches[node] += 1
                self._published[process] += 1

    def _wait(self, due):
        """Wait until a batch is due; whether it is to be published."""
        while (left := due - time.time()) > 0:
            if due >= self._times[1]:
                return False
            time.sleep(min(left, _LOOK_SECONDS))
        return due < self._times[1]


def _make(url, nodes):
    """Publishers by the number of their node."""
    conf = service.prepare_service(
        ["benchmark"], config_files=[], conf=cfg.ConfigOpts())
    publishers = {}
    for node in nodes:
        # A publisher reads its settings once, when it is made.
        conf.set_override("host", series.host(node))
        publishers[node] = publisher.get_publisher(
            conf, url, "ceilometer.sample.publisher")
    return publishers
