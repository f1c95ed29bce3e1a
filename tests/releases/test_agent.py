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


"""The agent of the installed release; see tools/matrix.py."""

import importlib.util
import json
import os
import subprocess

import whisper

from ceilometer_graphite.cli import common
from lab import agent
from lab import graphite
from lab import process
from tests import releases
from tests.functional import base
from tests.functional import commands

# All except those without data from libvirt, which the agent logs as errors.
POLLING = """\
sources:
  - name: all
    interval: 2
    meters: ["!disk.device.iops", "!disk.device.latency",
             "!network.incoming.bytes.rate", "!network.outgoing.bytes.rate"]
"""


class WhisperFiles:
    """A GraphiteWeb for truth.differences that reads a Carbon's files.

    The agent supports more versions of Python than graphite-web.
    """

    def __init__(self, folder):
        self._folder = folder

    def series_paths(self):
        return sorted(
            ".".join(path.relative_to(self._folder).with_suffix("").parts)
            for path in self._folder.rglob("*.wsp"))

    def points(self, paths, since):
        return {path: self._points(path, since) for path in paths}

    def _points(self, path, since):
        file = self._folder.joinpath(*path.split(".")).with_suffix(".wsp")
        (start, _, step), values = whisper.fetch(str(file), since)
        return {start + step * index: value
                for index, value in enumerate(values) if value is not None}


class AgentTest(base.GraphiteTestCase):
    """Runs a simulated hypervisor, the agent and a real Carbon."""

    def start_graphite(self):
        self.carbon = self.start(graphite.Carbon(
            self.directory / "carbon", command=self.carbons_command()))
        self.web = WhisperFiles(self.carbon.whisper)

    def carbons_command(self):
        """Return the distribution's Carbon, for a Python without one."""
        if importlib.util.find_spec("carbon"):
            return None
        if not (os.path.exists(*graphite.DEBIANS_CARBON)
                or os.environ.get("CI")):
            self.skipTest("needs %s" % graphite.DEBIANS_CARBON)
        return graphite.DEBIANS_CARBON

    def test_every_sample_arrives_and_check_finds_nothing(self):
        polling_agent = self.start_agent(
            polling=POLLING, options=releases.options_of_nova(self))
        self.assertEqual([], self.findings(polling_agent))
        self.check_everything_arrives(polling_agent)

    def findings(self, polling_agent):
        """Return the findings of check that are not ok."""
        user = [] if os.geteuid() else ["--user", "root"]
        ended = subprocess.run(
            [*commands.COMMAND, "check", "--json", *user, "--config-file",
             str(polling_agent.directory / "ceilometer.conf")],
            cwd=commands.ROOT, env=self.environment(), capture_output=True,
            stdin=subprocess.DEVNULL, text=True, timeout=60, check=False)
        self.assertEqual("", ended.stderr)
        return [found for found in json.loads(ended.stdout)
                if found["status"] != "ok"]

    def environment(self):
        """Put the agent of this Python first on PATH."""
        folder = os.path.dirname(process.script(common.AGENT))
        return {**os.environ, **agent.simulator_env(),
                "PATH": os.pathsep.join([folder, os.environ["PATH"]])}
