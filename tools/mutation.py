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

"""Breaks the core in one place after the other: does a test notice?

Usage: python -m tools.mutation [MODULE ...]

For each module it copies the project into a folder, changes one operator,
constant or statement in the copy, and runs the module's tests there, until
one fails. What no test notices is printed. The changes are the same in each
run: at most MUTATIONS of a module, spread over all of its lines. It fails
below LEAST_PERCENT.
"""

import ast
from collections.abc import Iterator
from concurrent import futures
import copy
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).absolute().parent.parent
LEAST_PERCENT = 85
MUTATIONS = 60
# The tests of each module, the ones that notice most first.
TESTS = {
    "sanitize": ("unit.test_sanitize", "properties.test_sanitize",
                 "unit.test_naming"),
    "wire": ("unit.test_wire", "properties.test_wire"),
    "settings": ("unit.test_opts",),
    "rates": ("unit.test_rates", "properties.test_rates",
              "unit.test_conversion"),
    "naming": ("unit.test_naming", "properties.test_naming"),
    "definitions": ("unit.test_definitions", "unit.test_conversion"),
}
_OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult,
    ast.Mod: ast.Add, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
    ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot,
    ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or,
    ast.Or: ast.And}


class Mutation(ast.NodeTransformer):
    """Changes the node of one number; without one it counts them.

    :ivar line: of the change
    """

    def __init__(self, wanted: int | None = None) -> None:
        self.wanted = wanted
        self.count = 0
        self.line = 0

    def _is_wanted(self, node):
        self.count += 1
        if self.count - 1 != self.wanted:
            return False
        self.line = node.lineno
        return True

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.arg,
                             ast.AnnAssign, ast.JoinedStr)):
            return node
        if isinstance(node, ast.FunctionDef):
            node.body = [self.visit(each) for each in _without_text(node)]
            return node
        if isinstance(node, ast.ClassDef):
            node.body = [self.visit(each) for each in _without_text(node)]
            return node
        changed = self.generic_visit(node)
        found = _changed(changed)
        return found if found and self._is_wanted(node) else changed


def _without_text(node):
    """The body of a function or class, but for its docstring."""
    if ast.get_docstring(node, clean=False) is None:
        return node.body
    return node.body[1:] or [ast.copy_location(ast.Pass(), node)]


def _changed(node):
    """A node in place of another one; None where there is none."""
    found = copy.copy(node)
    if isinstance(node, (ast.BinOp, ast.BoolOp)):
        if type(node.op) not in _OPERATORS:
            return None
        found.op = _OPERATORS[type(node.op)]()
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in _OPERATORS:
        found.ops = [_OPERATORS[type(node.ops[0])](), *node.ops[1:]]
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        found.value = not node.value
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        found.value = node.value + 1
    elif isinstance(node, (ast.If, ast.IfExp)):
        found.test = ast.copy_location(
            ast.UnaryOp(ast.Not(), node.test), node.test)
    elif isinstance(node, ast.Return) and node.value is not None:
        found.value = ast.copy_location(ast.Constant(None), node)
    elif isinstance(node, ast.Raise):
        return ast.copy_location(ast.Pass(), node)
    else:
        return None
    return found


def mutations(text: str) -> Iterator[tuple[int, str]]:
    """Each changed source of a module, with the line of the change."""
    counter = Mutation()
    counter.visit(ast.parse(text))
    step = max(1, counter.count / MUTATIONS)
    for number in sorted({int(index * step) for index in range(
            min(MUTATIONS, counter.count))}):
        mutation = Mutation(number)
        tree = ast.fix_missing_locations(mutation.visit(ast.parse(text)))
        yield mutation.line, ast.unparse(tree)


def noticed(folder: pathlib.Path, name: str) -> bool:
    """Whether a test of a module fails in a copy of the project."""
    modules = [test for test in TESTS[name] if (
        folder / "tests" / (test.replace(".", "/") + ".py")).exists()]
    try:
        return bool(subprocess.run(
            [sys.executable, "-B", "-W", "ignore", "-m", "unittest", "-b",
             "-f", *("tests." + module for module in modules)],
            cwd=folder, capture_output=True, timeout=300, check=False,
            env={**os.environ, "CI": "true", "PYTHONPATH": str(folder)}
        ).returncode)
    except subprocess.TimeoutExpired:
        return True


def run(name: str) -> tuple[int, int]:
    """Break one module.

    :returns: how many changes a test noticed, and how many there were
    """
    with tempfile.TemporaryDirectory() as path:
        folder = pathlib.Path(path) / "project"
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(
            ".*", "build", "*.egg-info"))
        module = folder / "ceilometer_graphite" / (name + ".py")
        text = module.read_text()
        if noticed(folder, name):
            sys.exit("the tests of %s fail without any change" % name)
        found = []
        for line, changed in mutations(text):
            module.write_text(changed)
            found.append(noticed(folder, name))
            if not found[-1]:
                print("%s:%d survives: %s" % (
                    name, line, text.splitlines()[line - 1].strip()),
                    flush=True)
    return sum(found), len(found)


def main() -> int:
    names = sys.argv[1:] or list(TESTS)
    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(run, names))
    for name, (killed, count) in zip(names, results, strict=True):
        print("%-12s %3d of %3d" % (name, killed, count))
    killed, count = map(sum, zip(*results, strict=True))
    percent = 100 * killed / count
    print("%-12s %3d of %3d: %.0f %%" % ("all", killed, count, percent))
    return percent < LEAST_PERCENT


if __name__ == "__main__":
    sys.exit(main())
