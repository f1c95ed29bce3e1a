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

"""What tests that preview recorded samples share."""

import json

from tests.unit import base
from tests.unit.cli import commands

RECORDING = str(base.FIXTURES / "polling-27.0.0.json")


def message(**fields):
    """A notification with one sample, of a meter that is a gauge."""
    return {"event_type": "telemetry.polling", "payload": {"samples": [{
        "counter_name": "power.state", "counter_type": "gauge",
        "counter_unit": "", "counter_volume": 1, "user_id": "u",
        "project_id": "p", "resource_id": "i", "source": "openstack",
        "timestamp": "2026-11-22T07:58:40.330078", "message_id": "m",
        # See releases.WANTS_NAMES.
        "user_name": None, "project_name": None,
        "resource_metadata": {}, **fields}]}}


class PreviewTestCase(commands.CommandTestCase):
    """Previews of recordings."""

    def lines(self, path):
        ended = self.run_command("preview", path)
        self.assertEqual(0, ended.status, ended.err)
        return ended.out.splitlines(keepends=True)

    def write_json(self, *documents):
        return self.write("recording", "\n".join(map(json.dumps, documents)))

    def preview_json(self, *documents):
        ended = self.run_command(
            "preview", "--json", self.write_json(*documents))
        self.assertEqual(0, ended.status, ended.err)
        return json.loads(ended.out)
