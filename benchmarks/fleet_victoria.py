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

Run it from the checkout: ``python -m benchmarks.fleet_victoria``. It needs
Debian's package victoria-metrics, which is killed and started again in the
middle. It prints a table for doc/source/scaling.rst, and fails when a line was
lost.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

from benchmarks import argument_types
from benchmarks import child
from benchmarks import fleet_nodes
from benchmarks import fleet_series
from benchmarks import report
from benchmarks import scale_usage
from benchmarks import targets
from tools.lab import process

_COMMAND = "victoria-metrics"
_INTERVAL = 20
_POINTS = 1
_PUBLISHERS_OF_PROCESS = 125
_WARM_UP_SECONDS = 2 * _INTERVAL
_AWAY_SECONDS = 5
_QUIET_SECONDS = 10
_SETTLE_SECONDS = 120


class VictoriaMetrics(process.Process):
    """A single-node VictoriaMetrics that takes lines at `line_port`."""

    def __init__(self, directory):
        self.line_port, self._port = process.free_ports(2)
        self.data = directory / "data"
        super().__init__(
            _COMMAND,
            [_COMMAND, "-storageDataPath=%s" % self.data,
             "-retentionPeriod=1",
             "-graphiteListenAddr=127.0.0.1:%d" % self.line_port,
             "-httpListenAddr=127.0.0.1:%d" % self._port,
             # Of points with one timestamp, one stays.
             "-dedup.minScrapeInterval=1ms"],
            directory / "log")

    def start(self):
        """Return when it takes lines and answers."""
        super().start()
        for port in (self.line_port, self._port):
            self.wait_until(lambda port=port: process.is_listening(port), 30,
                            "%s on port %d" % (_COMMAND, port))

    def get(self, path, **parameters):
        """The body of an answer, as bytes."""
        url = "http://127.0.0.1:%d%s?%s" % (
            self._port, path, urllib.parse.urlencode(parameters))
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.read()

    def series(self):
        """All datapoints of the fleet that can be read by now.

        :returns: {path: {epoch second: [values]}}
        """
        self.get("/internal/force_flush")
        series = {}
        for line in self.get("/api/v1/export", **{
                "match[]": '{__name__=~"ceilometer[.].*"}'}).splitlines():
            row = json.loads(line)
            points = series.setdefault(row["metric"]["__name__"], {})
            for stamp, value in zip(row["timestamps"], row["values"],
                                    strict=True):
                points.setdefault(stamp // 1000, []).append(value)
        return series


class Trial:
    """A fleet before a VictoriaMetrics that is killed.

    :param publishers: how many
    :param directory: for all files
    """

    def __init__(self, publishers, directory):
        self._engine = VictoriaMetrics(directory)
        self._nodes = fleet_nodes.Nodes(
            publishers, 1 + publishers // _PUBLISHERS_OF_PROCESS,
            self._engine.line_port,
            fleet_series.Shape(_POINTS, _INTERVAL), os.devnull)

    def run(self):
        """Do it.

        :returns: what is told of it, by name
        """
        with self._engine:
            try:
                self._nodes.start()
                time.sleep(_WARM_UP_SECONDS)
                facts = self._work()
                self._kill()
                self._nodes.stop()
                process.wait_for(self._is_settled, _SETTLE_SECONDS,
                                 "the last lines")
                facts.update(self._account(self._nodes.report()))
            finally:
                self._nodes.close()
        facts["Bytes on disk a datapoint"] = "%.1f" % (
            _bytes_of(self._engine.data) / facts["Datapoints it has"])
        return facts

    def _work(self):
        before = self._used()
        time.sleep(_INTERVAL)
        seconds, lines, cpu = (after - value for value, after in zip(
            before, self._used(), strict=True))
        return {
            "Lines a second": "%.0f" % (lines / seconds),
            "CPU in microseconds a line": "%.1f" % (1e6 * cpu / lines),
            "RSS in MiB": "%.0f" % scale_usage.rss_mb([self._engine.pid])}

    def _used(self):
        return (time.monotonic(), self._nodes.lines(),
                scale_usage.cpu_seconds([self._engine.pid]))

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
        return sum(map(len, self._engine.series().values()))

    def _account(self, reported):
        series = self._engine.series()
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--publishers", type=argument_types.at_least(2),
                        default=200, metavar="NUMBER")
    arguments = parser.parse_args()
    package = subprocess.run(["dpkg-query", "--show", _COMMAND],
                             capture_output=True, text=True, check=True)
    child.end_with_us()
    with tempfile.TemporaryDirectory() as directory:
        facts = Trial(arguments.publishers, pathlib.Path(directory)).run()
    print(report.paragraph("%s %s, %d publishers, %d processors." % (
        report.versions(), " ".join(package.stdout.split()),
        arguments.publishers, os.cpu_count())))
    print(report.simple_table([("What", "VictoriaMetrics"), *(
        (name, str(fact)) for name, fact in facts.items())]))
    target = targets.Target("lines lost", facts["Lost"], 0)
    print(report.bullets([str(target)]))
    sys.exit(target.figure > target.limit)


if __name__ == "__main__":
    main()
