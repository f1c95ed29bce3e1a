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

"""Runs ceilometer-polling, and records what it hands to its driver.

``python -m benchmarks.scale.probe FILE DRIVER ARGUMENTS``: the arguments are
those of ceilometer-polling; each notification becomes a line of FILE that
:mod:`~benchmarks.scale.records` reads. Nothing else of the agent is changed.
"""

import functools
from importlib import metadata
import json
import os
import sys
import threading
import time

from ceilometer.cmd import polling

_GROUP = "oslo.messaging.notify.drivers"
_SENDER = "graphite-sender"


def _recorded(notify, path):
    """A driver's ``notify``, with the CPU that its thread spends in it."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    @functools.wraps(notify)
    def call(driver, ctxt, message, priority, retry):
        at = time.time()
        cpu = time.thread_time()
        try:
            return notify(driver, ctxt, message, priority, retry)
        finally:
            cpu = time.thread_time() - cpu
            os.write(file, _record(at, cpu, message["payload"]["samples"]))
    return call


def _record(at, cpu, samples):
    return json.dumps({
        "at": at, "cpu": cpu, "sender": _sender(),
        "timestamp": samples[0]["timestamp"],
        "meter": samples[0]["counter_name"],
        "resources": [sample["resource_id"] for sample in samples],
    }).encode() + b"\n"


def _sender():
    """The kernel's id of the publisher's thread, None without one."""
    return next((thread.native_id for thread in threading.enumerate()
                 if thread.name == _SENDER), None)


def main():
    path, name, *arguments = sys.argv[1:]
    entry_point, = metadata.entry_points(group=_GROUP, name=name)
    driver = entry_point.load()
    driver.notify = _recorded(driver.notify, path)
    sys.argv = ["ceilometer-polling", *arguments]
    polling.main()


if __name__ == "__main__":
    main()
