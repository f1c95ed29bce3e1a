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

"""Publishes at a steady rate, in its own process.

It ends like an agent: at SIGTERM it finishes the current call, and then calls
``os._exit``.
"""

import os
import signal
import time
import typing

from benchmarks.common import workload
from lab import child

_LOOK_SECONDS = 0.02


class Load(child.Child):
    """Publishes batches with one sender.

    :param make: creates the sender, in the process that publishes
    :param record: a :class:`~benchmarks.faults.account.Record`; a restarted
        load continues where the record ends
    :param rate: lines per second
    :param log_path: file for the output of the process
    """

    def __init__(self, make: typing.Callable, record, rate: int,
                 log_path: str):
        self.log_path = log_path
        self._make = make
        self._record = record
        self._batch_seconds = workload.BATCH / rate

    def start(self, batches: int) -> None:
        """Begin to publish; return when the sender exists.

        :param batches: how many to publish
        """
        self._record.set_done(False)
        super().start(batches)

    def wait(self, seconds: float) -> bool:
        """Wait some seconds at most; return whether all is published."""
        until = time.monotonic() + seconds
        while not self._record.is_done and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
        return self._record.is_done

    def end(self, number: int, seconds: float) -> float | None:
        """End the process by a signal, or by SIGKILL after some seconds.

        :returns: seconds until the process ended, None if it needed SIGKILL
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
        # Agents do this before they create publishers, too.
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
            # A call during SIGTERM may wait until the lines are sent.
            if not ending:
                self._record.end(number)
        self._record.set_done(True)
