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

"""The patch series for Ceilometer, and the pages that propose it."""

import importlib.metadata
import pathlib
import re
import unittest

import fixtures
from oslotest import base

from benchmarks.scale import patched
from tools import upstream

_PAGES = pathlib.Path(upstream.__file__).parent.parent / (
    "doc/source/contributor")
_PATCH = """\
Subject: [PATCH 1/1] Do something

Signed-off-by: Someone <someone@example.org>
---
 numbers | 2 +-

diff --git a/x b/x
--- a/x
+++ b/x
-old
+new
+++ b/ceilometer/tests/unit/test_x.py
+++ b/releasenotes/notes/x.yaml
"""


class CheckPatchTest(base.BaseTestCase):

    def refused(self, patch, *words):
        error = self.assertRaises(upstream.SeriesError, upstream.check_patch,
                                  "0001", patch)
        for word in words:
            self.assertIn(word, str(error))

    def test_a_complete_patch_passes(self):
        upstream.check_patch("0001", _PATCH)

    def test_lines_added_and_removed_are_counted(self):
        self.assertEqual(2, upstream.changed_lines(_PATCH))

    def test_a_patch_of_more_than_400_lines_is_refused(self):
        upstream.check_patch("0001", _PATCH + "+x\n" * 398)
        self.refused(_PATCH + "+x\n" * 399, "401")

    def test_a_subject_of_more_than_50_characters_is_refused(self):
        self.refused(_PATCH.replace("something", "x" * 48), "subject")
        self.refused(_PATCH.replace("something", "a\n " + "x" * 46),
                     "subject")

    def test_a_patch_without_sign_off_test_or_note_is_refused(self):
        for part in ("Signed-off-by:", "ceilometer/tests/", "releasenotes/"):
            self.refused(_PATCH.replace(part, ""), part)


class SeriesTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.patches = [path.read_text()
                        for path in sorted(upstream.SERIES.glob("*.patch"))]

    def test_each_patch_keeps_the_rules(self):
        for number, patch in enumerate(self.patches, 1):
            upstream.check_patch(str(number), patch)

    def test_the_request_has_the_lines_and_tests_of_each_patch(self):
        text = (_PAGES / "blueprint.rst").read_text()
        found = re.findall(r"^(\S.*?) {2,}(\d+) +(\d+)$", text, re.M)
        self.assertEqual(
            [(upstream.subject(patch), str(upstream.changed_lines(patch)),
              str(len(re.findall(r"^\+ +def test_", patch, re.M))))
             for patch in self.patches], found)

    @unittest.skipUnless(
        importlib.metadata.version("ceilometer") == upstream.RELEASE,
        "the patches are for Ceilometer " + upstream.RELEASE)
    def test_the_benchmark_applies_the_first_three(self):
        directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        package = patched.make(directory) / "ceilometer"
        self.assertIn("def resource_key(",
                      (package / "polling/manager.py").read_text())
        self.assertIn("uuidutils", (package / "sample.py").read_text())


class SpecificationTest(base.BaseTestCase):
    """The rules of telemetry-specs' check and template."""

    def setUp(self):
        super().setUp()
        self.text = (_PAGES / "specification.rst").read_text()

    def titles(self, underline):
        return re.findall(r"^(.+)\n\%s{4,}$" % underline, self.text, re.M)

    def test_it_has_the_titles_of_the_template(self):
        self.assertEqual([
            "Graphite, and pipelines in the polling agent",
            "Problem description", "Proposed change", "Implementation",
            "Future lifecycle", "Dependencies", "Testing",
            "Documentation Impact", "References"], self.titles("="))
        self.assertEqual([
            "Alternatives", "Data model impact", "REST API impact",
            "Security impact", "Pipeline impact", "Other end user impact",
            "Performance/Scalability Impacts", "Other deployer impact",
            "Developer impact", "Assignee(s)", "Work Items"],
            self.titles("-"))

    def test_it_needs_nothing_but_docutils(self):
        self.assertNotRegex(self.text, r":(doc|ref|option):|^\.\. include::")
        self.assertTrue(self.text.startswith(
            "..\n This work is licensed under a Creative Commons"))
