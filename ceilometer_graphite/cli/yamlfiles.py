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


"""What is wrong in Ceilometer's YAML files, each fault with what to do."""

import collections
from collections.abc import Iterator
import difflib
import json
import math
import typing

import yaml

from ceilometer_graphite import opts
from ceilometer_graphite.cli import common


class Shape(typing.NamedTuple):
    """What a file has to look like.

    :ivar example: the name of the one that is installed with the package
    :ivar lists: its lists by name, each as a pair of the keys that an entry
        needs, and of those that it may have
    """

    example: str
    lists: dict[str, tuple[tuple[str, ...], tuple[str, ...]]]


PIPELINE = Shape("pipeline.yaml", {
    "sources": (("name", "meters", "sinks"), ()),
    "sinks": (("name", "publishers"), ())})
POLLING = Shape("polling.yaml", {
    "sources": (("name", "interval", "meters"),
                ("resources", "discovery",
                 "group_id_coordination_expression"))})
# An example of each key, as it is written.
_EXAMPLES = {
    "name": "name: NAME", "interval": "interval: 60",
    "meters": 'meters: ["*"]',
    "sinks": 'sinks: ["graphite"]',
    "publishers": 'publishers: ["graphite://graphite.example.com:2003"]',
    "resources": 'resources: ["..."]', "discovery": 'discovery: ["..."]'}
_LISTS = ("meters", "sinks", "publishers", "resources", "discovery")
_REMOVE = {
    "transformers": "remove it: Ceilometer has none since Stein, and the "
                    "plugin makes cpu_util and rates itself",
    "interval": "remove it, and set it in polling.yaml",
}


def check(path: str, shape: Shape) -> None:
    """See whether Ceilometer can make anything of a file.

    :raises common.CommandError: for all that is wrong
    """
    try:
        data = yaml.safe_load(_text(path))
    except Exception as e:
        raise common.unusable(path, e, shape.example) from e
    faults = [common.CommandError("%s: %s" % (path, fault.problem),
                                  fault.hint)
              for fault in list(_faults(data, shape)) or _links(data, shape)]
    if faults:
        faults[0].others = faults[1:]
        raise faults[0]


def doubts(path: str, shape: Shape) -> list[opts.Problem]:
    """What nothing reads in a file without faults, each with what to do."""
    text = _text(path)
    data = yaml.safe_load(text)
    found = [opts.Problem(
        "line %d: %s is there a second time, so the first is not read"
        % (line, key), "merge the two") for line, key in _repeated(
            yaml.compose(text, Loader=yaml.SafeLoader), [])]
    found += [opts.Problem("nothing reads the key %s" % key, "remove it")
              for key in data if key in _EXAMPLES and key not in shape.lists]
    for name, (needed, others) in shape.lists.items():
        correct = "remove it, or correct it to one of " + ", ".join(
            needed + others)
        found += [opts.Problem("nothing reads %s of %s" % (
            key, _entry(name, number, each)), _REMOVE.get(key, correct))
            for number, each in enumerate(data[name], 1)
            for key in each if key not in needed + others]
    if shape is POLLING:
        return found + list(_same_names(data, shape))
    used = [sink for source in data["sources"] for sink in source["sinks"]]
    return found + [opts.Problem("no source names the sink %s" % each["name"],
                                 "name it in a source, or remove it")
                    for each in data["sinks"] if each["name"] not in used]


def _text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def _kind(value):
    return {dict: "mapping", list: "list", str: "text"}.get(
        type(value), "single value")


def _entry(name, number, entry):
    """An entry of sources or sinks, in words."""
    return "%s %s" % (name[:-1], entry.get("name") or number)


