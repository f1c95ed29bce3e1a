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

"""The table of delivery promises, and the tests that check them.

The table is part of the documentation. Its tests belong to the test suite,
and the last columns of the table are their results.
"""

import ast
import time
import typing
import unittest

from benchmarks.common import report
from lab import process

TABLE = process.ROOT / "doc/source/tables/promises.inc"
_HEADER = ("Promise", "Test", "Sent", "Arrived", "Read", "Seconds")
PASSED = "passed"


class Promise(typing.NamedTuple):
    """One row of the table.

    :ivar text: the promise
    :ivar test: class and name of its test
    """

    text: str
    test: str


class Outcome(typing.NamedTuple):
    """The result of the test of a promise.

    :ivar word: passed, failed or skipped
    :ivar account: numbers of lines (sent, arrived, read), or None if the
        test does not count lines
    :ivar output: why the test did not pass
    """

    promise: Promise
    word: str
    account: tuple | None
    seconds: float
    output: str = ""

    def row(self) -> tuple:
        return (self.promise.text, "``%s``" % self.promise.test,
                *(map("{:,}".format, self.account) if self.account
                  else ("", "", "")),
                "%.1f" % self.seconds if self.is_kept else self.word)

    @property
    def is_kept(self) -> bool:
        return self.word == PASSED


def read() -> list[Promise]:
    """Return the promises in the documentation."""
    rows = TABLE.read_text().split("\n   * - ")[2:]
    cells = (row.split("\n     -") for row in rows)
    return [Promise(text, test.strip(" `")) for text, test, *_ in cells]


def tests() -> dict:
    """Return {"class.name" of a test: its dotted name} for all tests."""
    found = {}
    for path in (process.ROOT / "tests").rglob("test_*.py"):
        module = ".".join(
            path.relative_to(process.ROOT).with_suffix("").parts)
        for case in ast.parse(path.read_text()).body:
            for each in getattr(case, "body", ()):
                if isinstance(each, ast.FunctionDef):
                    name = "%s.%s" % (case.name, each.name)
                    found[name] = "%s.%s" % (module, name)
    return found


class _Result(unittest.TestResult):
    """Keeps the test's account, and why it did not pass."""

    account = None

    def stopTest(self, test):
        super().stopTest(test)
        self.account = getattr(test, "account", None)

    def word(self):
        if not self.wasSuccessful():
            return "failed"
        return "skipped" if self.skipped else PASSED

    def output(self):
        return "\n".join(
            text for _, text in self.errors + self.failures + self.skipped)


def run(promise: Promise, test: str) -> Outcome:
    """Run the test of a promise.

    :param test: its dotted name
    """
    result = _Result()
    suite = unittest.defaultTestLoader.loadTestsFromName(test)
    begin = time.monotonic()
    suite.run(result)
    return Outcome(promise, result.word(), result.account,
                   time.monotonic() - begin, result.output())


def table(outcomes: list[Outcome]) -> str:
    """Return the table with new results."""
    return report.list_table(
        "", [_HEADER, *(outcome.row() for outcome in outcomes)])
