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

"""One run of a fleet, with restarts of its relay and caches."""

import dataclasses
import signal
import time

from benchmarks.fleet import account as fleet_account
from benchmarks.fleet import cluster
from benchmarks.fleet import herd
from benchmarks.fleet import nodes
from benchmarks.fleet import series
from lab import process
from lab import usage

_FILES_SECONDS = 600
_HERD_SECONDS = 60
_SETTLE_SECONDS = 300
_QUIET_SECONDS = 3
_LOOK_SECONDS = 1


@dataclasses.dataclass(frozen=True)
class Plan:
    """The size of a run.

    :ivar publishers: how many
    :ivar points: of each series in a batch
    :ivar interval: seconds between two batches of one publisher
    :ivar steady: seconds to measure CPU before the restarts
    :ivar away: seconds between end and start of a part
    :ivar gap: seconds between two restarts
    :ivar queue_size: of the relay, for each cache
    :ivar backlog: of the relay's listener
    """

    publishers: int
    points: int
    interval: int
    steady: float
    away: float
    gap: float
    queue_size: int
    backlog: int


# (index of a cache, or None for the relay; signal). The relay is first,
# because lines that publishers send again would fill holes of a cache.
EVENTS = ((None, signal.SIGKILL), (0, signal.SIGTERM), (1, signal.SIGKILL))


@dataclasses.dataclass
class Work:
    """Lines per second, and CPU microseconds per published line."""

    rate: float
    publishers_cpu: float
    relay_cpu: float
    caches_cpu: float


@dataclasses.dataclass
class Result:
    """The result of a run.

    :ivar ended_at: {index of a cache, or None: epoch seconds of the signal}
    :ivar relay_rss_mb: maximum of resident memory
    :ivar relay_queued: maximum of lines in the queue for one cache
    :ivar relay_dropped: lines dropped from full queues
    """

    account: fleet_account.Account
    ended_at: dict
    report: nodes.Report
    work: Work
    herd: herd.Herd
    relay_rss_mb: float
    relay_queued: int
    relay_dropped: int


class Trial:
    """A fleet, its relay and its caches.

    :param plan: a :class:`Plan`
    :param hashing: method of the relay
    :param replication: number of copies that the relay sends
    :param directory: for all files
    :param log_path: file for the publishers' output
    """

    def __init__(self, plan, hashing, replication, directory, log_path):
        self._plan = plan
        shape = series.Shape(plan.points, plan.interval)
        self._cluster = cluster.Cluster(
            directory, shape.step, hashing=hashing, replication=replication,
            queue_size=plan.queue_size, backlog=plan.backlog)
        self._files = plan.publishers * shape.series * replication
        self._nodes = nodes.Nodes(
            plan.publishers, self._cluster.relay.port, shape, log_path)
        self._ended_at = {}
        self._herd = None
        self._relay_rss_mb = 0.0

    def run(self) -> Result:
        """Run the fleet, and compare the files with its lines."""
        with self._cluster, self._nodes:
            work, report = self._publish()
        account = fleet_account.Account(
            [each.whisper for each in self._cluster.caches])
        for path, points in self._nodes.published(report.batches):
            account.add(path, points)
        return Result(account, self._ended_at, report, work, self._herd,
                      self._relay_rss_mb, self._cluster.most_queued(),
                      self._cluster.dropped())

    def _publish(self):
        """Publish, with all restarts, until everything is sent."""
        self._nodes.start()
        process.wait_for(self._has_files, _FILES_SECONDS,
                         "%d files of whisper" % self._files)
        work = self._work()
        for cache, number in EVENTS:
            self._restart(cache, number)
            self._watch_memory()
            time.sleep(self._plan.gap)
            self._watch_memory()
        self._nodes.stop()
        process.wait_for(self._is_settled, _SETTLE_SECONDS,
                         "the relay's queues to become empty")
        return work, self._nodes.report()

    def _has_files(self):
        time.sleep(_LOOK_SECONDS)
        return self._cluster.files() == self._files

    def _work(self):
        """Measure before the restarts."""
        seconds, lines, *cpu = usage.growth(
            self._used, self._plan.steady)
        return Work(lines / seconds, *(1e6 * used / lines for used in cpu))

    def _used(self):
        return (time.monotonic(), self._nodes.lines(),
                usage.cpu_seconds(self._nodes.pids),
                *self._cluster.cpu_seconds())

    def _watch_memory(self):
        self._relay_rss_mb = max(self._relay_rss_mb, usage.rss_mb(
            [self._cluster.relay.pid]))

    def _restart(self, cache, number):
        """End a part by a signal, and start it again after some time."""
        part = (self._cluster.relay if cache is None
                else self._cluster.caches[cache])
        self._ended_at[cache] = time.time()
        if number == signal.SIGKILL:
            part.kill()
        else:
            self._cluster.end(part)
        time.sleep(self._plan.away)
        watch = herd.Watch(
            part.port, self._plan.publishers, _HERD_SECONDS) if (
                cache is None) else None
        part.start()
        if watch:
            self._herd = watch.result()

    def _is_settled(self):
        """Return whether the relay's queues are empty and stay empty."""
        before = self._cluster.sent()
        time.sleep(_QUIET_SECONDS)
        return self._cluster.sent() == before and not self._cluster.queued()
