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

"""The publishers of a fleet, many in each of some processes.

A publisher has its own settings, host name, thread and connections. So
Graphite sees it as a compute node.
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
from lab import usage

_OF_PROCESS = 125
_LOOK_SECONDS = 0.1
_END_SECONDS = 60
# Without series of its own, which the account does not know.
_URL = "graphite://127.0.0.1:%d?self_metrics_interval=0"


@dataclasses.dataclass
class Report:
    """The publishers' results.

    :ivar batches: {index of a node: number of published batches}
    :ivar totals: sums of their counters
    :ivar rss_mb: resident memory per publisher
    :ivar late: maximum delay of a batch, in seconds
    """

    batches: dict
    totals: collections.Counter
    rss_mb: float
    late: float


class Nodes:
    """A context manager: publishers with evenly spread batches.

    :param count: number of publishers
    :param port: of the relay, on loopback
    :param shape: a :class:`~benchmarks.fleet.series.Shape`
    :param log_path: file for their output
    """

    def __init__(self, count, port, shape, log_path):
        self.count = count
        self.shape = shape
        self.url = _URL % port
        self.log_path = log_path
        # The parent writes the epoch seconds of the start and the end.
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
        """Create all publishers, and then begin to publish."""
        for each in self._groups:
            each.start()
        self._times[0] = math.ceil(time.time())

    @property
    def pids(self) -> list:
        return [each.pid for each in self._groups]

    def lines(self) -> int:
        """Return the number of lines published so far."""
        return series.BATCH * sum(each.published for each in self._groups)

    def due_at(self, node: int, number: int) -> float:
        """Return the epoch second when a batch is due."""
        interval = self.shape.interval
        phase = round(interval * node / self.count, 3)
        return self._times[0] + phase + number * interval

    def wait_for_start(self) -> None:
        """Wait for :meth:`start`; for the publishers' processes."""
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
        """Return the datapoints of each series of a node.

        :param count: number of batches
        :returns: (time, when it was published) in epoch seconds; a
            datapoint's value is its index
        """
        return [(second, due) for number in range(count)
                for due in (self.due_at(node, number),)
                for second in self.shape.seconds(due)]

    def published(self, batches: dict) -> typing.Iterator:
        """Yield path and :meth:`points` of each series in ``batches``."""
        for node, count in batches.items():
            points = self.points(node, count)
            for path in self.shape.paths(node):
                yield path, points

    def stop(self) -> None:
        """Publish no more batches."""
        self._times[1] = time.time()

    def report(self) -> Report:
        """Return the results, after :meth:`stop`."""
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

    :param nodes: its :class:`Nodes`
    :param numbers: indexes of the nodes that it publishes for
    """

    def __init__(self, nodes, numbers):
        self.log_path = nodes.log_path
        self._nodes = nodes
        self._numbers = numbers
        self.pipe, self._theirs = multiprocessing.Pipe()
        self._count = child.shared_doubles(1)

    @property
    def published(self):
        """The number of batches that they have published."""
        return int(self._count[0])

    def _run(self, ready):
        rss_mb = usage.rss_mb([os.getpid()])
        publishers = self._make()
        ready()
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
        """Return {index of a node: publisher}."""
        conf = senders.agent_conf()
        publishers = {}
        for node in self._numbers:
            # A publisher reads its settings only when it is created.
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
                self._count[0] += 1
