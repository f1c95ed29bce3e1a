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

import functools
import itertools
import re
import typing

from ceilometer_graphite import components

DEFAULT_TEMPLATE = (
    "{prefix}.{hostname}.{project_id}.{instance_id}.{meter}.{device}")

_CACHED_INSTANCES = 16384
_DOT_OUTSIDE_BRACES = re.compile(r"\.(?![^{}]*\})")
_FIELD = re.compile(r"\{([^{}]*)\}")


class TemplateError(ValueError):
    """A template or a prefix that cannot be used; says what is allowed."""


def metadata(sample):
    """A sample's metadata, which are a dict whatever it holds."""
    found = sample.resource_metadata
    return found if isinstance(found, dict) else {}


def metadata_value(md, key):
    """The scalar at ``key``, whose dots lead inwards; None without one."""
    value = md
    for part in [key] if key in md else key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return None if isinstance(value, (dict, list, tuple)) else value


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


class _Instance(typing.NamedTuple):
    """What is the same for all samples of an instance, as they hold it."""

    host: object
    project_id: object
    project_name: object
    user_id: object
    instance_id: object
    instance_name: object
    flavor: object


_STEADY = ("prefix", "hostname", *_Instance._fields)


def _fields(prefix, append_hostname):
    """What writes each field of a template.

    Each gets an :class:`_Instance`, which the others than the steady ones
    do not use, and those the sample, its metadata, the meter and the unit.
    None, from the three that may have nothing to say, leaves the component
    out.
    """
    component, identity = components.component, components.identity

    def device(of, s, md, *_):
        name = md.get("disk_name") or md.get("vnic_name")
        return component(name) if name else None

    return {
        "prefix": lambda of, *_: prefix or None,
        "hostname": lambda of, *_: components.short_host(str(of.host))
        if append_hostname else None,
        "host": lambda of, *_: component(of.host),
        "project_id": lambda of, *_: identity(of.project_id),
        "project_name": lambda of, *_: component(of.project_name),
        "user_id": lambda of, *_: identity(of.user_id),
        "instance_id": lambda of, *_: identity(of.instance_id),
        "instance_name": lambda of, *_: component(of.instance_name),
        "flavor": lambda of, *_: component(of.flavor),
        "resource_id": lambda of, s, *_: identity(s.resource_id),
        "meter": lambda of, s, md, meter, unit: components.meter_path(meter),
        "device": device,
        "unit": lambda of, s, md, meter, unit: component(unit),
    }


def _field(name, fields):
    if name.startswith("metadata.") and len(name) > len("metadata."):
        key = name[len("metadata."):]
        return lambda of, s, md, *_: components.component(
            metadata_value(md, key))
    if name not in fields:
        raise TemplateError("{%s}, and not {%s}" % (
            "}, {".join([*sorted(fields), "metadata.KEY"]), name))
    return fields[name]


def _mixed(writers):
    """What writes a component of several pieces."""
    def write(of, *datum):
        of = _Instance._make(of)
        text = "".join(one(of, *datum) or components.MISSING
                       for one in writers)
        if len(text) > components.MAX_BYTES:
            return components.hashed(text, text)
        return text
    return write


def _part(text, fields):
    """What writes one component of a template."""
    pieces = _FIELD.split(text)
    if pieces == [""]:
        raise TemplateError("components that are not empty")
    for literal in pieces[::2]:
        if components.UNSAFE.search(literal):
            raise TemplateError("fields in braces, dots, and the characters "
                                "%s" % components.SAFE)
    writers = [_field(piece, fields) if number % 2
               else lambda *_, literal=piece: components.component(literal)
               for number, piece in enumerate(pieces) if piece or number % 2]
    return writers[0] if len(writers) == 1 else _mixed(writers)


def _remembered(parts):
    """What writes steady components, and remembers them.

    :param parts: a list of (lead, write)
    """
    @functools.lru_cache(_CACHED_INSTANCES, typed=True)
    def write(*values):
        of = _Instance(*values)
        return "".join(lead + text for lead, text in (
            (lead, write_part(of)) for lead, write_part in parts)
            if text is not None)
    return write


class _Namer:
    def __init__(self, parts, default_host):
        """Put the components together.

        :param parts: a list of (whether it is steady, lead, write)
        """
        self._default_host = default_host
        self._segments = []
        for steady, group in itertools.groupby(parts, lambda part: part[0]):
            parts = [part for _, *part in group]
            self._segments += [(None, _remembered(parts))] if steady else parts

    def name(self, sample, meter, unit):
        """The name of a sample's datapoint.

        :param meter: its meter's name, or a derived one
        :param unit: of that meter, or None
        """
        md = metadata(sample)
        of = (md.get("instance_host") or self._default_host,
              sample.project_id, getattr(sample, "project_name", None),
              sample.user_id, md.get("instance_id") or sample.resource_id,
              md.get("display_name"), md.get("instance_type"))
        name = ""
        for lead, write in self._segments:
            if lead is None:
                try:
                    name += write(*of)
                except TypeError:  # a list or a dict is not remembered
                    name += write.__wrapped__(*of)
            else:
                text = write(of, sample, md, meter, unit)
                if text is not None:
                    name += lead + text
        return name[1:]


class PathNamer(_Namer):
    """Names series by a template, which is compiled once.

    :param template: components with dots between them, of literals and of
        fields in braces
    :param prefix: the text of ``{prefix}``, with or without a trailing dot
    :param append_hostname: whether ``{hostname}`` has a text
    :param default_host: the host of those samples that do not name theirs
    :raises TemplateError: for a template or a prefix that cannot be used
    """

    def __init__(self, template, prefix, append_hostname, default_host):
        fields = _fields(checked_prefix(prefix), append_hostname)
        super().__init__([
            (all(name in _STEADY for name in _FIELD.findall(part)), ".",
             _part(part, fields))
            for part in _DOT_OUTSIDE_BRACES.split(template)], default_host)
        if "{meter}" not in template:
            raise TemplateError("components with {meter} among them, without "
                                "which meters overwrite each other")


class TagNamer(_Namer):
    """Names tagged series (Graphite 1.1): the meter, and what it is about.

    ``PREFIX.METER;host=HOST;project=ID;instance=ID;device=NAME``, where the
    host is left out without ``append_hostname`` and the device where there
    is none. Parameters and errors are those of :class:`PathNamer`.
    """

    def __init__(self, prefix, append_hostname, default_host):
        fields = _fields(checked_prefix(prefix), append_hostname)
        super().__init__([
            (field in _STEADY, lead, fields[field]) for lead, field in (
                (".", "prefix"), (".", "meter"), (";host=", "hostname"),
                (";project=", "project_id"), (";instance=", "instance_id"),
                (";device=", "device"))], default_host)
