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

"""What the publisher keeps of each counter, in bytes."""

import dataclasses
import gc
import multiprocessing
import pathlib
import time
import tracemalloc

from ceilometer import sample

from benchmarks.common import report
from benchmarks.common import senders
from benchmarks.cpu import cycle
from benchmarks.cpu import drain
from lab import child

LEGEND = (
    "Bytes: what tracemalloc finds in use after the counters were published "
    "in two cycles and delivered, with texts that would be gone but for the "
    "publisher, a counter, by the file that asked for it.")
_CYCLES = 2
_BATCH = 50
_SHOWN_SHARE = 0.01
_MAX_BYTES = 400


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long it takes.

    :ivar settle_seconds: until a publisher has nothing left to do; longer
        than ``replay_seconds``
    :ivar instances: whose counters are published
    """

    settle_seconds: float
    instances: int


FULL = Plan(13, 6400)
SHORT = Plan(1, 60)


def _series(port, plan):
    """Runs in a fresh interpreter.

    :returns: how many counters it published, and a dict of the bytes that
        they still take by the file whose code asked for them
    """
    publisher = senders.Publisher("graphite://127.0.0.1:%d" % port)
    node = cycle.Node(plan.instances, _BATCH)
    tracemalloc.start()
    for number in range(_CYCLES):
        count = 0
        for batch in node.batches(number):
            if batch[0].type == sample.TYPE_CUMULATIVE:
                publisher.publish(batch)
                count += len(batch)
    del batch
    time.sleep(plan.settle_seconds)
    gc.collect()
    return count, {
        statistic.traceback[0].filename: statistic.size
        for statistic in tracemalloc.take_snapshot().statistics("filename")}


def _shown(path):
    """A module's file, from its package on."""
    return "/".join(pathlib.Path(path).parts[-2:])


def measure(plan: Plan, log_path: str) -> tuple:
    """Measure in a fresh interpreter.

    :param log_path: file for what it prints
    :returns: what :func:`_series` returns
    """
    with (drain.Drain(senders.SENDERS[senders.OURS]) as receiver,
          multiprocessing.get_context("spawn").Pool(
              1, child.print_to, (log_path,)) as pool):
        return pool.apply(_series, (receiver.port, plan))


def table(counters, by_file):
    """What :func:`measure` returns, as text."""
    total = sum(by_file.values())
    shown = {"all": total, **{
        _shown(path): size for path, size in by_file.items()
        if size >= _SHOWN_SHARE * total}}
    return report.simple_table([
        ("Bytes for each of %d counters" % counters, "Bytes"),
        *((name, "%.0f" % (size / counters))
          for name, size in shown.items())])


def judged(counters, by_file):
    """What the project promises of that."""
    return [report.Target("bytes for each counter, all in",
                          sum(by_file.values()) / counters, _MAX_BYTES)]
