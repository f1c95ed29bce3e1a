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


import importlib.metadata
import importlib.util
import os
import re
import sys
import unittest

import fixtures

from ceilometer_graphite.cli.check import agent
from tests import releases
from tests.unit.cli import checks

CONF = "ceilometer.conf"
NO_SUCH_OPTION = "this Ceilometer has no [polling] enable_notifications"


class ConfigurationTest(checks.CheckTestCase):

    def test_a_missing_file_is_an_error(self):
        (self.directory / CONF).unlink()
        self.assert_found("error", self.find(CONF), str(self.directory / CONF))

    def test_a_file_that_cannot_be_parsed_is_an_error(self):
        self.write(CONF, "telemetry_driver\n")
        self.assert_found("error", self.find(CONF), CONF, "parse")

    def test_a_file_that_the_user_may_not_read_is_an_error(self):
        path = self.directory / CONF
        path.chmod(0o600)
        self.as_nobody(lambda: self.assert_found(
            "error", self.find(CONF), str(path)))

    def test_no_file_at_all_is_an_error(self):
        self.useFixture(fixtures.MonkeyPatch(
            "ceilometer_graphite.cli.common.PROJECT", "no-such-project"))
        self.arguments.config_file = []
        self.assert_found("error", self.find(CONF),
                          "there is no ceilometer.conf", "--config-file")

    def test_the_files_are_named(self):
        self.assert_found("ok", self.find(CONF), str(self.directory / CONF))


class CeilometerTest(checks.CheckTestCase):

    def test_the_installed_release_is_fine(self):
        self.assert_ok(self.find("ceilometer"))

    def test_a_release_that_is_too_old_is_a_warning(self):
        self.shadow("ceilometer", "16.0.1")
        self.assert_found("warning", self.find("ceilometer"), "16.0.1",
                          "17.0.0")

    def test_the_oldest_release_is_that_of_the_requirements(self):
        requirements = importlib.metadata.requires("ceilometer-graphite")
        oldest, = [match[1] for match in (
            re.match(r"ceilometer>=(\d+)", text) for text in requirements)
            if match]
        self.assertEqual(agent.OLDEST_CEILOMETER, int(oldest))

    def agent_with(self, first_line):
        """Put an agent with such a first line first on PATH."""
        path = self.directory / "ceilometer-polling"
        path.write_text(first_line + "\n")
        path.chmod(0o755)
        self.useFixture(fixtures.EnvironmentVariable(
            "PATH", str(self.directory)))
        return self.find("ceilometer")

    def test_an_agent_of_another_python_is_a_warning(self):
        self.assert_found(
            "warning", self.agent_with("#!/opt/stack/bin/python3"),
            "ceilometer-polling runs in /opt/stack/bin/python3",
            "install ceilometer-graphite into the Python")

    def test_an_agent_of_this_python_is_fine(self):
        folder = os.path.dirname(checks.sys.executable)
        self.assert_ok(self.agent_with("#!%s/python3 -s" % folder))

    def test_an_agent_whose_python_does_not_show_is_fine(self):
        self.assert_ok(self.agent_with("#!/bin/sh"))


class PluginTest(checks.CheckTestCase):

    def test_an_installed_plugin_is_fine(self):
        self.assert_ok(self.find("plugin"))

    def test_a_driver_that_is_not_installed_is_an_error(self):
        self.shadow("ceilometer_graphite", "0.1.0")
        self.assert_found("error", self.find("plugin"),
                          "ceilometer_pipeline", "cannot be loaded",
                          "install ceilometer-graphite")

    def test_a_driver_that_cannot_be_imported_is_an_error(self):
        self.shadow(
            "ceilometer_graphite", "0.1.0", "[%s]\n%s = %s\n" % (
                agent.driver.NAMESPACE, agent.driver.NAME,
                "ceilometer_graphite.gone:Driver"))
        self.assert_found("error", self.find("plugin"),
                          "ceilometer_graphite.gone")

    def test_a_publisher_that_is_not_installed_is_an_error(self):
        self.shadow(
            "ceilometer_graphite", "0.1.0", "[%s]\n%s = %s\n" % (
                agent.driver.NAMESPACE, agent.driver.NAME,
                "ceilometer_graphite.driver:PipelineDriver"))
        self.assert_found("error", self.find("plugin"),
                          "graphite of ceilometer.sample.publisher")

    def test_files_that_the_user_may_not_read_are_an_error(self):
        path = self.directory / "driver.py"
        path.touch(0o600)
        self.useFixture(fixtures.MonkeyPatch(
            "ceilometer_graphite.driver.__file__", str(path)))
        self.as_nobody(lambda: self.assert_found(
            "error", self.find("plugin"), "may not read", "chmod"))