def _faults(data, shape):
    """What is wrong with each part of a file by itself."""
    example = common.example(shape.example)
    if data is None:
        yield opts.Problem("is empty", "fill it as %s is" % example)
    elif not isinstance(data, dict):
        yield opts.Problem(
            "is a %s, and not a mapping with %s" % (
                _kind(data), " and ".join(shape.lists)),
            "repair it; an example is " + example)
    else:
        for name, (needed, others) in shape.lists.items():
            if not data.get(name) and not isinstance(
                    data.get(name), (dict, str)):
                near = difflib.get_close_matches(name, [
                    str(key) for key in data if key not in shape.lists], 1)
                yield opts.Problem("has no " + name, "correct %s to %s" % (
                    near[0], name) if near else "add some; an example is "
                    + example)
            elif not isinstance(data[name], list):
                yield opts.Problem(
                    "%s has to be a list, and is a %s" % (
                        name, _kind(data[name])),
                    'begin each of its entries with "- "')
            else:
                yield from _entries_faults(name, data[name], needed, others)


def _entries_faults(name, entries, needed, others):
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            yield opts.Problem(
                "entry %d of %s has to be a mapping, and is a %s" % (
                    number, name, _kind(entry)),
                'write it as "- name: NAME", with its other keys below')
            continue
        where = _entry(name, number, entry)
        for key in needed:
            if entry.get(key) in (None, [], ""):
                yield opts.Problem("%s has no %s" % (where, key),
                                   "write " + _EXAMPLES[key])
        for key in needed + others:
            value = entry.get(key)
            if value not in (None, [], ""):
                yield from _value_faults(key, value, where)


def _value_faults(key, value, where):
    """What is wrong with the value of a key of an entry."""
    what = "%s of %s has to be " % (key, where)
    if key == "name" and isinstance(value, (dict, list)):
        yield opts.Problem(what + "a text, and is a " + _kind(value),
                           "write " + _EXAMPLES[key])
    elif key == "interval" and not _is_interval(value):
        yield opts.Problem(what + "a whole number of seconds, and not %s"
                           % json.dumps(value, default=str),
                           "write " + _EXAMPLES[key])
    elif key in _LISTS and not isinstance(value, list):
        yield opts.Problem(
            what + "a list, and is a " + _kind(value),
            "write %s: %s" % (key, json.dumps([value])) if isinstance(
                value, str) else "write " + _EXAMPLES[key])
    elif key in _LISTS:
        for text in value:
            if not isinstance(text, str) or not text:
                yield opts.Problem(
                    what + "a list of texts, and has %s" % json.dumps(
                        text, default=str), "correct it, or put it in quotes")
                return
        # As Ceilometer has it, "disk.*" is a name and "*.bytes" is none.
        mixed = [text for text in value if text == "*" or text[0] == "!"]
        if key == "meters" and mixed and any(
                text[0] not in "!*" for text in value):
            yield opts.Problem(
                "meters of %s has names beside %s" % (where, mixed[0]),
                'write names alone, or "*" and what to leave out, such as '
                '"!cpu"')


def _is_interval(value):
    try:
        return not isinstance(value, bool) and (
            1 <= int(value) == float(value) < math.inf)
    except (TypeError, ValueError, OverflowError):
        return False


def _links(data, shape):
    """What is wrong between the parts of a file."""
    if shape is PIPELINE:
        yield from _same_names(data, shape)
        names = [each["name"] for each in data["sinks"]]
        for number, source in enumerate(data["sources"], 1):
            for sink in source["sinks"]:
                if sink not in names:
                    yield opts.Problem(
                        "there is no sink %s, which %s names" % (
                            sink, _entry("sources", number, source)),
                        "name one of " + ", ".join(map(str, names)))


def _same_names(data, shape):
    for name in shape.lists:
        for each, count in collections.Counter(
                str(entry["name"]) for entry in data[name]).items():
            if count > 1:
                yield opts.Problem("%d %s are named %s" % (count, name, each),
                                   "give each a name of its own")


def _repeated(node: typing.Any, above: list) -> Iterator[tuple[int, str]]:
    """The line and the key of each that a mapping has already.

    :param above: the nodes that it is in, as one may be in itself
    """
    if any(node is each for each in above):
        return
    children = node.value if isinstance(node, yaml.SequenceNode) else ()
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                yield key.start_mark.line + 1, str(key.value)
            seen.add(str(key.value))
        children = [value for _, value in node.value]
    for child in children:
        yield from _repeated(child, [*above, node])
