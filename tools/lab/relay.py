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
"""carbon-c-relay, of the distribution, before whatever takes lines."""

import pathlib

from tools.lab import process

COMMAND = "carbon-c-relay"
_CONFIGURATION = """\
cluster graphite
    forward
        127.0.0.1:{target_port}
    ;
match *
    send to graphite
    stop
    ;
listen
    type linemode{transport}
        127.0.0.1:{port} proto tcp
    ;
"""


class Relay(process.Process):
    """Takes lines at `port` and sends them on.

    It asks no one for a certificate: version 3.7 cannot.

    :param directory: its configuration and its log.
    :param target_port: of what takes the lines, on loopback.
    :param certificate: a file with a certificate and its key, for TLS.
    """

    def __init__(self, directory, target_port, certificate=None):
        directory = pathlib.Path(directory).absolute()
        directory.mkdir(parents=True, exist_ok=True)
        self.port, = process.free_ports(1)
        transport = (f" transport plain ssl {certificate}" if certificate
                     else "")
        path = directory / "relay.conf"
        path.write_text(_CONFIGURATION.format(
            target_port=target_port, port=self.port, transport=transport))
        # -s: no lines about itself.
        super().__init__("carbon-c-relay", [COMMAND, "-s", "-f", str(path)],
                         directory / "relay.log")

    def start(self):
        """Return when it listens."""
        super().start()
        self.wait_until(lambda: process.is_listening(self.port), 10,
                        f"carbon-c-relay on port {self.port}")
