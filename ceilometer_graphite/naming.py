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

DEFAULT_TEMPLATE = (
    "{prefix}.{hostname}.{project_id}.{instance}.{meter}.{device}")
FIELD = re.compile(r"\{([^{}]*)\}")
_DOT_OUTSIDE_BRACES = re.compile(r"\.(?![^{}]*\})")
_METADATA = "metadata."
# The attribute of a sample that says on which host it was polled. Only the
# agent that polls sets it: behind the bus no host is known but what the
# metadata name.
POLLING_HOST = "polling_host"


class TemplateError(ValueError):
    """A template or a prefix that cannot be used; says what is allowed."""


def split(template):
    """The components of a template, as texts."""
    return _DOT_OUTSIDE_BRACES.split(template)


def checked_prefix(prefix):
    """A prefix without its trailing dot.

    :raises TemplateError: when it has what no path may have
    """
    prefix = prefix[:-1] if prefix.endswith(".") else prefix
    if prefix and any(part != sanitize.component(part)
                      for part in prefix.split(".")):
        raise TemplateError(
            "components of %s, of at most %d characters, with one dot "
            "between them" % (sanitize.SAFE, sanitize.MAX_BYTES))
    return prefix


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


def _values(sample):
    """What names are made of nearly always, by ``_ALWAYS_READ``."""
    md = sample.resource_metadata
    if type(md) is not dict:
        md = metadata(sample)
    resource_id = sample.resource_id
    if type(resource_id) is not str:
        resource_id = _hashable(resource_id)
    return (resource_id,
            md.get("instance_host") or getattr(sample, POLLING_HOST, None),
            sample.project_id, md.get("instance_id"),
            md.get("disk_name") or md.get("vnic_name"),
            md.get("display_name"))


def subject(values: tuple) -> tuple:
    """What names are about: (resource, instance, device).

    The instance is the one in the metadata only where the resource is that
    instance or one of its devices. A volume that is attached to an instance
    is a resource of its own, whose pollster names the instance as well.

    :param values: of :class:`Namer`
    """
    resource_id, _, _, instance_id, device, *_ = values
    if not instance_id or not device and (
            sanitize.text(instance_id) not in sanitize.text(resource_id)):
        instance_id = resource_id
    return resource_id, _hashable(instance_id), _hashable(device)


def _hashable(value):
    """A value, or its text where it is a list or the like."""
    try:
        hash(value)
    except TypeError:
        return str(value)
    return value


_ALWAYS_READ = ("resource_id", "host", "project_id", "instance_id", "device",
                "name")
_OF_METER = {"meter", "unit"}
_READERS = {
    "project_name": lambda s, md: getattr(s, "project_name", None),
    "user_id": lambda s, md: s.user_id,
    "instance_name": lambda s, md: md.get("display_name"),
    "flavor": lambda s, md: md.get("instance_type"),
}


def _reader(source):
    """What reads a value that is not always read, of a sample."""
    if source.startswith(_METADATA):
        key = source[len(_METADATA):]
        return lambda s, md: metadata_value(md, key)
    return _READERS[source]


class Component(typing.NamedTuple):
    """One component of a name.

    :ivar text: of the template
    :ivar sources: the names of the values that it is written of
    :ivar write: makes a text of a dict that has those values; None, from a
        device that is not there, leaves the component out. It is None
        itself for a component that is never there
    :ivar lead: what stands before the component, unless it is the first
    """

    text: str
    sources: frozenset
    write: typing.Callable | None
    lead: str = "."


class Fields:
    """Compiles components of a template.

    :param prefix: with or without its trailing dot
    :param append_hostname: whether ``{hostname}`` has a text
    :raises TemplateError: when the prefix has what no path may have
    """

    def __init__(self, prefix: str, append_hostname: bool):
        self._prefix = checked_prefix(prefix)
        self._absent = {*(() if self._prefix else ["{prefix}"]),
                        *(() if append_hostname else ["{hostname}"])}
        component, identity = sanitize.component, sanitize.identity
        # Of each field what writes it, and the values that it is written of.
        self._fields = {
            "prefix": (lambda: self._prefix or None,),
            "hostname": (lambda host: sanitize.short_host(sanitize.text(host))
                         if append_hostname else None, "host"),
            "instance": (sanitize.instance, "name", "instance_id"),
            "meter": (sanitize.meter_path, "meter"),
            "device": (lambda name: identity(name) if name else None,
                       "device"),
            **{name: (identity, name) for name in (
                "project_id", "user_id", "instance_id", "resource_id")},
            **{name: (component, name) for name in (
                "host", "project_name", "instance_name", "flavor", "unit")}}

    def component(self, text, lead="."):
        """Compile one component.

        :returns: a :class:`Component`
        :raises TemplateError: when it cannot be used
        """
        pieces = FIELD.split(text)
        if pieces == [""]:
            raise TemplateError("components that are not empty")
        for literal in pieces[::2]:
            if sanitize.UNSAFE.search(literal):
                raise TemplateError("fields in braces, dots, and the "
                                    "characters %s" % sanitize.SAFE)
        made = [self._field(piece) if number % 2 else _literal(piece)
                for number, piece in enumerate(pieces) if piece or number % 2]
        if text in self._absent:
            return Component(text, frozenset(), None, lead)
        return Component(text, frozenset().union(*(
            sources for sources, _ in made)), made[0][1] if len(made) == 1
            else _mixed([write for _, write in made]), lead)

    def _field(self, name):
        """The sources of a field, and what writes it of their values."""
        write, *sources = self._fields.get(name, (sanitize.component, name))
        if name not in self._fields and (
                not name.startswith(_METADATA) or name == _METADATA):
            raise TemplateError("{%s}, and not {%s}" % ("}, {".join([
                *sorted(self._fields), "metadata.KEY"]), name))
        return frozenset(sources), lambda values: write(
            *[values[source] for source in sources])


