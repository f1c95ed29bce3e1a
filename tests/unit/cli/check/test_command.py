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


import json
import os
import re
from unittest import mock

from ceilometer_graphite.cli.check import command
from ceilometer_graphite.cli.check import results
from tests.unit.cli import checks


class CheckTest(checks.CheckTestCase):

    def test_nothing_wrong_is_all_ok_and_status_0(self):
        ended = self.check()
        self.assertEqual(0, ended.status, ended)
        self.assertEqual({"ok"}, {
            line.split()[0] for line in ended.out.splitlines()[:-1] if line})
        self.assertRegex(ended.out, r"\n\d+ ok\. Nothing was found")
        self.assertEqual("", ended.err)

    def test_a_warning_alone_is_status_1(self):
        self.write_options(cafile="/etc/ssl/ca.pem")
        ended = self.check()
        self.assertEqual(1, ended.status, ended)
        self.assertIn(", 1 warning. See whether", ended.out)

    def test_an_error_is_status_2_whatever_else_there_is(self):
        self.write_options(cafile="/etc/ssl/ca.pem")
        self.receiver.close()
        ended = self.check()
        self.assertEqual(2, ended.status, ended)
        self.assertIn(", 1 warning, 1 error. Samples would", ended.out)

    def test_a_line_has_status_name_message_and_hint(self):
        self.write_conf({"polling": {"enable_notifications": False}})
        self.assertIn(
            "\nerror    notifications: are off, so no sample reaches the "
            "driver; set enable_notifications = true in [polling] of "
            "ceilometer.conf\n", self.check().out)

    def test_no_finding_takes_more_than_one_line(self):
        self.write_conf({"graphite": {"counters": "sum", "nonsense": 1}})
        self.write("polling.yaml", "sources: [\n{")
        for line in self.check().out.splitlines()[:-1]:
            self.assertRegex(line, r"^((ok|warning|error|skipped) +\S|$)")

    def test_what_cannot_be_checked_is_skipped_and_says_why(self):
        self.write("pipeline.yaml", "{")
        out = self.check().out
        for name in ("publishers", "sources", "graphite://", "spool",
                     "endpoints"):
            self.assertRegex(out, "skipped  %s: needs a " % name)
        self.assertRegex(out, r", 1 error, 5 skipped\.")

    def test_every_check_is_told_of_when_there_is_no_configuration(self):
        (self.directory / "ceilometer.conf").unlink()
        ended = self.check("--send", "--render-url", "http://127.0.0.1:9")
        self.arguments.send = self.arguments.render_url = True
        names = {each.name for group in command.groups(self.arguments)
                 for each in group}
        self.assertEqual(2, ended.status)
        self.assertEqual(names, {
            re.match(r"\w+ +(\S+): ", line)[1]
            for line in ended.out.splitlines()[:-1] if line})

    def test_json_is_a_list_of_the_findings(self):
        self.write_conf({"polling": {"enable_notifications": False}})
        ended = self.check("--json")
        found = json.loads(ended.out)
        self.assertEqual(2, ended.status)
        self.assertEqual([{
            "name": "notifications", "status": "error",
            "message": "are off, so no sample reaches the driver",
            "hint": "set enable_notifications = true in [polling] of "
                    "ceilometer.conf"}],
            [each for each in found if each["status"] != "ok"])
        self.assertIn({"name": "telemetry_driver", "status": "ok",
                       "message": "ceilometer_pipeline", "hint": ""}, found)

    def test_render_url_alone_is_refused(self):
        ended = self.check("--render-url", "http://127.0.0.1:9")
        self.assert_fails(ended, "--render-url needs --send")

    def test_render_url_without_its_library_says_what_to_install(self):
        with mock.patch.dict("sys.modules", requests=None):
            ended = self.check("--send", "--render-url", "http://127.0.0.1:9")
        self.assertEqual(
            (2, "", "ceilometer-graphite: --render-url needs the library "
             "requests: pip install 'ceilometer-graphite[cli]'\n"), ended)

    def test_an_unknown_user_is_refused(self):
        ended = self.run_command("check", "--user", "no-such-user")
        self.assert_fails(ended, "there is no user no-such-user")

    def test_no_socket_is_left_open(self):
        def sockets():
            folder = "/proc/self/fd/"
            targets = [os.path.realpath(folder + name)
                       for name in os.listdir(folder)]
            return sum("socket:" in target for target in targets)
        self.write_pipeline(self.url + "?protocol=udp")
        self.check()
        before = sockets()
        self.check()
        self.assertEqual(before, sockets())


class ColourTest(checks.CheckTestCase):

    def printed_on(self, path):
        """What the line of an ok finding is on a file, as bytes."""
        with open(path, "w") as file:
            self.patch_stdout(file)
            return command._line(results.ok("a", "b"))

    def patch_stdout(self, file):
        self.useFixture(checks.fixtures.MonkeyPatch("sys.stdout", file))

    def terminal(self):
        ours, theirs = os.openpty()
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, theirs)
        return os.ttyname(theirs)

    def test_a_terminal_gets_colours(self):
        self.assertEqual("\033[32mok      \033[0m a: b",
                         self.printed_on(self.terminal()))

    def test_a_file_gets_none(self):
        self.assertEqual("ok       a: b",
                         self.printed_on(self.directory / "out"))

    def test_no_color_turns_them_off(self):
        self.useFixture(checks.fixtures.EnvironmentVariable("NO_COLOR", "1"))
        self.assertEqual("ok       a: b", self.printed_on(self.terminal()))
