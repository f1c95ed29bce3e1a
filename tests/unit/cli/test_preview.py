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


from ceilometer.publisher import file
from oslo_utils import netutils
from stevedore import driver as stevedore_driver

from ceilometer_graphite import driver
from tests.unit import base
from tests.unit.cli import commands
from tests.unit.cli import recorded

TWO_PUBLISHERS = """
sources:
  - {name: all, meters: ["*"], sinks: [graphite]}
sinks:
  - {name: graphite,
     publishers: ["graphite://one", "graphite://two?prefix=second"]}
"""


class PreviewTest(recorded.PreviewTestCase):

    def test_lines_of_all_publishers_are_printed(self):
        self.configure(pipeline=TWO_PUBLISHERS)
        ended = self.run_command(
            "preview", self.write_json(recorded.message()))
        self.assertEqual(
            ["ceilometer.compute-1.p.i.power.state",
             "second.compute-1.p.i.power.state"],
            [line.split()[0] for line in ended.out.splitlines()])
        self.assertIn("graphite://two?prefix=second: 1 lines of 1 samples",
                      ended.err)

    def test_the_json_has_the_lines_and_the_url(self):
        found = self.preview_json(*base.recorded("polling-27.0.0.json"))
        publisher, = found["publishers"]
        self.assertEqual(commands.URL, publisher["url"])
        self.assertEqual(
            [line.rstrip("\n") for line in self.lines(recorded.RECORDING)],
            publisher["lines"])

    def test_seconds_have_to_be_above_0(self):
        for text in ("0", "-1", "nan", "inf", "soon"):
            with self.subTest(text):
                self.assert_fails(
                    self.run_command("preview", "--seconds=" + text),
                    "argument --seconds")


class SameAsTheAgentTest(base.AgentTestCase, recorded.PreviewTestCase):
    """The driver and its publisher get what the preview gets."""

    def setUp(self):
        super().setUp()
        self.configure(pipeline=commands.PIPELINE % self.url(
            "?self_metrics_interval=0"))
        self.conf.set_override("pipeline_cfg_file",
                               str(self.directory / "pipeline.yaml"))

    def sent(self, entries, count):
        made = stevedore_driver.DriverManager(
            driver.NAMESPACE, driver.NAME).driver(
                self.conf, topics=["notifications"], transport=None)
        for entry in entries:
            made.notify(**entry)
        lines = self.receiver.take(count)
        for publisher in made._pipelines[0].publishers:
            publisher.close(10)
        return [line.decode() for line in lines]

    def test_the_lines_are_those_that_the_driver_sends(self):
        entries = base.recorded("polling-27.0.0.json")
        lines = self.lines(recorded.RECORDING)
        self.assertEqual(self.sent(entries, len(lines)), lines)
        self.assertTrue(self.receiver.lines.empty())

    def test_what_ceilometers_file_publisher_wrote_gives_these_lines(self):
        path = str(self.directory / "samples.jsonl")
        publisher = file.FilePublisher(
            self.conf, netutils.urlsplit("file://%s?json" % path))
        build = driver.sample_builder(self.conf, self.fail)
        for entry in base.recorded("polling-27.0.0.json"):
            publisher.publish_samples(
                build(entry["message"]["payload"]["samples"]))
        self.assertEqual(sorted(self.lines(recorded.RECORDING)),
                         sorted(self.lines(path)))
