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

"""Base classes and helpers of unit tests."""

import json
import os
import pathlib

from ceilometer import sample
from ceilometer import service
import fixtures
from oslo_config import cfg
from oslo_utils import netutils
from oslotest import base

from ceilometer_graphite import opts
from tests import fakes

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"


def recorded(name):
    """Return the notifications of a recording, as a driver gets them."""
    text = (FIXTURES / name).read_text()
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in text.splitlines()]
    return [entry for cycle in json.loads(text)["cycles"] for entry in cycle]


def in_child(function):
    """Return whether ``function`` returns true in a forked child."""
    child = os.fork()
    if not child:
        status = 1
        try:
            status = 0 if function() else 1
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def make_sample(name="power.state", volume=1, type="gauge", unit="",
                resource_id="i1", timestamp="2026-11-22T07:58:40.330078",
                metadata=None, monotonic_time=None, **fields):
    """Return a sample with default values for missing fields."""
    return sample.Sample(
        name=name, type=type, unit=unit, volume=volume, user_id="u",
        project_id="p", resource_id=resource_id, timestamp=timestamp,
        resource_metadata={"instance_host": "compute-1.example.org",
                           **(metadata or {})},
        monotonic_time=monotonic_time, **fields)


class AgentTestCase(base.BaseTestCase):
    """Has an agent's ``conf``, a log and a receiver of lines."""

    def setUp(self):
        super().setUp()
        self.conf = service.prepare_service(
            ["test"], config_files=[], conf=cfg.ConfigOpts())
        opts.register_opts(self.conf)
        # So that receivers get only the lines that tests publish.
        self.conf.set_default("self_metrics_interval", 0.0, "graphite")
        # After the service, which sets up its own log.
        self.log = self.useFixture(fixtures.FakeLogger())
        self.receiver = fakes.Receiver()
        self.addCleanup(self.receiver.close)

    def url(self, query=""):
        return "graphite://127.0.0.1:%d%s" % (
            self.receiver.endpoint[1], query)

    def parsed_url(self, query=""):
        return netutils.urlsplit(self.url(query))