class OptionsTest(checks.CheckTestCase):

    def test_a_driver_that_is_not_set_is_an_error(self):
        self.write_conf({"publisher_notifier": {"telemetry_driver": None}})
        self.assert_found(
            "error", self.find(CONF, "telemetry_driver"), "is messagingv2",
            "set telemetry_driver = ceilometer_pipeline in "
            "[publisher_notifier]")

    def test_a_driver_that_is_misspelt_is_an_error(self):
        self.write_conf({"publisher_notifier": {
            "telemetry_driver": "ceilometer-pipeline"}})
        self.assert_found("error", self.find(CONF, "telemetry_driver"),
                          "is ceilometer-pipeline")

    @unittest.skipUnless(releases.HAS_ENABLE_NOTIFICATIONS, NO_SUCH_OPTION)
    def test_notifications_that_are_off_are_an_error(self):
        self.write_conf({"polling": {"enable_notifications": False}})
        self.assert_found("error", self.find(CONF, "notifications"),
                          "enable_notifications = true")

    @unittest.skipUnless(releases.HAS_ENABLE_NOTIFICATIONS, NO_SUCH_OPTION)
    def test_a_value_that_is_none_is_an_error(self):
        self.write_conf({"polling": {"enable_notifications": "perhaps"}})
        self.assert_found("error", self.find(CONF, "notifications"),
                          "enable_notifications", "perhaps")

    def test_a_transport_url_that_the_agent_cannot_start_with_is_an_error(
            self):
        self.write_conf({"DEFAULT": {"transport_url": "rabit://host"}})
        found = self.assert_found(
            "error", self.find(CONF, "transport_url"), "this rabit:// URL")
        self.assertNotIn("host", found.message)  # nor a password

    def test_the_default_transport_url_is_fine(self):
        self.assert_ok(self.find(CONF, "transport_url"))

    def forward(self, names):
        self.write_conf({"ceilometer_pipeline": {"forward_drivers": names}})
        return self.find(CONF, "forward_drivers")

    def test_a_forward_driver_that_there_is_is_fine(self):
        self.assert_ok(self.forward("messagingv2,log"))

    def test_a_forward_driver_that_there_is_not_is_an_error(self):
        self.assert_found("error", self.forward("messagingv2,mesaging"),
                          "mesaging of ", "cannot be loaded")

    def test_a_driver_that_forwards_to_itself_is_an_error(self):
        self.assert_found("error", self.forward("ceilometer_pipeline"),
                          "would forward to itself")

    def test_a_host_that_any_node_could_be_is_a_warning(self):
        for name in ("localhost", "localhost.localdomain"):
            self.write_conf({"DEFAULT": {"host": name}})
            self.assert_found("warning", self.find(CONF, "host"), name)

    def test_a_driver_that_there_is_not_sends_nothing_at_all(self):
        self.write_conf({"publisher_notifier": {
            "telemetry_driver": "ceilometer_pipelin"}})
        self.assert_found(
            "error", self.find(CONF, "telemetry_driver"),
            "is ceilometer_pipelin, which no package provides, so nothing",
            "set telemetry_driver = ceilometer_pipeline")

    def log_to(self, **options):
        self.write_conf({"DEFAULT": options})
        return self.find(CONF, "log_dir")

    def test_no_folder_for_logs_is_fine(self):
        self.assert_ok(self.log_to())

    def test_a_folder_for_logs_that_can_be_written_is_fine(self):
        self.assert_ok(self.log_to(log_dir=self.directory))

    def test_a_folder_for_logs_that_there_is_not_is_an_error(self):
        for options in ({"log_dir": "/no/such"},
                        {"log_file": "/no/such/a.log"},
                        {"log_dir": "/", "log_file": "no/such/a.log"}):
            self.assert_found(
                "error", self.log_to(**options), "there is no folder /no/such",
                "the agent does not start", "install -d -o ceilometer /no")

    def test_a_setup_of_logs_that_cannot_be_read_is_an_error(self):
        for path in "/no/such.conf", self.directory:
            self.assert_found(
                "error", self.log_to(log_config_append=path),
                "log_config_append = %s is no file" % path,
                "correct or remove log_config_append")
        self.assert_ok(self.log_to(
            log_config_append=self.directory / "polling.yaml"))

    def test_a_file_in_place_of_the_folder_for_logs_is_an_error(self):
        self.assert_found(
            "error", self.log_to(log_dir=self.directory / "polling.yaml"),
            "polling.yaml is no folder", "correct log_dir")

    def test_logs_that_the_user_may_not_write_are_an_error(self):
        folder = self.directory / "log"
        folder.mkdir(mode=0o755)
        self.log_to(log_dir=folder)
        self.as_nobody(lambda: self.assert_found(
            "error", self.find(CONF, "log_dir"), "may not write %s/" % folder,
            "ceilometer-polling.log"))

    @unittest.skipUnless(importlib.util.find_spec("ceilometer.cache_utils"),
                         "this Ceilometer has no cache")
    def test_a_cache_that_cannot_be_loaded_is_an_error(self):
        self.assert_ok(self.find(CONF, "cache"))
        # What is None there cannot be imported.
        self.addCleanup(sys.modules.pop, "pylibmc", None)
        sys.modules["pylibmc"] = None
        for name in "no.such.backend", "dogpile.cache.pylibmc":
            self.write_conf({"cache": {"enabled": True, "backend": name}})
            self.assert_found("error", self.find(CONF, "cache"),
                              name + " cannot be loaded",
                              "the agent does not start",
                              "enabled = false")
