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

"""Many publishers, one relay and three caches: lines lost in restarts.

Run it in the checkout: ``python -m benchmarks.fleet``. Each run kills and
restarts the relay, then one cache by SIGTERM, and another one by SIGKILL. It
prints tables for doc/source/performance.rst. The exit status is 1 if a line
with two copies is lost.
"""

import contextlib
import dataclasses
import importlib.metadata
import pathlib
import resource
import subprocess
import sys
import tempfile

from benchmarks.common import arguments
from benchmarks.common import report
from benchmarks.fleet import cluster
from benchmarks.fleet import series
from benchmarks.fleet import tables
from benchmarks.fleet import trial
from lab import child
from lab import relay

_FULL = trial.Plan(
    publishers=2000, points=5, interval=40, steady=20, away=5, gap=20,
    queue_size=1000000, backlog=1024)
_SHORT = trial.Plan(
    publishers=60, points=5, interval=5, steady=2, away=1, gap=2,
    queue_size=100000, backlog=1024)
_HASHES = ["carbon_ch", "jump_fnv1a_ch"]
_REPLICATIONS = [1, 2]
_SHORT_HASHES = _HASHES[1:]
_SHORT_REPLICATIONS = _REPLICATIONS[1:]
_OTHER_FILES = 500


def _allow_files(count):
    """Let this process and its children open ``count`` files.

    :returns: an error message, or None
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return None
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(count, hard)))
        return None
    return ("the relay needs %d open files, but the limit is %d: raise it "
            "(ulimit -Hn) or use fewer --publishers" % (count, hard))


def _measure(given, plan):
    results = {}
    hashes, replications = (
        (_SHORT_HASHES, _SHORT_REPLICATIONS) if given.short
        else (_HASHES, _REPLICATIONS))
    for hashing in hashes:
        for replication in replications:
            with (tempfile.TemporaryDirectory() as directory,
                  report.timed(tables.name(hashing, replication))):
                results[hashing, replication] = trial.Trial(
                    plan, hashing, replication, pathlib.Path(directory),
                    given.log).run()
    return results


def _about(plan):
    versions = subprocess.run([relay.COMMAND, "-v"], capture_output=True,
                              text=True, check=True).stdout
    return report.about(
        "carbon %s, whisper %s, %s." % (
            importlib.metadata.version("carbon"),
            importlib.metadata.version("whisper"), versions.splitlines()[0]),
        "%d publishers; each sends batches of %d lines, %d of each series, "
        "every %d seconds, to one relay (queue of %d lines for each cache, "
        "backlog of %d) that hashes over %d caches. A restart takes %g "
        "seconds." % (
            plan.publishers, series.BATCH, plan.points, plan.interval,
            plan.queue_size, plan.backlog, cluster.CACHES, plan.away))


def main():
    parser = arguments.parser("fleet", __doc__, "--log", "--short")
    parser.add_argument("--publishers", metavar="NUMBER", type=int,
                        help="how many, at least 2")
    given = parser.parse_args()
    plan = _SHORT if given.short else _FULL
    if given.publishers:
        plan = dataclasses.replace(plan, publishers=given.publishers)
    if error := _allow_files(plan.publishers + _OTHER_FILES):
        parser.error(error)
    child.end_with_us()
    results = _measure(given, plan)
    found = tables.judged(results)
    print(_about(plan))
    print(tables.tables(results))
    print(report.paragraph(tables.LEGEND))
    print(report.bullets(found))
    sys.exit(not all(target.is_met for target in found))


if __name__ == "__main__":
    main()
