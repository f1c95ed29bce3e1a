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


"""How a module of this project becomes one of Ceilometer's."""

import ast
import re
import sys

PUBLISHER = "ceilometer.publisher.graphite"
TESTS = "ceilometer.tests.unit.publisher.graphite"
# Where modules live in Ceilometer that are not the publisher's own.
ELSEWHERE = {"driver": "ceilometer.pipeline", "throttle": "ceilometer"}
_LEFTOVER = re.compile(r"(?i)\bceilometer[_-]graphite\b.*"
                       r"|\b(from|import) (tests|tools|benchmarks)\b.*")


class PatchError(Exception):
    """Something is not as it has to be; says what and where."""


def package(module):
    """The package in Ceilometer of one of our modules."""
    return ELSEWHERE.get(module, PUBLISHER)


def edit(name, text, edits):
    """A text with pieces replaced, each of which has to be there.

    :param name: of the file, for the error
    :param edits: (old, new) pairs
    :raises PatchError: names the file and the piece that it lacks
    """
    for old, new in edits:
        if old not in text:
            raise PatchError("%s lacks what has to be replaced there:\n%s"
                             % (name, old))
        text = text.replace(old, new)
    return text


def insert(name, text, anchor, added, before=False):
    """A text with lines added next to a line that stands there once.

    :param anchor: the line, without its indentation, which the added lines
        get as well
    :raises PatchError: names the file and the line
    """
    lines = text.splitlines(keepends=True)
    places = [place for place, line in enumerate(lines)
              if line.strip() == anchor]
    if len(places) != 1:
        raise PatchError("%s has to have this line once, and has it %d "
                         "times:\n%s" % (name, len(places), anchor))
    line = lines[places[0]]
    indent = line[:len(line) - len(line.lstrip())]
    place = places[0] + (not before)
    lines[place:place] = [
        indent + each if each.strip() else each
        for each in added.splitlines(keepends=True)]
    return "".join(lines)


def rename(name, text):
    """A module with the names that its imports have in Ceilometer.

    :raises PatchError: when a name of this project is left
    """
    for old, new in (
            (r"\bfrom ceilometer_graphite import (\w+)",
             lambda match: "from %s import %s" % (
                 package(match[1]), match[1])),
            (r"~ceilometer_graphite\.", "~."),
            (r"\bceilometer_graphite\.(\w+)",
             lambda match: "%s.%s" % (package(match[1]), match[1])),
            (r"\bfrom tests(?:\.unit)? import (base|fakes)\b",
             r"from %s import \1" % TESTS)):
        text = re.sub(old, new, text)
    left = _LEFTOVER.search(text)
    if left:
        raise PatchError("%s: %s has no name in Ceilometer"
                         % (name, left.group()))
    return text


def _imported(line):
    """What an import is sorted by: hacking's H306."""
    return re.sub(r"^from (\S+) import (\w+).*", r"import \1.\2", line).lower()


def _group(line):
    top = line.split()[1].partition(".")[0]
    return 0 if top in sys.stdlib_module_names else 1 + (top == "ceilometer")


def sort_imports(text):
    """A module with the imports at its top in groups, each in order."""
    nodes = [node for node in ast.parse(text).body
             if isinstance(node, (ast.Import, ast.ImportFrom))]
    if not nodes:
        return text
    lines = text.splitlines()
    first, end = nodes[0].lineno - 1, nodes[-1].end_lineno
    above = "\n".join(lines[:first]).rstrip("\n")
    below = "\n".join(lines[end:])
    blanks = min(len(below) - len(below.lstrip("\n")), 2)
    imports = sorted(filter(None, lines[first:end]), key=_imported)
    groups = ([line for line in imports if _group(line) == group]
              for group in range(3))
    return "%s\n\n%s\n%s%s\n" % (
        above, "\n\n".join("\n".join(group) for group in groups if group),
        "\n" * blanks, below.lstrip("\n"))
