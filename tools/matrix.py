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


"""Tests releases of Ceilometer on versions of Python, and prints a table.

Each cell is the result of the tox environment for a release and a Python. The
results are kept in a file. A cell with a kept result is not run again::

    python -m tools.matrix > doc/source/tables/ceilometer.inc

python3.10 to python3.13 must be on PATH.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import time

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
# From https://releases.openstack.org.
SERIES = {17: "Xena", 18: "Yoga", 19: "Zed", 20: "2023.1", 21: "2023.2",
          22: "2024.1", 23: "2024.2", 24: "2025.1", 25: "2025.2",
          26: "2026.1", 27: "2026.2"}
NEWEST = max(SERIES)
# Options of the newest release that the documentation names.
OPTIONS = ("[compute] fetch_extra_metadata",
           "[compute] report_stopped_instance_metrics",
           "[polling] enable_notifications",
           "[polling] enable_prometheus_exporter",
           "[polling] threads_to_process_pollsters")
RUNS = "runs"
NOT_RUN = {"result": "not run"}
# Differences for users of libvirt_metadata, by a fact of tools.release_facts.
_NOVA = {
    "never": [],
    "for metadata": ["``libvirt_metadata`` needs ``fetch_extra_metadata = "
                     "false``, or ``[service_credentials]`` for Nova."],
    "always": ["``libvirt_metadata`` needs ``[service_credentials]`` for "
               "Nova."]}
# An exception, or the error of an installer.
_REASON = re.compile(
    r"^(?!.*_StringException|.*Failed to import test)"
    r"(?:[\w.]*(?:Error|Exception)\b|error:).*", re.M)
# The Python that a release requires, from an error of uv.
_PYTHON = re.compile(r"ceilometer\S* depends on (Python\S+\d)")
# The test that failed.
_WHERE = re.compile(r"^(?:FAIL|ERROR): (\w+) \(", re.M)
_REASON_CHARACTERS = 300
HEAD = """\
.. list-table::
   :header-rows: 1
   :widths: 18 {widths} 50

   * - Ceilometer
{pythons}
     - What differs from {newest}
"""
ROOT = pathlib.Path(__file__).absolute().parent.parent


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tox", default="tox", help="the command of tox")
    parser.add_argument("--results", type=pathlib.Path,
                        default=ROOT / ".tox" / "matrix.json",
                        help="file with the kept results")
    parser.add_argument("--no-runs", action="store_true",
                        help="print the kept results, and run nothing")
    parser.add_argument("--releases", type=int, nargs="+", metavar="N",
                        default=sorted(SERIES, reverse=True))
    parser.add_argument("--pythons", nargs="+", default=PYTHONS, metavar="X")
    return parser.parse_args(arguments)


def reason(output):
    """Return why a run failed, as one line of its output."""
    python = _PYTHON.search(output)
    if python:
        return "needs " + python[1]
    where = _WHERE.search(output)
    found = _REASON.search(output, where.end() if where else 0)
    text = found[0] if found else output.strip().rpartition("\n")[2]
    if where:
        text = "%s: %s" % (where[1], text)
    return text[:_REASON_CHARACTERS]


def run(tox, release, python):
    """Run one cell.

    :returns: a dict of the result (RUNS or the reason why not), the seconds,
        and the facts if it runs
    """
    name = "py%s-ceilometer%d" % (python, release)
    started = time.monotonic()
    ended = subprocess.run(
        [tox, "run", "--colored", "no", "-e", name], cwd=ROOT, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        stdin=subprocess.DEVNULL)
    cell = {"seconds": round(time.monotonic() - started), "result": RUNS}
    if ended.returncode:
        print(ended.stdout, file=sys.stderr)
        cell["result"] = reason(ended.stdout)
    else:
        facts = [line for line in ended.stdout.splitlines()
                 if line.startswith('{"version"')]
        cell["facts"] = json.loads(facts[-1])
    print(name, cell["result"], cell["seconds"], "s", file=sys.stderr)
    return cell


def fill(arguments):
    """Run the cells without a kept result; return all as {name: cell}."""
    path = arguments.results
    cells = json.loads(path.read_text()) if path.exists() else {}
    for release in arguments.releases:
        for python in arguments.pythons:
            name = "%d %s" % (release, python)
            if name not in cells and not arguments.no_runs:
                cells[name] = run(arguments.tox, release, python)
                path.write_text(json.dumps(cells, indent=1))
    return cells


def facts_of(cells, release):
    """Return the facts of a release on any Python, or None."""
    return next((cell["facts"] for name, cell in cells.items()
                 if name.startswith("%d " % release) and "facts" in cell),
                None)


def names(found):
    return ", ".join("``%s``" % name for name in found)


def differences(facts, newest):
    """Yield differences for users of a release, as sentences."""
    if facts["pkg_resources"]:
        yield "Needs setuptools before 81, for ``pkg_resources``."
    if facts["md5"]:
        yield "Needs oslo.utils before 10, for ``secretutils.md5``."
    yield from _NOVA[facts["asks_nova"]]
    for what, known in (("meters", newest["meters"]), ("options", OPTIONS)):
        lacks = sorted(set(known) - set(facts[what]))
        if lacks:
            yield "Lacks the %s %s." % (what, names(lacks))
    more = sorted(set(facts["meters"]) - set(newest["meters"]))
    if more:
        yield ("Has pollsters for %s, for which libvirt's inspector has no "
               "data." % names(more))


def row(cells, release, pythons):
    """Return one row of the table in reStructuredText."""
    found = facts_of(cells, release)
    newest = facts_of(cells, NEWEST)
    title = "%s (%s)" % (found["version"] if found else release,
                         SERIES[release])
    last = (" ".join(differences(found, newest)) if found and newest else "")
    columns = [title, *(cells.get("%d %s" % (release, python), NOT_RUN)[
        "result"] for python in pythons), last]
    return "".join("   %s - %s\n" % (" " if index else "*", text)
                   for index, text in enumerate(columns)).replace(
                       " - \n", " -\n")


def table(cells, releases, pythons):
    return HEAD.format(
        widths=" ".join(["8"] * len(pythons)), newest=NEWEST,
        pythons="\n".join("     - %s" % python for python in pythons)
    ) + "".join(row(cells, release, pythons) for release in releases)


def main():
    arguments = parse_arguments()
    print(table(fill(arguments), arguments.releases, arguments.pythons),
          end="")


if __name__ == "__main__":
    main()
