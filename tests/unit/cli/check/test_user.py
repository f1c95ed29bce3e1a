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


import os

import fixtures

from ceilometer_graphite.cli import common
from ceilometer_graphite.cli.check import agent
from tests.unit import base
from tests.unit.cli import checks


class UserTest(checks.CheckTestCase):

    def need_root(self):
        if os.geteuid():
            self.skipTest("needs root")

    def test_root_is_told_to_name_the_agents_user(self):
        self.need_root()
        self.useFixture(fixtures.MonkeyPatch(
            "ceilometer_graphite.cli.check.agent.AGENT_USER", checks.NOBODY))
        self.assert_found("warning", self.find("user"), "checked as root",
                          "--user nobody")

    def test_root_alone_is_fine_where_the_agent_has_no_user(self):
        self.useFixture(fixtures.MonkeyPatch(
            "ceilometer_graphite.cli.check.agent.AGENT_USER", "no-such-user"))
        self.assert_ok(self.find("user"))

    def test_it_becomes_the_user_for_good(self):
        self.need_root()

        def become():
            os.setgroups([0, 4])
            agent.become(checks.NOBODY)
            entry = agent._find(checks.NOBODY)
            self.assertEqual(
                ((entry.pw_uid,) * 3, (entry.pw_gid,) * 3),
                (os.getresuid(), os.getresgid()))
            self.assertFalse({0, 4} & set(os.getgroups()))
            self.assertEqual(entry.pw_dir, os.environ["HOME"])
            self.assertRaises(PermissionError, os.setuid, 0)
            return common.user_name() == checks.NOBODY
        self.assertTrue(base.in_child(become))

    def test_another_than_root_cannot_become_a_user(self):
        def refused():
            e = self.assertRaises(
                common.CommandError, agent.become, "root")
            self.assertIn("only root can check as root", str(e))
            self.assertIn("sudo", e.hint)
        self.as_nobody(refused)

    def test_an_unknown_user_is_refused(self):
        e = self.assertRaises(
            common.CommandError, agent.become, "no-such-user")
        self.assertEqual("there is no user no-such-user", str(e))

    def test_a_python_that_the_user_may_not_read_is_an_error(self):
        locked = self.directory / "locked"
        locked.mkdir(mode=0)
        self.useFixture(fixtures.MonkeyPatch(
            "os.__file__", str(locked / "os.py")))

        def find():
            result = self.assert_found("error", self.find("user"),
                                       "may not read the Python of this")
            self.assertIn(str(locked), result.message)
            self.assertFalse(self.state.python)
        self.as_nobody(find)
