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

"""Instances as a table: which of them, in which order, and how written."""

import itertools
import re
import unicodedata

from ceilometer_graphite.cli.top import instances

_MIB = 1024 ** 2


def _sum(*names):
    def value(instance):
        found = [getattr(instance, name) for name in names]
        return None if None in found else sum(found)
    return value


# What instances are sorted by; but for the name the largest first.
SORTS = {
    "cpu": _sum("cpu_percent"),
    "memory": _sum("memory_used_bytes"),
    "disk": _sum("disk_read_bytes_per_second", "disk_write_bytes_per_second"),
    "network": _sum("network_in_bytes_per_second",
                    "network_out_bytes_per_second"),
    "name": lambda instance: instance.name,
}
_FILTERED = ("name", "project", "flavor", "state", "instance_id")
# The columns: their headings, and the attributes of an instance. First texts,
# then bytes, then bytes a second.
_HEADINGS = (("", "", "NAME"), ("", "", "PROJECT"), ("", "", "FLAVOR"),
             ("", "", "STATE"), ("", "", "VCPU"), ("", "", "CPU%"),
             ("MEM", "used", "MiB"), ("MEM", "given", "MiB"),
             ("DISK", "read", "MiB/s"), ("DISK", "write", "MiB/s"),
             ("NET", "in", "MiB/s"), ("NET", "out", "MiB/s"))
HEADING_LINES = 3
_NAME, _PROJECT, _FLAVOR, _STATE, _VCPU, *_ = range(len(_HEADINGS))
_TEXTS = 4
# What gives way on a narrow screen, and how far: 0 leaves a column out.
_GIVES_WAY = ((_PROJECT, 8), (_FLAVOR, 0), (_STATE, 0), (_NAME, 20),
              (_PROJECT, 0), (_VCPU, 0), (_NAME, 8))


def choose(found: list[instances.Instance], sort: str = "cpu",
           is_reversed: bool = False,
           pattern: str = "") -> list[instances.Instance]:
    """Those instances that are shown, in their order.

    Those whose value is not known come last.

    :param sort: a key of ``SORTS``
    :param pattern: part of a name, project, flavor, state or id
    """
    value = SORTS[sort]
    chosen = [instance for instance in found if any(
        pattern.lower() in getattr(instance, name).lower()
        for name in _FILTERED)]
    known = sorted(
        (instance for instance in chosen if value(instance) is not None),
        key=lambda instance: (value(instance), instance.name),
        reverse=(sort != "name") != is_reversed)
    return known + [instance for instance in chosen if value(instance) is None]


def make_table(chosen: list[instances.Instance],
               width: int | None = None,
               encoding: str = "utf-8") -> list[str]:
    """The lines of a table: ``HEADING_LINES``, and one for each instance.

    :param width: of the screen in characters; None shows all texts whole
    :param encoding: of the screen; what it lacks becomes a question mark
    """
    rows = [*zip(*_HEADINGS, strict=True), *(
        [text.encode(encoding, "replace").decode(encoding)
         for text in _cells(each)] for each in chosen)]
    cut = "\u2026".encode(encoding, "ignore").decode(encoding) or "~"
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for column, least in _GIVES_WAY if width else ():
        excess = sum(widths) + sum(map(bool, widths)) - 1 - width
        if excess > 0:
            widths[column] = least and max(
                min(least, widths[column]), widths[column] - excess)
    return [" ".join(
        _fitted(text, size, column < _TEXTS, cut,
                # What tells instances of one group apart is at the end.
                size // 3 if column == _NAME else 0)
        for column, (text, size) in enumerate(zip(row, widths, strict=True))
        if size).rstrip() for row in rows]


def _width(text):
    """How many columns of a terminal a text takes."""
    return sum(_character_width(character) for character in text)


def _character_width(character):
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "FW" else 1


def _fitted(text, width, is_left, cut, tail):
    """A text, cut before its last characters or padded to a width."""
    if _width(text) > width:
        end = text[len(text) - tail:]
        room = width - _width(end)
        ends = itertools.accumulate(map(_character_width, text))
        text = text[:sum(each < room for each in ends)] + cut + end
    padding = " " * (width - _width(text))
    return text + padding if is_left else padding + text


def _cells(instance):
    return (
        *(re.sub(r"[^ -~\u00a0-\U0010ffff]", "?", text) for text in (
            instance.name, instance.project, instance.flavor, instance.state)),
        "-" if instance.vcpus is None else str(instance.vcpus),
        "-" if instance.cpu_percent is None else "%.1f" % instance.cpu_percent,
        *("-" if value is None else "%.0f" % (value / _MIB) for value in (
            instance.memory_used_bytes, instance.memory_bytes)),
        *map(_rate, (
            instance.disk_read_bytes_per_second,
            instance.disk_write_bytes_per_second,
            instance.network_in_bytes_per_second,
            instance.network_out_bytes_per_second)))


def _rate(bytes_per_second):
    """MiB a second, in five characters at most while it is below 100000."""
    if bytes_per_second is None:
        return "-"
    value = bytes_per_second / _MIB
    if 0 < value < 0.01:
        return "<0.01"
    return "%.*f" % (2 if value < 10 else 1 if value < 100 else 0, value)
