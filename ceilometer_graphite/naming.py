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
import hashlib
import re

DEFAULT_TEMPLATE = (
    "{prefix}.{hostname}.{project_id}.{instance_id}.{meter}.{device}")
MISSING = "none"
# A component is a folder or a file of Whisper: at most 255 bytes with .wsp.
MAX_COMPONENT_BYTES = 200

_HASH_DIGITS = 16
_CACHED_TEXTS = 16384
_SAFE = "A-Z a-z 0-9 _ -"
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_LOOKS_HASHED = re.compile(r"_[0-9a-f]{%d}\Z" % _HASH_DIGITS)
_DOT_OUTSIDE_BRACES = re.compile(r"\.(?![^{}]*\})")
_FIELD = re.compile(r"\{([^{}]*)\}")


class TemplateError(ValueError):
    """A template or a prefix that cannot be used; says what is allowed."""


def _hashed(text, safe):
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"),
                             digest_size=_HASH_DIGITS // 2).hexdigest()
    return safe[:MAX_COMPONENT_BYTES - _HASH_DIGITS - 1] + "_" + digest


@functools.lru_cache(_CACHED_TEXTS)
def _component(text):
    safe = _UNSAFE.sub("_", text)
    if len(safe) > MAX_COMPONENT_BYTES:
        return _hashed(text, safe)
    return safe or MISSING


@functools.lru_cache(_CACHED_TEXTS)
def _identity(text):
    safe = _UNSAFE.sub("_", text)
    if (safe == text and len(safe) <= MAX_COMPONENT_BYTES
            and text != MISSING and not _LOOKS_HASHED.search(text)):
        return safe or MISSING
    return _hashed(text, safe)


@functools.lru_cache(_CACHED_TEXTS)
def _meter(text):
    if len(text) > MAX_COMPONENT_BYTES:
        return _component(text)
    return ".".join(
        _component(part) for part in text.split(".") if part) or MISSING


def component(value):
    """Any value as one path component.

    Characters outside ``A-Z a-z 0-9 _ -`` become ``_``. What is longer than
    200 bytes is cut and ends in a hash of the whole. None and the empty
    string are ``none``.
    """
    return _component("" if value is None else str(value))


def identity(value):
    """An identifier as a path component that no other identifier gets.

    As :func:`component`, but an identifier that had to be changed, or that
    looks like one that had been, ends in a hash of the whole. A UUID comes
    out as it went in.
    """
    return _identity("" if value is None else str(value))


def meter_path(value):
    """A meter's name: its dots stay. One of over 200 bytes is a component."""
    return _meter("" if value is None else str(value))


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
    if prefix and any(part != component(part) for part in prefix.split(".")):
        raise TemplateError(
            "components of %s, of at most %d characters, with one dot "
            "between them" % (_SAFE, MAX_COMPONENT_BYTES))
    return prefix


def _fields(prefix, append_hostname, default_host):
    """The makers of a template's fields.

    Each gets the sample, its metadata, the meter and the unit. None, from
    the three that may have nothing to say, leaves the component out.
    """
    prefix = checked_prefix(prefix)

    def host(md):
        return str(md.get("instance_host") or default_host)

    def hostname(s, md, *_):
        short = host(md).partition(".")[0]
        # A host that is named by its address has no short name.
        text = component(host(md) if short.isdigit() else short)
        return text if append_hostname else None

    def device(s, md, *_):
        name = md.get("disk_name") or md.get("vnic_name")
        return component(name) if name else None

    return {
        "prefix": lambda *_: prefix or None,
        "hostname": hostname,
        "host": lambda s, md, *_: component(host(md)),
        "project_id": lambda s, *_: identity(s.project_id),
        "project_name": lambda s, *_: component(
            getattr(s, "project_name", None)),
        "user_id": lambda s, *_: identity(s.user_id),
        "instance_id": lambda s, md, *_: identity(
            md.get("instance_id") or s.resource_id),
        "instance_name": lambda s, md, *_: component(md.get("display_name")),
        "resource_id": lambda s, *_: identity(s.resource_id),
        "flavor": lambda s, md, *_: component(md.get("instance_type")),
        "meter": lambda s, md, meter, unit: meter_path(meter),
        "device": device,
        "unit": lambda s, md, meter, unit: component(unit),
    }


def _maker(field, fields):
    if field.startswith("metadata.") and len(field) > len("metadata."):
        key = field[len("metadata."):]
        return lambda s, md, *_: component(metadata_value(md, key))
    if field not in fields:
        raise TemplateError("{%s}, and not {%s}" % (
            "}, {".join([*sorted(fields), "metadata.KEY"]), field))
    return fields[field]


def _mixed(makers):
    def make(*datum):
        text = "".join(make(*datum) or MISSING for make in makers)
        return _hashed(text, text) if len(text) > MAX_COMPONENT_BYTES else text
    return make


def _compiled(part, fields):
    """The maker of one component of a template."""
    pieces = _FIELD.split(part)
    for literal in pieces[::2]:
        if _UNSAFE.search(literal):
            raise TemplateError(
                "fields in braces, dots, and the characters %s" % _SAFE)
    makers = [_maker(piece, fields) if number % 2
              else lambda *_, literal=piece: component(literal)
              for number, piece in enumerate(pieces) if piece or number % 2]
    if not makers:
        raise TemplateError("components that are not empty")
    return makers[0] if len(makers) == 1 else _mixed(makers)


class _Namer:
    def name(self, sample, meter, unit):
        """The name of a sample's datapoint.

        :param sample: a ``ceilometer.sample.Sample``
        :param meter: the meter's name, which may be a derived one
        :param unit: the unit of that meter, or None
        """
        md = metadata(sample)
        name = ""
        for lead, make in self._pieces:
            text = make(sample, md, meter, unit)
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
        fields = _fields(prefix, append_hostname, default_host)
        self._pieces = [(".", _compiled(part, fields))
                        for part in _DOT_OUTSIDE_BRACES.split(template)]
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
        fields = _fields(prefix, append_hostname, default_host)
        self._pieces = [(lead, fields[field]) for lead, field in (
            (".", "prefix"), (".", "meter"), (";host=", "hostname"),
            (";project=", "project_id"), (";instance=", "instance_id"),
            (";device=", "device"))]
