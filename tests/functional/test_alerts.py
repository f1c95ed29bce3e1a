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


"""Each alert fires when its condition is true, and not before.

Carbon and graphite-web are real. :func:`fires` evaluates Grafana's
expressions.
"""

import json
import socket
import statistics
import time

import yaml

from ceilometer_graphite.dashboards import alerts
from ceilometer_graphite.dashboards import layout
from lab import process
from tests.functional import base
from tests.unit.dashboards import test_layout

STEP, SECONDS = 10, 1800
HEALTHY = {"lines_sent": 600, "lines_dropped.buffer_full": 0,
           "lag_seconds": 1, "spool_bytes": 1000, "cpu_util": 50,
           "memory.usage": 1000, "memory": 2048, "power.state": 1}
# {alert: meters whose values make it fire}; None means no points.
SICK = {
    "publisher-silent": {"lines_sent": None},
    "lines-dropped": {"lines_dropped.buffer_full": 5},
    "lag": {"lag_seconds": 500},
    "spool-filling": {"spool_bytes": 900 * 1024 ** 2},
    "cpu-at-limit": {"cpu_util": 99.5},
    "memory-at-limit": {"memory.usage": 2040},
    "instance-not-running": {"power.state": 5},
    "polling-slow": {"cpu_util": "half"},
}
REDUCE = {"min": min, "max": max, "mean": statistics.mean,
          "last": lambda points: points[-1]}
COMPARE = {"gt": lambda value, number: value > number,
           "lt": lambda value, number: value < number}
ID = "59c901c0-1424-4122-8b83-0d7f31cf1bd0"


def name(host, meter):
    """Return a series name of the default template."""
    if meter.startswith(("lines", "lag", "spool")):
        return f"ceilometer.{host}.graphite_publisher.graphite_2003.{meter}"
    return f"ceilometer.{host}.p.{host}_{ID}.{meter}"


def points(host, meter, value, now):
    """Return lines of a series for the last half hour."""
    seconds = range(now - SECONDS, now, STEP)
    if value is None:
        seconds, value = seconds[:-60], 600
    if value == "half":
        seconds, value = seconds[::2], 50
    return [f"{name(host, meter)} {value} {second}\n" for second in seconds]


def fires(rule, web, now):
    """Return the series in a rule's query that make it fire."""
    query, reduced, threshold = rule["data"]
    since = now - query["relativeTimeRange"]["from"]
    evaluator = threshold["model"]["conditions"][0]["evaluator"]
    return {row["target"] for row in web.render_json(
        query["model"]["target"].replace("$$", "$"), since, now - STEP)
        if (values := [value for value, _ in row["datapoints"]
                       if value is not None])
        and COMPARE[evaluator["type"]](
            REDUCE[reduced["model"]["reducer"]](values),
            *evaluator["params"])}


class AlertsTest(base.GraphiteTestCase):

    def start_graphite(self):
        self.carbon = self.start(base.graphite.Carbon(
            self.directory / "carbon", retentions=f"{STEP}s:2h"))
        self.web = self.start(base.graphite.GraphiteWeb(
            self.directory / "web", self.carbon))

    def setUp(self):
        super().setUp()
        self.now = int(time.time()) // STEP * STEP
        settings = test_layout.settings()
        of = {False: layout.of_machines(settings),
              True: layout.of_publishers(settings)}
        groups = yaml.safe_load(alerts.provisioned([
            (alert, alerts.query(alert, of[alert.of_publishers], settings))
            for alert in alerts.load()]))["groups"]
        self.rules = {rule["uid"].removeprefix("ceilometer-"): rule
                      for rule in groups[0]["rules"]}

    def feed(self, host, changed):
        lines = [line for meter, value in {**HEALTHY, **changed}.items()
                 for line in points(host, meter, value, self.now)]
        with socket.create_connection(
                ("127.0.0.1", self.carbon.line_port)) as connection:
            connection.sendall("".join(lines).encode())
        last = name(host, list(HEALTHY)[-1])
        process.wait_for(
            lambda: len(self.web.points(last).get(last, ())) >= 175,
            60, last)

    def test_each_alert_fires_only_where_its_condition_is_true(self):
        self.assertEqual(set(SICK), set(self.rules))
        self.feed("healthy", {})
        for alert, rule in self.rules.items():
            self.assertEqual(set(), fires(rule, self.web, self.now), alert)
        for alert, changed in SICK.items():
            self.feed(alert, changed)
        for alert, rule in self.rules.items():
            found = fires(rule, self.web, self.now)
            self.assertEqual({alert}, {
                line.split(".")[0].partition("_")[0] for line in found},
                (alert, json.dumps(sorted(found))))
