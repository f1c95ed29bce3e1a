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

"""Which counters become which rates, and which metadata become gauges.

Read from YAML; the packaged ``data/definitions.yaml`` says what each key
means. Whatever is wrong with a file is told with its line and its key.
"""

import dataclasses
import fnmatch
import importlib.resources
import math
import re

import yaml

from ceilometer_graphite import naming


class DefinitionsError(ValueError):
    """A definitions file that cannot be used; names file, line and key."""


@dataclasses.dataclass(frozen=True)
class Rate:
    """How a counter becomes a rate; the keys of an entry of ``rates``."""

    meter: str
    name: str
    unit: str = ""
    scale: float = 1.0
    per: tuple = ()

    def factor(self, metadata):
        """What the growth per second is multiplied by, for one sample."""
        for key in self.per:
            divisor = naming.metadata_value(metadata, key)
            if isinstance(divisor, (int, float)) and divisor > 0:
                return self.scale / divisor
        return self.scale


@dataclasses.dataclass(frozen=True)
class Gauge:
    """Metadata that become a gauge; the keys of an entry of ``gauges``."""

    meter: str
    name: str
    metadata: str
    unit: str = ""


class Definitions:
    """What is made of samples, by the name of their meter."""

    def __init__(self, rates, gauges):
        self._rates = [(re.compile(fnmatch.translate(rate.meter)).match,
                        rate) for rate in rates]
        self._gauges = {}
        for gauge in gauges:
            self._gauges.setdefault(gauge.meter, []).append(gauge)
        self.gauge_names = frozenset(gauge.name for gauge in gauges)

    def rate(self, meter, unit):
        """The rate that a counter becomes, or None."""
        for match, rate in self._rates:
            if match(meter):
                return dataclasses.replace(
                    rate, name=rate.name.replace("{meter}", meter),
                    unit=rate.unit.replace("{unit}", str(unit or "")))
        return None

    def gauges(self, meter):
        """The gauges that a sample of ``meter`` brings with it."""
        return self._gauges.get(meter, ())


# Values are read from YAML's nodes: whatever stands there, it is never
# constructed, and a number may be 1e-7, which YAML 1.1 takes for a text.
def _text(node):
    is_text = node.tag == "tag:yaml.org,2002:str"
    if not is_text or not isinstance(node.value, str) or not node.value:
        raise ValueError("a text")
    return node.value


def _text_with(field):
    def read(node):
        if re.search("[{}]", _text(node).replace(field, "")):
            raise ValueError("a text with no braces but %s" % field)
        return node.value
    return read


def _one_meter(node):
    if "*" in _text(node):
        raise ValueError("the name of one meter")
    return node.value


def _number(node):
    try:
        number = float(node.value)
    except (TypeError, ValueError):
        number = 0.0
    if not number or not math.isfinite(number):
        raise ValueError("a number other than 0")
    return number


def _texts(node):
    if not isinstance(node, yaml.SequenceNode):
        raise ValueError("a list of texts")
    return tuple(_text(item) for item in node.value)


def _shown(node):
    if not isinstance(node, yaml.ScalarNode):
        return "a " + node.id
    return repr(node.value) if node.tag.endswith(":str") else node.value


_SECTIONS = {
    "rates": (Rate, {"meter": _text, "name": _text_with("{meter}"),
                     "unit": _text_with("{unit}"), "scale": _number,
                     "per": _texts}, ("meter", "name")),
    "gauges": (Gauge, {"meter": _one_meter, "name": _text, "unit": _text,
                       "metadata": _text}, ("meter", "name", "metadata")),
}


class _Reader:
    """Turns the nodes of one YAML file into definitions."""

    def __init__(self, path):
        self._path = path

    def error(self, node, key, problem):
        return DefinitionsError("%s, line %d, %s: %s" % (
            self._path, node.start_mark.line + 1, key, problem))

    def pairs(self, node, key, allowed):
        """The keys and value nodes of a mapping, each key known and once."""
        if not isinstance(node, yaml.MappingNode):
            raise self.error(node, key, "has to be a mapping of %s"
                             % ", ".join(allowed))
        pairs = {}
        for key_node, value_node in node.value:
            name = key_node.value
            if name not in allowed:
                raise self.error(key_node, _shown(key_node), "is not one of %s"
                                 % ", ".join(allowed))
            if name in pairs:
                raise self.error(key_node, name, "stands here twice")
            pairs[name] = value_node
        return pairs

    def value(self, node, key, read):
        try:
            return read(node)
        except ValueError as e:
            raise self.error(node, key, "has to be %s, and not %s"
                             % (e, _shown(node))) from None

    def entry(self, node, section):
        kind, readers, required = _SECTIONS[section]
        pairs = self.pairs(node, section, tuple(readers))
        for key in required:
            if key not in pairs:
                raise self.error(node, key, "is missing")
        entry = kind(**{key: self.value(value, key, readers[key])
                        for key, value in pairs.items()})
        if "*" in entry.meter and "{meter}" not in entry.name:
            raise self.error(pairs["name"], "name", "has to have {meter}, "
                             "as more than one meter may fit")
        return entry

    def section(self, node, section):
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(node, section, "has to be a list")
        return [self.entry(item, section) for item in node.value]

    def read(self, text):
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as e:
            line = e.problem_mark.line + 1 if e.problem_mark else 1
            raise DefinitionsError("%s, line %d: is not YAML: %s" % (
                self._path, line, e.problem)) from None
        except (yaml.YAMLError, ValueError, RecursionError) as e:
            raise DefinitionsError(
                "%s: is not YAML: %s" % (self._path, e)) from None
        if root is None:
            raise DefinitionsError(
                "%s: is empty; it has to have rates or gauges" % self._path)
        sections = self.pairs(root, "the file", tuple(_SECTIONS))
        return Definitions(**{
            name: self.section(sections[name], name)
            if name in sections else [] for name in _SECTIONS})


def load(path=None):
    """The definitions in a file.

    :param path: of the file; None is the packaged one
    :raises DefinitionsError: when it cannot be read or used
    """
    if path is None:
        packaged = importlib.resources.files(__package__).joinpath(
            "data/definitions.yaml")
        return _Reader("definitions.yaml").read(packaged.read_bytes())
    try:
        with open(path, "rb") as file:
            text = file.read()
    except (OSError, ValueError) as e:
        raise DefinitionsError("%s: cannot be read: %s" % (
            path, getattr(e, "strerror", e))) from None
    return _Reader(path).read(text)
