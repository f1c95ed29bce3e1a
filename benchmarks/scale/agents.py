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

"""Real agents, of which each polls when it has to and sleeps else.

All but the one that polls are stopped by SIGSTOP. An agent that is woken
after its interval polls at once, so the cycles of several agents can take
turns.
"""

import dataclasses
import os
import signal
import sys
import time

from benchmarks.common import usage
from benchmarks.scale import log
from benchmarks.scale import records as scale_records
from lab import agent
from lab import process

# 5,000 instances take some minutes on a machine that has more to do.
_CYCLE_SECONDS = 1800
_LINES_SECONDS = 120
# What follows a cycle is done by then.
_SETTLE_SECONDS = 0.1
_QUIET_SECONDS = 1


@dataclasses.dataclass(frozen=True)
class Turn:
    """One cycle of one agent.

    :ivar cpu: seconds of the agent's CPU, master and worker
    :ivar sender_cpu: those of them that its sender's thread took
    :ivar others: seconds of CPU of other processes, by name
    :ivar seconds: for how long CPU was counted
    :ivar notifications: what was handed over to the driver
    """

    cpu: float
    sender_cpu: float
    others: dict
    seconds: float
    notifications: list

    @property
    def samples(self):
        return sum(len(each.resources) for each in self.notifications)

    @property
    def keys(self):
        """What was sampled, as a set of (meter, resource's id)."""
        return {(each.meter, resource) for each in self.notifications
                for resource in each.resources}

    @property
    def notify_cpu(self):
        """Seconds of CPU of the polling thread within the driver."""
        return sum(each.cpu for each in self.notifications)


class PollingAgent:
    """A ceilometer-polling, and what its samples go through.

    :param directory: for its files
    :param instances: how many its simulated hypervisor has
    :param driver: name of the notification driver
    :param options: of the agent, as of :class:`lab.agent.Agent`
    :param pipeline: text of pipeline.yaml, if it publishes itself
    :param receiver: the :class:`~benchmarks.scale.receiver.Receiver` that
        gets the lines, or None
    :param bus: the :class:`~benchmarks.scale.bus.Bus` that brings them, or
        None; its CPU is counted too
    """

    def __init__(self, directory, instances, driver, options=None,
                 pipeline="", receiver=None, bus=None):
        self.receiver = receiver
        self._publishes = bool(pipeline)
        self._others = bus.pids() if bus else {}
        self._is_stopped = False
        self._stopped_at = 0.0
        self._last = None
        records = directory / "notifications"
        env = agent.simulator_env(instances, events=0)
        env["PYTHONPATH"] += os.pathsep + str(process.ROOT)
        self._process = agent.Agent(
            directory, pipeline, log.POLLING,
            {**(options or {}), "publisher_notifier": {
                "telemetry_driver": driver}}, env,
            [sys.executable, "-m", "benchmarks.scale.probe", str(records),
             driver])
        self._publisher_log = bus.log_path if bus else self._process.log_path
        self._records = log.Tail(records)
        self._cycles = log.Cycles(self._process.log_path)

    def __enter__(self):
        """Let it run, and poll at once."""
        self._process.start()
        return self

    def __exit__(self, *exc_info):
        # Whether it is stopped or not.
        self._process.kill()

    def is_warm(self, cycles: int) -> bool:
        """Stop it once it has polled some cycles; return whether it is.

        Ask several times a second, because it has to be stopped before it
        begins the next cycle.
        """
        self._process.check()
        return self._is_stopped or (
            self._cycles.finished >= cycles
            and self._stop_between_cycles())

    def settle(self) -> None:
        """Forget the cycles until now, once no line of them comes.

        The bus may take seconds before it brings the first of them.
        """
        self._take_notifications()
        if self.receiver:
            process.wait_for(self._has_last, _LINES_SECONDS,
                             "the lines of the cycles until now")
        count = None
        while self.receiver and count != self.receiver.count:
            count = self.receiver.count
            time.sleep(_QUIET_SECONDS)

    def _has_last(self):
        """Return whether the lines of its last notification are there."""
        if scale_records.is_there(self._last, self.receiver.lines()):
            return True
        if self._publishes:
            # It was stopped before it had sent them.
            self._go_on()
            self._process.wait_until(self._stop_between_cycles,
                                     _CYCLE_SECONDS, "the end of a cycle")
            self._take_notifications()
        return False

    def turn(self) -> Turn:
        """Let it poll one cycle.

        :raises lab.process.LabError: if it does not end, or lines do not
            arrive
        """
        while (turn := self._try_turn()) is None:
            self._process.wait_until(self._stop_between_cycles,
                                     _CYCLE_SECONDS, "the end of a cycle")
            self.settle()
        return turn

    def rss_mb(self) -> float:
        """Return the memory of its worker, which polls and publishes."""
        return usage.rss_mb(self._process.worker_pids())

    def _try_turn(self):
        """Return None if it could not be stopped after its cycle."""
        due = self._stopped_at + log.INTERVAL_SECONDS
        time.sleep(max(0.0, due - time.monotonic()))
        lines = self.receiver.count if self.receiver else 0
        finished = self._cycles.finished + 1
        before = self._usage()
        begin = time.monotonic()
        self._go_on()
        self._process.wait_until(lambda: self._cycles.finished >= finished,
                                 _CYCLE_SECONDS, "the end of a cycle")
        notifications = self._take_notifications()
        lines += sum(each.lines for each in notifications)
        if self._publishes:
            self._wait_for_lines(lines)
        if not self._stop_between_cycles():
            return None
        if not self._publishes:
            self._wait_for_lines(lines)
        seconds = time.monotonic() - begin
        cpu, sender_cpu, *others = (
            value - old for value, old in zip(
                self._usage(), before, strict=True))
        return Turn(cpu, sender_cpu,
                    dict(zip(self._others, others, strict=True)),
                    seconds, notifications)

    def _wait_for_lines(self, count):
        if self.receiver is None:
            return
        try:
            process.wait_for(lambda: self.receiver.count >= count,
                             _LINES_SECONDS, "the lines of a cycle")
        except process.LabError as e:
            raise process.LabError("%s: %d of %d are there\n%s" % (
                e, self.receiver.count, count,
                log.trouble(self._publisher_log))) from None

    def _take_notifications(self):
        found = [scale_records.Notification.parse(line)
                 for line in self._records.lines()]
        if found:
            self._last = found[-1]
        return found

    def _stop_between_cycles(self):
        """Stop it, but not in a cycle; return whether it is stopped."""
        if not self._cycles.is_between:
            return False
        time.sleep(_SETTLE_SECONDS)
        self._signal(signal.SIGSTOP)
        self._stopped_at = time.monotonic()
        self._is_stopped = self._cycles.is_between
        if not self._is_stopped:
            self._go_on()
        return self._is_stopped

    def _go_on(self):
        self._is_stopped = False
        self._signal(signal.SIGCONT)

    def _signal(self, number):
        os.killpg(self._process.pid, number)

    def _usage(self):
        """Return seconds of CPU: agent, its sender, and the others."""
        worker, = self._process.worker_pids()
        return (usage.cpu_seconds([self._process.pid, worker]),
                usage.thread_cpu_seconds(worker, self._last.sender)
                if self._last.sender else 0.0,
                *map(usage.cpu_seconds, self._others.values()))
