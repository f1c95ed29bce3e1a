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

"""Base class of tests with a real agent and a real Graphite."""

import pathlib
import re
import time

import fixtures
from oslotest import base

from lab import agent
from lab import graphite
from lab import process
from tests.functional import truth

# Some of Ceilometer's pollsters have no data from libvirt's inspector, and it
# looks for a cache that is not configured.
CEILOMETERS_OWN = re.compile(
    r"Prevent pollster (disk\.device\.(iops|latency)"
    r"|network\.(incoming|outgoing)\.bytes\.rate) from polling"
    r"|Could not load 'oslo_cache\.memcache_pool'")
PIPELINE = """\
sources:
  - {{name: compute, meters: ["*"], sinks: [graphite]}}
sinks:
  - {{name: graphite, publishers: {publishers}}}
"""
POLLING = """\
sources:
  - {name: all, interval: 2, meters: ["*"]}
"""


class GraphiteTestCase(base.BaseTestCase):
    """Has its own Carbon and graphite-web."""

    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.start_graphite()
        self.truth_path = self.directory / "truth.jsonl"

    def start_graphite(self):
        self.carbon = self.start(graphite.Carbon(self.directory / "carbon"))
        self.web = self.start(
            graphite.GraphiteWeb(self.directory / "web", self.carbon))

    def start(self, part):
        """Start a part of the lab; it ends with the test."""
        part.__enter__()
        self.addCleanup(part.__exit__, None, None, None)
        return part

    @property
    def url(self):
        return "graphite://127.0.0.1:%d" % self.carbon.line_port

    def start_agent(self, url=None, polling=POLLING, options=None,
                    instances=12, env=None, **kwargs):
        """Start an agent whose samples go to Graphite and to a file.

        ``env`` extends the simulator's environment.
        """
        publishers = [url or self.url, "file://%s?json" % self.truth_path]
        return self.start(agent.Agent(
            self.directory / "agent",
            PIPELINE.format(publishers=publishers), polling, options,
            env={**agent.simulator_env(instances, start=time.time() - 300,
                                       events=0), **(env or {})}, **kwargs))

    def samples(self, name="cpu"):
        """Return the samples of one meter that the file publisher wrote."""
        if not self.truth_path.exists():
            return []
        return [sample for sample in truth.load(self.truth_path)
                if sample["name"] == name]

    def wait_for_cycles(self, polling_agent, cycles, instances=12):
        """Wait until the meter cpu was published in more cycles."""
        wanted = len(self.samples()) + cycles * instances
        polling_agent.wait_until(
            lambda: len(self.samples()) >= wanted, 90,
            "%d samples of cpu" % wanted)

    def check_everything_arrives(self, polling_agent):
        """Stop an agent after three cycles; check that Graphite has them."""
        self.wait_for_cycles(polling_agent, 3)
        polling_agent.terminate()
        self.assert_graphite_has_the_truth(truth.load(self.truth_path))
        self.assertTrue(self.samples("memory.usage"))
        self.assert_no_errors(polling_agent)

    def assert_no_errors(self, polling_agent):
        """Assert that the agent's log has only the expected errors."""
        self.assertEqual([], [
            line for line in polling_agent.log_text().splitlines()
            if " ERROR " in line and not CEILOMETERS_OWN.search(line)])

    def assert_graphite_has_the_truth(self, *runs, timeout_seconds=20):
        """Assert that Graphite has each sample at its value and second."""
        wanted = truth.expected(*runs)
        try:
            process.wait_for(
                lambda: not truth.differences(wanted, self.web),
                timeout_seconds, "Graphite to have the truth")
        except process.LabError:
            self.assertEqual([], truth.differences(wanted, self.web))
