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


"""Alerts, as Graphite queries and as what Grafana provisions.

The conditions stand in ``data/alerts.yaml``, whose keys are the attributes of
:class:`Alert`.
"""

import dataclasses
import importlib.resources
import re

import yaml

from ceilometer_graphite import settings as publisher_settings
from ceilometer_graphite.dashboards import layout as layouts

# The uid that Grafana's data source is expected to have.
DATA_SOURCE = "graphite"
FOLDER = "Ceilometer"
_EXPRESSION = "__expr__"
_SERIES = re.compile(r"SERIES\(([^()]+)\)")
_BY = re.compile(r"BY\(([^(),]+), ([a-z ]+)\)")


@dataclasses.dataclass(frozen=True)
class Alert:
    """A condition, which is true of each of a query's lines or is not.

    :ivar query: with SERIES() and BY() in it
    :ivar minutes: of the points that count
    :ivar reduce: what is made of a line's points: min, max, mean or last
    :ivar above: what that has to exceed for the alert to fire
    :ivar below: what it has to be less than, instead
    :ivar missing: the state where the query has no line
    :ivar of_publishers: whether it is about publishers, and not instances
    """

    name: str
    title: str
    summary: str
    query: str
    minutes: int
    reduce: str
    above: float | None = None
    below: float | None = None
    missing: str = "OK"
    of_publishers: bool = False

    @property
    def threshold(self) -> tuple[str, float]:
        """Grafana's name of the comparison, and its number."""
        return (("gt", self.above) if self.above is not None
                else ("lt", self.below or 0))


def load() -> list[Alert]:
    """The packaged alerts."""
    packaged = importlib.resources.files("ceilometer_graphite").joinpath(
        "data/alerts.yaml")
    return [Alert(name=name, **keys) for name, keys
            in yaml.safe_load(packaged.read_bytes()).items()]


def query(alert: Alert, layout: layouts.Layout,
          settings: publisher_settings.Settings) -> str:
    """The Graphite query of an alert."""
    def by(match):
        roles = match[2].split()
        if "instance" in roles:
            roles = layout.identity
        return ",".join(layout.node(role, match[1]) for role in roles)

    # What Grafana names a combined line by its first component, so the
    # division takes all components that tell instances apart.
    nodes = ",".join(map(str, range(len(layout.identity))))
    text = alert.query.replace('"multiply",0)', '"multiply",%s)' % nodes)
    text = text.replace("SPOOL_PERCENT",
                        "%.9g" % (100 / max(settings.spool_size, 1)))
    return _BY.sub(by, _SERIES.sub(
        lambda match: layout.series(match[1], {}), text))


def provisioned(queries: list[tuple[Alert, str]]) -> str:
    """A YAML file for Grafana's folder ``provisioning/alerting``.

    :param queries: alerts with their queries
    """
    return yaml.safe_dump({"apiVersion": 1, "groups": [{
        "orgId": 1, "name": "ceilometer-graphite", "folder": FOLDER,
        "interval": "1m",
        "rules": [_rule(alert, text) for alert, text in queries]}]},
        sort_keys=False, width=1000)


def _rule(alert, text):
    evaluator, number = alert.threshold
    return {
        "uid": "ceilometer-" + alert.name,
        "title": alert.title,
        "condition": "C",
        "data": [
            _datum("A", DATA_SOURCE, alert.minutes * 60,
                   # Grafana takes a dollar in these files for a variable.
                   target=text.replace("$", "$$")),
            _datum("B", _EXPRESSION, 0, type="reduce", expression="A",
                   reducer=alert.reduce,
                   settings={"mode": "dropNN"}),
            _datum("C", _EXPRESSION, 0, type="threshold", expression="B",
                   conditions=[{"evaluator": {"type": evaluator,
                                              "params": [number]}}])],
        "for": "0s",
        "noDataState": alert.missing,
        "execErrState": "Error",
        "annotations": {"summary": alert.summary},
        "labels": {"source": "ceilometer-graphite"},
        "isPaused": False,
    }


def _datum(name, source, seconds, **model):
    return {"refId": name, "datasourceUid": source,
            "relativeTimeRange": {"from": seconds, "to": 0},
            "model": {"refId": name, **model}}
