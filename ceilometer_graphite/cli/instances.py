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


"""The instances of a hypervisor: made of samples, and written as a table."""

import collections
import dataclasses
import itertools
import re
import types
import unicodedata

from ceilometer import sample as ceilometer_sample
from oslo_config import cfg

from ceilometer_graphite import conversion
from ceilometer_graphite import definitions as publisher_definitions
from ceilometer_graphite import naming
from ceilometer_graphite.cli import sampling

_MIB = 1024 ** 2


@dataclasses.dataclass
class Instance:
    """One instance. None is what is not known, as rates are at first.

    :ivar project: its name where Ceilometer finds names, else its id
    :ivar cpu_percent: 100 is all of its vCPUs busy
    :ivar memory_used_bytes: as its balloon driver reports
    """

    instance_id: str
    name: str
    project: str
    flavor: str
    state: str
    vcpus: int | None
    cpu_percent: float | None = None
    memory_used_bytes: float | None = None
    memory_bytes: float | None = None
    disk_read_bytes_per_second: float | None = None
    disk_write_bytes_per_second: float | None = None
    network_in_bytes_per_second: float | None = None
    network_out_bytes_per_second: float | None = None


# What the rates of a meter add up to: the meter's unit, the attribute, and
# the rate's unit.
_COUNTERS = {
    "cpu": ("ns", "cpu_percent", "%"),
    "disk.device.read.bytes": ("B", "disk_read_bytes_per_second", "B/s"),
    "disk.device.write.bytes": ("B", "disk_write_bytes_per_second", "B/s"),
    "network.incoming.bytes": ("B", "network_in_bytes_per_second", "B/s"),
    "network.outgoing.bytes": ("B", "network_out_bytes_per_second", "B/s"),
}
# Without a balloon, memory is the flavor's, a gauge that comes with cpu.
_GAUGES = {"memory": "memory_bytes", "memory.usage": "memory_used_bytes"}
METERS = [*_COUNTERS, *_GAUGES]


class Instances:
    """Turns polls into instances; it remembers counters for their rates.

    :ivar notes: what cannot be shown, and why, as lines
    """

    def __init__(self, definitions: publisher_definitions.Definitions,
                 conf: cfg.ConfigOpts) -> None:
        # All devices of an instance have one name, and are added up.
        self._namer = naming.PathNamer(
            "{instance_id}.{meter}", prefix="", append_hostname=False)
        self._converter = conversion.Converter(types.SimpleNamespace(
            counters="rate", definitions=definitions, namer=self._namer,
            rate_expiry_seconds=conf.graphite.rate_expiry_seconds,
            rate_max_series=conf.graphite.rate_max_series))
        self.notes: list[str] = []
        self._shown = {meter: (attribute, _MIB)
                       for meter, attribute in _GAUGES.items()}
        for meter, (unit, attribute, wanted) in _COUNTERS.items():
            rate = definitions.rate(meter, unit)
            if rate is None or rate.unit not in ("", wanted):
                self.notes.append(
                    "%s is not shown: the definitions make %s of it, not %s"
                    % (attribute, rate.unit if rate else "no rate", wanted))
            else:
                self._shown[rate.name] = attribute, 1

    def update(self, samples: list[ceilometer_sample.Sample]
               ) -> list[Instance]:
        """The instances that the samples of one poll are about.

        :param samples: those of :class:`sampling.InstanceHypervisor`
        :returns: one for each that has a sample ``sampling.INSTANCE``
        """
        found = {self._key(sample): _instance(sample)
                 for sample in samples if sample.name == sampling.INSTANCE}
        for sample in samples:
            instance = found.get(self._key(sample))
            if instance is not None and sample.name == "cpu":
                instance.vcpus = naming.metadata(sample).get(
                    "cpu_number") or instance.vcpus
        sums: dict = collections.defaultdict(float)
        for line in self._converter.convert(samples)[0]:
            path, value, _ = line.split(" ")
            key, _, meter = path.partition(".")
            if key in found and meter in self._shown:
                attribute, factor = self._shown[meter]
                sums[key, attribute] += float(value) * factor
        for (key, attribute), value in sums.items():
            setattr(found[key], attribute, value)
        return list(found.values())

    def _key(self, sample):
        """As the converter's lines have it."""
        return self._namer.name(sample, "", "").partition(".")[0]


def _instance(sample):
    metadata = naming.metadata(sample)
    memory = metadata.get("memory_mb")
    return Instance(
        instance_id=sample.resource_id,
        name=metadata.get("display_name") or "",
        project=getattr(sample, "project_name", None)
        or sample.project_id or "",
        flavor=metadata.get("instance_type") or "",
        state=metadata.get("state") or "", vcpus=metadata.get("vcpus"),
        memory_bytes=memory and memory * _MIB)


