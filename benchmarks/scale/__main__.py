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

With ``--variants direct,direct-patched`` it compares the installed Ceilometer
with a copy that has patches 1 to 3 of upstream/. The cycles of one agent have
to be less than a minute or so apart, or its counters grow by more than is
possible; so take few variants at 1,000 instances and more.
"""

import pathlib
import sys
import tempfile
import time

from benchmarks.common import arguments
from benchmarks.common import report
from benchmarks.scale import idle
from benchmarks.scale import tables
from benchmarks.scale import trial
from lab import child
from lab import process

_INSTANCES = (10, 100, 1000, 5000)
_SHORT_INSTANCES = (10,)
_WINDOWS = 5
_WINDOW_SECONDS = 60
_SHORT = trial.Plan(warm_up=2, rounds=2, idle_seconds=1.0)


def _plan(instances):
    """Many turns where they are short, and few where they take minutes."""
    return trial.Plan(
        warm_up=min(3, max(2, 3000 // instances)),
        rounds=min(30, max(2, 10000 // instances)), idle_seconds=10.0)


def _measure(given):
    results = []
    for instances in given.instances:
        begin = time.monotonic()
        plan = _SHORT if given.short else _plan(instances)
        with tempfile.TemporaryDirectory() as directory:
            with trial.Trial(instances, given.variants, plan,
                             pathlib.Path(directory)) as made:
                results.append(made.run())
        print("%d instances took %.0f s" % (
            instances, time.monotonic() - begin), file=sys.stderr, flush=True)
    return results


def main():
    parser = arguments.parser("scale", __doc__)
    arguments.add_short(parser)
    parser.add_argument("--instances", type=arguments.sizes,
                        metavar="NUMBER,...",
                        help="sizes of the hypervisor (default: 10,100,1000,"
                             "5000; with --short: 10)")
    parser.add_argument("--variants", default=trial.DEFAULT_NAMES,
                        type=arguments.names_of(trial.NAMES),
                        metavar="NAME,...",
                        help="of %s (default: the first three)" % ", ".join(
                            trial.NAMES))
    parser.add_argument("--windows", type=arguments.at_least(0),
                        help="minutes of agents without instances (default: "
                             "%d; 0 leaves them out)" % _WINDOWS)
    given = parser.parse_args()
    if given.windows is None:
        given.windows = 1 if given.short else _WINDOWS
    given.instances = given.instances or (
        _SHORT_INSTANCES if given.short else _INSTANCES)
    child.end_with_us()
    try:
        results = _measure(given)
        without = given.windows and idle.section(
            given.windows, 2 if given.short else _WINDOW_SECONDS)
    except (process.LabError, child.ChildError) as e:
        sys.exit(str(e))
    print(report.about(*(result.bus + "." for result in results[:1]
                         if result.bus)))
    for title, text in tables.sections(results):
        print(report.heading(title))
        print(text)
    if without:
        print(report.heading("Without instances"))
        print(without)


if __name__ == "__main__":
    main()
