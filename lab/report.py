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

"""A table and a picture of a hypervisor's instances, from Graphite."""

import time

MIB = 1024 ** 2
# Title of a column, the end of its series after the instance, and the bytes of
# its unit (None if it is not in bytes).
COLUMNS = (
    ("CPU %", "cpu_util", None),
    ("memory used", "memory.usage", MIB),
    ("of", "memory", MIB),
    ("disk read/s", "disk.device.read.bytes.rate.*", 1),
    ("disk write/s", "disk.device.write.bytes.rate.*", 1),
    ("net in/s", "network.incoming.bytes.rate.*", 1),
    ("net out/s", "network.outgoing.bytes.rate.*", 1),
)
COLORS = ("e6194b", "3cb44b", "4363d8", "f58231", "911eb4", "00a5b5",
          "c29a00", "f032e6", "6b8e23", "800000", "000075", "7f7f7f")
PICTURE = {
    "title": "CPU usage of all instances on this hypervisor",
    "vtitle": "percent of the instance's vCPUs",
    "width": 1200, "height": 600, "margin": 20, "yMin": 0, "yMax": 100,
    "lineMode": "connected", "lineWidth": 2, "hideLegend": "false",
    "bgcolor": "white", "fgcolor": "444444", "majorGridLineColor": "cccccc",
    "minorGridLineColor": "eeeeee", "fontName": "DejaVu Sans", "fontSize": 12,
    "colorList": ",".join(COLORS),
    # Bridge a missed poll, but not the absence of an instance.
    "connectedLimit": 1,
}


def as_text(value, unit_bytes):
    """Return a value of a column as text with a readable unit."""
    if value is None or unit_bytes is None:
        return "-" if value is None else f"{value:.1f}"
    value *= unit_bytes
    units = ["B", "KiB", "MiB", "GiB"]
    while value >= 1000 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:.1f} {units[0]}"


class Report:
    """Reads the series that an agent sent with the default template.

    :param web: the GraphiteWeb to read from.
    :param host: short name of the compute host.
    :param names: {path component: display name} of instances, in the order to
        show them.
    :param since: epoch second of the first poll.
    :param interval: seconds between two polls.
    """

    def __init__(self, web, host, names, since, interval):
        self._web = web
        self._prefix = f"ceilometer.{host}.*"
        self.names = names
        self._since = since
        self._interval = interval

    def series(self, pattern):
        """Return {instance: [{second: value} of a device, ...]}."""
        found = {}
        for path, points in self._web.points(f"{self._prefix}.*.{pattern}",
                                             self._since).items():
            if points:
                found.setdefault(path.split(".")[3], []).append(points)
        return found

    def missing(self, columns=COLUMNS):
        """Return a text for each of `columns` that Graphite lacks."""
        gaps = []
        for _title, pattern, _unit in columns:
            found = self.series(pattern)
            names = [name for instance, name in self.names.items()
                     if instance not in found]
            if names:
                gaps.append(f"{pattern} of {', '.join(names)}")
        return gaps

    def table(self):
        """Return a text table of the latest values, summed over devices."""
        rows = [["instance", *self.names.values()]]
        for title, pattern, unit in COLUMNS:
            latest = self._latest(pattern)
            rows.append([title, *(as_text(latest.get(instance), unit)
                                  for instance in self.names)])
        widths = [max(map(len, column)) for column in rows]
        return "\n".join(
            first.ljust(widths[0]) + "".join(
                "  " + cell.rjust(width)
                for cell, width in zip(cells, widths[1:], strict=True))
            for first, *cells in zip(*rows, strict=True))

    def _latest(self, pattern):
        """Return {instance: value}, without outdated values."""
        oldest = time.time() - 3 * self._interval
        return {instance: sum(points[max(points)] for points in devices)
                for instance, devices in self.series(pattern).items()
                if max(map(max, devices)) >= oldest}

    def picture(self):
        """Return the render parameters for a picture of all CPU usage."""
        targets = []
        for number, (instance, name) in enumerate(self.names.items()):
            target = f"{self._prefix}.{instance}.cpu_util"
            if number >= len(COLORS):
                target = f"dashed({target},{number // len(COLORS) * 4})"
            name = name.replace('"', "'")
            # As in the legends of the dashboards.
            short = instance.rpartition("_")[2][:8]
            targets.append(f'alias({target},"{name} {short}")')
        seconds = [second for devices in self.series("cpu_util").values()
                   for points in devices for second in points]
        return {**PICTURE, "target": targets,
                "from": min(seconds, default=self._since) - self._interval}
