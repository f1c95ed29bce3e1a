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

import os
import threading
import time

from lab import child


class Ledger:
    """Which sequence numbers the application of a receiver has read.

    It has a byte for each, so it does not grow with what is read again.

    :param size: how many numbers there are
    """

    def __init__(self, size):
        self._marks = child.shared_bytes(size)
        # When something was read first, and how much was read.
        self._state = child.shared_doubles(2)
        self._lock = threading.Lock()

    def mark(self, numbers: list) -> None:
        """Note that numbers were read; those out of range are not ours."""
        with self._lock:
            if numbers and not self._state[0]:
                self._state[0] = time.monotonic()
            # First, because SIGKILL may come in between.
            self._state[1] += len(numbers)
            for number in numbers:
                if 0 <= number < len(self._marks):
                    self._marks[number] = 1

    def arm(self) -> None:
        """Forget when something was read for the first time."""
        self._state[0] = 0.0

    @property
    def first_read_at(self) -> float:
        """Monotonic seconds of the first :meth:`mark` since :meth:`arm`."""
        return self._state[0]

    @property
    def total(self) -> int:
        """How many were read; a number counts each time."""
        return int(self._state[1])

    def read(self, end: int) -> int:
        """Return how many different numbers below ``end`` were read."""
        return self._below(end).count(1)

    def missing(self, end: int) -> list:
        """Return the numbers below ``end`` that were not read."""
        return [number for number, mark in enumerate(self._below(end))
                if not mark]

    def _below(self, end):
        return memoryview(self._marks)[:end].tobytes()


class Record:
    """When each batch was published, and how long that took.

    One thread of one process writes it.

    :param size: how many batches there are at most
    """

    def __init__(self, size):
        # Batches that were begun, and whether all are published.
        self._state = child.shared_doubles(2)
        # Of each batch: when it was begun, what its call took, and the part
        # of that in which the kernel ran others. All pages are there from
        # the start, so this does not look like the sender's growth.
        self._begun, self._took, self._queued = (
            child.shared_doubles(size) for _ in range(3))
        self._schedule = None

    @property
    def begun(self) -> int:
        """How many batches were published, or are being."""
        return int(self._state[0])

    @property
    def is_done(self) -> bool:
        """Whether the load has published all that it was to publish."""
        return bool(self._state[1])

    def set_done(self, value: bool) -> None:
        self._state[1] = value

    def open(self) -> None:
        """Call this first in the thread that writes."""
        self._schedule = os.open("/proc/thread-self/schedstat", os.O_RDONLY)

    def begin(self, number: int) -> None:
        """Note that a batch is published from now on."""
        self._took[number] = -1.0
        self._queued[number] = -self._queued_seconds()
        self._begun[number] = time.monotonic()
        self._state[0] = number + 1

    def end(self, number: int) -> None:
        """Note that the call has returned."""
        self._took[number] = time.monotonic() - self._begun[number]
        self._queued[number] += self._queued_seconds()

    def begun_at(self, number: int) -> float:
        """Return the monotonic seconds of :meth:`begin` of a batch."""
        return self._begun[number]

    def held(self) -> list:
        """Return (seconds, queued) of each call that has returned.

        ``queued`` is the part of the seconds in which the thread could run
        and the kernel ran others.
        """
        return [(self._took[number], self._queued[number])
                for number in range(self.begun) if self._took[number] >= 0]

    def _queued_seconds(self):
        """Documentation/scheduler/sched-stats.rst of Linux."""
        return int(os.pread(self._schedule, 100, 0).split()[1]) / 1e9
