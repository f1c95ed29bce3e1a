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


"""Machines as a table: which of them, in which order, and how written."""

import dataclasses

from rich import box
from rich import table
from rich import text

_MIB = 1024 ** 2


def _sum(*names):
    def value(machine):
        found = [getattr(machine, name) for name in names]
        return None if None in found else sum(found)
    return value


# What machines are sorted by; but for the name the largest first.
SORTS = {
    "cpu": _sum("cpu_percent"),
    "memory": _sum("memory_used_bytes"),
    "disk": _sum("disk_read_bytes_per_second", "disk_write_bytes_per_second"),
    "network": _sum("network_in_bytes_per_second",
                    "network_out_bytes_per_second"),
    "name": lambda machine: machine.name,
}
_FILTERED = ("name", "project", "flavor", "state", "instance_id")
_HEADERS = ("NAME", "PROJECT", "FLAVOR", "STATE")
_NUMBERS = ("\n\nVCPU", "\n\nCPU%", "MEM\nused\nMiB", "MEM\ngiven\nMiB",
            "DISK\nread\nMiB/s", "DISK\nwrite\nMiB/s", "NET\nin\nMiB/s",
            "NET\nout\nMiB/s")


@dataclasses.dataclass
class View:
    """Which machines are shown, and in which order.

    :ivar sort: a key of ``SORTS``
    :ivar pattern: part of a name, project, flavor, state or id
    """

    sort: str = "cpu"
    is_reversed: bool = False
    pattern: str = ""

    def choose(self, machines):
        """Those machines that are shown, in their order.

        Those whose value is not known come last.
        """
        value = SORTS[self.sort]
        chosen = [machine for machine in machines if any(
            self.pattern.lower() in getattr(machine, name).lower()
            for name in _FILTERED)]
        known = sorted(
            (machine for machine in chosen if value(machine) is not None),
            key=lambda machine: (value(machine), machine.name),
            reverse=(self.sort != "name") != self.is_reversed)
        return known + [
            machine for machine in chosen if value(machine) is None]


def make_table(machines):
    """A table of machines, in this order."""
    rows = table.Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False,
                       show_edge=False, header_style="bold")
    for header in _HEADERS:
        rows.add_column(text.Text("\n\n" + header))
    for header in _NUMBERS:
        rows.add_column(text.Text(header), justify="right", no_wrap=True)
    for machine in machines:
        rows.add_row(
            *(text.Text(value, no_wrap=True, overflow="ellipsis")
              for value in (machine.name, machine.project, machine.flavor,
                            machine.state)),
            *map(text.Text, _numbers(machine)),
            style="" if machine.state in ("running", "active") else "dim")
    return rows


def _numbers(machine):
    return (
        "-" if machine.vcpus is None else str(machine.vcpus),
        "-" if machine.cpu_percent is None else "%.1f" % machine.cpu_percent,
        *("-" if value is None else "%.0f" % (value / _MIB) for value in (
            machine.memory_used_bytes, machine.memory_bytes)),
        *map(_rate, (
            machine.disk_read_bytes_per_second,
            machine.disk_write_bytes_per_second,
            machine.network_in_bytes_per_second,
            machine.network_out_bytes_per_second)))


def _rate(bytes_per_second):
    """MiB a second, in five characters at most while it is below 100000."""
    if bytes_per_second is None:
        return "-"
    value = bytes_per_second / _MIB
    if 0 < value < 0.01:
        return "<0.01"
    return "%.*f" % (2 if value < 10 else 1 if value < 100 else 0, value)
