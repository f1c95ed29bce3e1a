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

"""The table of promises names existing tests."""

from oslotest import base

from benchmarks.faults import promises

OUTCOME = promises.Outcome(
    promises.Promise("Nothing is lost", "LossTest.test_nothing_is_lost"),
    promises.PASSED, (4000, 4000, 4100), 1.25)


class PromisesTest(base.BaseTestCase):

    def test_each_promise_has_a_test(self):
        named = {promise.test for promise in promises.read()}
        self.assertTrue(named)
        self.assertEqual(set(), named - promises.tests().keys())

    def test_a_test_that_fails_is_not_kept(self):
        outcome = promises.run(OUTCOME.promise, "tests.unit.nowhere")
        self.assertFalse(outcome.is_kept)
        self.assertIn("nowhere", outcome.output)
        self.assertEqual("failed", outcome.row()[-1])

    def test_figures_are_those_of_the_test(self):
        self.assertTrue(OUTCOME.is_kept)
        self.assertEqual(("4,000", "4,000", "4,100", "1.2"),
                         OUTCOME.row()[2:])
