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

"""A relay that hashes over some caches."""

import contextlib
import os

import whisper

from lab import graphite
from lab import relay
from lab import usage

CACHES = 3
# A file fits into one disk block.
_POINTS_OF_FILE = 4000 // whisper.pointSize
# A cache writes its whole queue when it ends.
_END_SECONDS = 120
_CACHE_OPTIONS = """\
LOG_UPDATES = False
LOG_CREATES = False
LOG_CACHE_HITS = False
LOG_CACHE_QUEUE_SORTS = False
"""


class Cluster:
    """A carbon-c-relay and carbon-caches with their own files.

    :param directory: for all files
    :param step: seconds between two points of a series
    :param relay_options: options of :class:`~lab.relay.HashingRelay`
    """

    def __init__(self, directory, step, **relay_options):
        self.caches = [_cache(directory / ("cache%d" % number), step)
                       for number in range(CACHES)]
        self.relay = relay.HashingRelay(
            directory / "relay", [each.line_port for each in self.caches],
            **relay_options)

    def __enter__(self):
        with contextlib.ExitStack() as parts:
            for part in (*self.caches, self.relay):
                parts.enter_context(part)
            parts.pop_all()
        return self

    def __exit__(self, *exc_info):
        for part in (self.relay, *self.caches):
            self.end(part)

    def end(self, part) -> None:
        """End a part by SIGTERM."""
        part.terminate(_END_SECONDS)

    def cpu_seconds(self) -> tuple:
        """Return the CPU time of the relay, and that of all caches."""
        return (usage.cpu_seconds([self.relay.pid]),
                usage.cpu_seconds([each.pid for each in self.caches]))

    def files(self) -> int:
        """Return the number of whisper files of all caches."""
        return sum(name.endswith(".wsp") for cache in self.caches
                   for _, _, names in os.walk(cache.whisper)
                   for name in names)

    def sent(self) -> int:
        """Return how many lines the relay has sent to the caches."""
        return sum(map(_growth, self._numbers("sent")))

    def dropped(self) -> int:
        """Return how many lines the relay has dropped from full queues."""
        return sum(map(_growth, self._numbers("dropped")))

    def queued(self) -> int:
        """Return how many lines are in the relay's longest queue."""
        return max(values[-1] if values else 0
                   for values in self._numbers("queued"))

    def most_queued(self) -> int:
        """Return how many lines its longest queue ever had."""
        return max(max(values, default=0)
                   for values in self._numbers("queued"))

    def _numbers(self, name):
        """Yield the values of a counter for each cache, over all starts."""
        lines = self.relay.statistics_path.read_text().splitlines()
        for cache in self.caches:
            # Not the relay's totals, which include its statistics.
            start = "relay.destinations.127_0_0_1:%d.%s " % (
                cache.line_port, name)
            yield [int(line.split()[1]) for line in lines
                   if line.startswith(start)]


def _growth(values):
    """Return a counter's growth. Each start of the relay resets it."""
    return sum(value - before if value >= before else value
               for before, value in zip([0, *values], values, strict=False))


def _cache(directory, step):
    cache = graphite.Carbon(
        directory, "%ds:%ds" % (step, step * _POINTS_OF_FILE))
    with (directory / "carbon.conf").open("a") as configuration:
        configuration.write(_CACHE_OPTIONS)
    return cache
