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

"""The memory that the publisher needs for each counter."""

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
    "Bytes: memory in use, divided by the number of counters, after two "
    "polling cycles were published and delivered, by the file that allocated "
    "it (tracemalloc). Strings that only the publisher keeps alive count.")
_CYCLES = 2
_BATCH = 50
_SHOWN_SHARE = 0.01
_MAX_BYTES = 400


@dataclasses.dataclass(frozen=True)
class Plan:
    """The size of a measurement.

    :ivar settle_seconds: until the publisher is idle, longer than
        ``replay_seconds``
    :ivar instances: number of instances whose counters are published
    """

    settle_seconds: float
    instances: int


FULL = Plan(13, 6400)
SHORT = Plan(1, 60)


def _series(port, plan):
    """Publish counters; runs in a new interpreter.

    :returns: the number of counters, and {file: bytes that it allocated and
        that are still in use}
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
    """Return the last two parts of a path."""
    return "/".join(pathlib.Path(path).parts[-2:])


def measure(plan: Plan, log_path: str) -> tuple:
    """Run :func:`_series` in a new interpreter, and return its result.

    :param log_path: file for the output
    """
    with (drain.Drain(senders.SENDERS[senders.OURS]) as receiver,
          multiprocessing.get_context("spawn").Pool(
              1, child.print_to, (log_path,)) as pool):
        return pool.apply(_series, (receiver.port, plan))


def table(counters, by_file):
    """Format the result of :func:`measure`."""
    total = sum(by_file.values())
    shown = {"all": total, **{
        _shown(path): size for path, size in by_file.items()
        if size >= _SHOWN_SHARE * total}}
    return report.simple_table([
        ("File (%d counters)" % counters, "Bytes"),
        *((name, "%.0f" % (size / counters))
          for name, size in shown.items())])


def judged(counters, by_file):
    """Return the target for the result of :func:`measure`."""
    return [report.Target("bytes for each counter in total",
                          sum(by_file.values()) / counters, _MAX_BYTES)]
