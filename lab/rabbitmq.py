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

"""RabbitMQ from Debian, as a process on loopback."""

import pathlib
import re

from lab import process

# The server itself. The wrapper in /usr/sbin needs root.
SERVER = pathlib.Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
PACKAGE = "rabbitmq-server"
START_SECONDS = 180


class RabbitMQ(process.Process):
    """A broker without plugins, with a node name and an epmd of its own.

    :param directory: folder for its configuration, its data and its logs,
        rabbitmq.log and epmd.log.
    :ivar port: port for AMQP.
    :raises LabError: if it is not installed.
    """

    def __init__(self, directory):
        if not SERVER.exists():
            raise process.LabError(
                f"{SERVER} is missing: install Debian's package {PACKAGE}")
        self.directory = process.folder(directory)
        self.port, self._node_port, self._epmd_port = process.free_ports(3)
        self._write_conf()
        # Otherwise it starts one as a daemon, which nobody ends.
        self._epmd = process.Process(
            "epmd", ["epmd", "-port", str(self._epmd_port),
                     "-address", "127.0.0.1"], self.directory / "epmd.log")
        super().__init__(PACKAGE, [str(SERVER)],
                         self.directory / "rabbitmq.log",
                         env=self._environment(), cwd=self.directory)

    def _write_conf(self):
        (self.directory / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "log.console = true\n"
            "log.file = false\n")
        (self.directory / "rabbitmq-env.conf").touch()
        (self.directory / "enabled_plugins").write_text("[].\n")

    def _environment(self):
        directory = str(self.directory)
        return {
            "ERL_EPMD_PORT": str(self._epmd_port),
            "HOME": directory,  # for the cookie
            # The server replaces the shell, so it gets the signals.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_CONF_ENV_FILE": f"{directory}/rabbitmq-env.conf",
            "RABBITMQ_CONFIG_FILE": f"{directory}/rabbitmq.conf",
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{directory}/enabled_plugins",
            "RABBITMQ_LOG_BASE": directory,
            "RABBITMQ_MNESIA_BASE": f"{directory}/mnesia",
            "RABBITMQ_NODENAME": f"lab-{self.port}@localhost",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
                "-noinput -kernel inet_dist_use_interface {127,0,0,1}",
        }

    def start(self):
        """Start it; return when it accepts connections."""
        offset = len(self.log_text())
        self._epmd.start()
        self._epmd.wait_until(
            lambda: process.is_listening(self._epmd_port), START_SECONDS,
            "epmd")
        super().start()
        self.wait_for_log("Server startup complete", START_SECONDS,
                          start=offset)

    def terminate(self, timeout_seconds=20):
        """End it and its epmd."""
        try:
            return super().terminate(timeout_seconds)
        finally:
            self._epmd.terminate()

    def kill(self):
        """Kill it and its epmd."""
        try:
            return super().kill()
        finally:
            self._epmd.kill()

    @property
    def url(self):
        """The `transport_url` of oslo.messaging."""
        return f"rabbit://guest:guest@127.0.0.1:{self.port}/"

    def version(self):
        """Return the versions that it logs at its start."""
        found = re.search(r"Starting (RabbitMQ \S+ on Erlang \S+)",
                          self.log_text())
        return found[1] if found else "RabbitMQ of an unknown version"
