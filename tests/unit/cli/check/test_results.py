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


from oslo_config import cfg
from oslotest import base

from ceilometer_graphite.cli.check import results as check_results


def _fails(error):
    def find(state):
        yield check_results.ok("first", "fine")
        raise error
    return find


class RunTest(base.BaseTestCase):

    def run_checks(self, *checks, **found):
        state = check_results.State(None)
        for name, value in found.items():
            setattr(state, name, value)
        return list(check_results.run(checks, state))

    def test_a_check_whose_need_is_missing_is_skipped_and_says_which(self):
        check = check_results.Check("meters", _fails(AssertionError()),
                                    ("conf", "sources"))
        self.assertEqual([check_results.Result(
            "meters", "skipped", "needs a polling.yaml that can be used")],
            self.run_checks(check, conf=object()))

    def test_an_option_that_cannot_be_read_is_an_error_of_that_check(self):
        check = check_results.Check("host", _fails(cfg.ConfigFileValueError(
            "Value for option host is not valid:\nbad")))
        result = self.run_checks(check)[-1]
        self.assertEqual(
            ("host", "error", "Value for option host is not valid: bad"),
            result[:3])
        self.assertIn("ceilometer.conf", result.hint)

    def test_a_check_that_fails_does_not_hide_those_after_it(self):
        results = self.run_checks(
            check_results.Check("broken", _fails(KeyError("x"))),
            check_results.Check("next", lambda state: [
                check_results.ok("next", "fine")]))
        self.assertEqual(["ok", "error", "ok"], [
            result.status for result in results])
        self.assertEqual("cannot be checked", results[1].message)

    def test_the_exit_status_is_that_of_the_worst_finding(self):
        for status, expected in (("ok", 0), ("skipped", 0), ("warning", 1),
                                 ("error", 2)):
            results = [check_results.Result("a", "ok", ""),
                       check_results.Result("b", status, "")]
            self.assertEqual(expected, check_results.exit_status(results))
