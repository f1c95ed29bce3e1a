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


from ceilometer_graphite.cli.check import files
from tests import releases
from tests.unit.cli import checks

POLLING = ("ceilometer.conf", "polling.yaml")
METERS = (*POLLING, "meters")


def sources(meters, interval=60):
    return "sources: [{name: a, interval: %s, meters: %s}]" % (
        interval, meters)


class PollingTest(checks.CheckTestCase):

    def found(self, text):
        self.write("polling.yaml", text)
        return self.find(*POLLING)

    def test_a_good_file_is_named_with_its_intervals(self):
        self.assert_ok(self.find(*POLLING))
        self.assertIn("every 60 seconds", self.find(*POLLING)[-1].message)

    def test_a_missing_file_is_an_error(self):
        (self.directory / "polling.yaml").unlink()
        self.assert_found("error", self.find(*POLLING),
                          "there is no polling.yaml", "copy /",
                          "/share/ceilometer-graphite/polling.yaml")

    def test_a_file_that_the_user_may_not_read_is_an_error(self):
        (self.directory / "polling.yaml").chmod(0o600)
        self.as_nobody(lambda: self.assert_found(
            "error", self.find(*POLLING), "Permission denied"))

    def test_a_file_that_is_not_yaml_is_an_error_with_its_line(self):
        self.assert_found("error", self.found("sources:\n- {a: b\n- c"),
                          "line 3 is not YAML")

    def test_bytes_that_are_no_text_are_an_error(self):
        (self.directory / "polling.yaml").write_bytes(b"sources: \xff")
        self.assert_found("error", self.find(*POLLING), "is not UTF-8")

    def test_an_empty_file_is_an_error(self):
        self.assert_found("error", self.found(""), "polling.yaml: is empty",
                          "copy /")

    def test_a_file_without_sources_is_an_error(self):
        self.assert_found("error", self.found("a: b"),
                          "has no sources; add some")

    def test_a_source_without_an_interval_is_an_error(self):
        self.assert_found(
            "error", self.found("sources: [{name: a, meters: [cpu]}]"),
            "source a has no interval; write interval: 60")

    def test_an_interval_of_0_is_an_error(self):
        self.assert_found("error", self.found(sources("[cpu]", interval=0)),
                          "whole number of seconds, not 0")


class MetersTest(checks.CheckTestCase):

    def found(self, *arguments):
        self.write("polling.yaml", sources(*arguments))
        return self.find(*METERS)

    def test_the_meters_of_the_compute_agent_are_counted(self):
        results = self.found("[cpu, 'disk.device.*.bytes']")
        self.assertEqual("polled: 3", results[-1].message)

    def test_none_of_the_compute_agents_is_an_error(self):
        self.assert_found("error", self.found("[image.size]"),
                          "names none that the compute agent has")

    def test_a_meter_that_nothing_gives_is_a_warning(self):
        self.assert_found("warning", self.found("[cpu, cpu_util, cpu.x]"),
                          "pollster for cpu.x" if releases.HAS_CPU_UTIL
                          else "pollster for cpu.x, cpu_util")

    def test_a_meter_that_this_ceilometer_is_too_old_for_is_fine(self):
        self.patch(files, "NEWER", {"cpu.hardness"})
        results = self.found("[cpu, cpu.hardness]")
        self.assertEqual(
            ("ok", "polled: 1; this Ceilometer is too old for cpu.hardness"),
            (results[-1].status, results[-1].message))

    def test_wildcards_and_the_meters_of_other_agents_are_fine(self):
        for meters in ("['*']", "['!disk.*']", "[cpu, image.size]"):
            self.assert_ok(self.found(meters))

    def define(self, text):
        """Define pollsters in a file, as operators can."""
        (self.directory / "pollsters.d").mkdir()
        self.write("pollsters.d/a.yaml", text)
        self.write_conf({"DEFAULT": {
            "pollsters_definitions_dirs": self.directory / "pollsters.d"},
            "polling": {
                "pollsters_definitions_dirs": self.directory / "pollsters.d"
            }})

    def test_pollsters_of_ones_own_are_known(self):
        self.define("[{name: own.a, namespaces: compute}, {name: own.b}]")
        self.assert_ok(self.found("[own.a, own.b]"))
        self.assertEqual(["own.a"], self.state.polled)

    def test_pollsters_that_the_agent_cannot_load_are_an_error(self):
        self.define("- {")
        self.assert_found("error", self.found("[cpu]"),
                          "pollsters in %s/pollsters.d/a.yaml: line 1 is not "
                          "YAML" % self.directory)

    def test_a_meter_of_two_sources_is_a_warning(self):
        self.write("polling.yaml", """
sources:
- {name: fast, interval: 3, meters: [cpu]}
- {name: slow, interval: 6, meters: ["*", "!disk.*"]}
- {name: disks, interval: 6, meters: ["disk.*"]}""")
        self.assert_found(
            "warning", self.find(*METERS), "fast and slow both poll cpu",
            "name each meter in one source")

    def test_resources_of_compute_meters_are_a_warning(self):
        self.write("polling.yaml", """
sources:
- {name: a, interval: 3, meters: [cpu], resources: ["http://switch"]}""")
        self.assert_found(
            "warning", self.find(*METERS), "the source a names resources",
            "remove resources from it")
