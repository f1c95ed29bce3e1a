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

"""What is wrong in Ceilometer's YAML files that Ceilometer does not tell."""

from collections.abc import Iterator
from collections.abc import Mapping
import json
import os
import typing

import yaml

from ceilometer_graphite import opts
from ceilometer_graphite.cli import common

# Of each file: its lists, and the keys of their entries that are read.
PIPELINE = {"sources": ("name", "meters", "sinks"),
            "sinks": ("name", "publishers")}
POLLING = {"sources": ("name", "interval", "meters", "resources",
                       "discovery")}
_LISTS = ("meters", "sinks", "publishers", "resources", "discovery")
_REMOVE = {
    "transformers": "remove it: Ceilometer has none since Stein, and the "
                    "plugin makes cpu_util and rates itself",
    "interval": "remove it, and set it in polling.yaml",
}
_Shape = Mapping[str, tuple[str, ...]]


def check(path: str, shape: _Shape) -> None:
    """See whether Ceilometer can make anything of a file.

    :param shape: of the file, one of the constants above
    :raises common.CommandError: for all that is wrong
    """
    try:
        data = yaml.safe_load(_text(path))
    except Exception as e:
        raise common.unusable(path, e) from e
    faults = [common.CommandError("%s: %s" % (path, fault.problem),
                                  fault.hint)
              for fault in _faults(path, data, shape)]
    if faults:
        faults[0].others = faults[1:]
        raise faults[0]


def _faults(path, data, shape):
    if data is None:
        return [opts.Problem("is empty", "fill it as %s is" % common.example(
            os.path.basename(path)))]
    if not isinstance(data, dict):
        return [opts.Problem("is a %s, and not a mapping with %s" % (
            _kind(data), " and ".join(shape)), "repair it; an example is "
            + common.example(os.path.basename(path)))]
    return [fault for name in shape if name in data
            for fault in _list_faults(name, data[name])]


def doubts(path: str, shape: _Shape) -> list[opts.Problem]:
    """What nothing reads in a file without faults, each with what to do."""
    text = _text(path)
    found = [opts.Problem(
        "line %d: %s is there a second time, so the first is not read"
        % (line, key), "merge the two") for line, key in _repeated(
            yaml.compose(text, Loader=yaml.SafeLoader), [])]
    return found + [
        opts.Problem("nothing reads %s of %s" % (key, _entry(name, each)),
                     _REMOVE.get(key, "remove it, or correct it to one of "
                                 + ", ".join(keys)))
        for name, keys in shape.items()
        for each in yaml.safe_load(text).get(name) or ()
        for key in each if key not in keys]


def _text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def _kind(value):
    return {dict: "mapping", list: "list", str: "text"}.get(
        type(value), "single value")


def _entry(name, entry):
    """An entry of sources or sinks, in words."""
    return "%s %s" % (name[:-1], entry.get("name", "without a name"))


def _list_faults(name, entries):
    if not isinstance(entries, list):
        yield opts.Problem(
            "%s has to be a list, and is a %s" % (name, _kind(entries)),
            'begin each of its entries with "- "')
        return
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            yield opts.Problem(
                "entry %d of %s has to be a mapping, and is a %s" % (
                    number, name, _kind(entry)),
                'write it as "- name: NAME", with its other keys below')
            continue
        for key in _LISTS:
            if key in entry:
                yield from _text_faults(_entry(name, entry), key, entry[key])


def _text_faults(where, key, texts):
    """What is wrong with a list of texts."""
    if not isinstance(texts, list):
        yield opts.Problem(
            "%s of %s has to be a list, and is a %s" % (
                key, where, _kind(texts)),
            "write %s: %s" % (key, json.dumps([texts]) if isinstance(
                texts, str) else '["...", "..."]'))
        return
    for text in texts:
        if not isinstance(text, str):
            yield opts.Problem(
                "%s of %s has to be a list of texts, and has %r" % (
                    key, where, text), "correct it, or put it in quotes")


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
