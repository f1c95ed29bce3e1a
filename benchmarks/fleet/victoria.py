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


"""A fleet of publishers before one VictoriaMetrics: lines lost, and cost.

Run it from the checkout: ``python -m benchmarks.fleet.victoria``. It needs
Debian's package victoria-metrics, which is killed and started again in the
middle. It prints a table for doc/source/scaling.rst, and fails when a line was
lost.
"""

import pathlib
import sys
import tempfile
import time

from benchmarks.common import arguments
from benchmarks.common import report
from benchmarks.fleet import nodes
from benchmarks.fleet import series as fleet_series
from lab import child
from lab import process
from lab import usage
from lab import victoria

_FLEET = "ceilometer[.].*"
_INTERVAL = 20
_POINTS = 1
_WARM_UP_SECONDS = 2 * _INTERVAL
_AWAY_SECONDS = 5
_QUIET_SECONDS = 10
_SETTLE_SECONDS = 120


class Trial:
    """A fleet before a VictoriaMetrics that is killed.

    :param publishers: how many
    :param directory: for all files
    :param log_path: file for what the publishers print
    """

    def __init__(self, publishers, directory, log_path):
        self._engine = victoria.VictoriaMetrics(directory)
        self._nodes = nodes.Nodes(
            publishers, self._engine.line_port,
            fleet_series.Shape(_POINTS, _INTERVAL), log_path)

    def version(self) -> str:
        """Of the package of VictoriaMetrics."""
        return self._engine.version()

    def run(self) -> dict:
        """Do it; return what came of it, by name."""
        with self._engine, self._nodes:
            self._nodes.start()
            time.sleep(_WARM_UP_SECONDS)
            seconds, lines, cpu = usage.growth(self._used, _INTERVAL)
            facts = {
                "Lines a second": "%.0f" % (lines / seconds),
                "CPU in microseconds a line": "%.1f" % (1e6 * cpu / lines),
                "RSS in MiB": "%.0f" % usage.rss_mb([self._engine.pid])}
            self._kill()
            self._nodes.stop()
            process.wait_for(self._is_settled, _SETTLE_SECONDS,
                             "the last lines")
            facts |= self._account(self._nodes.report())
        facts["Bytes on disk a datapoint"] = "%.1f" % (
            _bytes_of(self._engine.data) / facts["Datapoints it has"])
        return facts

    def _used(self):
        return (time.monotonic(), self._nodes.lines(),
                usage.cpu_seconds([self._engine.pid]))

    def _kill(self):
        self._engine.kill()
        time.sleep(_AWAY_SECONDS)
        self._engine.start()
        time.sleep(_INTERVAL)

    def _is_settled(self):
        """Whether no more datapoints came to light for long."""
        before = self._visible()
        time.sleep(_QUIET_SECONDS)
        return self._visible() == before

    def _visible(self):
        return sum(map(len, self._engine.series(_FLEET).values()))

    def _account(self, reported):
        series = self._engine.series(_FLEET)
        published = found = twice = 0
        for node, count in reported.batches.items():
            points = self._nodes.points(node, count)
            for path in self._nodes.shape.paths(node):
                read = series.get(path, {})
                published += len(points)
                for number, (second, _) in enumerate(points):
                    values = read.get(int(second), [])
                    found += number in values
                    twice += len(values) > 1
        return {"Lines published": published,
                "Lost": published - found,
                "Sent again by publishers":
                    reported.totals["lines_replayed"],
                "Datapoints that are there twice": twice,
                "Datapoints it has": found}


def _bytes_of(directory):
    return sum(path.stat().st_size for path in directory.rglob("*")
               if path.is_file())


def main():
    parser = arguments.parser("fleet.victoria", __doc__)
    parser.add_argument("--publishers", type=arguments.at_least(2),
                        default=200, metavar="NUMBER")
    given = parser.parse_args()
    child.end_with_us()
    with tempfile.TemporaryDirectory() as directory:
        trial = Trial(given.publishers, pathlib.Path(directory), given.log)
        version, facts = trial.version(), trial.run()
    print(report.about("%s %s, %d publishers." % (
        victoria.COMMAND, version, given.publishers)))
    print(report.simple_table([("What", "VictoriaMetrics"), *(
        (name, str(fact)) for name, fact in facts.items())]))
    target = report.Target("lines lost", facts["Lost"], 0)
    print(report.bullets([target]))
    sys.exit(not target.is_met)


if __name__ == "__main__":
    main()
