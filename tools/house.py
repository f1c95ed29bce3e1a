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

"""Checks rules of this project that no common tool knows.

Prints each violation, and fails if there is one::

    python -m tools.house
"""

import ast
from collections.abc import Iterator
import pathlib
import re
import sys

PACKAGE = pathlib.Path(__file__).absolute().parent.parent / (
    "ceilometer_graphite")
MAX_LINES = 30
# Which modules of the agent's side may use what. The command line may use
# anything.
MAY_USE = {
    "socket": {"transports"},
    "ssl": {"transports"},
    "select": {"transports", "sender"},
    "fcntl": {"transports", "spool"},
    "zlib": {"spool"},
    "threading.Thread": {"transports", "sender", "spool", "lanes"},
    "os.open": {"spool"},
    "os.unlink": {"spool"},
}
# One word for one thing: patterns of wrong words, and the right ones. Machines
# may be computers that something runs on, but not instances.
INSTEAD = {
    r"far ends?": "peer, or receiver",
    r"under way": "in flight",
    r"proven|outliv\w+": "confirmed",
    r"tall(y|ies)": "stats",
    r"put back|rew[io]und": "requeue",
    r"settled? with": "commit",
    r"VMs?": "instance",
    r"(?<!Linux )(?<!another )(?<!this )(?<!busy )(?<!idle )(?<!quiet )"
    r"machines?(?! (of|that|had|is|the|and|with)\b|$)": "instance",
}
_FORBIDDEN = {re.compile(r"\b(%s)\b" % pattern): instead
              for pattern, instead in INSTEAD.items()}
PAGES = ("README.rst", "CONTRIBUTING.rst", "doc/source/**/*.rst",
         "etc/*.yaml", "releasenotes/notes/*.yaml",
         "ceilometer_graphite/**/*.py", "ceilometer_graphite/**/*.yaml",
         "lab/**/*.py", "benchmarks/**/*.py", "tests/**/*.py", "tools/*.py")
# Files that may contain a word. The lab and the benchmarks run on machines.
# This module and its test name all words.
MAY_SAY = {
    "instance": ("lab/", "benchmarks/", "tests/", "tools/"),
    "": ("tools/house.py", "tests/unit/test_house.py"),
}


def code_lines(function: ast.FunctionDef) -> int:
    """Count the lines of a function without its docstring."""
    count = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(
            first.value, ast.Constant) and isinstance(first.value.value, str):
        count -= (first.end_lineno or 0) - first.lineno + 1
    return count


def long_functions(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Find functions that are too long.

    :returns: line numbers and messages
    """
    for node in ast.walk(tree):
        if (isinstance(node, ast.FunctionDef)
                and code_lines(node) > MAX_LINES):
            yield node.lineno, "%s has %d lines, more than %d" % (
                node.name, code_lines(node), MAX_LINES)


def uses(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Find imported modules and used attributes of modules.

    :returns: line numbers and names
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, "%s.%s" % (node.module, each.name))
                        for each in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(
                node.value, ast.Name):
            yield node.lineno, "%s.%s" % (node.value.id, node.attr)


def forbidden(name: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Find what a module of the agent's side must not use.

    :param name: name of the module, without its package
    :returns: line numbers and messages
    """
    for line, what in uses(tree):
        if name not in MAY_USE.get(what, {name}):
            yield line, "%s is for %s only" % (
                what, ", ".join(sorted(MAY_USE[what])))
        if what.startswith(("ceilometer_graphite.cli",
                            "ceilometer_graphite.dashboards")):
            yield line, "%s is only for the command line" % what


def check(path: pathlib.Path) -> list[str]:
    """Return the violations in a module of the package."""
    tree = ast.parse(path.read_text())
    found = list(long_functions(tree))
    if path.parent == PACKAGE and path.name != "__main__.py":
        found += forbidden(path.stem, tree)
    return ["%s:%d: %s" % (path.relative_to(PACKAGE.parent), *each)
            for each in sorted(set(found))]


def words(text: str, name: str = "") -> Iterator[tuple[int, str]]:
    """Find wrong words.

    :param name: path of the file, for its exceptions
    :returns: line numbers and messages
    """
    if name.startswith(MAY_SAY[""]):
        return
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, instead in _FORBIDDEN.items():
            if name.startswith(MAY_SAY.get(instead, ())):
                continue
            for match in pattern.finditer(line):
                yield number, "%r: write %s" % (match[0], instead)


def pages() -> list[str]:
    """Return the wrong words in code and pages."""
    found = []
    for path in sorted({path for pattern in PAGES
                        for path in PACKAGE.parent.glob(pattern)}):
        name = str(path.relative_to(PACKAGE.parent))
        found += ["%s:%d: %s" % (name, *each)
                  for each in words(path.read_text(), name)]
    return found


def main() -> int:
    found = [each for path in sorted(PACKAGE.rglob("*.py"))
             for each in check(path)] + pages()
    print("\n".join(found))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
