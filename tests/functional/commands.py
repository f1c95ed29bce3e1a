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

"""Base class of tests that use the command line like an operator."""

import os
import pathlib
import subprocess
import sys
import time

import fixtures
from oslotest import base

from lab import agent

ROOT = pathlib.Path(__file__).absolute().parent.parent.parent
COMMAND = (sys.executable, "-W", "ignore", "-m", "ceilometer_graphite")
# With such a long day, the loads do not change during a test.
DAY_SECONDS = 10 ** 6
POLLING = agent.POLLING.format(interval_seconds=1)


class CommandTestCase(base.BaseTestCase):
    """Has an agent's configuration, and a simulated hypervisor."""

    url = "graphite://127.0.0.1:9"
    instances = 12

    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.env = {**os.environ, **agent.simulator_env(
            self.instances, start=time.time() - 300, day=DAY_SECONDS,
            events=0)}
        self.configure()

    def configure(self, polling=POLLING, **options):
        """Write the agent's files, with these options of [graphite]."""
        self.agent = agent.Agent(
            self.directory / "agent",
            agent.PIPELINE.format(publisher=self.url), polling,
            {"graphite": options})

    def steer(self, **names):
        """Write names of instances to the files that steer the hypervisor."""
        self.env["STEERING"] = str(self.directory)
        self.env["PYTHONPATH"] = os.pathsep.join(
            (str(agent.STEERED), self.env["PYTHONPATH"]))
        for name, text in names.items():
            (self.directory / name).write_text(text)

    def command(self, name, *arguments):
        return [*COMMAND, name, "--config-file",
                str(self.agent.directory / "ceilometer.conf"), *arguments]

    def run_command(self, name, *arguments):
        """Run a command without a terminal, and wait for its end.

        :returns: a ``subprocess.CompletedProcess`` with texts
        """
        return subprocess.run(
            self.command(name, *arguments), cwd=ROOT, env=self.env,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60, check=False)

    def assert_fails(self, ended, *problems):
        """Assert that it failed with one line with these texts, and a hint."""
        self.assertEqual((2, ""), (ended.returncode, ended.stdout))
        first, hint = ended.stderr.splitlines()
        for text in ("ceilometer-graphite: ", *problems):
            self.assertIn(text, first)
        self.assertTrue(hint.startswith("hint: "), hint)
