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

from lab import documented
from lab import process

COMMAND = "carbon-c-relay"
HASHES = ("carbon_ch", "fnv1a_ch", "jump_fnv1a_ch")
_CONFIGURATION = """\
cluster graphite
    {cluster}
    ;
{statistics}match *
    send to graphite
    stop
    ;
listen
    type linemode{transport}
        127.0.0.1:{port} proto tcp
    ;
"""
_STATISTICS = """\
cluster statistics
    file {path}
    ;
statistics
    submit every 1 seconds
    prefix with relay
    send to statistics
    stop
    ;
"""


def _path(directory):
    return pathlib.Path(directory).absolute() / "relay.conf"


class Relay(process.Process):
    """Takes lines at `port` and sends them on.

    It asks no one for a certificate: version 3.7 cannot.

    :param directory: its configuration and its log.
    :param target_port: of what takes the lines, on loopback.
    :param certificate: a file with a certificate and its key, for TLS.
    """

    def __init__(self, directory, target_port, certificate=None):
        transport = (f" transport plain ssl {certificate}" if certificate
                     else "")
        # -s: no lines about itself.
        self._set_up(directory, ["-s"], transport=transport, statistics="",
                     cluster=f"forward 127.0.0.1:{target_port}")

    def _set_up(self, directory, options, **configuration):
        self.port, = process.free_ports(1)
        path = _path(directory)
        self._write(path, [*options, "-f", str(path)], _CONFIGURATION.format(
            port=self.port, **configuration))

    def _write(self, path, arguments, configuration):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(configuration)
        super().__init__("carbon-c-relay", [COMMAND, *arguments],
                         path.parent / "relay.log")

    def start(self):
        """Return when it listens."""
        super().start()
        self.wait_until(lambda: process.is_listening(self.port), 10,
                        f"carbon-c-relay on port {self.port}")


class HashingRelay(Relay):
    """Sends each series to the same one, or more, of several targets.

    :param target_ports: of what takes the lines, on loopback. Lines for one
        that is away wait for it in a queue.
    :param hashing: one of `HASHES`.
    :param replication: how many targets get a series.
    :param queue_size: lines that wait for a target at most.
    :param backlog: clients that may wait to be accepted.
    :ivar statistics_path: of the file to which it adds its numbers, each
        second, as lines of the plaintext protocol.
    """

    def __init__(self, directory, target_ports, hashing, replication=1,
                 queue_size=25000, backlog=32):
        self.statistics_path = pathlib.Path(directory).absolute() / "numbers"
        # Without names of its own, carbon_ch tells targets by their hosts.
        targets = "".join(f"\n        127.0.0.1:{port}=cache{number}"
                          for number, port in enumerate(target_ports))
        self._set_up(
            directory, ["-q", str(queue_size), "-B", str(backlog)],
            transport="",
            statistics=_STATISTICS.format(path=self.statistics_path),
            cluster=f"{hashing} replication {replication}{targets}")


class DocumentedRelay(Relay):
    """As the documentation shows it: over UDP too, and with tags.

    :param target_port: of what takes the lines, on loopback.
    """

    def __init__(self, directory, target_port):
        self.port, = process.free_ports(1)
        path = _path(directory)
        here = f"127.0.0.1:{self.port} proto "
        self._write(
            path,
            documented.arguments("carbon-c-relay.default",
                                 {"/etc/carbon-c-relay.conf": path}),
            documented.text("carbon-c-relay.conf", {
                "127.0.0.1:2103": f"127.0.0.1:{target_port}",
                "2003 proto ": here}))
