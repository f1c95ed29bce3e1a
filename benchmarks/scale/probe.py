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

"""Runs ceilometer-polling, and records its notifications.

``python -m benchmarks.scale.probe GO FILE DRIVER ARGUMENTS``: the arguments
are those of ceilometer-polling. Before each polling cycle it appends the line
``"ready"`` to FILE, and waits for a byte from the FIFO GO. It writes a line
for each notification, which :mod:`~benchmarks.scale.records` reads, and
``"done"`` after the cycle. The times in samples are always a minute apart,
however long the other agents' turns take, because rates need regular samples.
The agent is otherwise unchanged.
"""

import datetime
import functools
from importlib import metadata
import json
import os
import sys
import threading
import time

from ceilometer.cmd import polling
from ceilometer.polling import manager

_GROUP = "oslo.messaging.notify.drivers"
_SENDER = "graphite-sender"


class Probe:
    """Wraps functions of the agent.

    :param go: path of the FIFO
    :param path: path of the file
    """

    def __init__(self, go, path):
        self._go = os.open(go, os.O_RDWR)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._began = datetime.datetime.now(datetime.timezone.utc).replace(
            microsecond=0)
        self._cycle = 0

    def wrap_cycle(self, poll):
        """Return a ``poll_and_notify`` that waits for the FIFO first."""
        @functools.wraps(poll)
        def call(task):
            self._write("ready")
            os.read(self._go, 1)
            self._cycle += 1
            try:
                return poll(task)
            finally:
                self._write("done")
        return call

    def wrap_notify(self, notify):
        """Return a driver's ``notify`` that also records its CPU time."""
        @functools.wraps(notify)
        def call(driver, ctxt, message, priority, retry):
            at = time.time()
            samples = message["payload"]["samples"]
            polled = samples[0]["timestamp"]
            second = self._shift(samples)
            cpu = time.thread_time()
            try:
                return notify(driver, ctxt, message, priority, retry)
            finally:
                cpu = time.thread_time() - cpu
                self._write({
                    "at": at, "cpu": cpu, "sender": _sender(),
                    "timestamp": polled, "second": second,
                    "meter": samples[0]["counter_name"],
                    "resources": [each["resource_id"] for each in samples]})
        return call

    def _shift(self, samples):
        """Set the samples' times to the cycle's; return its second."""
        passed = datetime.timedelta(minutes=self._cycle)
        timestamp = self._began + passed
        text = timestamp.replace(tzinfo=None).isoformat()
        for each in samples:
            each["timestamp"] = text
            if each.get("monotonic_time") is not None:
                each["monotonic_time"] = passed.total_seconds()
        return int(timestamp.timestamp())

    def _write(self, record):
        os.write(self._file, json.dumps(record).encode() + b"\n")


def _sender():
    """Return the native id of the publisher's network thread, or None."""
    return next((thread.native_id for thread in threading.enumerate()
                 if thread.name == _SENDER), None)


def main():
    go, path, name, *arguments = sys.argv[1:]
    probe = Probe(go, path)
    entry_point, = metadata.entry_points(group=_GROUP, name=name)
    driver = entry_point.load()
    driver.notify = probe.wrap_notify(driver.notify)
    print("Ceilometer of", manager.__file__)
    task = manager.PollingTask
    task.poll_and_notify = probe.wrap_cycle(task.poll_and_notify)
    sys.argv = ["ceilometer-polling", *arguments]
    polling.main()


if __name__ == "__main__":
    main()
