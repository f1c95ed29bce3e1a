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

"""One sender in a process of its own, that publishes when it is its turn."""

import dataclasses
import itertools
import math
import multiprocessing
import os
import statistics
import time

from benchmarks.common import child
from benchmarks.common import usage
from benchmarks.cpu import cycle
from benchmarks.cpu import drain
from lab import process

_LOOK_SECONDS = 0.025
_MAX_LOOKS = 4000
# Of connecting, filling caches and the first rates.
_WARM_UP_CYCLES = 2


@dataclasses.dataclass(frozen=True)
class Load:
    """What each turn of a sender is.

    :ivar instances: of the node
    :ivar batch: samples that are handed over at once
    :ivar cycles: of polling, in a turn
    :ivar rate: batches a second; 0 is back to back
    :ivar across_meters: as for :class:`~benchmarks.cpu.cycle.Node`
    :ivar max_cpu: seconds of the calling thread, with the making of the
        batches, after which a turn or the warm-up ends early
    """

    instances: int
    batch: int
    cycles: int
    rate: int
    across_meters: bool = False
    max_cpu: float = math.inf


@dataclasses.dataclass(frozen=True)
class Turn:
    """What one turn took.

    :ivar cpu: seconds of all threads of the process, without what its main
        thread did between the calls of the sender
    :ivar caller_cpu: seconds of the thread that calls the sender, within
        the calls
    :ivar held: seconds that each call lasted
    :ivar wire_bytes: that its receiver counted
    :ivar lines: newlines among them
    :ivar late_bytes: that came after the turn before; but for what senders
        report of themselves there should be none
    """

    samples: int
    cpu: float
    caller_cpu: float
    held: list
    wire_bytes: int
    lines: int
    late_bytes: int
    rss_mb: float


class Stage:
    """A sender, its load and its receiver. Use it in a ``with`` statement.

    :param sender: of :mod:`~benchmarks.cpu.contestants`
    :param load: a :class:`Load`
    :param authority: of :mod:`~lab.certificates`
    :param directory: for what the sender keeps on disk
    :param log_path: for what its process prints
    """

    def __init__(self, sender, load, authority, directory, log_path):
        self._sender = sender
        self._load = load
        self._port, = process.free_ports(1)
        self._drain = drain.Drain(
            sender.receiver, self._port, authority.certificate(
                "port-%d" % self._port) if sender.receiver == drain.TLS
            else None)
        self._where = {"port": self._port, "cafile": authority.cafile,
                       "directory": directory}
        self._log_path = log_path
        self._child = None

    def __enter__(self):
        self._drain.start()
        self._orders, theirs = multiprocessing.Pipe()
        self._child = child.start(self._run, theirs)
        theirs.close()
        return self

    def __exit__(self, *_):
        if self._child is not None:
            self._child.kill()
            self._child.join()
            self._orders.close()
        self._drain.close()

    def warm_up(self):
        """Publish what is not measured."""
        self._order(_WARM_UP_CYCLES, 0)

    def take_turn(self):
        """Publish; returns a :class:`Turn` once all is out."""
        return self._order(self._load.cycles, self._load.rate)

    def _order(self, *order):
        try:
            self._orders.send(order)
            turn = self._orders.recv()
        except (EOFError, OSError):
            raise child.ChildError(
                "%s ended; --log has why" % self._sender.title) from None
        if not turn.wire_bytes:
            raise child.ChildError(
                "%s sent nothing; --log may have why" % self._sender.title)
        return turn

    def _run(self, tell_ready, orders):
        child.print_to(self._log_path)
        self._node = cycle.Node(self._load.instances, self._load.batch,
                                self._load.across_meters)
        self._cycles = itertools.count()
        self._came = 0
        self._publisher = self._sender.make(**self._where)
        tell_ready()
        while True:
            orders.send(self._turn(*orders.recv()))

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
        """Publish all; each batch is made just before, as the agent does."""
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
        """Sleep until nothing more comes to the receiver."""
        looks = round(self._sender.quiet_seconds / _LOOK_SECONDS)
        quiet, seen = 0, self._drain.bytes
        for _ in range(_MAX_LOOKS):
            time.sleep(_LOOK_SECONDS)
            quiet = quiet + 1 if self._drain.bytes == seen else 0
            seen = self._drain.bytes
            if quiet >= looks:
                return


def micros(turns, field):
    """The median of what a sample took of a field of seconds, in us."""
    return statistics.median(
        1e6 * getattr(turn, field) / turn.samples for turn in turns)


def ratios(turns, others, field):
    """How much more a sample took than with others, round by round."""
    return [getattr(turn, field) / turn.samples
            / (getattr(other, field) / other.samples)
            for turn, other in zip(turns, others, strict=True)]
