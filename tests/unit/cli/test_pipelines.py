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


from tests.unit.cli import commands
from tests.unit.cli import recorded

TWO_SINKS = """
sources:
  - {name: cpu, meters: ["cpu", "memory.*"], sinks: [graphite]}
  - {name: disks, meters: ["disk.*"], sinks: [other]}
sinks:
  - {name: graphite, publishers: ["graphite://127.0.0.1:9"]}
  - {name: other, publishers: ["test://"]}
"""


class LeftOutTest(recorded.PreviewTestCase):

    def test_samples_that_no_source_takes_are_told(self):
        self.configure(pipeline=TWO_SINKS)
        ended = self.run_command("preview", recorded.RECORDING)
        self.assertIn("left out: 6 of vcpus: no source of "
                      "pipeline.yaml takes its meter\n", ended.err)
        self.assertNotIn("vcpus", ended.out)
        self.assertIn("cpu_util", ended.out)

    def test_samples_for_other_publishers_only_are_told(self):
        self.configure(pipeline=TWO_SINKS)
        ended = self.run_command("preview", recorded.RECORDING)
        self.assertIn("left out: 6 of disk.root.size: its sources have "
                      "no graphite:// publisher\n", ended.err)

    def test_nothing_is_left_out_of_a_recording_that_is_all_taken(self):
        self.assertNotIn("left out",
                         self.run_command("preview", recorded.RECORDING).err)

    def test_a_volume_that_is_no_number_is_told_and_costs_nothing_else(self):
        for volume in (None, "many", []):
            with self.subTest(volume=volume):
                message = recorded.message(counter_volume=volume)
                message["payload"]["samples"] += recorded.message(
                    resource_id="j")["payload"]["samples"]
                found, = self.preview_json(message)["publishers"]
                self.assertEqual(
                    [("i", volume, "left out, its volume is not a number")],
                    [(each["resource_id"], each["volume"], each["why"])
                     for each in found["problems"]])
                self.assertEqual(1, len(found["lines"]))

    def test_a_sample_that_two_sources_take_is_sent_once(self):
        self.configure(pipeline=TWO_SINKS.replace(
            "sinks: [other]", "sinks: [graphite]").replace("disk.*", "cpu"))
        lines = self.lines(recorded.RECORDING)
        self.assertTrue(lines)
        self.assertEqual(len(set(lines)), len(lines))

    def test_what_cannot_be_converted_is_told_with_why(self):
        found = self.preview_json(
            recorded.message(counter_volume=float("nan")),
            recorded.message(resource_id="j", timestamp="yesterday"))
        problems = found["publishers"][0]["problems"]
        self.assertEqual([], found["publishers"][0]["lines"])
        self.assertEqual(["i", "j"],
                         [each["resource_id"] for each in problems])
        self.assertIn("not finite", problems[0]["why"])
        self.assertIn("timestamp", problems[1]["why"])

    def test_a_sample_without_a_time_is_told_and_has_a_line(self):
        ended = self.run_command("preview", self.write_json(
            recorded.message(timestamp=None)))
        self.assertIn("published with the current time", ended.err)
        self.assertEqual(1, len(ended.out.splitlines()))

    def test_a_bad_publisher_is_told(self):
        self.configure(template="{colour}.{meter}")
        self.assert_fails(self.run_command("preview", recorded.RECORDING),
                          "template has to be of", "{colour}")

    def test_a_pipeline_that_ceilometer_cannot_use_is_told(self):
        self.configure(pipeline=commands.PIPELINE.replace(
            "sinks: [graphite]", "sinks: [nowhere]") % commands.URL)
        self.assert_fails(self.run_command("preview", recorded.RECORDING),
                          "pipeline.yaml: ", "nowhere")
