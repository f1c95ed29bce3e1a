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

"""A sender in its own process, which publishes when it has its turn."""

import dataclasses
import itertools
import math
import multiprocessing
import os
import statistics
import time

from benchmarks.cpu import cycle
from benchmarks.cpu import drain
from lab import child
from lab import usage

_LOOK_SECONDS = 0.025
_MAX_LOOKS = 4000
# For the connection, the caches and the first rates.
_WARM_UP_CYCLES = 2


@dataclasses.dataclass(frozen=True)
class Load:
    """What a sender publishes in each turn.

    :ivar instances: of the node
    :ivar batch: maximum of samples in a batch
    :ivar cycles: polling cycles in a turn
    :ivar rate: batches per second; 0 means back to back
    :ivar max_cpu: CPU seconds of the publishing thread, which also creates
        the batches, until a turn or the warm-up ends early
    """

    instances: int
    batch: int
    cycles: int
    rate: int
    max_cpu: float = math.inf


@dataclasses.dataclass(frozen=True)
class Turn:
    """The result of one turn.

    :ivar cpu: CPU seconds of all threads, except for the main thread between
        its calls of the sender
    :ivar caller_cpu: CPU seconds of the main thread within these calls
    :ivar held: duration of each call in seconds
    :ivar wire_bytes: bytes that the receiver counted
    :ivar lines: newlines among them
    :ivar late_bytes: bytes that arrived after the end of the last turn;
        only series about the sender itself should
    """

    samples: int
    cpu: float
    caller_cpu: float
    held: list
    wire_bytes: int
    lines: int
    late_bytes: int
    rss_mb: float


class Stage(child.Child):
    """A context manager: a sender, its load and its receiver.

    :param sender: of :data:`~benchmarks.common.senders.SENDERS`
    :param load: a :class:`Load`
    :param authority: a :class:`~lab.certificates.Authority`
    :param directory: for the sender's files
    :param log_path: file for the output of its process
    """

    def __init__(self, sender, load, authority, directory, log_path):
        self.log_path = log_path
        self._sender = sender
        self._load = load
        self._drain = drain.Drain(sender, authority)
        self._where = {"port": self._drain.port, "cafile": authority.cafile,
                       "directory": directory}
        self._orders, self._theirs = multiprocessing.Pipe()

    def start(self):
        self._drain.start()
        super().start()
        # Otherwise recv() would wait for ever if the process died.
        self._theirs.close()

    def kill(self):
        super().kill()
        self._drain.kill()

    def warm_up(self) -> None:
        """Publish some cycles that do not count."""
        self._order(_WARM_UP_CYCLES, 0)

    def take_turn(self) -> Turn:
        """Publish; return when everything is sent."""
        return self._order(self._load.cycles, self._load.rate)

    def _order(self, *order):
        try:
            self._orders.send(order)
            turn = self._orders.recv()
        except (EOFError, OSError):
            raise child.ChildError(
                "%s ended; its --log file tells why" % self._sender.title
            ) from None
        if not turn.wire_bytes:
            raise child.ChildError(
                "%s sent nothing; its --log file may tell why"
                % self._sender.title)
        return turn

    def _run(self, ready):
        self._node = cycle.Node(self._load.instances, self._load.batch)
        self._cycles = itertools.count()
        self._came = 0
        self._publisher = self._sender.make(**self._where)
        ready()
        while True:
            self._theirs.send(self._turn(*self._theirs.recv()))

    def _turn(self, cycles, rate):
        came = self._drain.bytes, self._drain.lines
        late = came[0] - self._came
        main_cpu, cpu = time.thread_time(), time.process_time()
        samples, caller_cpu, held = self._publish(
            itertools.chain.from_iterable(
                self._node.batches(next(self._cycles))
                for _ in range(cycles)), rate)
        self._settle()
        others_cpu = (time.process_time() - cpu) - (
            time.thread_time() - main_cpu)
        self._came = self._drain.bytes
        return Turn(samples, others_cpu + caller_cpu, caller_cpu, held,
                    self._came - came[0], self._drain.lines - came[1], late,
                    usage.rss_mb([os.getpid()]))

    def _publish(self, batches, rate):
        """Create each batch and publish it, like the agent."""
        samples, caller_cpu, held = 0, 0.0, []
        begin, begin_cpu = time.perf_counter(), time.thread_time()
        while True:
            if rate:
                time.sleep(max(0.0, begin + len(held) / rate
                               - time.perf_counter()))
            batch = next(batches, None)
            if batch is None or (time.thread_time() - begin_cpu
                                 > self._load.max_cpu):
                return samples, caller_cpu, held
            samples += len(batch)
            before, since = time.perf_counter(), time.thread_time()
            self._publisher.publish(batch)
            caller_cpu += time.thread_time() - since
            held.append(time.perf_counter() - before)

    def _settle(self):
        """Sleep until the receiver gets no more data."""
        looks = round(self._sender.settle_seconds / _LOOK_SECONDS)
        quiet, seen = 0, self._drain.bytes
        for _ in range(_MAX_LOOKS):
            time.sleep(_LOOK_SECONDS)
            quiet = quiet + 1 if self._drain.bytes == seen else 0
            seen = self._drain.bytes
            if quiet >= looks:
                return


def micros(turns: list, field: str) -> float:
    """Return a field's median over turns, in microseconds per sample."""
    return statistics.median(
        1e6 * getattr(turn, field) / turn.samples for turn in turns)


def ratios(turns: list, others: list, field: str) -> list:
    """Return, for each round, the ratio of a field per sample."""
    return [getattr(turn, field) / turn.samples
            / (getattr(other, field) / other.samples)
            for turn, other in zip(turns, others, strict=True)]
