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

"""Dashboards as Grafana's JSON, for Grafana 8 or later.

Grafana asks for the data source when it imports a file. All choices are
variables, so that one file does for all hypervisors, projects and instances.
"""

import pathlib

from ceilometer_graphite import settings as publisher_settings
from ceilometer_graphite.dashboards import description
from ceilometer_graphite.dashboards import layout as layouts

SCHEMA_VERSION = 36
TAG = "ceilometer-graphite"
DATA_SOURCE = "DS_GRAPHITE"
_SOURCE = {"type": "graphite", "uid": "${%s}" % DATA_SOURCE}
_ALL = {"text": "All", "value": "$__all"}
# Two rows of panels fit where a browser leaves 625 pixels of 768 to a page,
# and Grafana some 150 less: a row of height 6 takes 228.
_PAGE_WIDTH, _HEIGHT = 24, 6
# A missed poll is bridged, so many milliseconds at most; an absence is not.
_BRIDGED = 180000

UNITS = {
    "bytes": "bytes",
    "bytes/s": "Bps",
    "connections": "short",
    "lines": "short",
    "lines/s": "suffix: lines/s",
    "ms": "ms",
    "instances": "short",
    "packets/s": "pps",
    "percent": "percent",
    "requests/s": "reqps",
    "samples": "short",
    "seconds": "s",
    "vCPUs": "short",
}
_TYPES = {"lines": "timeseries", "areas": "timeseries", "number": "stat"}


def dashboard(page: description.Dashboard, layout: layouts.Layout,
              chosen: dict[str, str], settings: publisher_settings.Settings,
              minutes: int,
              publishers: layouts.Layout | None = None) -> dict:
    """A dashboard as what is written as JSON.

    :param chosen: what is shown at first, by role
    :param minutes: how much is shown at first
    :param publishers: the layout of the publishers' series, where they have
        any and the other layout is that of instances
    """
    writer = description.Writer(
        layout, {role: "$" + role for role in page.match},
        page.of_publishers, settings.self_metrics_interval, publishers)
    return {
        "__inputs": [{"name": DATA_SOURCE, "label": "Graphite",
                      "description": "", "type": "datasource",
                      "pluginId": "graphite", "pluginName": "Graphite"}],
        "__requires": [{"type": "datasource", "id": "graphite",
                        "name": "Graphite", "version": "1.0.0"}],
        "uid": "%s-%s" % (TAG, page.name),
        "title": "Ceilometer: " + page.title,
        "description": page.description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-%dm" % minutes, "to": "now"},
        "refresh": "1m",
        "annotations": {"list": []},
        "links": [_links()],
        "templating": {"list": list(_variables(page, layout, chosen))},
        "panels": list(_panels(page, writer)),
    }


def how_to_load(path: pathlib.Path, page: description.Dashboard,
                chosen: dict[str, str]) -> str:
    """What to do with a file."""
    return "%s: import it in Grafana, Dashboards, New, Import" % path


def _links():
    """To the other dashboards, with what is chosen."""
    return {"type": "dashboards", "title": "Ceilometer", "tags": [TAG],
            "asDropdown": False, "includeVars": True, "keepTime": True,
            "targetBlank": False, "icon": "external link", "tooltip": "",
            "url": ""}


def _variables(page, layout, chosen):
    narrowed = {}
    *_, about = page.match
    for role in [*page.listed_by, *page.match]:
        may_be_any = role != about or page.may_be_any
        variable = {
            "type": "query", "name": role, "label": role.capitalize(),
            "datasource": _SOURCE, "refresh": 1, "sort": 1, "hide": 0,
            "multi": False, "options": [], "includeAll": may_be_any,
            **layout.variable(role, narrowed)._asdict()}
        if may_be_any:
            variable.update(allValue=layout.ANY, current=_ALL)
        if role in chosen:
            variable["current"] = {"text": chosen[role],
                                   "value": chosen[role]}
        narrowed[role] = "$" + role
        yield variable


def _panels(page, writer):
    x = y = 0
    panels = [panel for panel in page.panels if writer.targets(panel)]
    for number, panel in enumerate(panels, 1):
        if x + panel.width > _PAGE_WIDTH:
            x, y = 0, y + _HEIGHT
        yield {
            "id": number,
            "type": _TYPES[panel.kind],
            "title": panel.title,
            "description": panel.description,
            "datasource": _SOURCE,
            "gridPos": {"x": x, "y": y, "w": panel.width, "h": _HEIGHT},
            "targets": [
                {"refId": chr(ord("A") + index), "datasource": _SOURCE,
                 "target": writer.expression(target)}
                for index, target in enumerate(writer.targets(panel))],
            "fieldConfig": {
                "defaults": _field(panel, writer.of_reports or _BRIDGED),
                "overrides": list(_overrides(panel))},
            "options": _options(panel),
        }
        x += panel.width


def _field(panel, bridged):
    field = {"unit": UNITS[panel.unit], "min": 0}
    if panel.unit == "percent":
        field["max"] = 105 if panel.kind == "lines" else 100
    if panel.kind != "number":
        stacked = panel.kind == "areas"
        field["custom"] = {
            "lineWidth": 1, "fillOpacity": 40 if stacked else 5,
            "spanNulls": bridged, "showPoints": "auto",
            "stacking": {"mode": "normal" if stacked else "none",
                         "group": "A"}}
    return field


def _overrides(panel):
    """What makes limits dashed, and others of no instance's color."""
    for target in panel.targets:
        if target.limit:
            yield _override(target.legend, description.LIMIT, {
                "lineStyle": {"fill": "dash", "dash": [10, 10]},
                "fillOpacity": 0})
        if target.others:
            yield _override("others", description.OTHERS, {})


def _override(name, color, custom):
    return {"matcher": {"id": "byName", "options": name}, "properties": [
        {"id": "color", "value": {"mode": "fixed",
                                  "fixedColor": "#" + color}},
        *({"id": "custom." + key, "value": value}
          for key, value in custom.items())]}


def _options(panel):
    if panel.kind == "number":
        return {"graphMode": "area", "colorMode": "value",
                "textMode": "value", "reduceOptions": {
                    "values": False, "fields": "", "calcs": ["lastNotNull"]}}
    # A legend has a third of the height at most, which is three lines: the
    # names of the ten largest, or a few lines with their values.
    many = any(target.top for target in panel.targets)
    return {"tooltip": {"mode": "multi", "sort": "desc"},
            "legend": {"showLegend": True, "displayMode": "list",
                       "placement": "bottom",
                       "calcs": [] if many else ["max", "lastNotNull"]}}
