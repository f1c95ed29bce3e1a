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


import ast
import configparser
import pathlib
import subprocess

import fixtures
from oslotest import base

from tests import host
from tools.upstream import __main__ as patch
from tools.upstream import edits
from tools.upstream import rewriting

ROOT = pathlib.Path(__file__).parents[2]
SETUP_CFG = """\
[metadata]
name = ceilometer

[entry_points]
ceilometer.sample.publisher =
\ttest = ceilometer.publisher.test:TestPublisher
\topentelemetryhttp = %s
oslo.config.opts =
\tceilometer = ceilometer.opts:list_opts
""" % edits.SETUP_CFG[0][0].partition(" = ")[2]
DOCUMENT = "doc/source/admin/telemetry-data-pipelines.rst"
FILES = {
    "setup.cfg": SETUP_CFG,
    "PKG-INFO": "Metadata-Version: 2.4\nVersion: 27.0.0\n",
    "ceilometer/opts.py": "".join(
        line + "\n" for line, _, _ in edits.OPTS[:2]) + (
            "def list_opts():\n    return [\n" + "".join(
                "        %s\n" % line for line, _, _ in edits.OPTS[2:])
            + "    ]\n"),
    DOCUMENT: edits.DOCUMENT + "\nspecified.\n",
}


def make_tree(folder):
    """The files that the script looks for, with no more than those lines."""
    for name, text in FILES.items():
        path = pathlib.Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return pathlib.Path(folder)


def contents(tree):
    return {str(path.relative_to(tree)): path.read_text()
            for path in tree.rglob("*") if path.is_file()}


def run_script(*arguments, tree):
    return subprocess.run([ROOT / "tools/upstream_patch.sh", *arguments],
                          capture_output=True, text=True, cwd=tree)


class RefusalTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.tree = make_tree(self.useFixture(fixtures.TempDir()).path)

    def assert_refused(self, text, *arguments, status=1):
        before = contents(self.tree)
        done = run_script(*arguments or ".", tree=self.tree)
        self.assertEqual((status, ""), (done.returncode, done.stdout))
        self.assertIn(text, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertEqual(before, contents(self.tree))
        return done.stderr

    def test_it_needs_one_argument(self):
        for arguments in ("", ""), (".", ".", "."):
            self.assert_refused("Usage: tools/upstream_patch.sh", *arguments,
                                status=2)

    def test_a_folder_that_is_none_is_told(self):
        self.assert_refused("nowhere is no folder", "nowhere")

    def test_a_tree_that_is_not_ceilometers_is_told(self):
        path = self.tree / "setup.cfg"
        for text in (SETUP_CFG.replace("name = ceilometer", "name = nova"),
                     "no section", ""):
            path.write_text(text)
            self.assert_refused("is no source tree of Ceilometer")
        path.unlink()
        self.assert_refused("is no source tree of Ceilometer")

    def test_each_line_that_is_missing_is_told(self):
        for name, anchors in (
                ("setup.cfg", edits.SETUP_CFG),
                ("ceilometer/opts.py", edits.OPTS),
                (DOCUMENT, [(edits.DOCUMENT, "", True)])):
            path = self.tree / name
            for anchor, _, _ in anchors:
                path.write_text(FILES[name].replace(anchor, "gone = 1"))
                error = self.assertRaises(rewriting.PatchError, patch.edited,
                                          self.tree)
                self.assertEqual(
                    "%s has to have this line once, and has it 0 times:\n%s"
                    % (path, anchor), str(error))
            path.write_text(FILES[name])

    def test_a_line_that_stands_twice_is_told_and_nothing_written(self):
        path = self.tree / "ceilometer/opts.py"
        path.write_text(path.read_text() * 2)
        self.assert_refused("has it 2 times")

    def test_a_file_that_is_missing_is_told_and_nothing_written(self):
        (self.tree / "ceilometer/opts.py").unlink()
        self.assert_refused("ceilometer/opts.py is missing")

    def test_what_is_told_of_the_version_depends_on_the_version(self):
        (self.tree / "ceilometer/opts.py").unlink()
        self.assertNotIn("made for", self.assert_refused(""))
        (self.tree / "PKG-INFO").unlink()
        self.assert_refused("this is a version that it does not tell")


class PatchedTest(base.BaseTestCase):
    """What the script says and writes, on a tree of another version."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tree = make_tree(host.folder_of_class(cls))
        (cls.tree / "PKG-INFO").write_text("Version: 26.0.0\n")
        cls.done = run_script(".", tree=cls.tree)
        cls.written = contents(cls.tree)

    def test_another_version_is_told_and_patched(self):
        self.assertIn("made for Ceilometer 27.0.0, and this is 26.0.0",
                      self.done.stderr)
        self.assertEqual(0, self.done.returncode)

    def test_a_second_run_says_that_it_is_there_and_changes_nothing(self):
        done = run_script(".", tree=self.tree)
        self.assertEqual((1, ""), (done.returncode, done.stdout))
        self.assertIn("has the publisher already", done.stderr)
        self.assertEqual(self.written, contents(self.tree))

    def test_what_it_writes_is_python_without_a_name_of_ours(self):
        self.assertLess(40, len(self.written.keys() - FILES.keys()))
        for name, text in self.written.items():
            self.assertNotIn("ceilometer_graphite", text, name)
            self.assertNotIn("ceilometer-graphite", text, name)
            if name.endswith(".py"):
                ast.parse(text, name)

    def test_the_entry_points_name_what_it_wrote(self):
        parser = configparser.ConfigParser()
        parser.read_string(self.written["setup.cfg"])
        for group, name in (
                ("ceilometer.sample.publisher", "graphite"),
                ("oslo.messaging.notify.drivers", "ceilometer_pipeline")):
            points = dict(line.split(" = ") for line in parser[
                "entry_points"][group].strip().splitlines())
            module, _, attribute = points[name].partition(":")
            self.assertIn("\nclass %s(" % attribute,
                          self.written[module.replace(".", "/") + ".py"])
