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

"""A receiver that records when it read each line."""

import struct
import threading
import time
import typing

from benchmarks.common import protocols
from benchmarks.common import receiver
from lab import child

_HEAD = struct.Struct("dI")
# The publisher's own series are not samples.
_OWN_BRANCH = b".graphite_publisher."


class Line(typing.NamedTuple):
    """A line that arrived.

    :ivar at: epoch seconds when the application had read it
    """

    at: float
    path: str
    second: int


class Receiver(receiver.Receiver):
    """Receives lines by TCP on loopback.

    :param path: file for what it reads
    """

    def __init__(self, path):
        super().__init__(protocols.WholeLines, self._write)
        self._path = path
        self._count = child.shared_doubles(1)
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """How many lines it has read, without the publisher's own."""
        return int(self._count[0])

    def lines(self) -> list:
        """Return each :class:`Line` that it has read."""
        found = []
        data = memoryview(self._path.read_bytes())
        while data:
            at, size = _HEAD.unpack_from(data)
            end = _HEAD.size + size
            for line in bytes(data[_HEAD.size:end]).splitlines():
                if _OWN_BRANCH not in line:
                    path, _, second = line.decode("ascii").split()
                    found.append(Line(at, path, int(second)))
            data = data[end:]
        return found

    def _write(self, lines):
        at = time.time()
        with self._lock:
            with self._path.open("ab") as file:
                file.write(_HEAD.pack(at, len(lines)) + lines)
            self._count[0] += lines.count(b"\n") - lines.count(_OWN_BRANCH)
