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


"""Lays publisher and driver into a Ceilometer source tree.

Run by tools/upstream_patch.sh. Everything is made before anything is
written, so a tree that is not as expected stays as it was.
"""

import configparser
import json
import pathlib
import re
import sys

from tools.upstream import edits
from tools.upstream import pruning
from tools.upstream import rewriting

VERSION = "27.0.0"
HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
PACKAGE = "ceilometer_graphite"
RECORDING = "polling-27.0.0.json"
PUBLISHER = rewriting.PUBLISHER.replace(".", "/")
TESTS = rewriting.TESTS.replace(".", "/")
# The tests of what is not the publisher's own.
TESTS_ELSEWHERE = {
    "test_driver": "ceilometer/tests/unit/test_pipeline_driver.py",
    "test_throttle": "ceilometer/tests/unit/test_throttle.py",
}
DOCUMENT = "doc/source/admin/telemetry-data-pipelines.rst"


def check(tree):
    """Refuse what is not Ceilometer, or has the publisher.

    :raises PatchError: says which
    """
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(tree / "setup.cfg")
        name = parser.get("metadata", "name", fallback=None)
    except configparser.Error:
        name = None
    if name != "ceilometer":
        raise rewriting.PatchError(
            "%s is no source tree of Ceilometer: it has no setup.cfg that "
            "names ceilometer" % tree)
    if (tree / PUBLISHER).exists():
        raise rewriting.PatchError(
            "%s has the publisher already, in %s; nothing was changed"
            % (tree, PUBLISHER))


def warn_of_version(tree):
    """Say on stderr when a tree is not of the release this is made for."""
    information = tree / "PKG-INFO"
    found = information.exists() and re.search(
        r"^Version: (.*)$", information.read_text(), re.MULTILINE)
    version = found[1] if found else "a version that it does not tell"
    if version != VERSION:
        print("%s: made for Ceilometer %s, and this is %s; what it needs of "
              "the tree is looked for all the same"
              % (tree, VERSION, version), file=sys.stderr)


def modules():
    """{path: text} of the publisher and the driver."""
    files = {PUBLISHER + "/__init__.py": ""}
    for path in sorted((ROOT / PACKAGE).glob("[!_]*.py")):
        text = rewriting.edit(str(path), path.read_text(),
                              edits.MODULES.get(path.stem, ()))
        place = rewriting.package(path.stem).replace(".", "/")
        files["%s/%s" % (place, path.name)] = rewriting.sort_imports(
            rewriting.rename(str(path), text))
    path = ROOT / PACKAGE / "data/definitions.yaml"
    files["ceilometer/publisher/data/graphite_definitions.yaml"] = (
        rewriting.edit(str(path), path.read_text(), edits.DEFINITIONS))
    return files


def tests():
    """{path: text} of those unit tests that Ceilometer can run."""
    files = {TESTS + "/__init__.py": ""}
    unit = ROOT / "tests/unit"
    names = {path.stem for path in (ROOT / PACKAGE).glob("[!_]*.py")}
    for path in (ROOT / "tests/fakes.py", unit / "base.py",
                 unit / "test_fixtures.py", *(
                     path for path in sorted(unit.glob("test_*.py"))
                     if path.stem.removeprefix("test_") in names)):
        text = rewriting.edit(str(path), path.read_text(),
                              edits.TESTS.get(path.stem, ()))
        if path.stem.startswith("test_"):
            text = pruning.prune(
                text, edits.UNWANTED_TESTS.get(path.stem, set()))
        if text is not None:
            place = TESTS_ELSEWHERE.get(
                path.stem, "%s/%s" % (TESTS, path.name))
            files[place] = rewriting.sort_imports(
                rewriting.rename(str(path), text))
    files[TESTS + "/fixtures/" + RECORDING] = recording()
    return files


def recording():
    """What an agent of this release notified, a notification a line."""
    cycles = json.loads(
        (ROOT / "tests/fixtures" / RECORDING).read_text())["cycles"]
    return '{"cycles": [\n%s\n]}\n' % ",\n".join(
        "[\n%s\n]" % ",\n".join(map(json.dumps, cycle)) for cycle in cycles)


def edited(tree):
    """{path: text} of those files of the tree that change."""
    changes = {
        "setup.cfg": edits.SETUP_CFG,
        "ceilometer/opts.py": edits.OPTS,
        DOCUMENT: [(edits.DOCUMENT, (HERE / "publisher.rst").read_text(),
                    True)],
    }
    files = {}
    for name, inserts in changes.items():
        path = tree / name
        if not path.is_file():
            raise rewriting.PatchError("%s is missing" % path)
        files[name] = path.read_text()
        for insert in inserts:
            files[name] = rewriting.insert(str(path), files[name], *insert)
    files[DOCUMENT] += (HERE / "driver.rst").read_text()
    return files


def main(arguments):
    tree = pathlib.Path(arguments[0])
    try:
        check(tree)
        warn_of_version(tree)
        files = {**edited(tree), **modules(), **tests()}
    except rewriting.PatchError as e:
        print("upstream_patch: %s" % e, file=sys.stderr)
        return 1
    for note in HERE.glob("*.yaml"):
        files["releasenotes/notes/" + note.name] = note.read_text()
    for name, text in sorted(files.items()):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
        print("%5d lines  %s" % (text.count("\n"), name))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
