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


"""What test modules keep where there is neither Hypothesis nor Carbon."""

import ast

UNWANTED = frozenset(("carbon", "hypothesis", "twisted"))
_DEFINITIONS = (ast.FunctionDef, ast.ClassDef)
_IMPORTS = (ast.Import, ast.ImportFrom)
_FIXTURES = ("setUp", "tearDown")


def _bound(node, prefix=""):
    """The names that a statement binds; of methods, with ``self.``."""
    if isinstance(node, _DEFINITIONS):
        return {prefix + node.name}
    if isinstance(node, _IMPORTS):
        return {alias.asname or alias.name.partition(".")[0]
                for alias in node.names}
    return {prefix + each.id for each in ast.walk(node)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}


def _mentioned(*nodes):
    """The names that nodes use; of what they ask of self, with ``self.``."""
    names = set()
    for each in (each for node in nodes for each in ast.walk(node)):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load):
            names.add(each.id)
        elif isinstance(each, ast.Attribute) and isinstance(
                each.value, ast.Name) and each.value.id == "self":
            names.add("self." + each.attr)
    return names


def _is_import_of_unwanted(node):
    if isinstance(node, ast.ImportFrom):
        return node.module.partition(".")[0] in UNWANTED
    return isinstance(node, ast.Import) and bool(_bound(node) & UNWANTED)


def _is_test(node):
    return isinstance(node, ast.FunctionDef) and node.name.startswith("test_")


def _is_empty(node, doomed):
    """Whether a class has lost all its tests, or what sets them up."""
    lost = [each for each in node.body if each in doomed]
    tests = [each for each in node.body if _is_test(each)]
    return any(getattr(each, "name", "") in _FIXTURES for each in lost) or (
        bool(tests) and all(test in doomed for test in tests))


def _is_doomed(node, names, doomed):
    if isinstance(node, ast.ClassDef):
        return _is_empty(node, doomed) or bool(
            _mentioned(*node.bases, *node.decorator_list) & names)
    return _is_import_of_unwanted(node) or bool(_mentioned(node) & names)


def _scopes(tree):
    """(statement, prefix of what it binds), the insides of classes first."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for each in node.body:
                yield each, "self."
        yield node, ""


def _without(text, nodes):
    """A text without statements, and the comments and blanks above them."""
    lines = text.splitlines(keepends=True)
    for node in sorted(nodes, key=lambda each: each.lineno):
        first = min(each.lineno for each in (
            node, *getattr(node, "decorator_list", ()))) - 1
        if not isinstance(node, _IMPORTS):
            first = _start(lines, first)
        lines[first:node.end_lineno] = [""] * (node.end_lineno - first)
    return "".join(lines)


def _start(lines, first):
    """Where that begins which is above a line and goes with it."""
    for head in ("#", ""):
        while first and lines[first - 1].strip()[:1] == head:
            first -= 1
    return first


def _without_unwanted(text, unwanted):
    tree, doomed, names = ast.parse(text), set(), set()
    before = None
    while before != len(doomed):
        before = len(doomed)
        for node, prefix in _scopes(tree):
            bound = _bound(node, prefix)
            if node not in doomed and (bound & unwanted or _is_doomed(
                    node, names, doomed)):
                doomed.add(node)
                names |= bound - {"self." + name for name in _FIXTURES}
    return _without(text, doomed)


def _without_unused(text, used_before):
    """A text without what nothing mentions any more."""
    while True:
        tree = ast.parse(text)
        unused = used_before - _mentioned(tree)
        doomed = [node for node, prefix in _scopes(tree)
                  if _bound(node, prefix) and _bound(node, prefix) <= unused]
        if not doomed:
            return text
        text = _without(text, doomed)


def prune(text, unwanted=()):
    """A test module without the tests that need unwanted packages.

    What only they used goes as well.

    :param unwanted: names of more definitions that go, those of methods
        with ``self.`` before them
    :returns: the text of the module, or None when no test is left
    """
    used = _mentioned(ast.parse(text))
    text = _without_unused(_without_unwanted(text, set(unwanted)), used)
    if any(_is_test(node) for node, _ in _scopes(ast.parse(text))):
        return text
    return None