def _literal(text):
    written = sanitize.component(text)
    return frozenset(), lambda values: written


def _mixed(writers):
    """What writes a component of several pieces."""
    def write(values):
        text = "".join(each(values) or sanitize.MISSING for each in writers)
        if len(text) > sanitize.MAX_BYTES:
            return sanitize.hashed(text, text)
        return text
    return write


def _joined(components, values):
    """The components that are there, each after its lead."""
    return "".join([component.lead + text for component in components
                    if (text := component.write(values)) is not None])


def _sources(components):
    return frozenset().union(*(each.sources for each in components))


class Namer:
    """Puts the components of a name together.

    Where the components that the meter alone writes stand side by side, and
    no other has the meter in it, a name is a text of the meter, and two
    texts around it that the meter does not change.

    :param components: a list of :class:`Component`
    :ivar components: these
    :ivar is_split: whether names have these three texts
    :ivar values: makes of a sample a tuple of what its names are made of,
        but for the meter; the first is its resource, as a text, and the
        second its host
    """

    def __init__(self, components: list[Component]):
        self.components = components
        first, *others = [each for each in components if each.write]
        self._written = [first._replace(lead=""), *others]
        self._before, self._meter, self._after = _split(self._written)
        self.is_split = bool(self._meter)
        self._more = sorted(
            _sources(self._written) - {*_ALWAYS_READ, *_OF_METER})
        self._readers = [_reader(source) for source in self._more]
        self.values = self._all_values if self._more else _values

    def _all_values(self, sample):
        md = metadata(sample)
        return _values(sample) + tuple(
            [read(sample, md) for read in self._readers])

    def sources(self, values, meter, unit):
        """What components are written of.

        :returns: a dict by the names of the sources
        """
        found = dict(zip([*_ALWAYS_READ, *self._more], values, strict=True))
        instance_id = subject(values)[1]
        if instance_id != _hashable(found["instance_id"]):
            # Of a volume notifications have a name, and pollsters have none.
            found["name"] = None
        return {**found, "instance_id": instance_id, "meter": meter,
                "unit": unit}

    def around(self, values):
        """The texts before and after the meter's."""
        found = self.sources(values, None, None)
        return _joined(self._before, found), _joined(self._after, found)

    def of_meter(self, meter, unit):
        """The text of a meter between those two, where names are split."""
        return _joined(self._meter, {"meter": meter, "unit": unit})

    def write(self, values, meter, unit):
        """A whole name."""
        return _joined(self._written, self.sources(values, meter, unit))

    def name(self, sample, meter, unit):
        """The name of a sample's series.

        :param meter: its meter's name, or a derived one
        :param unit: of that meter, or None
        """
        return self.write(self.values(sample), meter, unit)


def _split(components):
    """Split them into (before, meter only, after).

    Where those of the meter alone are not side by side, or another has the
    meter in it, they all are "before".
    """
    of_meter = [each.sources <= _OF_METER and bool(each.sources)
                for each in components]
    begin = of_meter.index(True) if True in of_meter else 0
    end = begin + sum(of_meter)
    before, meter, after = (components[:begin], components[begin:end],
                            components[end:])
    if _sources(before + after) & _OF_METER:
        return components, [], []
    return before, meter, after


class PathNamer(Namer):
    """Names series by a template, which is compiled once.

    :param template: components with dots between them, of literals and of
        fields in braces
    :param prefix: the text of ``{prefix}``, with or without a trailing dot
    :param append_hostname: whether ``{hostname}`` has a text
    :raises TemplateError: for a template or a prefix that cannot be used
    """

    def __init__(self, template: str, prefix: str, append_hostname: bool):
        fields = Fields(prefix, append_hostname)
        components = [fields.component(text) for text in split(template)]
        if "{meter}" not in template:
            raise TemplateError(
                "components with {meter} among them, without which meters "
                "overwrite each other")
        if [each.text for each in components if each.write][0] == "{device}":
            raise TemplateError(
                "components of which the first is there for every sample")
        super().__init__(components)


class TagNamer(Namer):
    """Names tagged series (Graphite 1.1): the meter, and what it is about.

    ``PREFIX.METER;host=HOST;project=ID;instance=ID;instance_name=NAME;
    device=NAME``, where the host is left out without ``append_hostname``,
    and the other two where there is none. A tag ``name`` would be lost:
    Graphite keeps the path of the meter there. Parameters and errors are
    those of :class:`PathNamer`.
    """

    def __init__(self, prefix: str, append_hostname: bool):
        of = Fields(prefix, append_hostname).component
        super().__init__([
            of("{prefix}"), of("{meter}"), of("{hostname}", ";host="),
            of("{project_id}", ";project="),
            of("{instance_id}", ";instance="),
            Component("{instance_name}", frozenset(["name"]), _name,
                      ";instance_name="),
            of("{device}", ";device=")])


def _name(values):
    return sanitize.component(values["name"]) if values["name"] else None
