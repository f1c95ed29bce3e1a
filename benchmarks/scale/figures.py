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

"""What the turns of a trial come to: CPU a sample, and differences."""

import statistics
import typing

NOOP, DIRECT, BUS = "noop", "direct", "bus"
# The processes of the bus.
BEHIND = BROKER, AGENT = "broker", "notification agent"


class Spread(typing.NamedTuple):
    """A median, and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list) -> "Spread":
        if len(values) < 2:
            return cls(*values * 3)
        low, median, high = statistics.quantiles(values, n=4,
                                                 method="inclusive")
        return cls(median, low, high)


def ratio(spread: Spread | None, base: Spread | None) -> float | None:
    """Return a quotient of medians, None without both."""
    if spread is None or base is None:
        return None
    return spread.median / base.median


def _behind(turn):
    """Return the seconds of CPU of what is behind the agent."""
    return sum(turn.others.values())


class Figures:
    """Of one :class:`~benchmarks.scale.trial.Result`.

    All are spreads of microseconds of CPU a sample, which is as many seconds
    for a million of them. What needs a way that was not measured is None.

    :ivar agent: the agent alone, with noop
    :ivar direct: what driver and publisher add to that
    :ivar client: what the client of the bus adds to that
    :ivar bus: the same, with the broker and the notification agent
    :ivar bus_busy: the same, without what these two take when idle
    :ivar bus_inside: the same, with the calls of the client in place of the
        difference to noop
    """

    def __init__(self, result):
        self._turns = result.turns
        self._idle = sum(result.idle.values())
        self.agent = self._spread(NOOP, lambda turn: turn.cpu)
        self.direct = self._added(DIRECT)
        self.client = self._added(BUS)
        self.bus = self._added(BUS, _behind)
        self.bus_busy = self._added(BUS, self._busy)
        self.bus_inside = self._spread(
            BUS, lambda turn: turn.notify_cpu + self._busy(turn))

    @property
    def is_direct_clear(self) -> bool:
        """Whether most differences to noop are more than noise."""
        return self.direct is not None and self.direct.low > 0

    def ratios(self) -> tuple:
        """Return how many times more the bus adds: by differences, inside.

        The first is None where noise hides what is added to noop.
        """
        return (ratio(self.bus_busy, self.direct)
                if self.is_direct_clear else None,
                ratio(self.bus_inside, self.inside(DIRECT)))

    def part(self, process: str) -> Spread | None:
        """Return the CPU of a process behind the agent."""
        return self._spread(BUS, lambda turn: turn.others[process])

    def driver(self, name: str) -> Spread | None:
        """Return the CPU of the calls of the driver."""
        return self._spread(name, lambda turn: turn.notify_cpu)

    def sender(self, name: str) -> Spread | None:
        """Return the CPU of the thread of the sender."""
        return self._spread(name, lambda turn: turn.sender_cpu)

    def inside(self, name: str) -> Spread | None:
        """Return the CPU of both."""
        return self._spread(
            name, lambda turn: turn.notify_cpu + turn.sender_cpu)

    def whole(self, name: str) -> Spread | None:
        """Return the CPU of the agent and of all behind it."""
        return self._spread(name, lambda turn: turn.cpu + _behind(turn))

    def _busy(self, turn):
        return _behind(turn) - turn.seconds * self._idle

    def _spread(self, name, seconds):
        if name not in self._turns:
            return None
        return Spread.of([1e6 * seconds(turn) / turn.samples
                          for turn in self._turns[name]])

    def _added(self, name, more=lambda turn: 0.0):
        """Of differences between turns that followed each other."""
        if not {name, NOOP} <= self._turns.keys():
            return None
        return Spread.of([
            1e6 * (turn.cpu + more(turn) - noop.cpu) / noop.samples
            for turn, noop in zip(self._turns[name], self._turns[NOOP],
                                  strict=True)])
