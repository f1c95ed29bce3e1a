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

"""Volumes of Cinder in the real notification agent, behind a bus."""

import uuid

from oslo_config import cfg
import oslo_messaging

from lab import agent
from lab import process
from lab import rabbitmq
from tests import host
from tests.functional import base

START_SECONDS = 120
PROJECT, USER, INSTANCE = (uuid.uuid4().hex, uuid.uuid4().hex,
                           str(uuid.uuid4()))
SIZES = (10, 500)


def payload(volume_id, size, attached):
    """Return the part of Cinder's notification that Ceilometer reads."""
    return {
        "volume_id": volume_id, "size": size, "tenant_id": PROJECT,
        "user_id": USER, "display_name": "data", "volume_type": "ssd",
        "volume_attachment": [{"server_id": INSTANCE}] if attached else []}


class VolumesTest(base.GraphiteTestCase):
    """Attaches two volumes to one instance, and detaches them."""

    def setUp(self):
        if not rabbitmq.SERVER.exists():
            host.lacks(f"the bus needs {rabbitmq.PACKAGE}")
        super().setUp()
        self.broker = self.start(rabbitmq.RabbitMQ(
            self.directory / "rabbitmq"))
        self.start(agent.NotificationAgent(
            self.directory / "notification",
            base.PIPELINE.format(publishers=[
                self.url + "?self_metrics_interval=0",
                f"file://{self.truth_path}?json"]),
            self.broker.url))
        self.broker.wait_until(
            lambda: "authenticated and" in self.broker.log_text(),
            START_SECONDS, "the agent at the broker")

    def notify(self, event_type, volumes, attached):
        """Send Cinder's notification about each volume."""
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[])
        transport = oslo_messaging.get_notification_transport(
            conf, self.broker.url)
        notifier = oslo_messaging.Notifier(
            transport, publisher_id="volume.block-1@lvm",
            driver="messagingv2", topics=["notifications"])
        for volume_id, size in volumes.items():
            notifier.info({}, event_type, payload(volume_id, size, attached))
        transport.cleanup()

    def sizes(self):
        """Return {path: sizes in Graphite}."""
        paths = [path for path in self.web.series_paths()
                 if path.endswith(".volume.size")]
        return {path: set(points.values()) for path, points
                in self.web.points(paths, since="-5min").items()}

    def test_a_volume_has_a_series_of_its_own_wherever_it_is_attached(self):
        volumes = {str(uuid.uuid4()): size for size in SIZES}
        self.notify("volume.create.end", volumes, False)
        self.notify("volume.attach.end", volumes, True)
        self.notify("volume.detach.end", volumes, False)
        process.wait_for(
            lambda: len(self.samples("volume.size")) == 3 * len(volumes), 60,
            "all samples")
        wanted = {f"ceilometer.none.{PROJECT}.{volume_id}.volume.size":
                  {float(size)} for volume_id, size in volumes.items()}
        process.wait_for(lambda: self.sizes() == wanted, 60,
                         f"Graphite to have {wanted}")
