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

"""Defines which counters become rates, and which metadata become gauges.

The definitions are read from YAML; the packaged ``data/definitions.yaml``
explains each key.
"""

import dataclasses
import fnmatch
import importlib.resources
import math
import pathlib
import re
import reprlib
import sys

import yaml

from ceilometer_graphite import naming


class DefinitionsError(ValueError):
    """A definitions file is invalid. Names the file, entry and key."""


@dataclasses.dataclass(frozen=True)
class Rate:
    """How a counter becomes a rate. The keys of an entry of ``rates``."""

    meter: str
    name: str
    unit: str = ""
    scale: float = 1.0
    per: tuple = ()
    max: float = math.inf

    def divisor(self, metadata: dict) -> float:
        """Return the divisor of the growth per second for a sample."""
        for key in self.per:
            divisor = naming.metadata_value(metadata, key)
            if (isinstance(divisor, (int, float))
                    and 0 < divisor <= sys.float_info.max):
                return divisor
        return 1


@dataclasses.dataclass(frozen=True)
class Gauge:
    """Metadata that become a gauge. The keys of an entry of ``gauges``."""

    meter: str
    name: str
    metadata: str
    unit: str = ""


class Definitions:
    """The rates and gauges of each meter."""

    def __init__(self, rates: list[Rate], gauges: list[Gauge]):
        self._rates = [(re.compile(fnmatch.translate(rate.meter)).match,
                        rate) for rate in rates]
        self._gauges: dict[str, list[Gauge]] = {}
        for gauge in gauges:
            self._gauges.setdefault(gauge.meter, []).append(gauge)
        # The names of all rates and gauges. {meter} is any text.
        names = [rate.name for rate in rates] + [
            gauge.name for gauge in gauges]
        self._made = [re.compile(".+".join(
            map(re.escape, name.split("{meter}")))).fullmatch
            for name in names]

    def rate(self, meter: str, unit: str | None) -> Rate | None:
        """Return the rate that a counter becomes, or None."""
        for match, rate in self._rates:
            if match(meter):
                return dataclasses.replace(
                    rate, name=rate.name.replace("{meter}", meter),
                    unit=rate.unit.replace("{unit}", str(unit or "")))
        return None

    def gauges(self, meter: str) -> list[Gauge]:
        """Return the gauges in the metadata of a meter's samples."""
        return self._gauges.get(meter, [])

    def may_make(self, name: str) -> bool:
        """Whether a rate or a gauge can have this name."""
        return any(match(name) for match in self._made)


class Loader(yaml.SafeLoader):
    """Loads YAML; a key that occurs twice in a mapping is an error."""

    def construct_mapping(self, node, deep=False):
        """Construct a mapping, as PyYAML does, and find repeated keys."""
        keys = set()
        for key, _ in node.value:
            if str(key.value) in keys:
                self.repeat(key)
            keys.add(str(key.value))
        return super().construct_mapping(node, deep)

    def repeat(self, key: yaml.Node) -> None:
        """Handle a repeated key.

        :raises yaml.constructor.ConstructorError: names the key
        """
        raise yaml.constructor.ConstructorError(
            None, None, "%s stands twice" % key.value, key.start_mark)


# A check returns the value to use, or None for an invalid one.
def _text(value, field=""):
    """Accept a text that has no braces but those of ``field``."""
    if not isinstance(value, str) or not value:
        return None
    return None if re.search("[{}]", value.replace(field, "")) else value


def _one_meter(value):
    return None if "*" in str(value) else _text(value)


def _number(value):
    """Accept a number, or 1e-7, which YAML 1.1 reads as a text."""
    try:
        number = 0.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number and math.isfinite(number) else None


def _number_above_0(value):
    number = _number(value)
    return number if number and number > 0 else None


def _texts(value):
    return tuple(value) if isinstance(value, list) and all(
        map(_text, value)) else None


# For each section its class; for each key its values and their check.
_SECTIONS = {
    "rates": (Rate, {
        "meter": ("a text", _text),
        "name": ("a text with no braces but {meter}",
                 lambda value: _text(value, "{meter}")),
        "unit": ("a text with no braces but {unit}",
                 lambda value: _text(value, "{unit}")),
        "scale": ("a number other than 0", _number),
        "per": ("a list of texts", _texts),
        "max": ("a number above 0", _number_above_0)}),
    "gauges": (Gauge, {
        "meter": ("the name of one meter", _one_meter),
        "name": ("a text", _text),
        "unit": ("a text", _text),
        "metadata": ("a text", _text)}),
}


def _check_keys(where, value, allowed):
    if not isinstance(value, dict):
        raise DefinitionsError("%shas to be a mapping of %s, and not %s" % (
            where, ", ".join(allowed), reprlib.repr(value)))
    for key in value:
        if key not in allowed:
            raise DefinitionsError("%s%s is not one of %s" % (
                where, reprlib.repr(key), ", ".join(allowed)))


def _entry(where, kind, checks, keys):
    """Check an entry of a section, and make its object."""
    _check_keys(where, keys, checks)
    for field in dataclasses.fields(kind):
        if field.default is dataclasses.MISSING and field.name not in keys:
            raise DefinitionsError("%s%s is missing" % (where, field.name))
    values = {key: checks[key][1](value) for key, value in keys.items()}
    for key, value in values.items():
        if value is None:
            raise DefinitionsError("%s%s has to be %s, and not %s" % (
                where, key, checks[key][0], reprlib.repr(keys[key])))
    if "*" in values["meter"] and "{meter}" not in values["name"]:
        raise DefinitionsError("%sname has to have {meter}, as more than one "
                               "meter may fit" % where)
    return kind(**values)


def _section(path, name, entries):
    if not isinstance(entries, list):
        raise DefinitionsError("%s: %s has to be a list, and not %s" % (
            path, name, reprlib.repr(entries)))
    return [_entry("%s, entry %d of %s: " % (path, number, name),
                   *_SECTIONS[name], keys)
            for number, keys in enumerate(entries, 1)]


def _parse(path, text):
    try:
        return Loader(text).get_single_data()
    except (yaml.YAMLError, RecursionError, ValueError) as e:
        mark = getattr(e, "problem_mark", None)
        raise DefinitionsError("%s%s: is not YAML: %s" % (
            path, ", line %d" % (mark.line + 1) if mark else "",
            getattr(e, "problem", e))) from None


def load(path=None):
    """Load the definitions in a file.

    :param path: the path of the file; None is the packaged one
    :raises DefinitionsError: if it cannot be read, or is invalid
    """
    file = pathlib.Path(path) if path is not None else (
        importlib.resources.files(__package__) / "data/definitions.yaml")
    path = path or file.name
    try:
        text = file.read_bytes()
    except (OSError, ValueError) as e:
        raise DefinitionsError("%s: cannot be read: %s" % (
            path, getattr(e, "strerror", e))) from None
    found = _parse(path, text)
    if not found:
        raise DefinitionsError("%s: is empty; it has to have rates or gauges"
                               % path)
    _check_keys(path + ": ", found, _SECTIONS)
    return Definitions(**{name: _section(path, name, found.get(name, []))
                          for name in _SECTIONS})
