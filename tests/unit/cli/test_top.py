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
import contextlib
import io

from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import top
from tests.unit.cli import commands

DEFINITIONS = """
rates:
  - {meter: cpu, name: busy, unit: "%", scale: 1.0e-7}
"""


class DefinitionsTest(commands.CommandTestCase):
    """What counters become in top: as for the graphs, where that is known."""

    def cpu_rate(self):
        """The name of cpu's rate, and what was noted meanwhile."""
        conf = common.load_conf(argparse.Namespace(
            config_file=[str(self.directory / "ceilometer.conf")],
            config_dir=[], debug=False))
        noted = io.StringIO()
        with contextlib.redirect_stderr(noted):
            return (top._definitions(conf).rate("cpu", "ns").name,
                    noted.getvalue())

    def test_they_are_those_of_the_first_publisher(self):
        path = self.write("definitions.yaml", DEFINITIONS)
        self.configure(pipeline=commands.PIPELINE % (
            commands.URL + "?definitions_file=" + path))
        self.assertEqual(("busy", ""), self.cpu_rate())

    def test_without_a_pipeline_they_are_the_packaged_ones(self):
        (self.directory / "pipeline.yaml").unlink()
        self.write("ceilometer.conf", "")
        self.assertEqual(("cpu_util", ""), self.cpu_rate())

    def test_with_a_pipeline_that_is_no_use_they_are_and_it_says_so(self):
        self.configure(pipeline="sources: [")
        name, noted = self.cpu_rate()
        self.assertEqual("cpu_util", name)
        self.assertRegex(noted, r"\Anote: .*pipeline.yaml.*; the packaged "
                                r"definitions are used\n\Z")


class MistakesTest(commands.CommandTestCase):

    def test_what_cannot_be_meant_is_told(self):
        for arguments, problem in (
                (["--interval=0"], "argument --interval"),
                (["--sort=colour"], "argument --sort"),
                (["somewhere"], "unrecognized arguments")):
            with self.subTest(arguments):
                self.assert_fails(self.run_command("top", *arguments),
                                  problem)

    def test_a_configuration_that_is_not_there_is_told(self):
        (self.directory / "ceilometer.conf").unlink()
        self.assert_fails(self.run_command("top", "--once"),
                          str(self.directory / "ceilometer.conf"))
