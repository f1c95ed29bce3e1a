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
"""carbon-c-relay from the distribution, in front of a receiver."""

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
    """Accepts lines on `port` and forwards them.

    It does not verify clients, because version 3.7 cannot.

    :param directory: folder for its configuration and its log.
    :param target_port: loopback port of the receiver.
    :param certificate: path of a file with a certificate and its key, for
        TLS.
    """

    def __init__(self, directory, target_port, certificate=None):
        transport = (f" transport plain ssl {certificate}" if certificate
                     else "")
        # -s: no series about itself.
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
        """Start it; return when it listens."""
        super().start()
        self.wait_until(lambda: process.is_listening(self.port), 10,
                        f"carbon-c-relay on port {self.port}")


class HashingRelay(Relay):
    """Forwards each series to one or more of several targets, by a hash.

    :param target_ports: loopback ports of the receivers. Lines for a receiver
        that is down wait in a queue.
    :param hashing: one of `HASHES`.
    :param replication: number of targets that get a series.
    :param queue_size: maximum lines that wait for a target.
    :param backlog: maximum clients that wait to be accepted.
    :ivar statistics_path: path of a file. It appends its statistics there
        each second, as lines of the plaintext protocol.
    """

    def __init__(self, directory, target_ports, hashing, replication=1,
                 queue_size=25000, backlog=32):
        self.statistics_path = pathlib.Path(directory).absolute() / "numbers"
        # carbon_ch hashes these names. Without them it hashes only the hosts.
        targets = "".join(f"\n        127.0.0.1:{port}=cache{number}"
                          for number, port in enumerate(target_ports))
        self._set_up(
            directory, ["-q", str(queue_size), "-B", str(backlog)],
            transport="",
            statistics=_STATISTICS.format(path=self.statistics_path),
            cluster=f"{hashing} replication {replication}{targets}")


class DocumentedRelay(Relay):
    """A relay with the configuration from the documentation.

    :param target_port: loopback port of the receiver.
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
