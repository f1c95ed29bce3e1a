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

"""CPU, latency and memory of real agents with the plugin and with a bus.

Run it in the checkout: ``python -m benchmarks.scale``. ceilometer-polling
polls simulated hypervisors with each of the notification drivers noop,
ceilometer_pipeline (with graphite://) and messagingv2 (with RabbitMQ and
ceilometer-agent-notification, which also has graphite://). It prints tables
for doc/source/performance.rst. A missing or additional line is an error, a
missed target is not.

``--variants direct direct-patched`` compares the installed Ceilometer with a
copy that has patches 1 to 3 of upstream/. With 1,000 instances or more use
few variants: when the cycles of an agent are more than about a minute apart,
its counters grow faster than is possible.
"""

import pathlib
import sys
import tempfile

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
    """Return a plan with fewer turns if a turn takes longer."""
    return trial.Plan(
        warm_up=min(3, max(2, 3000 // instances)),
        rounds=min(30, max(2, 10000 // instances)), idle_seconds=10.0)


def _measure(given):
    results = []
    for instances in given.instances:
        plan = _SHORT if given.short else _plan(instances)
        with (report.timed("%d instances" % instances),
              tempfile.TemporaryDirectory() as directory,
              trial.Trial(instances, given.variants, plan,
                          pathlib.Path(directory)) as made):
            results.append(made.run())
    return results


def _arguments():
    parser = arguments.parser("scale", __doc__, "--short")
    arguments.add_names(parser, "--variants", trial.NAMES,
                        trial.DEFAULT_NAMES)
    parser.add_argument("--instances", nargs="+", type=int, metavar="NUMBER",
                        help="sizes of the hypervisor")
    parser.add_argument("--windows", type=int,
                        help="minutes to measure agents without instances; 0 "
                             "skips this (default: %d)" % _WINDOWS)
    given = parser.parse_args()
    if given.windows is None:
        given.windows = 1 if given.short else _WINDOWS
    given.instances = given.instances or (
        _SHORT_INSTANCES if given.short else _INSTANCES)
    return given


def main():
    given = _arguments()
    child.end_with_us()
    try:
        results = _measure(given)
        without = given.windows and idle.section(
            given.windows, 2 if given.short else _WINDOW_SECONDS)
    except (process.LabError, child.ChildError) as e:
        sys.exit(str(e))
    print(report.about(*(result.bus + "." for result in results[:1]
                         if result.bus)))
    sections = tables.sections(results)
    if without:
        sections.append(("Without instances", without))
    for title, text in sections:
        print(report.heading(title))
        print(text)


if __name__ == "__main__":
    main()
