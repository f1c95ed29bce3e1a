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

"""CPU and memory of agents without instances, with and without the plugin.

Two agents run at the same time, with the notification drivers noop and
ceilometer_pipeline (with graphite://), on hypervisors without instances.
"""

import contextlib
import pathlib
import statistics
import tempfile
import time

from benchmarks.common import report
from benchmarks.common import senders
from benchmarks.cpu import drain
from lab import agent
from lab import usage

_DRIVERS = {"noop": "noop", "direct": "ceilometer_pipeline"}
_MAX_MS = 5
_START_SECONDS = 60
# Longer than replay_seconds.
_SETTLE_SECONDS = 15
_LEGEND = (
    "CPU: milliseconds per minute of the agent's worker, user and system, "
    "with all threads: median, minimum and maximum of the windows. Wake-ups: "
    "how often its threads went to sleep, per minute. RSS: resident memory in "
    "MB. noop: with Ceilometer's driver of this name; direct: with "
    "ceilometer_pipeline and graphite://, which sends its own series each "
    "minute. Both poll each minute.")


def _start(stack, directory, port):
    """Return {name: agent}."""
    return {name: stack.enter_context(agent.Agent(
        directory / name, agent.PIPELINE.format(
            publisher="graphite://127.0.0.1:%d" % port),
        agent.POLLING.format(interval_seconds=60),
        {"publisher_notifier": {"telemetry_driver": driver}},
        agent.simulator_env(0))) for name, driver in _DRIVERS.items()}


def _used(workers):
    """Return the CPU seconds of each worker, then its wake-ups."""
    return [*(usage.cpu_seconds([pid]) for pid in workers),
            *(sum(usage.wake_ups(pid).values()) for pid in workers)]


def section(windows: int, seconds: float) -> str:
    """Measure, and return tables and targets as text.

    :param windows: number of measurements
    :param seconds: duration of each
    :raises lab.process.LabError: if an agent does not work
    """
    with (contextlib.ExitStack() as stack,
          tempfile.TemporaryDirectory() as directory):
        receiver = stack.enter_context(drain.Drain(
            senders.SENDERS[senders.OURS]))
        agents = _start(stack, pathlib.Path(directory), receiver.port)
        agents["direct"].wait_until(lambda: receiver.lines, _START_SECONDS,
                                    "the publisher's own series")
        time.sleep(_SETTLE_SECONDS)
        workers = [each.worker_pids()[0] for each in agents.values()]
        grown = [usage.growth(lambda: _used(workers), seconds)
                 for _ in range(windows)]
        rss = [usage.rss_mb([pid]) for pid in workers]
    return _text([[60 / seconds * value for value in values]
                  for values in zip(*grown, strict=True)], rss)


def _text(by_minute, rss):
    rows = [("Agent", "CPU", "Min", "Max", "Wake-ups", "RSS")]
    for name, cpu, wake_ups, mb in zip(
            _DRIVERS, by_minute[:2], by_minute[2:], rss, strict=True):
        rows.append((name, *(
            "%.1f" % (1000 * of(cpu)) for of in (statistics.median, min, max)
        ), "%.0f" % statistics.median(wake_ups), "%.1f" % mb))
    added = statistics.median(
        1000 * (direct - noop)
        for noop, direct in zip(*by_minute[:2], strict=True))
    return "\n".join((
        report.simple_table(rows), report.paragraph(_LEGEND),
        report.bullets([report.Target(
            "ms of CPU per minute, added to noop", added, _MAX_MS)])))
