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


"""The fields of a series' name: what each is read from, and how written."""

import re
import typing

from ceilometer_graphite import components

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
        component, identity = components.component, components.identity
        self._fields = {
            "prefix": Component(frozenset(), lambda values: prefix or None),
            "hostname": _of("host", lambda host: components.short_host(
                str(host)) if append_hostname else None),
            "meter": _of("meter", components.meter_path),
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
            if components.UNSAFE.search(literal):
                raise TemplateError("fields in braces, dots, and the "
                                    "characters %s" % components.SAFE)
        made = [self._field(piece) if number % 2 else _literal(piece)
                for number, piece in enumerate(pieces)
                if piece or number % 2]
        if len(made) > 1:
            return _mixed(made)
        return None if pieces[1:2] and pieces[1] in self._absent else made[0]

    def _field(self, name):
        if name.startswith(_METADATA) and name != _METADATA:
            return _of(name, components.component)
        if name not in self._fields:
            raise TemplateError("{%s}, and not {%s}" % (
                "}, {".join([*sorted(self._fields), "metadata.KEY"]), name))
        return self._fields[name]


def _literal(text):
    written = components.component(text)
    return Component(frozenset(), lambda values: written)


def _mixed(pieces):
    """A component of several pieces."""
    def write(values):
        text = "".join(piece.write(values) or components.MISSING
                       for piece in pieces)
        if len(text) > components.MAX_BYTES:
            return components.hashed(text, text)
        return text
    return Component(frozenset().union(*(
        piece.sources for piece in pieces)), write)


def checked_prefix(prefix):
    """A prefix without its trailing dot.

    :raises TemplateError: when it has what no path may have
    """
    prefix = prefix[:-1] if prefix.endswith(".") else prefix
    if prefix and any(part != components.component(part)
                      for part in prefix.split(".")):
        raise TemplateError(
            "components of %s, of at most %d characters, with one dot "
            "between them" % (
                components.SAFE, components.MAX_BYTES))
    return prefix
