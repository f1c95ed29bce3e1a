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

"""The agent's lines reach Graphite although a bus or publisher hangs."""

import contextlib
import pathlib
import socket
import threading
import time

import fixtures
from oslotest import base

from lab import agent
from lab import receiver

# Each instance has 4 devices; a poll of one makes some 40 lines.
INSTANCES = 5
POLLS = 8
POLLING = agent.POLLING.format(interval_seconds=1)
MIXED = """
sources:
  - {name: compute, meters: ["*"], sinks: [all]}
sinks:
  - {name: all, publishers: ["%s", "%s"]}
"""


class SilentBus:
    """Accepts connections, and never answers."""

    def __init__(self):
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._server.getsockname()[1]
        self._held = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                self._held.append(self._server.accept()[0])

    def close(self):
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self._held:
            connection.close()


class HungBesideTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.bus = SilentBus()
        self.addCleanup(self.bus.close)
        self.receiver = receiver.Receiver(self.directory / "receiver")
        self.receiver.start()
        self.addCleanup(self.receiver.kill)
        self.url = "graphite://127.0.0.1:%d?self_metrics_interval=1" % (
            self.receiver.port)

    def run_agent(self, pipeline, options):
        """Run some cycles, and return the agent's log."""
        polling = agent.Agent(
            self.directory / "agent", pipeline, POLLING, options,
            env=agent.simulator_env(INSTANCES, start=time.time() - 300,
                                    events=0))
        polling.start()
        self.addCleanup(polling.kill)
        polling.wait_until(
            lambda: len(self.seconds("memory.usage")) >= POLLS, 60,
            "lines of %d polls" % POLLS)
        return polling.log_text()

    def seconds(self, meter):
        """Return the seconds at which all instances have a value."""
        found = {}
        for line in self.receiver.lines():
            path, _, second = line.split()
            if path.endswith("." + meter):
                found.setdefault(int(float(second)), set()).add(path)
        return [second for second, paths in found.items()
                if len(paths) == INSTANCES]

    def forward_to(self, port):
        return self.run_agent(
            agent.PIPELINE.format(publisher=self.url), {
                "DEFAULT": {"transport_url":
                            "rabbit://guest:guest@127.0.0.1:%d/" % port},
                "ceilometer_pipeline": {"forward_drivers": "messagingv2"}})

    def assert_quiet(self, log):
        """Assert that the log is short and contains no notification."""
        self.assertNotIn("counter_volume", log)
        self.assertLess(log.count("ERROR"), 50, log[-3000:])

    def test_a_bus_that_accepts_and_never_answers(self):
        self.assert_quiet(self.forward_to(self.bus.port))

    def test_a_bus_that_refuses(self):
        self.bus.close()
        self.assert_quiet(self.forward_to(self.bus.port))

    def test_another_publisher_of_the_same_sink_that_never_answers(self):
        self.assert_quiet(self.run_agent(
            MIXED % ("http://127.0.0.1:%d/?timeout=600" % self.bus.port,
                     self.url), {}))
