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


from tests import releases
from tests.unit.cli import checks

PIPELINE = ("ceilometer.conf", "pipeline.yaml")
PUBLISHERS = (*PIPELINE, "publishers")
TAKEN = (*PUBLISHERS, "polling.yaml", "meters", "sources")
# Those of checks.POLLING.
POLLED = 11 if releases.HAS_MEMORY else 10
SINKS = "sinks: [{name: graphite, publishers: ['graphite://g']}]"


class PipelineTest(checks.CheckTestCase):

    def found(self, text):
        self.write("pipeline.yaml", text)
        return self.find(*PIPELINE)

    def test_a_good_file_is_named_with_its_pipelines(self):
        result = self.assert_found("ok", self.find(*PIPELINE)[1:])
        self.assertTrue(result.message.endswith(
            "pipeline.yaml: compute:graphite"), result)

    def test_a_missing_file_is_an_error(self):
        (self.directory / "pipeline.yaml").unlink()
        self.assert_found("error", self.find(*PIPELINE),
                          "which sends to Gnocchi", "copy /",
                          "/share/ceilometer-graphite/pipeline.yaml")

    def test_a_file_in_the_folder_of_the_command_is_not_looked_at(self):
        other = self.directory / "other"
        other.mkdir()
        self.write("other/pipeline.yaml", SINKS)
        (self.directory / "pipeline.yaml").unlink()
        self.addCleanup(checks.os.chdir, checks.os.getcwd())
        checks.os.chdir(other)
        self.assert_found("error", self.find(*PIPELINE), "there is no")

    def test_a_file_that_the_user_may_not_read_is_an_error(self):
        (self.directory / "pipeline.yaml").chmod(0o600)
        self.as_nobody(lambda: self.assert_found(
            "error", self.find(*PIPELINE), "Permission denied"))

    def test_a_file_that_is_not_yaml_is_an_error_with_its_line(self):
        self.assert_found("error", self.found("sources:\n\t- a"),
                          "line 2 is not YAML")

    def test_a_file_without_sinks_is_an_error(self):
        self.assert_found(
            "error", self.found(
                "sources: [{name: a, meters: ['*'], sinks: [b]}]"),
            "has no sinks; add some", "/pipeline.yaml")

    def test_an_empty_list_of_sources_is_an_error(self):
        self.assert_found("error", self.found("sources: []\n" + SINKS),
                          "has no sources")

    def test_a_source_without_a_sink_is_an_error(self):
        self.assert_found(
            "error", self.found(
                "sources: [{name: a, meters: ['*']}]\n" + SINKS),
            "source a has no sinks", "write sinks: [")

    def test_a_source_whose_sink_is_missing_is_an_error(self):
        self.assert_found(
            "error", self.found(
                "sources: [{name: a, meters: ['*'], sinks: [grafite]}]\n"
                + SINKS), "there is no sink grafite, which source a names",
            "name one of graphite")

    def test_a_sink_without_publishers_is_an_error(self):
        self.assert_found(
            "error", self.found("""
sources: [{name: a, meters: ['*'], sinks: [b]}]
sinks: [{name: b, publishers: []}]"""),
            "sink b has no publishers", "write publishers: [")

    def test_a_publisher_that_is_no_text_is_an_error(self):
        self.assert_found(
            "error", self.found("""
sources: [{name: a, meters: ['*'], sinks: [b]}]
sinks: [{name: b, publishers: [1]}]"""),
            "has to be a list of texts, and has 1")

    def test_one_name_for_two_sinks_is_an_error(self):
        self.assert_found(
            "error", self.found("""
sources: [{name: a, meters: ['*'], sinks: [b]}]
sinks:
- {name: b, publishers: ['graphite://g']}
- {name: b, publishers: ['graphite://h']}"""), "2 sinks are named b")


class PublishersTest(checks.CheckTestCase):

    def found(self, *urls):
        self.write_pipeline(*urls)
        return self.find(*PUBLISHERS)

    def test_no_graphite_publisher_is_an_error(self):
        self.assert_found("error", self.found("gnocchi://"),
                          "there is no graphite:// among gnocchi://")

    def test_a_misspelt_scheme_is_one_error_beside_ours_and_alone(self):
        for urls in (self.url, "grafite://g:2003"), ("grafite://g:2003",):
            self.assert_found(
                "error", self.found(*urls), "grafite://g:2003 is not used",
                "there is no driver 'grafite'", "write graphite://HOST:2003")

    def test_a_notifier_is_an_error_that_names_forward_drivers(self):
        self.assert_found("error", self.found(self.url, "notifier://"),
                          "its own samples again",
                          "forward_drivers = messagingv2")

    def test_other_publishers_beside_ours_are_fine(self):
        self.assert_ok(self.found(self.url, "file:///tmp/a?json"))


class TakenTest(checks.CheckTestCase):

    def found(self, meters):
        self.write("pipeline.yaml", """
sources:
- {name: a, meters: %s, sinks: [graphite]}
- {name: b, meters: ["*"], sinks: [file]}
sinks:
- {name: graphite, publishers: [%s]}
- {name: file, publishers: ["file:///tmp/a"]}""" % (meters, self.url))
        return self.find(*TAKEN)

    def test_all_meters_that_go_to_graphite_are_fine(self):
        self.assert_ok(self.found("['*']"))

    def test_meters_that_no_source_takes_are_a_warning(self):
        self.assert_found(
            "warning", self.found("['!disk.*']"),
            "4 of %d polled meters do not go to Graphite: " % POLLED,
            "Graphite: disk.device.read.bytes, disk.device.read.requests, ")

    def test_no_meter_that_goes_to_graphite_is_an_error(self):
        self.assert_found("error", self.found("[image.size]"),
                          "%d of %d" % (POLLED, POLLED),
                          "and %d more" % (POLLED - 5))
