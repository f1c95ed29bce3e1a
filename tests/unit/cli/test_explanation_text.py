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


class TextTest(recorded.PreviewTestCase):

    def test_a_text_has_the_line_the_definition_and_each_field(self):
        ended = self.run_command("preview", "--explain", "cpu_util",
                                 recorded.RECORDING)
        line = next(line for line in self.lines(recorded.RECORDING)
                    if ".cpu_util " in line)
        self.assertIn("line:        " + line, ended.out)
        self.assertIn("{meter: cpu, name: cpu_util, unit: %, scale: 1e-07, "
                      "per: [cpu_number, vcpus], max: 100.0} of the "
                      "packaged", ended.out)
        self.assertIn("one of 6 samples", ended.out)
        self.assertRegex(
            ended.out, r"\{hostname\} +compute-1 +'compute-1.example.org': "
                       r"up to the first dot\n")
        self.assertRegex(ended.out, r"\{device\} +- +left out, there is none")

    def test_an_unknown_meter_is_told_with_those_that_there_are(self):
        ended = self.run_command("preview", "--explain", "cpus",
                                 recorded.RECORDING)
        self.assert_fails(ended, "no sample is published of cpus")
        self.assertIn("there are samples of cpu, disk.device", ended.err)

    def test_a_meter_that_is_left_out_is_told_with_why(self):
        self.configure(pipeline=commands.PIPELINE.replace(
            '"*"', '"!vcpus"') % commands.URL)
        self.assert_fails(
            self.run_command("preview", "--explain", "vcpus",
                             recorded.RECORDING),
            "of vcpus: no source of pipeline.yaml takes its meter")

    def test_each_publisher_explains_its_own(self):
        self.configure(pipeline="""
sources:
  - {name: all, meters: ["*"], sinks: [graphite]}
sinks:
  - {name: graphite,
     publishers: ["graphite://one", "graphite://two?prefix=second"]}
""")
        out = self.run_command(
            "preview", "--explain", "cpu_util", recorded.RECORDING).out
        self.assertEqual(1, out.count("graphite://one\n"))
        self.assertEqual(1, out.count("graphite://two?prefix=second\n"))
        self.assertEqual(1, out.count("line:        second.compute-1."))
