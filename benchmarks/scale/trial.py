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

"""Agents of one size that take turns, each with another way to Graphite."""

import contextlib
import dataclasses
import time

from benchmarks.scale import agents as scale_agents
from benchmarks.scale import bus as scale_bus
from benchmarks.scale import figures
from benchmarks.scale import receiver as scale_receiver
from benchmarks.scale import records
from lab import agent
from lab import usage

NAMES = (figures.NOOP, figures.DIRECT, figures.BUS)
_DIRECT_DRIVER = "ceilometer_pipeline"


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long a trial is.

    :ivar warm_up: cycles of each agent that do not count; from the second on
        there are rates
    :ivar rounds: turns of each agent
    :ivar idle_seconds: for which the bus is watched while nobody polls
    """

    warm_up: int
    rounds: int
    idle_seconds: float


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of a trial.

    :ivar turns: {name: [:class:`~benchmarks.scale.agents.Turn`]}, of which
        those of one index followed each other
    :ivar latencies: {name: [:class:`~benchmarks.scale.records.Latency`]}
    :ivar series: how many all cycles became, of any way to Graphite
    :ivar rss_mb: {name of a process: resident memory at the end}
    :ivar idle: {name of a process: CPU seconds a second, without samples}
    :ivar bus: its version, or None
    """

    instances: int
    turns: dict
    latencies: dict
    series: int
    rss_mb: dict
    idle: dict
    bus: str | None

    @property
    def samples(self):
        """How many each cycle had."""
        return next(iter(self.turns.values()))[0].samples

    @property
    def cycles(self):
        """How many of each agent were measured."""
        return len(next(iter(self.turns.values())))


class Trial(contextlib.ExitStack):
    """Makes the agents and what they need; leaving it ends them.

    :param instances: of the hypervisor of each agent
    :param names: those of :data:`NAMES` to measure
    :param plan: a :class:`Plan`
    :param directory: for all files
    """

    def __init__(self, instances, names, plan, directory):
        super().__init__()
        self._instances = instances
        self._names = names
        self._plan = plan
        self._directory = directory
        self._bus = None

    def run(self) -> Result:
        """Measure.

        :raises lab.process.LabError: if a part does not do what it has to,
            and if lines are missing or too many
        """
        agents = {name: self._start(name) for name in self._names}
        for each in agents.values():
            each.warm_up(self._plan.warm_up)
        idle = self._watch_idle()
        turns = self._take_turns(agents)
        latencies, series = _check(turns, agents)
        rss_mb = {name: each.rss_mb() for name, each in agents.items()}
        if self._bus:
            rss_mb |= self._bus.rss_mb()
        return Result(self._instances, turns, latencies, series, rss_mb,
                      idle, self._bus and self._bus.version)

    def _start(self, name):
        directory = self._directory / name
        directory.mkdir()
        made = {"driver": figures.NOOP}
        if name != figures.NOOP:
            receiver = made["receiver"] = self.enter_context(
                scale_receiver.Receiver(directory / "lines"))
            pipeline = agent.PIPELINE.format(
                publisher="graphite://127.0.0.1:%d" % receiver.port)
        if name == figures.DIRECT:
            made.update(driver=_DIRECT_DRIVER, pipeline=pipeline)
        elif name == figures.BUS:
            self._bus = self.enter_context(scale_bus.Bus(directory, pipeline))
            made.update(driver=scale_bus.DRIVER, bus=self._bus,
                        options=self._bus.agent_options)
        return self.enter_context(scale_agents.PollingAgent(
            directory, self._instances, **made))

    def _watch_idle(self):
        if self._bus is None:
            return {}
        pids = self._bus.pids()
        before = {name: usage.cpu_seconds(pids[name]) for name in pids}
        time.sleep(self._plan.idle_seconds)
        return {name: (usage.cpu_seconds(pids[name]) - before[name])
                / self._plan.idle_seconds for name in pids}

    def _take_turns(self, agents):
        turns = {name: [] for name in agents}
        order = list(agents)
        for _ in range(self._plan.rounds):
            for name in order:
                turns[name].append(agents[name].turn())
            # None is always the one that another warmed the machine for.
            order.append(order.pop(0))
        return turns


def _check(turns, agents):
    """Check that each cycle became the lines that it has to, in all ways.

    :returns: the latencies of a :class:`Result`, and its number of series
    """
    records.check_same("samples", (
        turn.keys for of_name in turns.values() for turn in of_name))
    latencies, paths = {}, []
    for name, polling in agents.items():
        if polling.receiver is None:
            continue
        lines = records.by_key(polling.receiver.lines())
        latencies[name] = []
        for turn in turns[name]:
            paths.append(records.series(turn.notifications, lines))
            latencies[name] += records.latencies(turn.notifications, lines)
    return latencies, len(records.check_same("series", paths))
