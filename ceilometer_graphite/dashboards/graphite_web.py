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

"""Dashboards as graphite-web keeps them.

A dashboard about one of many is a template of graphite-web's, saved by
``POST /dashboard/save_template/NAME/__VALUE__``, in which ``__VALUE__``
stands for the one: ``/dashboard#NAME/VALUE`` shows it. Others are saved by
``POST /dashboard/save/NAME``. Both take the state as the field ``state``.
"""

import dataclasses
import pathlib
import urllib.parse

from ceilometer_graphite import settings as publisher_settings
from ceilometer_graphite.dashboards import description
from ceilometer_graphite.dashboards import layout as layouts

VALUE = "__VALUE__"
# Three beside each other at 1366 pixels, four at 1920, and two rows of them
# where a browser leaves 625 pixels of 768 to a page, without scrolling.
WIDTH, HEIGHT = 440, 270

# What follows the title, and how numbers at the y axis are shortened. (A
# title of that axis would be written over its numbers.)
UNITS = {
    "bytes": (", in bytes", "binary"),
    "bytes/s": (", in bytes/s", "si"),
    "connections": ("", "none"),
    "lines": ("", "si"),
    "lines/s": (", per second", "si"),
    "ms": (", in ms", "none"),
    "instances": ("", "none"),
    "packets/s": (", per second", "si"),
    "percent": (", in percent", "none"),
    "requests/s": (", per second", "si"),
    "samples": ("", "si"),
    "seconds": (", in seconds", "none"),
    "vCPUs": ("", "none"),
}
# A missed poll is bridged, so many points at most; an absence is not.
_BRIDGED = "3"
_COLORS = (
    "3366cc", "dc3912", "109618", "ff9900", "990099", "0099c6", "dd4477",
    "66aa00", "7b4a12", "222222", "999999", "22aa99", "aaaa11", "6633cc",
    "e67300", "8b0707", "651067", "329262", "5574a6", "3b3eac")
_STYLE = {
    "bgcolor": "white", "fgcolor": "444444", "majorGridLineColor": "cccccc",
    "minorGridLineColor": "eeeeee", "colorList": ",".join(_COLORS),
    "fontSize": "9", "margin": "14", "lineWidth": "1.5", "yMin": "0",
    "lineMode": "connected", "hideLegend": "false",
}


def is_template(page: description.Dashboard, chosen: dict[str, str]) -> bool:
    """Whether it is a template, with ``__VALUE__`` in its queries."""
    return not page.may_be_any and page.match[-1] not in chosen


def dashboard(page: description.Dashboard, layout: layouts.Layout,
              chosen: dict[str, str], settings: publisher_settings.Settings,
              minutes: int,
              publishers: layouts.Layout | None = None) -> dict:
    """The state of a dashboard.

    Parameters are those of
    :func:`ceilometer_graphite.dashboards.grafana.dashboard`.
    """
    matched = {role: text for role, text in chosen.items()
               if role in page.match}
    if is_template(page, chosen):
        matched[page.match[-1]] = VALUE
    writer = description.Writer(layout, matched, page.of_publishers,
                                settings.self_metrics_interval, publishers)
    return {
        "name": name(page, chosen),
        "timeConfig": {
            "type": "relative", "relativeStartQuantity": str(minutes),
            "relativeStartUnits": "minutes", "relativeUntilQuantity": "",
            "relativeUntilUnits": "now", "startDate": "2000-01-01T00:00:00",
            "startTime": "9:00 AM", "endDate": "2000-01-01T00:00:00",
            "endTime": "5:00 PM"},
        "refreshConfig": {"enabled": True, "interval": 60000},
        "graphSize": {"width": WIDTH, "height": HEIGHT},
        "defaultGraphParams": {
            "from": "-%dminutes" % minutes, "until": "now",
            "width": str(WIDTH), "height": str(HEIGHT), **_STYLE,
            **({} if page.of_publishers else {"connectedLimit": _BRIDGED})},
        "graphs": [_graph(panel, writer) for panel in page.panels
                   if writer.targets(panel)],
    }


def name(page: description.Dashboard, chosen: dict[str, str]) -> str:
    """What a dashboard is saved as."""
    return "-".join(["ceilometer", page.name, *(
        chosen[role] for role in page.match if role in chosen)])


def how_to_load(path: pathlib.Path, page: description.Dashboard,
                chosen: dict[str, str]) -> str:
    """The command that saves a file, and where it is to be seen."""
    saved = name(page, chosen)
    save, see = (("save_template/%s/%s" % (saved, VALUE),
                  "%s/%s" % (saved, page.match[-1].upper()))
                 if is_template(page, chosen) else ("save/" + saved, saved))
    return (
        "curl --data-urlencode state@%s http://GRAPHITE/dashboard/%s\n"
        "    to see it: http://GRAPHITE/dashboard#%s" % (path, save, see))


def _headroom(panel, writer, targets):
    """A line without a color or a name, a little above all others.

    A graph ends at its largest value, and would cut the line there in half.
    Areas have a thin one on top of all others instead.
    """
    if panel.kind == "areas":
        # Their sum is quicker than that of the largest and the others.
        targets = [writer.expression(dataclasses.replace(
            target, by=(), top=0, others=False)) for target in panel.targets]
        highest, factor = "sumSeries", 0.05
    else:
        highest, factor = "maxSeries", 1.05
    return 'alias(alpha(scale(%s(%s),%.9g),0.001),"")' % (
        highest, ",".join(targets), factor)


def _graph(panel, writer):
    targets = [writer.expression(target) for target in writer.targets(panel)]
    unit, system = UNITS[panel.unit]
    parameters = {"title": panel.title + unit, "yUnitSystem": system}
    if panel.kind == "areas":
        parameters["areaMode"] = "stacked"
    if panel.unit == "percent":
        # A line at 100 has room above it.
        parameters.update(yMax="120", yStep="20")
    else:
        targets.append(_headroom(panel, writer, targets))
    parameters["target"] = targets
    # The first is what tells graphs apart, the last is made anew on loading.
    return [urllib.parse.urlencode({"target": targets}, doseq=True),
            parameters, ""]