# What instances are sorted by. Numbers are added up, the largest first.
SORTS = {
    "cpu": ["cpu_percent"], "memory": ["memory_used_bytes"],
    "disk": ["disk_read_bytes_per_second", "disk_write_bytes_per_second"],
    "network": ["network_in_bytes_per_second", "network_out_bytes_per_second"],
    "name": []}
_FILTERED = ("name", "project", "flavor", "state", "instance_id")


def choose(found: list[Instance], sort: str = "cpu",
           is_reversed: bool = False, pattern: str = "") -> list[Instance]:
    """Those instances that are shown, in their order.

    Those whose value is not known come last.

    :param sort: a key of ``SORTS``
    :param pattern: part of a name, project, flavor, state or id
    """
    def value(instance):
        values = [getattr(instance, name) for name in SORTS[sort]]
        return None if None in values else sum(values)
    chosen = [instance for instance in found if any(
        pattern.lower() in getattr(instance, name).lower()
        for name in _FILTERED)]
    known = sorted(
        (instance for instance in chosen if value(instance) is not None),
        key=lambda instance: (value(instance), instance.name),
        reverse=(sort != "name") != is_reversed)
    return known + [instance for instance in chosen if value(instance) is None]


def _text(value):
    return re.sub(r"[^ -~\u00a0-\U0010ffff]", "?", value)


def _mib(value):
    return "%.0f" % (value / _MIB)


def _rate(value):
    """MiB a second, in five characters at most while it is below 100000."""
    value /= _MIB
    if 0 < value < 0.01:
        return "<0.01"
    return "%.*f" % (2 if value < 10 else 1 if value < 100 else 0, value)


# The columns, which are attributes of an instance: headings, and what writes
# a value. Texts come first, numbers follow.
_COLUMNS = {
    "name": (("", "", "NAME"), _text),
    "project": (("", "", "PROJECT"), _text),
    "flavor": (("", "", "FLAVOR"), _text),
    "state": (("", "", "STATE"), _text),
    "vcpus": (("", "", "VCPU"), str),
    "cpu_percent": (("", "", "CPU%"), "{:.1f}".format),
    "memory_used_bytes": (("MEM", "used", "MiB"), _mib),
    "memory_bytes": (("MEM", "alloc", "MiB"), _mib),
    "disk_read_bytes_per_second": (("DISK", "read", "MiB/s"), _rate),
    "disk_write_bytes_per_second": (("DISK", "write", "MiB/s"), _rate),
    "network_in_bytes_per_second": (("NET", "in", "MiB/s"), _rate),
    "network_out_bytes_per_second": (("NET", "out", "MiB/s"), _rate)}
HEADING_LINES = 3
_NAME, _PROJECT, _FLAVOR, _STATE, _VCPU, *_ = range(len(_COLUMNS))
# What gives way on a narrow screen, and how far: 0 leaves a column out.
_GIVES_WAY = ((_PROJECT, 8), (_FLAVOR, 0), (_STATE, 0), (_NAME, 20),
              (_PROJECT, 0), (_VCPU, 0), (_NAME, 8))


def make_table(chosen: list[Instance], width: int | None = None,
               encoding: str = "utf-8") -> list[str]:
    """The lines of a table: ``HEADING_LINES``, and one for each instance.

    :param width: of the screen in characters; None shows all texts whole
    :param encoding: of the screen; what it lacks becomes a question mark
    """
    def cell(value, write):
        text = "-" if value is None else write(value)
        return text.encode(encoding, "replace").decode(encoding)
    rows = [*zip(*[heading for heading, _ in _COLUMNS.values()], strict=True),
            *([cell(getattr(instance, name), write)
               for name, (_, write) in _COLUMNS.items()]
              for instance in chosen)]
    cut = "\u2026".encode(encoding, "ignore").decode(encoding) or "~"
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for column, least in _GIVES_WAY if width else ():
        excess = sum(widths) + sum(map(bool, widths)) - 1 - width
        if excess > 0:
            widths[column] = least and max(
                min(least, widths[column]), widths[column] - excess)
    return [" ".join(
        _fitted(text, size, column <= _STATE, cut,
                # What tells instances of one group apart is at the end.
                size // 3 if column == _NAME else 0)
        for column, (text, size) in enumerate(zip(row, widths, strict=True))
        if size).rstrip() for row in rows]


def _width(text):
    """How many columns of a terminal a text needs."""
    return sum(map(_character_width, text))


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
