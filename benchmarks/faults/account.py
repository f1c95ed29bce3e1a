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

"""What was published and what was read, in memory that outlives SIGKILL.

Both are made before the processes that write them are forked.
"""

import mmap
import os
import struct
import threading
import time

_DOUBLE = struct.Struct("d")


class Ledger:
    """Which sequence numbers the application of a receiver has read.

    It has a byte for each, so it does not grow with what is read again.

    :param size: how many numbers there are
    """

    _HEADER = 2 * _DOUBLE.size

    def __init__(self, size):
        self._size = size
        self._map = mmap.mmap(-1, self._HEADER + size)
        self._lock = threading.Lock()

    def mark(self, numbers: list) -> None:
        """Note that numbers were read; those out of range are not ours."""
        with self._lock:
            if numbers and not self.first_read_at:
                _DOUBLE.pack_into(self._map, 0, time.monotonic())
            # First, because SIGKILL may come in between.
            _DOUBLE.pack_into(self._map, _DOUBLE.size,
                              self.total + len(numbers))
            for number in numbers:
                if 0 <= number < self._size:
                    self._map[self._HEADER + number] = 1

    @property
    def first_read_at(self) -> float:
        """Monotonic seconds of the first :meth:`mark` since :meth:`arm`."""
        return _DOUBLE.unpack_from(self._map, 0)[0]

    def arm(self) -> None:
        """Forget when something was read for the first time."""
        _DOUBLE.pack_into(self._map, 0, 0.0)

    @property
    def total(self) -> int:
        """How many were read; a number counts each time."""
        return int(_DOUBLE.unpack_from(self._map, _DOUBLE.size)[0])

    def read(self, end: int) -> int:
        """Return how many different numbers below ``end`` were read."""
        return self._map[self._HEADER:self._HEADER + end].count(1)

    def missing(self, end: int) -> list:
        """Return the numbers below ``end`` that were not read."""
        marks = self._map[self._HEADER:self._HEADER + end]
        return [number for number, mark in enumerate(marks) if not mark]


class Record:
    """When each batch was published, and how long that took.

    One thread of one process writes it.

    :param size: how many batches there are at most
    """

    _HEADER = 2
    _FIELDS = 3

    def __init__(self, size):
        self._map = mmap.mmap(
            -1, (self._HEADER + self._FIELDS * size) * _DOUBLE.size)
        # All pages are there from the start: this is not the sender's growth.
        self._map.write(bytes(len(self._map)))
        self._values = memoryview(self._map).cast("d")
        self._schedule = None
        self._queued_before = 0.0

    @property
    def begun(self) -> int:
        """How many batches were published, or are being."""
        return int(self._values[0])

    @property
    def is_done(self) -> bool:
        """Whether the load has published all that it was to publish."""
        return bool(self._values[1])

    def set_done(self, value: bool) -> None:
        self._values[1] = value

    def open(self) -> None:
        """Call this first in the thread that writes."""
        self._schedule = os.open("/proc/thread-self/schedstat", os.O_RDONLY)

    def begin(self, number: int) -> None:
        """Note that a batch is published from now on."""
        index = self._index(number)
        self._values[index + 1] = -1.0
        self._queued_before = self._queued()
        self._values[index] = time.monotonic()
        self._values[0] = number + 1

    def end(self, number: int) -> None:
        """Note that the call has returned."""
        took = time.monotonic() - self.begun_at(number)
        index = self._index(number)
        self._values[index + 1] = took
        self._values[index + 2] = self._queued() - self._queued_before

    def begun_at(self, number: int) -> float:
        """Return the monotonic seconds of :meth:`begin` of a batch."""
        return self._values[self._index(number)]

    def held(self) -> list:
        """Return (seconds, queued) of each call that has returned.

        ``queued`` is the part of the seconds in which the thread could run
        and the kernel ran others.
        """
        calls = (self._values[index + 1:index + 3].tolist()
                 for index in map(self._index, range(self.begun)))
        return [tuple(call) for call in calls if call[0] >= 0]

    def _index(self, number):
        return self._HEADER + self._FIELDS * number

    def _queued(self):
        """Seconds; Documentation/scheduler/sched-stats.rst of Linux."""
        return int(os.pread(self._schedule, 100, 0).split()[1]) / 1e9
