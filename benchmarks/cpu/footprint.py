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

"""What the publisher takes while it does nothing, and for each counter."""

import contextlib
import dataclasses
import gc
import importlib
import multiprocessing
import os
import pathlib
import tempfile
import threading
import time
import tracemalloc

from ceilometer import sample
from stevedore import driver as stevedore_driver

from benchmarks.common import report
from benchmarks.common import senders
from benchmarks.cpu import cycle
from benchmarks.cpu import drain
from lab import agent
from lab import child
from lab import usage

LEGEND = (
    "RSS: resident memory, in MiB, that a process has more, which had loaded "
    "Ceilometer's polling agent and its configuration, once it has published "
    "one recorded polling cycle of three instances and has nothing left to "
    "do. Threads and Wake-ups (a second, of these threads): those that it "
    "has more. Bytes: what tracemalloc finds in use after the counters were "
    "published in two cycles and delivered, with texts that would be gone "
    "but for the publisher, a counter, by the file that asked for it.")
_CYCLES = 2
_BATCH = 50
_SHOWN_SHARE = 0.01


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long it takes.

    :ivar settle_seconds: until a publisher has nothing left to do; longer
        than ``replay_seconds``
    :ivar idle_seconds: that it is watched for then
    :ivar instances: whose counters are published, for the memory of each
    """

    settle_seconds: float
    idle_seconds: float
    instances: int


FULL = Plan(13, 20, 6400)
SHORT = Plan(1, 2, 60)


@dataclasses.dataclass(frozen=True)
class Idle:
    """What it added to a process that had Ceilometer and its conf."""

    rss_mb: float
    threads: int
    wake_ups: float


def _use_publisher(conf, url, _):
    publisher = senders.Publisher(url, conf)
    for batch in cycle.Node(3, _BATCH).batches(0):
        publisher.publish(batch)
    return publisher


def _use_driver(conf, url, directory):
    path = directory / "pipeline.yaml"
    path.write_text(agent.PIPELINE.format(publisher=url))
    conf.set_override("pipeline_cfg_file", str(path))
    manager = stevedore_driver.DriverManager(
        "oslo.messaging.notify.drivers", "ceilometer_pipeline",
        invoke_on_load=True, invoke_args=(conf, [], None))
    for message in cycle.recorded()[0]:
        manager.driver.notify({}, message, "SAMPLE", -1)
    return manager


_KINDS = {
    "publisher": (_use_publisher, ""),
    "publisher with spool_dir": (_use_publisher, "?spool_dir={directory}"),
    "driver and publisher": (_use_driver, ""),
}


def _others_wake_ups():
    """Return what each thread of this process but this one has."""
    found = usage.wake_ups(os.getpid())
    del found[threading.get_native_id()]
    return list(found.values())


def _idle(kind, port, directory, plan):
    """Runs in a fresh interpreter.

    :returns: an :class:`Idle`
    """
    # What the compute agent has imported, whoever publishes.
    importlib.import_module("ceilometer.polling.manager")
    importlib.import_module("ceilometer.compute.discovery")
    conf = senders.agent_conf()
    gc.collect()
    before = usage.rss_mb([os.getpid()])
    use, query = _KINDS[kind]
    kept = use(conf, ("graphite://127.0.0.1:%d" % port) + query.format(
        directory=directory), directory)
    time.sleep(plan.settle_seconds)
    gc.collect()
    after = usage.rss_mb([os.getpid()])
    switches = _others_wake_ups()
    time.sleep(plan.idle_seconds)
    woken = sum(_others_wake_ups()) - sum(switches)
    del kept
    return Idle(after - before, len(switches), woken / plan.idle_seconds)


def _series(port, plan):
    """Runs in a fresh interpreter.

    :returns: how many counters it published, and a dict of the bytes that
        they still take by the file whose code asked for them
    """
    publisher = senders.Publisher("graphite://127.0.0.1:%d" % port)
    node = cycle.Node(plan.instances, _BATCH)
    tracemalloc.start()
    for number in range(_CYCLES):
        count = 0
        for batch in node.batches(number):
            if batch[0].type == sample.TYPE_CUMULATIVE:
                publisher.publish(batch)
                count += len(batch)
    del batch
    time.sleep(plan.settle_seconds)
    gc.collect()
    return count, {
        statistic.traceback[0].filename: statistic.size
        for statistic in tracemalloc.take_snapshot().statistics("filename")}


def _shown(path):
    """A module's file, from its package on."""
    return "/".join(pathlib.Path(path).parts[-2:])


def measure(plan: Plan, log_path: str) -> tuple:
    """Measure all, each part in a fresh interpreter.

    :param log_path: file for what they print
    :returns: an :class:`Idle` by kind, and what :func:`_series` returns
    """
    spawn = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        def begin(function, *given):
            return stack.enter_context(spawn.Pool(
                1, child.print_to, (log_path,))).apply_async(function, given)

        receiver = stack.enter_context(drain.Drain(
            senders.SENDERS[senders.OURS]))
        directory = pathlib.Path(stack.enter_context(
            tempfile.TemporaryDirectory()))
        idle = {kind: begin(_idle, kind, receiver.port, directory, plan)
                for kind in _KINDS}
        series = begin(_series, receiver.port, plan)
        return ({kind: each.get() for kind, each in idle.items()},
                series.get())


def tables(idle, counters, by_file):
    """What :func:`measure` returns, as text."""
    total = sum(by_file.values())
    shown = {"all": total, **{
        _shown(path): size for path, size in by_file.items()
        if size >= _SHOWN_SHARE * total}}
    return report.simple_table([
        ("Idle", "RSS", "Threads", "Wake-ups"),
        *((kind, "%.1f" % of.rss_mb, str(of.threads), "%.2f" % of.wake_ups)
          for kind, of in idle.items())]) + "\n" + report.simple_table([
              ("Bytes for each of %d counters" % counters, "Bytes"),
              *((name, "%.0f" % (size / counters))
                for name, size in shown.items())])


def judged(idle, counters, by_file):
    """What the project promises of that."""
    return [
        *(report.Target("RSS of %s, idle, in MiB" % kind, of.rss_mb, 5)
          for kind, of in idle.items()),
        *(report.Target("wake-ups a second of %s, idle" % kind, of.wake_ups,
                        1) for kind, of in idle.items()),
        report.Target("bytes for each counter, all in",
                      sum(by_file.values()) / counters, 400)]
