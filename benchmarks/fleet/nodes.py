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

A publisher has settings, a host name, a thread and connections of its own, so
that it is to Graphite what a compute node is.
"""

import collections
import dataclasses
import itertools
import math
import multiprocessing
import os
import time
import typing

from ceilometer import publisher

from benchmarks.common import senders
from benchmarks.fleet import series
from lab import child
from lab import process
from lab import usage

_OF_PROCESS = 125
_LOOK_SECONDS = 0.1
_MAKE_SECONDS = 300
_END_SECONDS = 60
# No lines but those that are accounted for.
_URL = "graphite://127.0.0.1:%d?self_metrics_interval=0"


@dataclasses.dataclass
class Report:
    """What publishers report when they have ended.

    :ivar batches: how many each published, by the number of the node
    :ivar totals: their counters, summed
    :ivar rss_mb: resident memory of each
    :ivar late: seconds that a batch was published after it was due, at most
    """

    batches: dict
    totals: collections.Counter
    rss_mb: float
    late: float


class Nodes:
    """Publishers that publish a batch at each interval, evenly spread.

    Leaving it ends their processes.

    :param count: of publishers
    :param port: of loopback, to which they send
    :param shape: a :class:`~benchmarks.fleet.series.Shape`
    :param log_path: file for what they print
    """

    def __init__(self, count, port, shape, log_path):
        self.count = count
        self.shape = shape
        self.url = _URL % port
        self.log_path = log_path
        # Written by the parent: when to begin and to end.
        self._times = child.shared_doubles(2)
        self._times[1] = math.inf
        groups = 1 + count // _OF_PROCESS
        self._groups = [_Group(self, range(first, count, groups))
                        for first in range(groups)]

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        for each in self._groups:
            each.kill()

    def start(self) -> None:
        """Make all publishers, and then begin to publish."""
        for each in self._groups:
            each.start()
        process.wait_for(
            lambda: sum(each.made for each in self._groups) == self.count,
            _MAKE_SECONDS, "%d publishers" % self.count)
        self._times[0] = math.ceil(time.time())

    @property
    def pids(self) -> list:
        return [each.pid for each in self._groups]

    def lines(self) -> int:
        """Return how many lines were published so far."""
        return series.BATCH * sum(each.published for each in self._groups)

    def due_at(self, node: int, number: int) -> float:
        """Return when a batch is published, in seconds since 1970."""
        interval = self.shape.interval
        phase = round(interval * node / self.count, 3)
        return self._times[0] + phase + number * interval

    def wait_for_start(self) -> None:
        """Wait until publishers are to publish, in their process."""
        while not self._times[0]:
            time.sleep(_LOOK_SECONDS)

    def wait_until(self, due: float) -> bool:
        """Wait until a batch is due; return whether to publish it."""
        while (left := due - time.time()) > 0:
            if due >= self._times[1]:
                return False
            time.sleep(min(left, _LOOK_SECONDS))
        return due < self._times[1]

    def points(self, node: int, count: int) -> list:
        """Return the datapoints of each series of a node, after batches.

        :param count: of batches
        :returns: of each its time, and when it was published, in seconds
            since 1970; its value is its index
        """
        return [(second, due) for number in range(count)
                for due in (self.due_at(node, number),)
                for second in self.shape.seconds(due)]

    def published(self, batches: dict) -> typing.Iterator:
        """Yield the path and the :meth:`points` of each series.

        :param batches: of a :class:`Report`
        """
        for node, count in batches.items():
            points = self.points(node, count)
            for path in self.shape.paths(node):
                yield path, points

    def stop(self) -> None:
        """Publish no batch that is due from now on."""
        self._times[1] = time.time()

    def report(self) -> Report:
        """Ask all, once they have stopped."""
        for each in self._groups:
            each.pipe.send(None)
        reports = []
        for each in self._groups:
            if not each.pipe.poll(_END_SECONDS):
                raise child.ChildError("publishers did not end")
            reports.append(each.pipe.recv())
        return Report(
            dict(collections.ChainMap(*(each.batches for each in reports))),
            sum((each.totals for each in reports), collections.Counter()),
            sum(each.rss_mb for each in reports) / len(reports),
            max(each.late for each in reports))


class _Group(child.Child):
    """The publishers of one process.

    :param nodes: the :class:`Nodes` that it belongs to
    :param numbers: of its nodes
    """

    def __init__(self, nodes, numbers):
        self.log_path = nodes.log_path
        self._nodes = nodes
        self._numbers = numbers
        self.pipe, self._theirs = multiprocessing.Pipe()
        self._counts = child.shared_doubles(2)

    @property
    def made(self):
        """How many publishers there are."""
        return int(self._counts[0])

    @property
    def published(self):
        """How many batches they have published."""
        return int(self._counts[1])

    def _run(self, ready):
        ready()
        rss_mb = usage.rss_mb([os.getpid()])
        publishers = self._make()
        self._counts[0] = len(publishers)
        self._nodes.wait_for_start()
        batches, late = self._publish(publishers)
        rss_mb = (usage.rss_mb([os.getpid()]) - rss_mb) / len(publishers)
        self._theirs.recv()
        totals = collections.Counter()
        for each in publishers.values():
            totals.update(each.counts.totals())
        self._theirs.send(Report(batches, totals, rss_mb, late))
        time.sleep(_END_SECONDS)

    def _make(self):
        """Return publishers by the number of their node."""
        conf = senders.agent_conf()
        publishers = {}
        for node in self._numbers:
            # A publisher reads its settings once, when it is made.
            conf.set_override("host", series.host(node))
            publishers[node] = publisher.get_publisher(
                conf, self._nodes.url, "ceilometer.sample.publisher")
        return publishers

    def _publish(self, publishers):
        shape = self._nodes.shape
        names = {node: shape.names(node) for node in publishers}
        batches = dict.fromkeys(publishers, 0)
        late = 0.0
        for number in itertools.count():
            for node, each in publishers.items():
                due = self._nodes.due_at(node, number)
                if not self._nodes.wait_until(due):
                    return batches, late
                late = max(late, time.time() - due)
                each.publish_samples(shape.samples(names[node], number, due))
                batches[node] += 1
                self._counts[1] += 1
