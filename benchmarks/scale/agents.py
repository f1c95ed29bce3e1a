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

"""Real agents that poll on command, so that several can take turns."""

import collections
import dataclasses
import json
import os
import re
import sys
import time

from benchmarks.scale import records
from lab import agent
from lab import process
from lab import usage

# The shortest time between two cycles of one agent.
_POLLING = agent.POLLING.format(interval_seconds=2)
# 5,000 instances take some minutes on a busy machine.
_CYCLE_SECONDS = 1800
_LINES_SECONDS = 120
# For the work that follows the last line of a cycle.
_SETTLE_SECONDS = 2
_QUIET_SECONDS = 1
_TROUBLE = re.compile(r".* (?:WARNING|ERROR) .*")


@dataclasses.dataclass(frozen=True)
class Turn:
    """One cycle of one agent.

    :ivar cpu: CPU seconds of the agent, master and worker
    :ivar sender_cpu: CPU seconds of the publisher's network thread
    :ivar others: {name of another process: CPU seconds}
    :ivar seconds: duration of the measurement
    :ivar notifications: each a :class:`~benchmarks.scale.records.Notification`
    """

    cpu: float
    sender_cpu: float
    others: dict
    seconds: float
    notifications: list

    @property
    def samples(self) -> int:
        return sum(len(each.resources) for each in self.notifications)

    @property
    def keys(self) -> set:
        """(meter, resource id) of each sample."""
        return {(each.meter, resource) for each in self.notifications
                for resource in each.resources}

    @property
    def notify_cpu(self) -> float:
        """CPU seconds of the polling thread in calls of the driver."""
        return sum(each.cpu for each in self.notifications)


class PollingAgent:
    """A ceilometer-polling, and the processes that handle its samples.

    :param directory: for its files
    :param instances: number of instances of its simulated hypervisor
    :param driver: name of the notification driver
    :param options: of :class:`lab.agent.Agent`
    :param pipeline: text of pipeline.yaml, if the agent publishes
    :param receiver: the :class:`~benchmarks.scale.receiver.Receiver` of the
        lines, or None
    :param packages: a folder with another Ceilometer to run, or None
    :param behind: processes between agent and Graphite, whose CPU counts as
        well; the last one publishes
    """

    def __init__(self, directory, instances, driver, options=None,
                 pipeline="", receiver=None, packages=None,
                 behind=()):
        self.receiver = receiver
        self._behind = behind
        self._packages = packages
        self._last = None
        self._go = None
        self._go_path = directory / "go"
        path = directory / "records"
        self._tail = records.Tail(path)
        self._pending = collections.deque()
        env = agent.simulator_env(instances, events=0)
        env["PYTHONPATH"] = os.pathsep.join(map(str, filter(None, (
            packages, env["PYTHONPATH"], process.ROOT))))
        self._process = agent.Agent(
            directory, pipeline, _POLLING,
            {**(options or {}), "publisher_notifier": {
                "telemetry_driver": driver}}, env,
            [sys.executable, "-m", "benchmarks.scale.probe",
             str(self._go_path), str(path), driver])
        self._log_path = [self._process, *behind][-1].log_path

    def __enter__(self):
        os.mkfifo(self._go_path)
        self._go = os.open(self._go_path, os.O_RDWR)
        self._process.start()
        return self

    def __exit__(self, *exc_info):
        self._process.kill()
        os.close(self._go)

    def warm_up(self, cycles: int) -> None:
        """Poll some cycles that do not count, at least two for rates."""
        self._take_until("ready")
        if self._packages and ("Ceilometer of %s" % self._packages
                               not in self._process.log_path.read_text()):
            raise process.LabError("the agent does not run the copy in %s"
                                   % self._packages)
        self._poll()
        count = None
        while self.receiver and (not count or count != self.receiver.count):
            count = self.receiver.count
            time.sleep(_QUIET_SECONDS)
        for _ in range(cycles - 1):
            self.turn()

    def turn(self) -> Turn:
        """Poll one cycle.

        :raises lab.process.LabError: if it does not end, or if lines are
            missing
        """
        self._take_until("ready")
        lines = self.receiver.count if self.receiver else 0
        before = self._usage()
        begin = time.monotonic()
        notifications = self._poll()
        self._wait_for_lines(
            lines + sum(each.lines for each in notifications))
        time.sleep(_SETTLE_SECONDS)
        seconds = time.monotonic() - begin
        cpu, sender_cpu, *others = (
            value - old for value, old in zip(
                self._usage(), before, strict=True))
        return Turn(cpu, sender_cpu,
                    dict(zip((each.name for each in self._behind), others,
                             strict=True)),
                    seconds, notifications)

    def rss_mb(self) -> float:
        """Return the resident memory of the worker."""
        return usage.rss_mb(self._process.worker_pids())

    def _poll(self):
        """Start one cycle, wait for its end, return its notifications."""
        os.write(self._go, b"!")
        notifications = self._take_until("done")
        self._last = notifications[-1]
        return notifications

    def _take_until(self, event):
        """Wait for an event; return the notifications before it."""
        found = []

        def has_come():
            self._pending.extend(map(json.loads, self._tail.lines()))
            while self._pending:
                record = self._pending.popleft()
                if record == event:
                    return True
                found.append(records.Notification(**record))
            return False

        self._process.wait_until(has_come, _CYCLE_SECONDS,
                                 "%s of the agent" % event)
        return found

    def _wait_for_lines(self, count):
        if self.receiver is None:
            return
        try:
            process.wait_for(lambda: self.receiver.count >= count,
                             _LINES_SECONDS, "the lines of a cycle")
        except process.LabError as e:
            raise process.LabError("%s: %d of %d arrived\n%s" % (
                e, self.receiver.count, count, "\n".join(_TROUBLE.findall(
                    self._log_path.read_text(errors="replace"))))) from None

    def _usage(self):
        """Return CPU seconds of the agent, its sender, and the others."""
        worker, = self._process.worker_pids()
        return (usage.cpu_seconds(self._process.pids()),
                usage.thread_cpu_seconds(worker, self._last.sender)
                if self._last.sender else 0.0,
                *(usage.cpu_seconds(each.pids()) for each in self._behind))
