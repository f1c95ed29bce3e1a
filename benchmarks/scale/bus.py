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

"""The message bus between a polling agent and Graphite."""

import pathlib

from benchmarks.common import usage
from lab import notification
from lab import rabbitmq

ROOT = pathlib.Path(__file__).absolute().parents[2]
DRIVER = "messagingv2"
_START_SECONDS = 180


class Bus:
    """A broker, and a notification agent that publishes what it brings.

    :param directory: for their files
    :param pipeline: text of pipeline.yaml
    :raises lab.process.LabError: when RabbitMQ is not installed
    """

    def __init__(self, directory, pipeline):
        self._broker = rabbitmq.RabbitMQ(directory / "rabbitmq")
        self._agent = notification.NotificationAgent(
            directory / "notification", pipeline, self._broker.url,
            env={"PYTHONPATH": str(ROOT)})

    @property
    def version(self):
        return self._broker.version()

    @property
    def log_path(self):
        """Of the notification agent."""
        return self._agent.log_path

    @property
    def agent_options(self):
        """Of a polling agent that notifies it."""
        # One that is stopped sends no heartbeats, and would be cut off.
        return {"DEFAULT": {"transport_url": self._broker.url},
                "oslo_messaging_rabbit": {"heartbeat_timeout_threshold": 0}}

    def start(self):
        """Return when the notification agent is at the broker."""
        self._broker.start()
        self._agent.start()
        self._broker.wait_for_log("user 'guest' authenticated",
                                  _START_SECONDS)

    def kill(self):
        """End them."""
        self._agent.kill()
        self._broker.kill()

    def pids(self):
        """{name: pids} of what takes CPU for it."""
        return {"broker": [self._broker.pid],
                "notification agent": [self._agent.pid,
                                       *self._agent.worker_pids()]}

    def rss_mb(self):
        """{name: resident memory}, where the agent's master is left out."""
        return {"broker": usage.rss_mb([self._broker.pid]),
                "notification agent": usage.rss_mb(
                    self._agent.worker_pids())}
