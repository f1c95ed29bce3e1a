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

"""Publishes at a steady rate, from a process of its own.

It ends as an agent does: at SIGTERM it finishes the call that it is in, and
then calls ``os._exit``.
"""

import os
import signal
import time
import typing

from benchmarks.common import workload
from lab import child

_LOOK_SECONDS = 0.02


class Load(child.Child):
    """Drives one sender. ``start(batches)`` publishes so many batches.

    :param make: makes the sender, in the process that publishes
    :param record: a :class:`~benchmarks.faults.account.Record`; a load that
        is started again goes on where the record ends
    :param rate: lines a second
    :param log_path: file for what the process prints
    """

    def __init__(self, make: typing.Callable, record, rate: int,
                 log_path: str):
        self.log_path = log_path
        self._make = make
        self._record = record
        self._batch_seconds = workload.BATCH / rate

    def start(self, batches: int) -> None:
        """Begin to publish; return once the sender is made."""
        self._record.set_done(False)
        super().start(batches)

    def wait(self, seconds: float) -> bool:
        """Wait until all is published; return whether it is, in that time."""
        until = time.monotonic() + seconds
        while not self._record.is_done and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
        return self._record.is_done

    def end(self, number: int, seconds: float) -> float | None:
        """End the process by a signal, or by SIGKILL if it stays.

        :param seconds: for which it may stay
        :returns: the seconds that it took; None if it stayed
        """
        begin = time.monotonic()
        os.kill(self.pid, number)
        self._process.join(seconds)
        took = time.monotonic() - begin
        ended = not self._process.is_alive()
        self.kill()
        return took if ended else None

    def _run(self, ready, batches):
        ending = []
        # Before the sender is made, as agents do it.
        signal.signal(signal.SIGTERM, lambda *_: ending.append(True))
        sender = self._make()
        ready()
        self._publish(sender, batches, ending)
        while not ending:
            time.sleep(_LOOK_SECONDS)
        os._exit(0)

    def _publish(self, sender, batches, ending):
        begun = self._record.begun
        start = time.monotonic()
        for number in range(begun, begun + batches):
            batch = workload.samples(number * workload.BATCH)
            wait = start + (
                number - begun) * self._batch_seconds - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            if ending:
                return
            self._record.begin(number)
            sender.publish(batch)
            # A call that a signal meets waits for its handler, as it should.
            if not ending:
                self._record.end(number)
        self._record.set_done(True)
