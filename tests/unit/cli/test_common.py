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


import argparse
import logging
import os

import fixtures
from oslo_log import log

from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import pipelines
from tests.unit.cli import commands


class CommonTestCase(commands.CommandTestCase):

    def arguments(self, *files, folders=(), debug=False):
        return argparse.Namespace(
            config_file=[str(self.directory / name) for name in files],
            config_dir=[str(self.directory / name) for name in folders],
            debug=debug)

    def load(self, *files, **kwargs):
        return common.load_conf(self.arguments(*files, **kwargs))

    def assert_problem(self, texts, function, *arguments):
        e = self.assertRaises(common.CommandError, function, *arguments)
        for text in texts:
            self.assertIn(text, str(e))
        self.assertTrue(e.hint)


class LoadConfTest(CommonTestCase):

    def test_the_files_named_are_read_and_later_ones_win(self):
        self.write("first.conf", "[graphite]\nprefix = a\ncounters = raw")
        self.write("second.conf", "[graphite]\nprefix = b\n")
        group = self.load("first.conf", "second.conf").graphite
        self.assertEqual(("b", "raw"), (group.prefix, group.counters))

    def test_a_folder_wins_over_the_files(self):
        (self.directory / "conf.d").mkdir()
        self.write("conf.d/a.conf", "[graphite]\nprefix = c\n")
        conf = self.load("ceilometer.conf", folders=["conf.d"])
        self.assertEqual("c", conf.graphite.prefix)

    def home(self):
        folder = self.directory / ".ceilometer"
        folder.mkdir()
        self.useFixture(fixtures.EnvironmentVariable(
            "HOME", str(self.directory)))
        return folder

    def test_the_files_that_the_agent_finds_are_the_default(self):
        self.home()
        self.write(".ceilometer/ceilometer.conf", "[graphite]\nprefix = a")
        self.write(".ceilometer/ceilometer-polling.conf",
                   "[graphite]\ncounters = raw")
        group = self.load().graphite
        self.assertEqual(("a", "raw"), (group.prefix, group.counters))

    def test_without_any_file_it_says_so_where_one_is_needed(self):
        self.useFixture(fixtures.MonkeyPatch(
            "ceilometer_graphite.cli.common.PROJECT", "no-such-project"))
        self.assert_problem(["there is no ceilometer.conf"],
                            common.load_conf, self.arguments())
        conf = common.load_conf(self.arguments(), needed=False)
        self.assertEqual("ceilometer.", conf.graphite.prefix)

    def test_a_missing_file_is_named(self):
        self.assert_problem(["none.conf"], self.load, "none.conf")

    def test_a_file_that_cannot_be_parsed_is_named(self):
        self.write("bad.conf", "[DEFAULT\n")
        self.assert_problem(["bad.conf"], self.load, "bad.conf")

    def test_the_agents_log_is_not_touched(self):
        self.write("log.conf", "[DEFAULT]\nlog_file = agent.log\n"
                   "log_dir = %s\nuse_syslog = true\nuse_journal = true\n"
                   "log_config_append = %s\n" % (
                       self.directory, self.write("logging.conf", "no")))
        self.assertIsNone(self.load("log.conf").log_config_append)
        log.getLogger("ceilometer").error("not for the agent's log")
        self.assertFalse((self.directory / "agent.log").exists())

    def test_the_log_is_silent_without_debug_and_on_stderr_with_it(self):
        for debug, expected in ((False, ""), (True, "ERROR ceilometer: b\n")):
            with fixtures.StringStream("err") as err, \
                    fixtures.MonkeyPatch("sys.stderr", err.stream), \
                    fixtures.MonkeyPatch("sys.stdout", None):
                self.load("ceilometer.conf", debug=debug)
                log.getLogger("ceilometer").error("b")
                err.stream.seek(0)
                self.assertTrue(err.stream.read().endswith(expected))
            handler, = logging.getLogger().handlers
            self.assertEqual(debug, not isinstance(
                handler, logging.NullHandler))

    def test_files_beside_it_are_found_whatever_the_folder_of_now(self):
        self.write("relative.conf", "[DEFAULT]\n"
                   "pipeline_cfg_file = pipeline.yaml\n")
        other = self.directory / "other"
        other.mkdir()
        (other / "pipeline.yaml").touch()
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(other)
        self.assertEqual(str(self.directory / "pipeline.yaml"),
                         self.load("relative.conf").pipeline_cfg_file)


class PipelineTest(CommonTestCase):

    def urls(self):
        return pipelines.graphite_urls(self.load("ceilometer.conf"))

    def test_urls_come_in_their_order_and_once(self):
        self.write("pipeline.yaml", """
sources: [{name: a, meters: ["*"], sinks: [a, b]}]
sinks:
- {name: a, publishers: ["graphite://b", "gnocchi://", "graphite://a"]}
- {name: b, publishers: ["graphite://b"]}""")
        self.assertEqual(["graphite://b", "graphite://a"], self.urls())

    def test_a_pipeline_without_one_is_told(self):
        self.configure(commands.PIPELINE % "gnocchi://")
        self.assert_problem(["has no graphite:// publisher"], self.urls)

    def test_what_is_no_pipeline_is_told(self):
        for text, problem in (
                ("", "is empty"),
                ("[]", "is a list, not a mapping"),
                ("sinks: 1", "has no sources"),
                ("{sources: [{}]}", "source 1 has no name"),
                ("{sources: 1, sinks: 1}", "sources has to be a list"),
                ("{sources: [], sinks: [{name: a}]}", "has no sources")):
            self.write("pipeline.yaml", text)
            self.assert_problem(["pipeline.yaml: " + problem], self.urls)

    def test_what_is_not_yaml_is_told_with_its_line(self):
        self.write("pipeline.yaml", "a: b\nc: [")
        self.assert_problem(["pipeline.yaml: line 2 is not YAML"], self.urls)

    def test_a_missing_pipeline_is_told(self):
        self.write("ceilometer.conf",
                   "[DEFAULT]\npipeline_cfg_file = none.yaml")
        self.assert_problem(["there is no none.yaml"], self.urls)


class SettingsTest(CommonTestCase):

    def settings(self, url):
        return common.load_settings(self.load("ceilometer.conf"), url)

    def test_they_are_of_the_url(self):
        self.assertEqual((("g", 2003),),
                         self.settings("graphite://g").endpoints)

    def test_what_is_wrong_is_told(self):
        self.assert_problem(["prefx is not an option"], self.settings,
                            "graphite://g?prefx=a")
