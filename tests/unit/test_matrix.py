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


"""The table of tools/matrix.py."""

from oslotest import base

from tools import matrix

NEWEST = {"version": "27.0.0", "meters": ["cpu", "memory"],
          "options": list(matrix.OPTIONS), "asks_nova": "never",
          "pkg_resources": False, "md5": False}
OLDEST = {"version": "17.0.2", "meters": ["cpu", "cpu_util"],
          "options": list(matrix.OPTIONS[:-1]), "asks_nova": "always",
          "pkg_resources": True, "md5": True}
FAILED_TEST = """\
..F.
======================================================================
FAIL: test_a_thing (tests.unit.test_opts.OptsTest.test_a_thing)
tests.unit.test_opts.OptsTest.test_a_thing
----------------------------------------------------------------------
testtools.testresult.real._StringException: Traceback (most recent call last):
  File "tests/unit/test_opts.py", line 1, in test_a_thing
testtools.matchers._impl.MismatchError: 1 != 2
py3.10-ceilometer17: exit 1 (3.00 seconds)
"""
FAILED_IMPORT = """\
ERROR: test_driver (unittest.loader._FailedTest.test_driver)
----------------------------------------------------------------------
ImportError: Failed to import test module: test_driver
Traceback (most recent call last):
  File "ceilometer/cache_utils.py", line 24, in <module>
ImportError: cannot import name 'md5' from 'oslo_utils.secretutils'
"""
WRONG_PYTHON = """\
error: No solution found when resolving dependencies
  cause: Because the current Python version (3.10.13) does not satisfy \
Python>=3.11 and ceilometer>=27.0.0.0rc1 depends on Python>=3.11, we can
"""
FAILED_INSTALLATION = """\
py3.12-ceilometer27: install_deps> uv pip install
error: Failed to build `carbon==1.1.10`
         AttributeError: 'ConfigParser' object has no attribute 'readfp'.
  evaluation failed :( (7.60 seconds)
"""


def ran(facts):
    return {"result": matrix.RUNS, "seconds": 1, "facts": facts}


class TableTest(base.BaseTestCase):

    def rows(self, cells):
        table = matrix.table(cells, [27, 17], ["3.10", "3.13"])
        return [[line.partition("-")[2].strip() for line in row.splitlines()]
                for row in table.partition("\n   * - ")[2].split("   * ")]

    def test_a_row_has_a_result_for_each_python_and_what_differs(self):
        head, newest, oldest = self.rows({
            "27 3.10": ran(NEWEST), "27 3.13": ran(NEWEST),
            "17 3.10": ran(OLDEST),
            "17 3.13": {"result": "error: no", "seconds": 1}})
        self.assertEqual(["3.10", "3.13", "What differs from 27"], head[1:])
        self.assertEqual(["27.0.0 (2026.2)", "runs", "runs", ""], newest)
        self.assertEqual(["17.0.2 (Xena)", "runs", "error: no"], oldest[:3])
        for text in ("setuptools before 81", "[service_credentials]",
                     "Lacks the meters ``memory``.",
                     "Lacks the options ``%s``." % matrix.OPTIONS[-1],
                     "oslo.utils before 10",
                     "pollsters for ``cpu_util``"):
            self.assertIn(text, oldest[3])

    def test_a_release_that_runs_nowhere_has_its_reasons(self):
        failed = {"result": "error: no", "seconds": 1}
        oldest = self.rows({
            "27 3.10": ran(NEWEST), "27 3.13": ran(NEWEST),
            "17 3.10": failed, "17 3.13": failed})[2]
        self.assertEqual(["17 (Xena)", "error: no", "error: no", ""], oldest)

    def test_a_cell_that_was_not_run_says_so(self):
        oldest = self.rows({"27 3.10": ran(NEWEST), "27 3.13": ran(NEWEST),
                            "17 3.10": ran(OLDEST)})[2]
        self.assertEqual(["runs", "not run"], oldest[1:3])

    def test_the_reason_of_a_failure_is_its_first(self):
        for output, expected in (
                (FAILED_TEST, "test_a_thing: "
                 "testtools.matchers._impl.MismatchError: 1 != 2"),
                (FAILED_IMPORT, "test_driver: ImportError: cannot import name "
                 "'md5' from 'oslo_utils.secretutils'"),
                (WRONG_PYTHON, "needs Python>=3.11"),
                (FAILED_INSTALLATION,
                 "error: Failed to build `carbon==1.1.10`"),
                ("a\nlast line\n", "last line")):
            self.assertEqual(expected, matrix.reason(output))
