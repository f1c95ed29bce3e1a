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

"""Sends waiting lines before the agent ends.

At SIGTERM a worker of an agent finishes its polling cycle and calls
``os._exit``. (At SIGHUP its master sends it SIGTERM.) Exit handlers do not
run, and drivers and publishers are not notified. So this module wraps the
signal handler, which then waits for the publishers. Calls that publish in
the rest of the cycle wait too.
"""

import os
import signal
import threading
import time
import weakref

# Maximum of all waits together, well below Ceilometer's
# graceful_shutdown_timeout of 60 seconds.
WAIT_SECONDS = 5.0
_POLL_SECONDS = 0.01

_publishers: weakref.WeakSet = weakref.WeakSet()
# Remaining seconds to wait; None before the signal.
_left: float | None = None


# A forked child must not wait for the parent's publishers.
os.register_at_fork(after_in_child=_publishers.clear)


def watch(publisher):
    """Let the end of the process wait for a publisher or a lane.

    Wraps the handler of SIGTERM, if the process has one, as each agent
    does. This works in the main thread only.

    :param publisher: an object with ``hurry``, ``is_done`` and
        ``count_lost``, all safe in a signal handler
    """
    _publishers.add(publisher)
    handler = signal.getsignal(signal.SIGTERM)
    if (callable(handler) and not hasattr(handler, "waits_for_publishers")
            and threading.current_thread() is threading.main_thread()):
        signal.signal(signal.SIGTERM, _waiting(handler))


def _waiting(handler):
    def wait_and_handle(number, frame):
        global _left
        handler(number, frame)
        if _left is None:
            _left = WAIT_SECONDS
        for publisher in list(_publishers):
            publisher.hurry(time.monotonic() + _left)
        for publisher in list(_publishers):
            wait_if_ending(publisher)
            publisher.count_lost()
    wait_and_handle.waits_for_publishers = True
    return wait_and_handle


def wait_if_ending(publisher):
    """After SIGTERM, wait until a publisher has nothing left to send.

    All such waits together take at most ``WAIT_SECONDS``.

    :returns: False if that time is over and lines are left; else True
    """
    global _left
    while _left is not None and not publisher.is_done():
        if _left <= 0:
            return False
        began = time.monotonic()
        time.sleep(_POLL_SECONDS)
        _left -= time.monotonic() - began
    return True
