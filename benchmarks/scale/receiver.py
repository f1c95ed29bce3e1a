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

"""A receiver in a process of its own that notes when it read each line."""

import os
import socket
import struct
import threading
import time
import typing

from benchmarks.common import child
from lab import process

_READ_BYTES = 65536
_CHUNK = struct.Struct("dI")
# What the publisher says of itself is no sample.
_OWN_BRANCH = b".graphite_publisher."


class Line(typing.NamedTuple):
    """A line that arrived.

    :ivar at: epoch seconds, when the application had read it
    """

    at: float
    path: str
    second: int


class Receiver:
    """Takes lines by TCP on loopback.

    :param path: of a file, for what it reads
    :ivar port: where it listens
    """

    def __init__(self, path):
        self.port, = process.free_ports(1)
        self._path = path
        self._count = child.shared_doubles(1)
        self._lock = threading.Lock()
        self._child = None

    @property
    def count(self):
        """How many lines it has read."""
        return int(self._count[0])

    def start(self):
        """Return when it listens."""
        self._child = child.start(self._run)

    def kill(self):
        """End it."""
        if self._child is not None:
            self._child.kill()
            self._child.join()

    def lines(self):
        """All that it has read, as a list of :class:`Line`."""
        found = []
        data = memoryview(self._path.read_bytes())
        while data:
            at, size = _CHUNK.unpack_from(data)
            chunk = bytes(data[_CHUNK.size:_CHUNK.size + size])
            data = data[_CHUNK.size + size:]
            for line in chunk.splitlines():
                if _OWN_BRANCH not in line:
                    path, _, second = line.decode("ascii").split()
                    found.append(Line(at, path, int(second)))
        return found

    def _run(self, tell_ready):
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        server = socket.create_server(("127.0.0.1", self.port))
        tell_ready()
        while True:
            connection, _ = server.accept()
            threading.Thread(target=self._read, args=(connection, file),
                             daemon=True).start()

    def _read(self, connection, file):
        rest = b""
        while data := connection.recv(_READ_BYTES):
            at = time.time()
            lines, end, rest = (rest + data).rpartition(b"\n")
            lines += end
            with self._lock:
                os.write(file, _CHUNK.pack(at, len(lines)) + lines)
                self._count[0] += lines.count(b"\n") - lines.count(
                    _OWN_BRANCH)
