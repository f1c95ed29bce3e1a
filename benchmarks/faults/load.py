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

It ends as an agent does: at SIGTERM it finishes what it is at, and calls
``os._exit``.
"""

import os
import signal
import time

from benchmarks.common import child
from benchmarks.common import workload

_LOOK_SECONDS = 0.02


class Load:
    """Drives one sender; starts, and can be started again.

    :param make: makes the sender, in the process that publishes
    :param record: a :class:`~benchmarks.faults.account.Record`; what is
        started again goes on where it ends
    :param rate: lines a second
    :param log_path: for whatever the process prints
    """

    def __init__(self, make, record, rate, log_path):
        self._make = make
        self._record = record
        self._batch_seconds = workload.BATCH / rate
        self._log_path = log_path
        self._child = None

    @property
    def pid(self):
        return self._child.pid

    def start(self, batches):
        """Begin to publish; returns once the sender is made.

        :param batches: how many
        """
        self._record.set_done(False)
        self._child = child.start(self._run, batches)

    def wait(self, seconds):
        """Wait until all was published.

        :returns: whether it was, in that time
        """
        until = time.monotonic() + seconds
        while not self._record.is_done and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
        return self._record.is_done

    def end(self, number, seconds):
        """End the process by a signal, and by SIGKILL when it stays.

        :returns: how many seconds that took, None when it had to be killed
        """
        begin = time.monotonic()
        os.kill(self._child.pid, number)
        self._child.join(seconds)
        took = time.monotonic() - begin
        ended = not self._child.is_alive()
        self.close()
        return took if ended else None

    def close(self):
        """End the process if it is there."""
        if self._child is not None:
            self._child.kill()
            self._child.join()
            self._child = None

    def _run(self, tell_ready, batches):
        child.print_to(self._log_path)
        ending = []
        # Before the sender is made, as agents do it.
        signal.signal(signal.SIGTERM, lambda *_: ending.append(True))
        sender = self._make()
        self._record.open()
        tell_ready()
        self._publish(sender, batches, ending)
        while not ending:
            time.sleep(_LOOK_SECONDS)
        os._exit(0)

    def _publish(self, sender, batches, ending):
        begun = self._record.begun
        start = time.monotonic()
        for number in range(begun, begun + batches):
            batch = sender.prepare(number * workload.BATCH)
            wait = start + (
                number - begun) * self._batch_seconds - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            if ending:
                return
            self._record.begin(number)
            sender.publish(batch)
            # A caller that a signal met waits for that, as it should.
            if not ending:
                self._record.end(number)
        self._record.set_done(True)
