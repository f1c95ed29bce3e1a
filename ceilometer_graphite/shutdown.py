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

_senders = weakref.WeakSet()
_ends_by = None


# The parent's senders are none of a child's.
os.register_at_fork(after_in_child=_senders.clear)


def watch(sender):
    """Let the end of the process wait for a sender's lines.

    Does nothing but in the main thread of a process that handles SIGTERM,
    as each agent does.
    """
    _senders.add(sender)
    handler = signal.getsignal(signal.SIGTERM)
    if (callable(handler) and not hasattr(handler, "waits_for_senders")
            and threading.current_thread() is threading.main_thread()):
        signal.signal(signal.SIGTERM, _waiting(handler))


def _waiting(handler):
    def wait_and_handle(number, frame):
        global _ends_by
        handler(number, frame)
        _ends_by = time.monotonic() + WAIT_SECONDS
        for sender in list(_senders):
            sender.end()
        for sender in list(_senders):
            wait_if_ending(sender)
    wait_and_handle.waits_for_senders = True
    return wait_and_handle


def wait_if_ending(sender):
    """After SIGTERM, wait until a sender has nothing left to send.

    Waits until ``WAIT_SECONDS`` after the signal at most.
    """
    while (_ends_by is not None and not sender.is_idle()
           and time.monotonic() < _ends_by):
        time.sleep(_POLL_SECONDS)
