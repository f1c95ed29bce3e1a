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

"""Published and read lines, in memory that survives SIGKILL.

Both are made before the processes that write them are forked.
"""

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
        self._total = child.shared_doubles(1)
        self._lock = threading.Lock()

    def mark(self, numbers: list) -> None:
        """Note that numbers were read; those out of range are not ours."""
        with self._lock:
            # First, because SIGKILL may come in between.
            self._total[0] += len(numbers)
            for number in numbers:
                if 0 <= number < len(self._marks):
                    self._marks[number] = 1

    @property
    def total(self) -> int:
        """How many were read; a number counts each time."""
        return int(self._total[0])

    def read(self, end: int) -> int:
        """Return how many different numbers below ``end`` were read."""
        return memoryview(self._marks)[:end].tobytes().count(1)


class Record:
    """When each batch was published, and how long that took.

    One thread of one process writes it.

    :param size: how many batches there are at most
    """

    def __init__(self, size):
        # Batches that were begun, and whether all are published.
        self._state = child.shared_doubles(2)
        # Of each batch: when it was begun, what its call took, and CPU. All
        # pages are there from the start, so this does not look like the
        # sender's growth.
        self._begun, self._took, self._cpu = (
            child.shared_doubles(size) for _ in range(3))

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

    def begin(self, number: int) -> None:
        """Note that a batch is published from now on."""
        self._took[number] = -1.0
        self._cpu[number] = -time.thread_time()
        self._begun[number] = time.monotonic()
        self._state[0] = number + 1

    def end(self, number: int) -> None:
        """Note that the call has returned."""
        self._took[number] = time.monotonic() - self._begun[number]
        self._cpu[number] += time.thread_time()

    def begun_at(self, number: int) -> float:
        """Return the monotonic seconds of :meth:`begin` of a batch."""
        return self._begun[number]

    def held(self) -> tuple[list, list]:
        """Return what calls that returned took, sorted: seconds, and CPU."""
        ended = [number for number in range(self.begun)
                 if self._took[number] >= 0]
        return tuple(sorted(of[number] for number in ended)
                     for of in (self._took, self._cpu))
