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

"""Measures whether tests notice errors in modules that compute.

Usage: python -m tools.mutation [MODULE ...]

It copies the project for each module, changes one operator, constant or
statement of the copy at a time, and runs the module's tests until one fails.
It prints changes that no test notices, and fails if tests notice less than
LEAST_PERCENT. Each run makes the same changes: at most MUTATIONS in a module,
spread over all of its lines.
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
# Tests of each module. Those that notice most changes come first.
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
    """Changes one node of a tree.

    :param wanted: number of the node; None only counts the nodes
    :ivar count: number of nodes that can be changed
    :ivar line: line of the changed node
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
    """Return the body of a function or class without its docstring."""
    if ast.get_docstring(node, clean=False) is None:
        return node.body
    return node.body[1:] or [ast.copy_location(ast.Pass(), node)]


def _changed(node):
    """Return a changed copy of a node, or None if it cannot be changed."""
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
    """Yield each changed source of a module, after the line of the change."""
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
    """Test the changes of one module.

    :returns: the number of changes that tests noticed, and of all changes
    """
    with tempfile.TemporaryDirectory() as path:
        folder = pathlib.Path(path) / "project"
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(
            ".*", "build", "*.egg-info"))
        module = folder / "ceilometer_graphite" / (name + ".py")
        text = module.read_text()
        if noticed(folder, name):
            sys.exit("tests of %s fail without any change" % name)
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
