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


"""A fleet of publishers before one relay and three caches: lines lost.

Run it from the checkout: ``python -m benchmarks.fleet``. In each run the
relay is killed, one cache is ended by SIGTERM and one is killed, and each is
started again. It prints tables for doc/source/performance.rst, and fails when
a line was lost that had two copies.
"""

import argparse
import contextlib
import dataclasses
import importlib.metadata
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

from benchmarks.common import argument_types
from benchmarks.common import child
from benchmarks.common import report
from benchmarks.fleet import cluster
from benchmarks.fleet import series
from benchmarks.fleet import tables
from benchmarks.fleet import trial
from lab import relay

_FULL = trial.Plan(
    publishers=2000, points=5, interval=40, steady=20, away=5, gap=20,
    queue_size=1000000, backlog=1024)
_SHORT = trial.Plan(
    publishers=60, points=5, interval=5, steady=2, away=1, gap=2,
    queue_size=100000, backlog=1024)
_HASHES = ["carbon_ch", "jump_fnv1a_ch"]
_REPLICATIONS = ["1", "2"]
_SHORT_HASHES = _HASHES[1:]
_SHORT_REPLICATIONS = _REPLICATIONS[1:]
_OTHER_FILES = 500


def _allow_files(count):
    """Let this process and its children open so many files.

    :returns: what hinders it, if anything
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return None
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(count, hard)))
        return None
    return ("the relay needs %d open files, and this user may have %d: raise "
            "the limit (ulimit -Hn) or give fewer --publishers" % (
                count, hard))


def _versions():
    output = subprocess.run([relay.COMMAND, "-v"], capture_output=True,
                            text=True, check=True).stdout
    return "%s %s, %s, %d processors." % (
        report.versions(), ", ".join(
            "%s %s" % (name, importlib.metadata.version(name))
            for name in ("carbon", "whisper")),
        output.splitlines()[0], os.cpu_count())


def _plan(arguments):
    plan = _SHORT if arguments.short else _FULL
    return dataclasses.replace(plan, **{
        name: value for name in ("publishers", "points", "interval",
                                 "queue_size", "backlog")
        if (value := getattr(arguments, name)) is not None})


def _measure(arguments, plan):
    results = {}
    hashes, replications = (
        (_SHORT_HASHES, _SHORT_REPLICATIONS) if arguments.short
        else (_HASHES, _REPLICATIONS))
    for hashing in arguments.hash or hashes:
        for replication in map(int, arguments.replication or replications):
            begin = time.monotonic()
            with tempfile.TemporaryDirectory() as directory:
                results[hashing, replication] = trial.Trial(
                    plan, hashing, replication, pathlib.Path(directory),
                    arguments.log).run()
            print("%s took %.0f s" % (
                tables.name(hashing, replication),
                time.monotonic() - begin), file=sys.stderr, flush=True)
    return results


def _about(plan):
    return (
        "%d publishers, each with a batch of %d lines, %d of each series, in "
        "%d seconds, to one relay (queue of %d lines for each cache, backlog "
        "of %d) that hashes over %d caches. What is ended is away for %g "
        "seconds." % (
            plan.publishers, series.BATCH, plan.points, plan.interval,
            plan.queue_size, plan.backlog, cluster.CACHES, plan.away))


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fleet",
        description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true",
                        help="a minute, to see that it works")
    parser.add_argument("--publishers", metavar="NUMBER",
                        type=argument_types.at_least(2))
    parser.add_argument("--hash", metavar="NAME,...",
                        type=argument_types.names_of(relay.HASHES),
                        help="of the relay")
    parser.add_argument("--replication", metavar="NUMBER,...",
                        type=argument_types.names_of(_REPLICATIONS),
                        help="on how many caches each series is")
    parser.add_argument("--points", metavar="NUMBER",
                        type=argument_types.at_least(1),
                        help="of each series in a batch of 50; 1 is what an "
                             "agent has, and makes most files")
    parser.add_argument("--interval", metavar="SECONDS",
                        type=argument_types.at_least(1),
                        help="between two batches of a publisher")
    parser.add_argument("--queue-size", metavar="LINES",
                        type=argument_types.at_least(1),
                        help="of the relay, for each cache")
    parser.add_argument("--backlog", metavar="NUMBER",
                        type=argument_types.at_least(1),
                        help="of clients that the relay has not accepted")
    parser.add_argument("--log", default=os.devnull,
                        help="a file for what the publishers print")
    return parser


def _hindrance(plan):
    """Why a plan cannot be carried out here, if anything."""
    if series.BATCH % plan.points or plan.interval % plan.points:
        return "--points has to divide %d and the interval of %d s" % (
            series.BATCH, plan.interval)
    return _allow_files(plan.publishers + _OTHER_FILES)


def main():
    parser = _parser()
    arguments = parser.parse_args()
    plan = _plan(arguments)
    hindrance = _hindrance(plan)
    if hindrance:
        parser.error(hindrance)
    child.end_with_us()
    results = _measure(arguments, plan)
    targets = tables.judged(results)
    print(report.paragraph("%s %s" % (_versions(), _about(plan))))
    print(tables.tables(results))
    print(report.paragraph(tables.LEGEND))
    print(report.bullets(map(str, targets)))
    sys.exit(any(target.figure > target.limit for target in targets))


if __name__ == "__main__":
    main()
