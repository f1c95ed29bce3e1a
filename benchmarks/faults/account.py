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

"""Published and read lines, in shared memory that survives SIGKILL.

Create both objects before the fork of the processes that write to them.
"""

import threading
import time

from lab import child


class Ledger:
    """The sequence numbers that a receiver's application has read.

    It needs one byte per number, however often a number is read.

    :param size: how many numbers there are
    """

    def __init__(self, size):
        self._marks = child.shared_bytes(size)
        self._total = child.shared_doubles(1)
        self._lock = threading.Lock()

    def mark(self, numbers: list) -> None:
        """Record that numbers were read; ignore those out of range."""
        with self._lock:
            # First, because SIGKILL may interrupt the loop.
            self._total[0] += len(numbers)
            for number in numbers:
                if 0 <= number < len(self._marks):
                    self._marks[number] = 1

    @property
    def total(self) -> int:
        """How many numbers were read, including repetitions."""
        return int(self._total[0])

    def read(self, end: int) -> int:
        """Return how many different numbers below ``end`` were read."""
        return memoryview(self._marks)[:end].tobytes().count(1)


class Record:
    """Start and duration of each call that published a batch.

    Only one thread of one process writes to it.

    :param size: maximum number of batches
    """

    def __init__(self, size):
        # The number of batches begun, and whether all are published.
        self._state = child.shared_doubles(2)
        # For each batch: its start, its duration, and its CPU time. All
        # pages exist from the start, so they do not count as growth of the
        # sender's memory.
        self._begun, self._took, self._cpu = (
            child.shared_doubles(size) for _ in range(3))

    @property
    def begun(self) -> int:
        """How many batches were published or are being published."""
        return int(self._state[0])

    @property
    def is_done(self) -> bool:
        """Whether the load has published everything."""
        return bool(self._state[1])

    def set_done(self, value: bool) -> None:
        self._state[1] = value

    def begin(self, number: int) -> None:
        """Record that the call for a batch begins."""
        self._took[number] = -1.0
        self._cpu[number] = -time.thread_time()
        self._begun[number] = time.monotonic()
        self._state[0] = number + 1

    def end(self, number: int) -> None:
        """Record that the call has returned."""
        self._took[number] = time.monotonic() - self._begun[number]
        self._cpu[number] += time.thread_time()

    def begun_at(self, number: int) -> float:
        """Return the monotonic time of :meth:`begin` for a batch."""
        return self._begun[number]

    def held(self) -> tuple[list, list]:
        """Return sorted durations and CPU seconds of calls that returned."""
        ended = [number for number in range(self.begun)
                 if self._took[number] >= 0]
        return tuple(sorted(of[number] for number in ended)
                     for of in (self._took, self._cpu))
