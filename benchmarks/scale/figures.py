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

"""What the turns of a trial tell: CPU by the sample, and differences."""

import statistics
import typing

from benchmarks.scale import trial


class Spread(typing.NamedTuple):
    """A median, and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values):
        if len(values) < 2:
            return cls(*values * 3)
        low, median, high = statistics.quantiles(values, n=4,
                                                 method="inclusive")
        return cls(median, low, high)


def ratio(spread, base):
    """A quotient of medians, None without both."""
    if spread is None or base is None:
        return None
    return spread.median / base.median


class Figures:
    """Of one :class:`~benchmarks.scale.trial.Result`.

    All are in microseconds of CPU for each sample, which is as many seconds
    for a million of them. What needs a way that was not measured is None.
    """

    def __init__(self, result):
        self._turns = result.turns
        self._idle = result.idle

    @property
    def agent(self):
        """A Spread: the agent's own, under noop."""
        return self._spread(trial.NOOP, lambda turn: turn.cpu)

    @property
    def direct(self):
        """A Spread: how much more it is with driver and publisher."""
        return self._added(trial.DIRECT)

    @property
    def client(self):
        """A Spread: how much more it is with the bus's client."""
        return self._added(trial.BUS)

    @property
    def bus(self):
        """A Spread: the same, with the broker and the notification agent."""
        return self._added(trial.BUS,
                           lambda turn: sum(turn.others.values()))

    @property
    def bus_busy(self):
        """A Spread: the same, without what these take for nothing."""
        return self._added(trial.BUS, self._busy)

    @property
    def bus_inside(self):
        """A Spread: the same, with the client's calls for the difference."""
        return self._spread(
            trial.BUS,
            lambda turn: turn.notify_cpu + self._busy(turn))

    def ratios(self):
        """How many times more the bus adds: by differences, and inside.

        The first is None where noise hides what is added to noop.
        """
        return (ratio(self.bus_busy, self.direct)
                if self.is_direct_clear else None,
                ratio(self.bus_inside, self.inside(trial.DIRECT)))

    @property
    def is_direct_clear(self):
        """Whether most differences to noop are one."""
        return self.direct is not None and self.direct.low > 0

    def part(self, process):
        """A Spread: the CPU of a process behind the agent."""
        return self._spread(trial.BUS,
                            lambda turn: turn.others[process])

    def inside(self, name):
        """A Spread: CPU of the driver's calls and of the sender's thread."""
        return self._spread(
            name, lambda turn: turn.notify_cpu + turn.sender_cpu)

    def driver(self, name):
        """A Spread: CPU of the driver's calls."""
        return self._spread(name, lambda turn: turn.notify_cpu)

    def sender(self, name):
        """A Spread: CPU of the sender's thread."""
        return self._spread(name, lambda turn: turn.sender_cpu)

    def whole(self, name):
        """A Spread: CPU of the agent and of all behind it."""
        return self._spread(
            name, lambda turn: turn.cpu + sum(turn.others.values()))

    def _busy(self, turn):
        return (sum(turn.others.values())
                - turn.seconds * sum(self._idle.values()))

    def _spread(self, name, seconds):
        if name not in self._turns:
            return None
        return Spread.of([1e6 * seconds(turn) / turn.samples
                          for turn in self._turns[name]])

    def _added(self, name, more=lambda turn: 0.0):
        """Of differences between turns that followed each other."""
        if name not in self._turns or trial.NOOP not in self._turns:
            return None
        return Spread.of([
            1e6 * (turn.cpu + more(turn) - noop.cpu) / noop.samples
            for turn, noop in zip(self._turns[name],
                                  self._turns[trial.NOOP],
                                  strict=True)])
