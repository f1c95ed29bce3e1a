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

"""A thread for each publisher or driver that may wait."""

import collections
from collections.abc import Callable
import logging
import os
import threading
import time
import typing
import weakref

from oslo_log import log

from ceilometer_graphite import shutdown
from ceilometer_graphite import throttle

LOG = log.getLogger(__name__)

# A notification of 50 samples takes about 100 kB, so a queue takes about
# 20 MB at most.
QUEUED_CALLS = 200
_FIRST_DELAY_SECONDS = 1.0
_MAX_DELAY_SECONDS = 60.0
# A longer call hangs, and the end of the process does not wait for it.
_HANGS_SECONDS = 1.0
# oslo.messaging does not raise when it cannot send: it logs the whole payload.
_MESSAGING = "oslo_messaging.notify"


class _Failures(logging.Filter):
    """Filter that keeps one thread's errors out of the log and notes them."""

    def __init__(self) -> None:
        super().__init__()
        self.thread: int | None = None
        self.noted: str | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        if (record.thread != self.thread or record.levelno < logging.ERROR):
            return True
        error = record.exc_info[1] if record.exc_info else None
        self.noted = str(error or "it could not send")
        return False


class Lane:
    """Runs calls of one function in a thread, behind a bounded queue.

    The caller never waits. When the queue is full, the oldest call is
    dropped. After a failed call the thread pauses, longer each time, up to
    a minute. Dropped and failed calls are not retried. The end of the
    process waits for queued calls, unless calls fail or hang
    (:mod:`~ceilometer_graphite.shutdown`). A forked child starts with an
    empty lane.

    :param name: name of the called driver or pipeline, for the log
    :param call: the function; may wait and may raise
    :param dropped: called with the number of calls that were dropped or
        failed
    """

    def __init__(self, name: str, call: Callable[..., typing.Any],
                 dropped: Callable[[int], typing.Any]) -> None:
        self._name = name
        self._call = call
        self._dropped = dropped
        self._throttle = throttle.Throttle(LOG)
        self._start_over()
        _lanes.add(self)
        shutdown.watch(self)

    def _start_over(self) -> None:
        self._waiting: collections.deque = collections.deque()
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        # Start of the current call, in monotonic seconds, or None.
        self._began: float | None = None
        self._is_failing = False

    def put(self, *args: typing.Any) -> None:
        """Queue a call with these arguments."""
        with self._condition:
            is_full = len(self._waiting) == QUEUED_CALLS
            if is_full:
                self._waiting.popleft()
            self._waiting.append(args)
            if self._thread is None:
                self._start_locked()
            self._condition.notify()
        if is_full:
            self._lost("its queue of %d calls is full" % QUEUED_CALLS)
        shutdown.wait_if_ending(self)

    def is_idle(self) -> bool:
        """Whether no call is queued or running."""
        return not self._waiting and self._began is None

    def hurry(self, until: float) -> None:
        """Do nothing: a lane never delays a call that may succeed."""

    def is_done(self) -> bool:
        """Whether nothing is queued, or calls fail or hang.

        Takes no lock, because a signal handler calls it.
        """
        began = self._began
        return self.is_idle() or self._is_failing or (
            began is not None and time.monotonic() - began > _HANGS_SECONDS)

    def count_lost(self) -> int:
        """At the end of the process, count the remaining calls as lost."""
        lost = len(self._waiting) + (self._began is not None)
        if lost:
            self._lost("the agent ended", lost)
        return lost

    def _start_locked(self) -> None:
        thread = threading.Thread(
            target=self._run, name="graphite-lane", daemon=True)
        try:
            thread.start()
            self._thread = thread
        except RuntimeError as e:
            self._throttle.log(logging.ERROR, "start", "No thread for %s, "
                               "its calls wait: %s", self._name, e)

    def _run(self) -> None:
        failures = _Failures()
        failures.thread = threading.get_ident()
        for name in (_MESSAGING, _MESSAGING + ".messaging"):
            logging.getLogger(name).addFilter(failures)
        delay = _FIRST_DELAY_SECONDS
        while True:
            with self._condition:
                while not self._waiting:
                    self._condition.wait()
                self._began = time.monotonic()
                args = self._waiting.popleft()
            problem = self._try(args, failures)
            self._is_failing = problem is not None
            self._began = None
            if problem is None:
                delay = _FIRST_DELAY_SECONDS
            else:
                self._lost(problem)
                _pause(delay)
                delay = min(delay * 2, _MAX_DELAY_SECONDS)

    def _try(self, args: tuple, failures: _Failures) -> str | None:
        """Call once, and return the problem or None."""
        failures.noted = None
        try:
            self._call(*args)
        except Exception as e:
            return str(e) or type(e).__name__
        return failures.noted

    def _lost(self, problem: str, count: int = 1) -> None:
        self._dropped(count)
        self._throttle.log(
            logging.WARNING, "lost", "%s did not get notifications or "
            "samples: %s. Graphite still gets its lines", self._name, problem)


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


_lanes: "weakref.WeakSet[Lane]" = weakref.WeakSet()


def _start_over_after_fork() -> None:
    for lane in list(_lanes):
        lane._start_over()


os.register_at_fork(after_in_child=_start_over_after_fork)
