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


"""Ceilometer's YAML files: what is wrong in them, and what to do about it."""

import collections
from collections.abc import Callable
import difflib
import json
import math
import os
import sysconfig
import typing

from ceilometer import agent
import yaml
from yaml import reader

from ceilometer_graphite import definitions
from ceilometer_graphite import opts
from ceilometer_graphite.cli import common

_T = typing.TypeVar("_T")


class Shape(typing.NamedTuple):
    """What a file has to look like.

    :ivar example: the path of one
    :ivar absent: what happens without the file, and what to do
    :ivar lists: its lists by name, each with the keys that an entry needs
        and what to do where one is missing
    :ivar others: the keys that an entry may have
    """

    example: str
    absent: opts.Problem
    lists: dict[str, dict[str, str]]
    others: tuple[str, ...] = ()


_NAME = {"name": "write name: NAME"}
# Installed with the package.
_PIPELINE, _POLLING = (os.path.join(
    sysconfig.get_path("data"), "share", "ceilometer-graphite", name)
    for name in ("pipeline.yaml", "polling.yaml"))
PIPELINE = Shape(
    _PIPELINE, opts.Problem(
        "so Ceilometer's own is used, which sends to Gnocchi",
        "copy %s there, and name your Graphite in it" % _PIPELINE),
    {"sources": {**_NAME, "meters": 'write meters: ["*"]',
                 "sinks": 'write sinks: ["graphite"]'},
     "sinks": {**_NAME, "publishers": 'write publishers: '
               '["graphite://graphite.example.com:2003"]'}})
POLLING = Shape(
    _POLLING, opts.Problem(
        "and the agent does not start", "copy %s there" % _POLLING),
    {"sources": {**_NAME, "interval": "write interval: 60",
                 "meters": "copy those of " + _POLLING}},
    ("resources", "discovery", "group_id_coordination_expression"))
_LISTS = ("meters", "sinks", "publishers", "resources", "discovery")
# Keys that are wrong at the top of a file, unlike those of an anchor.
_KEYS = ("name", "interval", *_LISTS)
_REMOVE = {
    "transformers": "remove it: Ceilometer has had none since Stein, and the "
                    "plugin makes cpu_util and rates itself",
    "interval": "remove it, and set it in polling.yaml",
}


def load(path: str, shape: Shape, build: Callable[[], _T]) -> _T:
    """What Ceilometer makes of a file.

    :param build: Ceilometer's function that reads the file
    :raises common.CommandError: for all that is wrong with it
    """
    if not os.path.isabs(path):
        raise common.CommandError("there is no %s beside ceilometer.conf, %s"
                                  % (path, shape.absent.problem),
                                  shape.absent.hint)
    try:
        data = yaml.safe_load(_text(path))
        faults = [common.CommandError("%s: %s" % (path, fault.problem),
                                      fault.hint)
                  for fault in list(_faults(data, shape))
                  or _links(data, shape)]
        if not faults:
            return build()
    except Exception as e:
        raise unusable(path, e, shape.example) from e
    faults[0].others = faults[1:]
    raise faults[0]


def unusable(path: str, error: Exception,
             like: str = "") -> common.CommandError:
    """The error of a file that could not be read.

    :param like: the path of an example of it
    """
    hint = "repair it" + ("; an example is " + like if like else "")
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        problem = "line %d is not YAML: %s" % (
            error.problem_mark.line + 1, ", ".join(
                filter(None, (error.context, error.problem))))
    elif isinstance(error, reader.ReaderError):
        problem = "has the character %#x, which YAML does not allow" % (
            error.character)
    elif isinstance(error, UnicodeDecodeError):
        problem = common.one_line(error)
        hint = "write it anew: iconv -f %s -t UTF-8 %s" % (
            "UTF-16" if error.object[:2] in (b"\xff\xfe", b"\xfe\xff")
            else "ISO-8859-1", path)
    elif isinstance(error, OSError):
        problem = "cannot be read: " + (
            error.strerror or common.one_line(error))
    elif isinstance(error, agent.ConfigException):
        problem = common.one_line(error.msg)
    else:
        problem = "is not what Ceilometer expects"
    return common.CommandError("%s: %s" % (path, problem), hint)


def _text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def _unlike(what, wanted, value, hint):
    """The problem that a value is of another kind than it has to be."""
    return opts.Problem("%s has to be a %s, not a %s" % (
        what, wanted, _kind(value)), hint)


def _kind(value):
    return {dict: "mapping", list: "list", str: "text"}.get(
        type(value), "single value")


def _entry(name, number, entry):
    """An entry of sources or sinks, in words."""
    return "%s %s" % (name[:-1], entry.get("name") or number)


def _faults(data, shape):
    """Yield what is wrong with each part of a file by itself."""
    if data is None:
        yield opts.Problem("is empty", "copy %s there" % shape.example)
    elif not isinstance(data, dict):
        yield opts.Problem(
            "is a %s, not a mapping with %s" % (
                _kind(data), " and ".join(shape.lists)),
            "repair it; an example is " + shape.example)
    else:
        for name in shape.lists:
            yield from _list_faults(data, name, shape)


