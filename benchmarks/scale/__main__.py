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

"""The real agent at several sizes: ours, no driver at all, and the bus.

Run it from the checkout: ``python -m benchmarks.scale``. It polls simulated
hypervisors with ceilometer-polling, once with each of the notification
drivers noop, ceilometer_pipeline (with graphite://) and messagingv2 (with
RabbitMQ and ceilometer-agent-notification, which has graphite:// too), and
prints tables for doc/source/performance.rst. A line that is missing or too
much is an error; a target that is missed is none.
"""

import argparse
import os
import pathlib
import sys
import tempfile
import time

from benchmarks.common import argument_types
from benchmarks.common import child
from benchmarks.common import report
from benchmarks.scale import tables
from benchmarks.scale import trial
from lab import process

_INSTANCES = (10, 100, 1000, 5000)
_SHORT_INSTANCES = (10,)
_SHORT = trial.Plan(warm_up=2, rounds=2, idle_seconds=1.0)


def _plan(instances):
    """Many turns where they are short, and few where they take minutes."""
    return trial.Plan(
        warm_up=min(3, max(2, 3000 // instances)),
        rounds=min(30, max(2, 10000 // instances)), idle_seconds=10.0)


def _sizes(text):
    try:
        sizes = [int(size) for size in text.split(",")]
    except ValueError:
        sizes = [0]
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError(
            "%r is not a list of numbers above 0, such as 10,100" % text)
    return sizes


def _measure(arguments):
    names = [name for name in trial.NAMES
             if name in arguments.variants]
    results = []
    for instances in arguments.instances:
        begin = time.monotonic()
        plan = _SHORT if arguments.short else _plan(instances)
        with tempfile.TemporaryDirectory() as directory:
            results.append(trial.Trial(
                instances, names, plan,
                pathlib.Path(directory)).run())
        print("%d instances took %.0f s" % (
            instances, time.monotonic() - begin), file=sys.stderr, flush=True)
    return results


def _print(results):
    versions = [report.versions(), "%d processors." % os.cpu_count()]
    if results[0].bus:
        versions.append(results[0].bus + ".")
    print(report.paragraph(" ".join(versions)))
    for title, make in (
            ("CPU within the agent", tables.agent_table),
            ("Direct against bus", tables.bus_table),
            ("What the bus is made of", tables.parts_table),
            ("From poll to datapoint", tables.latency_table),
            ("Memory", tables.memory_table),
            ("Bus without work", tables.idle),
            ("Checked", tables.checks),
            ("Targets", tables.all_targets)):
        text = make(results)
        if text:
            print(report.heading(title))
            print(text)


def main():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale",
        description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true",
                        help="some seconds, to see that it works")
    parser.add_argument("--instances", type=_sizes, metavar="NUMBER,...",
                        help="sizes of the hypervisor (default: 10,100,1000,"
                             "5000; with --short: 10)")
    parser.add_argument("--variants", default=trial.NAMES,
                        type=argument_types.names_of(trial.NAMES),
                        metavar="NAME,...",
                        help="of noop, direct and bus (default: all)")
    arguments = parser.parse_args()
    arguments.instances = arguments.instances or (
        _SHORT_INSTANCES if arguments.short else _INSTANCES)
    child.end_with_us()
    try:
        _print(_measure(arguments))
    except (process.LabError, child.ChildError) as e:
        sys.exit(str(e))


if __name__ == "__main__":
    main()
