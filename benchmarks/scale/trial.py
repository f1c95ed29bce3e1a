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

from benchmarks.scale import agents as scale_agents
from benchmarks.scale import figures
from benchmarks.scale import patched
from benchmarks.scale import receiver as scale_receiver
from benchmarks.scale import records
from lab import agent
from lab import process
from lab import rabbitmq
from lab import usage

DEFAULT_NAMES = (figures.NOOP, figures.DIRECT, figures.BUS)
NAMES = (*DEFAULT_NAMES, figures.NOOP_PATCHED, figures.DIRECT_PATCHED)
_DIRECT_DRIVER = "ceilometer_pipeline"
_BUS_DRIVER = "messagingv2"
_START_SECONDS = 180


@dataclasses.dataclass(frozen=True)
class Plan:
    """The size of a trial.

    :ivar warm_up: cycles of each agent that do not count; the first one has
        no rates
    :ivar rounds: turns of each agent
    :ivar idle_seconds: duration of measuring the idle bus
    """

    warm_up: int
    rounds: int
    idle_seconds: float


@dataclasses.dataclass(frozen=True)
class Result:
    """The result of a trial.

    :ivar turns: {name: [:class:`~benchmarks.scale.agents.Turn`]}; those with
        the same index are consecutive
    :ivar latencies: {name: [:class:`~benchmarks.scale.records.Latency`]}
    :ivar series: number of series in each cycle
    :ivar rss_mb: {name of a process: resident memory at the end}
    :ivar idle: {name of a process: CPU seconds per second without samples}
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
        """The number of samples in each cycle."""
        return next(iter(self.turns.values()))[0].samples

    @property
    def cycles(self):
        """The number of cycles that count, of each agent."""
        return len(next(iter(self.turns.values())))


class Trial(contextlib.ExitStack):
    """A context manager: the agents and the processes that they need.

    :param instances: number of instances of each agent's hypervisor
    :param names: variants to measure, of :data:`NAMES`
    :param plan: a :class:`Plan`
    :param directory: for all files
    """

    def __init__(self, instances, names, plan, directory):
        super().__init__()
        self._instances = instances
        self._names = names
        self._plan = plan
        self._directory = directory
        self._bus = ()

    def run(self) -> Result:
        """Measure.

        :raises lab.process.LabError: if a process does not work, or if there
            are too few or too many lines
        """
        agents = {name: self._start(name) for name in self._names}
        for each in agents.values():
            each.warm_up(self._plan.warm_up)
        idle = self._watch_idle()
        turns = self._take_turns(agents)
        latencies, series = _check(turns, agents)
        rss_mb = {name: each.rss_mb() for name, each in agents.items()}
        for each in self._bus:
            # Only the worker of the notification agent.
            rss_mb[each.name] = usage.rss_mb(each.pids()[-1:])
        return Result(self._instances, turns, latencies, series, rss_mb,
                      idle, self._bus[0].version() if self._bus else None)

    def _start(self, name):
        directory = self._directory / name
        directory.mkdir()
        made = {"driver": figures.NOOP}
        if name.endswith(figures.PATCHED):
            name = name.removesuffix(figures.PATCHED)
            made["packages"] = patched.make(directory / "patched")
        if name != figures.NOOP:
            receiver = made["receiver"] = self.enter_context(
                scale_receiver.Receiver(directory / "lines"))
            pipeline = agent.PIPELINE.format(
                publisher="graphite://127.0.0.1:%d" % receiver.port)
        if name == figures.DIRECT:
            made.update(driver=_DIRECT_DRIVER, pipeline=pipeline)
        elif name == figures.BUS:
            self._start_bus(directory, pipeline)
            made.update(driver=_BUS_DRIVER, behind=self._bus, options={
                "DEFAULT": {"transport_url": self._bus[0].url}})
        return self.enter_context(scale_agents.PollingAgent(
            directory, self._instances, **made))

    def _start_bus(self, directory, pipeline):
        """Start it; wait until the notification agent is connected."""
        broker = rabbitmq.RabbitMQ(directory / "rabbitmq")
        self._bus = (broker, agent.NotificationAgent(
            directory / "notification", pipeline, broker.url,
            env={"PYTHONPATH": str(process.ROOT)}))
        for each, name in zip(self._bus, figures.BEHIND, strict=True):
            each.name = name
            self.enter_context(each)
        broker.wait_for_log("user 'guest' authenticated", _START_SECONDS)

    def _watch_idle(self):
        """Return the CPU seconds per second of each process of the bus."""
        grown = usage.growth(lambda: [
            usage.cpu_seconds(each.pids()) for each in self._bus],
            self._plan.idle_seconds if self._bus else 0)
        return {each.name: seconds / self._plan.idle_seconds
                for each, seconds in zip(self._bus, grown, strict=True)}

    def _take_turns(self, agents):
        turns = {name: [] for name in agents}
        order = list(agents)
        for _ in range(self._plan.rounds):
            for name in order:
                turns[name].append(agents[name].turn())
            # So that each agent is the first one in some round.
            order.append(order.pop(0))
        return turns


def _check(turns, agents):
    """Check that each cycle has the expected lines, in all variants.

    :returns: latencies and number of series for a :class:`Result`
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
