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

"""The real notification agent, which takes samples from the message bus."""

import sys

from lab import agent
from lab import process

NAME = "ceilometer-agent-notification"


class NotificationAgent(agent.Agent):
    """`ceilometer-agent-notification`, for samples only.

    :param directory: its configuration files and its log, notification.log.
    :param pipeline: the text of pipeline.yaml.
    :param transport_url: the bus that it listens to.
    :param options: {section: {option: value}}, as of agent.Agent.
    :param env: more environment.
    """

    def __init__(self, directory, pipeline, transport_url, options=None,
                 env=None):
        self._transport_url = transport_url
        super().__init__(directory, pipeline, polling="", options=options,
                         env=env)
        self.name = NAME
        self.command = [sys.executable, process.script(NAME), "--config-file",
                        str(self.directory / "ceilometer.conf")]
        self.log_path = self.directory / "notification.log"

    def _default_options(self):
        options = super()._default_options()
        options["DEFAULT"]["transport_url"] = self._transport_url
        options["notification"] = {"pipelines": "meter"}
        return options
