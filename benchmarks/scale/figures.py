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

"""CPU time per sample, computed from the turns of a trial."""

import statistics
import typing

NOOP, DIRECT, BUS = "noop", "direct", "bus"
# With patches 1 to 3 of upstream/.
PATCHED = "-patched"
NOOP_PATCHED, DIRECT_PATCHED = NOOP + PATCHED, DIRECT + PATCHED
# The processes of the bus.
BEHIND = BROKER, AGENT = "broker", "notification agent"


class Spread(typing.NamedTuple):
    """A median, and the quartiles."""

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
    """Return the CPU seconds of the processes behind the agent."""
    return sum(turn.others.values())


class Figures:
    """The figures of one :class:`~benchmarks.scale.trial.Result`.

    Each is a :class:`Spread` of CPU microseconds per sample (or seconds per
    million samples), or None if a variant that it needs was not measured.

    :ivar agent: the agent with the driver noop
    :ivar added: what driver and publisher add to that: differences between
        consecutive turns; None if most of it is noise
    :ivar driver: calls of our driver
    :ivar sender: the publisher's network thread
    :ivar inside: driver and sender
    :ivar bus: the agent's calls of the bus client, and broker and
        notification agent without their CPU time when idle
    """

    def __init__(self, result):
        self._turns = result.turns
        idle = sum(result.idle.values())
        self.agent = self._spread(NOOP, lambda turn: turn.cpu)
        self.added = self._added()
        self.driver = self._spread(DIRECT, lambda turn: turn.notify_cpu)
        self.sender = self._spread(DIRECT, lambda turn: turn.sender_cpu)
        self.inside = self._spread(
            DIRECT, lambda turn: turn.notify_cpu + turn.sender_cpu)
        self.bus = self._spread(BUS, lambda turn: (
            turn.notify_cpu + _behind(turn) - turn.seconds * idle))

    def whole(self, name: str) -> Spread | None:
        """Return the CPU of a variant's agent and all behind it."""
        return self._spread(name, lambda turn: turn.cpu + _behind(turn))

    def _spread(self, name, seconds):
        if name not in self._turns:
            return None
        return Spread.of([1e6 * seconds(turn) / turn.samples
                          for turn in self._turns[name]])

    def _added(self):
        if not {DIRECT, NOOP} <= self._turns.keys():
            return None
        found = Spread.of([
            1e6 * (turn.cpu - noop.cpu) / noop.samples for turn, noop in zip(
                self._turns[DIRECT], self._turns[NOOP], strict=True)])
        return found if found.low > 0 else None
