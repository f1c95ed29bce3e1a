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

from ceilometer_graphite import sanitize
from ceilometer_graphite import wire

_PIECE = re.compile(r"\{([^{}]*)\}")


class TemplateError(ValueError):
    """A template or a prefix that cannot be used; says what is allowed."""


def metadata(sample):
    """A sample's metadata, which are a dict whatever it holds."""
    found = sample.resource_metadata
    return found if isinstance(found, dict) else {}


def metadata_value(md, key):
    """The scalar at ``key``, whose dots lead inwards; None without one."""
    value = md.get(key)
    if value is None and "." in key and key not in md:
        value = md
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    return None if isinstance(value, (dict, list, tuple)) else value


# What fields are written of, but for the meter and its unit.
_READERS = {
    "host": lambda s, md: md.get("instance_host"),
    "project_id": lambda s, md: s.project_id,
    "project_name": lambda s, md: getattr(s, "project_name", None),
    "user_id": lambda s, md: s.user_id,
    "instance_id": lambda s, md: md.get("instance_id") or s.resource_id,
    "instance_name": lambda s, md: md.get("display_name"),
    "flavor": lambda s, md: md.get("instance_type"),
    "resource_id": lambda s, md: s.resource_id,
    "device": lambda s, md: md.get("disk_name") or md.get("vnic_name"),
}
_METADATA = "metadata."


def reader(source):
    """What reads a value that fields are written of.

    :param source: of a :class:`Component`
    :returns: a function of a sample and its metadata
    """
    if source.startswith(_METADATA):
        key = source[len(_METADATA):]
        return lambda s, md: metadata_value(md, key)
    return _READERS[source]


class Component(typing.NamedTuple):
    """One component of a name.

    :ivar sources: the names of the values that it is written of
    :ivar write: makes a text of a dict that has those values; None, from a
        device that is not there, leaves the component out
    """

    sources: frozenset
    write: typing.Callable


def _of(source, write):
    return Component(frozenset([source]), lambda values: write(values[source]))


class Fields:
    """Makes components of fields.

    :param prefix: with or without its trailing dot
    :param append_hostname: whether ``{hostname}`` has a text
    :raises TemplateError: when the prefix has what no path may have
    """

    def __init__(self, prefix, append_hostname):
        prefix = checked_prefix(prefix)
        self._absent = {*(() if prefix else ["prefix"]),
                        *(() if append_hostname else ["hostname"])}
        component, identity = sanitize.component, sanitize.identity
        self._fields = {
            "prefix": Component(frozenset(), lambda values: prefix or None),
            "hostname": _of("host", lambda host: sanitize.short_host(
                str(host)) if append_hostname else None),
            "meter": _of("meter", sanitize.meter_path),
            "device": _of("device", lambda name: component(name)
                          if name else None),
            **{name: _of(name, identity) for name in (
                "project_id", "user_id", "instance_id", "resource_id")},
            **{name: _of(name, component) for name in (
                "host", "project_name", "instance_name", "flavor", "unit")}}

    def component(self, text):
        """One component of a template.

        :returns: a :class:`Component`; None for one that is never there
        :raises TemplateError: when it cannot be used
        """
        pieces = _PIECE.split(text)
        if pieces == [""]:
            raise TemplateError("components that are not empty")
        for literal in pieces[::2]:
            if sanitize.UNSAFE.search(literal):
                raise TemplateError("fields in braces, dots, and the "
                                    "characters %s" % sanitize.SAFE)
        made = [self._field(piece) if number % 2 else _literal(piece)
                for number, piece in enumerate(pieces)
                if piece or number % 2]
        if len(made) > 1:
            return _mixed(made)
        return None if pieces[1:2] and pieces[1] in self._absent else made[0]

    def _field(self, name):
        if name.startswith(_METADATA) and name != _METADATA:
            return _of(name, sanitize.component)
        if name not in self._fields:
            raise TemplateError("{%s}, and not {%s}" % (
                "}, {".join([*sorted(self._fields), "metadata.KEY"]), name))
        return self._fields[name]


def _literal(text):
    written = sanitize.component(text)
    return Component(frozenset(), lambda values: written)


def _mixed(pieces):
    """A component of several pieces."""
    def write(values):
        text = "".join(piece.write(values) or sanitize.MISSING
                       for piece in pieces)
        if len(text) > sanitize.MAX_BYTES:
            return sanitize.hashed(text, text)
        return text
    return Component(frozenset().union(*(
        piece.sources for piece in pieces)), write)


def checked_prefix(prefix):
    """A prefix without its trailing dot.

    :raises TemplateError: when it has what no path may have
    """
    prefix = prefix[:-1] if prefix.endswith(".") else prefix
    if prefix and any(part != sanitize.component(part)
                      for part in prefix.split(".")):
        raise TemplateError(
            "components of %s, of at most %d characters, with one dot "
            "between them" % (
                sanitize.SAFE, sanitize.MAX_BYTES))
    return prefix


DEFAULT_TEMPLATE = (
    "{prefix}.{hostname}.{project_id}.{instance_id}.{meter}.{device}")

DOT_OUTSIDE_BRACES = re.compile(r"\.(?![^{}]*\})")
_OF_METER = {"meter", "unit"}
# What is read of every sample; more only where the template has it.
_ALWAYS_READ = ("host", "project_id", "instance_id", "device")
_REMEMBERED = 65536
# Of the meter's text, and of the two around it: a line has a value and a
# time as well, of at most 326 bytes.
_MAX_TEXT_BYTES = (wire.MAX_LINE_BYTES - 326) // 2


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
        raise wire.SkippedSample(wire.LINE_TOO_LONG)
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
        (before, after), = around([sample], [metadata(sample)])
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
        readers = [reader(source) for source in self._read_too]
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
        of = Fields(prefix, append_hostname)
        texts = DOT_OUTSIDE_BRACES.split(template)
        parts = [(text, of.component(text)) for text in texts]
        if "{meter}" not in template:
            raise TemplateError(
                "components with {meter} among them, without which meters "
                "overwrite each other")
        first, *_ = [text for text, component in parts if component]
        if first == "{device}":
            raise TemplateError(
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
        of = Fields(prefix, append_hostname)
        super().__init__([
            (lead, of.component(text)) for lead, text in (
                (".", "{prefix}"), (".", "{meter}"), (";host=", "{hostname}"),
                (";project=", "{project_id}"),
                (";instance=", "{instance_id}"),
                (";device=", "{device}"))], default_host)
