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

"""HAProxy in front of a receiver."""

import pathlib

from lab import documented
from lab import process

COMMAND = "haproxy"


class HAProxy(process.Process):
    """Accepts lines on ``port``, and closes idle connections.

    :param directory: folder for its configuration and its log
    :param target_port: loopback port of the receiver
    :param idle_seconds: seconds after which it closes an idle connection
    :param certificate: path of a file with a certificate and its key, for TLS
    """

    def __init__(self, directory: pathlib.Path, target_port: int,
                 idle_seconds: float = 60,
                 certificate: pathlib.Path | None = None) -> None:
        self.port, = process.free_ports(1)
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "haproxy.cfg"
        transport = f" ssl crt {certificate}" if certificate else ""
        path.write_text(documented.text("haproxy.cfg", {
            "bind :2003": f"bind 127.0.0.1:{self.port}{transport}",
            "graphite.example.com:2003": f"127.0.0.1:{target_port}",
            "60s": f"{idle_seconds}s"}))
        super().__init__("HAProxy", [COMMAND, "-db", "-f", str(path)],
                         directory / "haproxy.log")

    def start(self) -> None:
        """Start it; return when it listens."""
        super().start()
        self.wait_until(lambda: process.is_listening(self.port), 10,
                        f"HAProxy on port {self.port}")
