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

"""Names the series of a sample.

A name is a dotted path that follows a template, or a tagged series of
Graphite 1.1. Whatever a sample contains, its name is ASCII and never empty,
has no character with a meaning for Carbon's line protocol or a file system,
and has each field at its place in the template.
"""

import re
import typing

from ceilometer_graphite import sanitize

DEFAULT_TEMPLATE = (
    "{prefix}.{hostname}.{project_id}.{instance}.{meter}.{device}")
FIELD = re.compile(r"\{([^{}]*)\}")
_DOT_OUTSIDE_BRACES = re.compile(r"\.(?![^{}]*\})")
_METADATA = "metadata."
# Attribute of a sample: the host that polled it. Only the polling agent sets
# it; behind the bus, only the metadata can name a host.
POLLING_HOST = "polling_host"


class TemplateError(ValueError):
    """A template or prefix is invalid. The text says what is allowed."""


def split(template):
    """Split a template into the texts of its components."""
    return _DOT_OUTSIDE_BRACES.split(template)


def checked_prefix(prefix):
    """Return a prefix without its trailing dot.

    :raises TemplateError: if a path cannot have that prefix
    """
    prefix = prefix[:-1] if prefix.endswith(".") else prefix
    if prefix and any(part != sanitize.component(part)
                      for part in prefix.split(".")):
        raise TemplateError(
            "components of %s, of at most %d characters, with one dot "
            "between them" % (sanitize.SAFE, sanitize.MAX_BYTES))
    return prefix


def metadata(sample):
    """Return a sample's metadata, or an empty dict if they are no dict."""
    found = sample.resource_metadata
    return found if isinstance(found, dict) else {}


def metadata_value(md, key):
    """Return the scalar at a key, or None.

    A dot in the key stands for a level of nesting.
    """
    value = md.get(key)
    if value is None and "." in key and key not in md:
        value = md
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    return None if isinstance(value, (dict, list, tuple)) else value


def _values(sample):
    """Read the values of ``_ALWAYS_READ``, which most names need."""
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
    """Return what a name is about: (resource, instance, device).

    The instance in the metadata counts only if the resource is that instance
    or one of its devices. A volume that is attached to an instance is a
    resource of its own, although its metadata name the instance, too.

    :param values: the values of a sample, from :class:`Namer`
    """
    resource_id, _, _, instance_id, device, *_ = values
    if not instance_id or not device and (
            sanitize.text(instance_id) not in sanitize.text(resource_id)):
        instance_id = resource_id
    return resource_id, _hashable(instance_id), _hashable(device)


def _hashable(value):
    """Return a value, or its text if it cannot be hashed."""
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
    """Return a function that reads a source from a sample and metadata."""
    if source.startswith(_METADATA):
        key = source[len(_METADATA):]
        return lambda s, md: metadata_value(md, key)
    return _READERS[source]


class Component(typing.NamedTuple):
    """One component of a name.

    :ivar text: its text in the template
    :ivar sources: the names of the values that it needs
    :ivar write: function from a dict of these values to a text, or to None
        if the name has no such component, as without a device. It is None
        for a component that no name has
    :ivar lead: text before the component, unless it is the first
    """

    text: str
    sources: frozenset
    write: typing.Callable | None
    lead: str = "."


class Fields:
    """Compiles components of a template.

    :param prefix: the prefix, with or without a trailing dot
    :param append_hostname: whether names have a ``{hostname}``
    :raises TemplateError: if a path cannot have that prefix
    """

    def __init__(self, prefix: str, append_hostname: bool):
        self._prefix = checked_prefix(prefix)
        self._absent = {*(() if self._prefix else ["{prefix}"]),
                        *(() if append_hostname else ["{hostname}"])}
        component, identity = sanitize.component, sanitize.identity
        # For each field: a function that writes it, and its arguments.
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
        :raises TemplateError: if it is invalid
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
        """Return a field's sources, and a function that writes it."""
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
    """Return a function that writes a component with several parts."""
    def write(values):
        text = "".join(each(values) or sanitize.MISSING for each in writers)
        if len(text) > sanitize.MAX_BYTES:
            return sanitize.hashed(text, text)
        return text
    return write


def _joined(components, values):
    """Join the texts of components, each after its lead."""
    return "".join([component.lead + text for component in components
                    if (text := component.write(values)) is not None])


def _sources(components):
    return frozenset().union(*(each.sources for each in components))


class Namer:
    """Joins components to names.

    A name is split in three if the components that depend on nothing but the
    meter are side by side, and no other depends on the meter: the text of
    the meter, and the texts before and after it, which a resource keeps.

    :param components: a list of :class:`Component`
    :ivar components: the same list
    :ivar is_split: whether names are split
    :ivar values: function from a sample to a tuple of the values that its
        names need, except the meter. The first is its resource, the second
        its host
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
        """Return the values of all sources in a dict by their names."""
        found = dict(zip([*_ALWAYS_READ, *self._more], values, strict=True))
        instance_id = subject(values)[1]
        if instance_id != _hashable(found["instance_id"]):
            # Notifications have a volume's name, pollsters have not.
            found["name"] = None
        return {**found, "instance_id": instance_id, "meter": meter,
                "unit": unit}

    def around(self, values):
        """Write the texts before and after the meter."""
        found = self.sources(values, None, None)
        return _joined(self._before, found), _joined(self._after, found)

    def of_meter(self, meter, unit):
        """Write the text of a meter, if names are split."""
        return _joined(self._meter, {"meter": meter, "unit": unit})

    def write(self, values, meter, unit):
        """Write a whole name."""
        return _joined(self._written, self.sources(values, meter, unit))

    def name(self, sample, meter, unit):
        """Name a series of a sample.

        :param meter: the sample's meter, or one that is derived from it
        :param unit: the unit of that meter, or None
        """
        return self.write(self.values(sample), meter, unit)


def _split(components):
    """Split components into (before, meter only, after).

    All are "before" if those of the meter alone are not side by side, or if
    another depends on the meter.
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
    """Names series by a template.

    :param template: components of literals and of fields in braces, with
        dots between them
    :param prefix: the text of ``{prefix}``, with or without a trailing dot
    :param append_hostname: whether names have a ``{hostname}``
    :raises TemplateError: if the template or the prefix is invalid
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
    """Names tagged series (Graphite 1.1).

    A name is ``PREFIX.METER;host=HOST;project=ID;instance=ID;
    instance_name=NAME;device=NAME``. It has no host without
    ``append_hostname``, and no instance name or device if the sample has
    none. The tag is not called ``name``, because Graphite stores the path
    there. Parameters and errors are those of :class:`PathNamer`.
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
