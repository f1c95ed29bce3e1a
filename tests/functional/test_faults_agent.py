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
"""Faults of the real agent, the real Carbon and carbon-c-relay."""

import shutil
import time

from lab import agent
from lab import process
from lab import relay
from tests import host
from tests.functional import base
from tests.functional import truth

OPTIONS = "self_metrics_interval=0&reconnect_delay_max_seconds=0.2"
POLLING = agent.POLLING.format(interval_seconds=1)


class AgentFaultsTest(base.GraphiteTestCase):

    def setUp(self):
        if not shutil.which(relay.COMMAND):
            host.lacks(f"needs {relay.COMMAND}")
        super().setUp()

    def relay_url(self):
        self.relay = self.start(relay.Relay(self.directory / "relay",
                                            self.carbon.line_port))
        return f"graphite://127.0.0.1:{self.relay.port}?{OPTIONS}"

    def spool_url(self):
        return f"{self.url}?{OPTIONS}&spool_dir={self.directory}/spool"

    def run_agent(self, url, polling=POLLING):
        """Start an agent, and wait until each of its series has a file.

        If Carbon is killed while it creates a file, the file stays broken.
        """
        polling_agent = self.start_agent(url, polling=polling)
        self.wait_for_cycles(polling_agent, 2)
        wanted = truth.expected(truth.load(self.truth_path)).keys()
        process.wait_for(
            lambda: wanted <= truth.read_back(self.web, "-5min")[0].keys(),
            30, "a file of each series")
        return polling_agent

    def assert_nothing_is_lost(self, polling_agent):
        self.wait_for_cycles(polling_agent, 1)
        polling_agent.terminate()
        self.assert_graphite_has_the_truth(truth.load(self.truth_path))

    def test_a_relay_that_is_killed_loses_nothing(self):
        """Loses nothing, because what the relay had read is replayed."""
        polling_agent = self.run_agent(self.relay_url())
        for _ in range(2):
            self.relay.kill()
            self.wait_for_cycles(polling_agent, 1)
            self.relay.start()
            self.wait_for_cycles(polling_agent, 1)
        self.assert_nothing_is_lost(polling_agent)

    def test_a_host_of_relay_and_carbon_that_dies_loses_nothing(self):
        """Loses nothing, because ten seconds are replayed.

        If only Carbon dies behind a relay, the lines that the relay sends on
        its dead connection are lost, and no publisher can know it.
        """
        polling_agent = self.run_agent(self.relay_url())
        for part in (self.relay, self.carbon):
            part.kill()
        self.wait_for_cycles(polling_agent, 2)
        for part in (self.carbon, self.relay):
            part.start()
        self.assert_nothing_is_lost(polling_agent)

    def test_a_carbon_that_is_killed_loses_nothing(self):
        """Loses nothing, because ten seconds are replayed."""
        polling_agent = self.run_agent(f"{self.url}?{OPTIONS}")
        for _ in range(2):
            self.carbon.kill()
            self.wait_for_cycles(polling_agent, 1)
            self.carbon.start()
        self.assert_nothing_is_lost(polling_agent)

    def check_another_agent_sends_what_is_on_disk(self, end):
        """Stop Carbon, end the agent, start Carbon and another agent."""
        polling_agent = self.run_agent(
            self.spool_url(), base.POLLING.replace("interval: 2",
                                                   "interval: 5"))
        self.carbon.terminate()
        self.wait_for_cycles(polling_agent, 2)
        end(polling_agent)
        first = truth.load(self.truth_path)
        self.carbon.start()
        polling_agent.start()
        self.wait_for_cycles(polling_agent, 2)
        polling_agent.terminate()
        self.assert_graphite_has_the_truth(
            first, truth.load(self.truth_path)[len(first):])

    def test_kill_9_while_carbon_is_away_loses_nothing_on_disk(self):
        """May lose lines of the last second before the kill.

        So kill the agent a second after the end of a cycle.
        """
        def kill(polling_agent):
            process.wait_for(self.cycle_is_over, 30, "a quiet moment")
            polling_agent.kill()
        self.check_another_agent_sends_what_is_on_disk(kill)

    def cycle_is_over(self):
        """Return whether the newest sample is older than a second."""
        age = time.time() - self.truth_path.stat().st_mtime
        return 1.2 < age < 2

    def test_sigterm_while_carbon_is_away_loses_nothing(self):
        """Loses nothing."""
        self.check_another_agent_sends_what_is_on_disk(
            lambda polling_agent: polling_agent.terminate())
