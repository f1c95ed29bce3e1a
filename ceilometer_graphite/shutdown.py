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

"""What is under way when the agent ends is sent first.

At SIGTERM, and at SIGHUP, which its master passes on as SIGTERM, a worker of
an agent finishes its polling cycle and ends by ``os._exit``: no exit handler
runs and no driver or publisher is told. So the handler of the signal is
wrapped, and waits.
"""

import os
import signal
import threading
import time
import weakref

# Well below Ceilometer's graceful_shutdown_timeout of 60 seconds.
WAIT_SECONDS = 5.0
_POLL_SECONDS = 0.01

_publishers: weakref.WeakSet = weakref.WeakSet()
_ends_by = None


# The parent's publishers are none of a child's.
os.register_at_fork(after_in_child=_publishers.clear)


def watch(publisher):
    """Let the end of the process wait for a publisher's lines.

    Does nothing but in the main thread of a process that handles SIGTERM,
    as each agent does.
    """
    _publishers.add(publisher)
    handler = signal.getsignal(signal.SIGTERM)
    if (callable(handler) and not hasattr(handler, "waits_for_publishers")
            and threading.current_thread() is threading.main_thread()):
        signal.signal(signal.SIGTERM, _waiting(handler))


def _waiting(handler):
    def wait_and_handle(number, frame):
        global _ends_by
        handler(number, frame)
        _ends_by = time.monotonic() + WAIT_SECONDS
        for publisher in list(_publishers):
            publisher.hurry(_ends_by)
        for publisher in list(_publishers):
            if not wait_if_ending(publisher):
                publisher.count_lost()
    wait_and_handle.waits_for_publishers = True
    return wait_and_handle


def wait_if_ending(publisher):
    """After SIGTERM, wait until a publisher has nothing left to send.

    Waits until ``WAIT_SECONDS`` after the signal at most.

    :returns: whether it has nothing left, or there was no signal
    """
    while _ends_by is not None and not publisher.is_done():
        if time.monotonic() >= _ends_by:
            return False
        time.sleep(_POLL_SECONDS)
    return True
