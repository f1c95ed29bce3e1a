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


"""From a sample to the name of its series.

A name is a dotted path made by a template, or a tagged series of Graphite
1.1. Whatever a sample holds, its name is ASCII, is never empty, has no
character that means something to Carbon's line protocol or to a file
system, and every field stays at its place in the template.
"""

import re
import typing

from ceilometer_graphite import encoding
from ceilometer_graphite import fields

DEFAULT_TEMPLATE = (
    "{prefix}.{hostname}.{project_id}.{instance_id}.{meter}.{device}")

DOT_OUTSIDE_BRACES = re.compile(r"\.(?![^{}]*\})")
_OF_METER = {"meter", "unit"}
# What is read of every sample; more only where the template has it.
_ALWAYS_READ = ("host", "project_id", "instance_id", "device")
_REMEMBERED = 65536
# Of the meter's text, and of the two around it: a line has a value and a
# time as well, of at most 326 bytes.
_MAX_TEXT_BYTES = (encoding.MAX_LINE_BYTES - 326) // 2


class Names(typing.NamedTuple):
    """The names of one meter's series: a text of its own between two others.

    :ivar text: of the meter
    :ivar around: makes of a list of samples, and one of their metadata, a
        list of pairs of texts: what is before the meter's, and after it
    """

    text: str
    around: typing.Callable


class _Memo(dict):
    """What was made of tuples of values; begins anew when it is full.

    Of texts and None only: 1, 1.0 and True are equal, but are written in
    three ways.
    """

    def __init__(self, make):
        super().__init__()
        self.make = make

    def __missing__(self, values):
        made = self.make(values)
        if all(value is None or type(value) is str for value in values):
            if len(self) >= _REMEMBERED:
                self.clear()
            self[values] = made
        return made


def _joined(parts, values):
    """The components that are there, each after what leads to it."""
    return "".join(lead + text for lead, text in (
        (lead, component.write(values)) for lead, component in parts)
        if text is not None)


def _checked(text):
    if len(text) > _MAX_TEXT_BYTES:
        raise encoding.SkippedSample(encoding.LINE_TOO_LONG)
    return text


def _sources(parts):
    return frozenset().union(*(component.sources for _, component in parts))


class _Namer:
    def __init__(self, parts, default_host):
        """Put the components of a name together.

        :param parts: a list of (lead, component), of which those without a
            component are left out
        :ivar meter: the parts of the meter alone; ``before`` and ``after``
            have the others
        """
        (_, first), *others = [part for part in parts if part[1] is not None]
        parts = [("", first), *others]
        self.before, self.meter, self.after = _divided(parts)
        self._read_too = sorted(
            _sources(parts) - {*_ALWAYS_READ, *_OF_METER})
        self._default_host = default_host
        self._memo = _Memo(self._write_around)
        self._around = self._make_around()

    def name(self, sample, meter, unit):
        """The name of a sample's datapoint.

        :param meter: its meter's name, or a derived one
        :param unit: of that meter, or None
        """
        text, around = self.of_meter(meter, unit)
        (before, after), = around([sample], [fields.metadata(sample)])
        return before + text + after

    def of_meter(self, meter, unit):
        """The :class:`Names` of a meter, or of a derived one.

        :param unit: of that meter, or None
        :raises encoding.SkippedSample: for names that are too long for a
            line, as ``around`` does
        """
        around = self._around if self.meter else self._make_around(
            meter, unit)
        return Names(_checked(_joined(
            self.meter, {"meter": meter, "unit": unit})), around)

    def _make_around(self, *known):
        """What is :attr:`Names.around`.

        :param known: the meter and the unit, when it depends on them
        """
        default_host, memo = self._default_host, self._memo
        readers = [fields.reader(source) for source in self._read_too]
        reads_more = bool(readers or known)

        def around(samples, metadata):
            pairs = []
            for s, md in zip(samples, metadata, strict=True):
                values = (
                    md.get("instance_host") or default_host, s.project_id,
                    md.get("instance_id") or s.resource_id,
                    md.get("disk_name") or md.get("vnic_name"))
                if reads_more:
                    values += (*(read(s, md) for read in readers), *known)
                try:
                    pairs.append(memo[values])
                except TypeError:  # a list or a dict is not remembered
                    pairs.append(memo.make(values))
            return pairs

        return around

    def _write_around(self, values):
        # The last two are there for templates that need them only.
        values = dict(zip((*_ALWAYS_READ, *self._read_too, "meter", "unit"),
                          values, strict=False))
        before, after = (_joined(parts, values)
                         for parts in (self.before, self.after))
        _checked(before + after)
        return before, after


def _divided(parts):
    """What is before the parts that the meter alone writes, they, the rest.

    Where they are not side by side, or the meter writes a part together
    with the sample, all is before.
    """
    of_meter = [component.sources <= _OF_METER and bool(component.sources)
                for _, component in parts]
    begin = of_meter.index(True) if True in of_meter else 0
    end = begin + sum(of_meter)
    before, meter, after = parts[:begin], parts[begin:end], parts[end:]
    if _sources(before + after) & _OF_METER:
        return parts, [], []
    return before, meter, after


class PathNamer(_Namer):
    """Names series by a template, which is compiled once.

    :param template: components with dots between them, of literals and of
        fields in braces
    :param prefix: the text of ``{prefix}``, with or without a trailing dot
    :param append_hostname: whether ``{hostname}`` has a text
    :param default_host: the host of those samples that do not name theirs
    :raises fields.TemplateError: for a template or a prefix that cannot be
        used
    """

    def __init__(self, template, prefix, append_hostname, default_host):
        of = fields.Fields(prefix, append_hostname)
        texts = DOT_OUTSIDE_BRACES.split(template)
        parts = [(text, of.component(text)) for text in texts]
        if "{meter}" not in template:
            raise fields.TemplateError(
                "components with {meter} among them, without which meters "
                "overwrite each other")
        first, *_ = [text for text, component in parts if component]
        if first == "{device}":
            raise fields.TemplateError(
                "components of which the first is there for every sample")
        super().__init__([(".", component) for _, component in parts],
                         default_host)


class TagNamer(_Namer):
    """Names tagged series (Graphite 1.1): the meter, and what it is about.

    ``PREFIX.METER;host=HOST;project=ID;instance=ID;device=NAME``, where the
    host is left out without ``append_hostname`` and the device where there
    is none. Parameters and errors are those of :class:`PathNamer`.
    """

    def __init__(self, prefix, append_hostname, default_host):
        of = fields.Fields(prefix, append_hostname)
        super().__init__([
            (lead, of.component(text)) for lead, text in (
                (".", "{prefix}"), (".", "{meter}"), (";host=", "{hostname}"),
                (";project=", "{project_id}"),
                (";instance=", "{instance_id}"),
                (";device=", "{device}"))], default_host)