def _list_faults(data, name, shape):
    entries = data.get(name)
    if not entries and not isinstance(entries, (dict, str)):
        near = difflib.get_close_matches(name, [
            str(key) for key in data if key not in shape.lists], 1)
        yield opts.Problem(
            "has no " + name, "correct %s to %s" % (near[0], name) if near
            else "add some; an example is " + shape.example)
    elif not isinstance(entries, list):
        yield _unlike(name, "list", entries,
                      'begin each of its entries with "- "')
    else:
        for number, entry in enumerate(entries, 1):
            if isinstance(entry, dict):
                yield from _entry_faults(
                    _entry(name, number, entry), entry, shape.lists[name],
                    shape.others)
            else:
                yield _unlike(
                    "entry %d of %s" % (number, name), "mapping", entry,
                    'write it as "- name: NAME", with its other keys below')


def _entry_faults(where, entry, needed, others):
    for key in (*needed, *others):
        value = entry.get(key)
        if value not in (None, [], ""):
            yield from _value_faults(
                key, value, "%s of %s" % (key, where),
                needed.get(key, 'write %s: ["..."]' % key))
        elif key in needed:
            yield opts.Problem("%s has no %s" % (where, key), needed[key])


def _value_faults(key, value, what, hint):
    """Yield what is wrong with the value of a key of an entry."""
    if key == "name" and isinstance(value, (dict, list)):
        yield _unlike(what, "text", value, hint)
    elif key == "interval" and not _seconds(value):
        yield opts.Problem("%s has to be a whole number of seconds, not %s" % (
            what, json.dumps(value, default=str)), hint)
    elif key in _LISTS and not isinstance(value, list):
        yield _unlike(what, "list", value, "write %s: %s" % (
            key, json.dumps([value])) if isinstance(value, str) else hint)
    elif key in _LISTS:
        for text in value:
            if not isinstance(text, str) or not text:
                yield opts.Problem(
                    "%s has to be a list of texts, and has %s" % (
                        what, json.dumps(text, default=str)),
                    "correct it, or put it in quotes")
                return
        # To Ceilometer "disk.*" is a name, and "*.bytes" is none.
        mixed = [text for text in value if text == "*" or text[0] == "!"]
        if key == "meters" and mixed and any(
                text[0] not in "!*" for text in value):
            yield opts.Problem(
                "%s mixes names with %s" % (what, mixed[0]),
                'write names alone, or "*" and what to leave out, such as '
                '"!cpu"')


def _seconds(value):
    """The seconds that Ceilometer makes of an interval, or 0."""
    try:
        seconds = 0 if isinstance(value, bool) else int(value)
        return seconds if 1 <= float(seconds) < math.inf else 0
    except (TypeError, ValueError, OverflowError):
        return 0


def _links(data, shape):
    """Yield what is wrong between the parts of a file."""
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


class _Loader(definitions.Loader):
    """Notes the line and the text of each repeated key."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.repeated: list[tuple[int, str]] = []

    def repeat(self, key: yaml.Node) -> None:
        """Note a repeated key."""
        self.repeated.append((key.start_mark.line + 1, str(key.value)))


def doubts(path: str, shape: Shape) -> list[opts.Problem]:
    """What Ceilometer ignores or changes in a file without faults."""
    loader = _Loader(_text(path))
    data = loader.get_single_data()
    found = [opts.Problem(
        "line %d: %s is repeated, so only the last one is read" % each,
        "merge the two") for each in sorted(loader.repeated)]
    for find in (_unread_keys, _odd_entries):
        found += find(data, shape)
    return [opts.Problem("%s: %s" % (path, doubt.problem), doubt.hint)
            for doubt in found]


def _unread_keys(data, shape):
    for key in data:
        if key in _KEYS and key not in shape.lists:
            yield opts.Problem("nothing reads the key %s" % key, "remove it")
    for name, needed in shape.lists.items():
        known = (*needed, *shape.others)
        correct = "remove it, or correct it to one of " + ", ".join(known)
        for number, entry in enumerate(data[name], 1):
            for key in entry:
                if key not in known:
                    yield opts.Problem("nothing reads %s of %s" % (
                        key, _entry(name, number, entry)),
                        _REMOVE.get(key, correct))


def _odd_entries(data, shape):
    if shape is POLLING:
        yield from _same_names(data, shape)
        for source in data["sources"]:
            seconds = _seconds(source["interval"])
            if float(source["interval"]) != seconds:
                yield opts.Problem(
                    "interval of source %s is %s, but Ceilometer uses %d" % (
                        source["name"], source["interval"], seconds),
                    "write interval: %d" % seconds)
        return
    used = [sink for source in data["sources"] for sink in source["sinks"]]
    for each in data["sinks"]:
        if each["name"] not in used:
            yield opts.Problem("no source names the sink %s" % each["name"],
                               "name it in a source, or remove it")
