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

"""What tests of commands with a configuration of their own share."""

import contextlib
import io
import logging
import pathlib
import typing

import fixtures
from oslotest import base

from ceilometer_graphite.cli import main

URL = "graphite://127.0.0.1:9"
PIPELINE = """
sources:
  - {name: all, meters: ["*"], sinks: [graphite]}
sinks:
  - {name: graphite, publishers: ["%s"]}
"""
CONF = """
[DEFAULT]
host = compute-1.example.org
pipeline_cfg_file = {directory}/pipeline.yaml
[polling]
cfg_file = {directory}/polling.yaml
[graphite]
{options}
"""


class Ended(typing.NamedTuple):
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


class CommandTestCase(base.BaseTestCase):
    """Has an agent's configuration, and runs commands in this process."""

    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.configure()
        # Commands put handlers of their own in place.
        root = logging.getLogger()
        self.addCleanup(root.setLevel, root.level)
        self.addCleanup(setattr, root, "handlers", list(root.handlers))

    def configure(self, pipeline=PIPELINE % URL, **options):
        """Write the files of the agent, with these options of [graphite]."""
        self.write("pipeline.yaml", pipeline)
        self.write("ceilometer.conf", CONF.format(
            directory=self.directory, options="\n".join(
                "%s = %s" % item for item in options.items())))

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return str(path)

    def run_command(self, name, *arguments):
        """Run a command with that configuration."""
        out, err = io.StringIO(), io.StringIO()
        with (contextlib.redirect_stdout(out),
              contextlib.redirect_stderr(err)):
            status = main.main([
                name, "--config-file", str(self.directory / "ceilometer.conf"),
                *arguments])
        return Ended(status, out.getvalue(), err.getvalue())

    def assert_fails(self, ended, *problems):
        """It ended with one line that has all of these, and a hint at most."""
        self.assertEqual((2, ""), ended[:2])
        problem, *hint = ended.err.splitlines()
        for text in ("ceilometer-graphite: ", *problems):
            self.assertIn(text, problem)
        self.assertIn([line[:6] for line in hint], ([], ["hint: "]))
