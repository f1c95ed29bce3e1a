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

import contextlib

from lab import notification
from lab import process
from lab import rabbitmq
from lab import usage

DRIVER = "messagingv2"
_START_SECONDS = 180


class Bus(contextlib.ExitStack):
    """A broker, and a notification agent that publishes what it brings.

    :param directory: for their files
    :param pipeline: text of pipeline.yaml
    :ivar agent_options: of a polling agent that notifies it
    :raises lab.process.LabError: if RabbitMQ is not installed
    """

    def __init__(self, directory, pipeline):
        super().__init__()
        self._broker = rabbitmq.RabbitMQ(directory / "rabbitmq")
        self._agent = notification.NotificationAgent(
            directory / "notification", pipeline, self._broker.url,
            env={"PYTHONPATH": str(process.ROOT)})
        self.agent_options = {
            "DEFAULT": {"transport_url": self._broker.url}}

    def __enter__(self):
        """Return when the notification agent is at the broker."""
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            for part in (self._broker, self._agent):
                self.callback(part.kill)
                part.start()
            self._broker.wait_for_log("user 'guest' authenticated",
                                      _START_SECONDS)
            undo.pop_all()
        return self

    @property
    def version(self) -> str:
        return self._broker.version()

    @property
    def log_path(self):
        """Of the notification agent."""
        return self._agent.log_path

    def pids(self) -> dict:
        """Return {name: pids} of what takes CPU for it."""
        return {"broker": [self._broker.pid],
                "notification agent": [self._agent.pid,
                                       *self._agent.worker_pids()]}

    def rss_mb(self) -> dict:
        """Return {name: resident memory}, without the agent's master."""
        return {"broker": usage.rss_mb([self._broker.pid]),
                "notification agent": usage.rss_mb(
                    self._agent.worker_pids())}
