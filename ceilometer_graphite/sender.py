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

"""The network thread, which sends lines to Graphite in transactions."""

import collections
from collections.abc import Callable
import logging
import os
import random
import select
import threading
import time
import typing

from oslo_log import log

from ceilometer_graphite import outbox
from ceilometer_graphite import stats
from ceilometer_graphite import throttle
from ceilometer_graphite import transports

LOG = log.getLogger(__name__)

# Wait for more batches, since a pollster's come within a moment.
LINGER_SECONDS = 0.2
# A transaction ends after this time without lines, or at this age or size.
QUIET_SECONDS = 0.5
AGE_SECONDS = 5.0
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
# Bytes of one send.
_SEND_BYTES = 65536
# The backlog is sent in parts; each is for this many seconds.
_BACKLOG_SECONDS = 0.25
_FIRST_DELAY_SECONDS = 0.2
# A peer that closes connections sooner than this, and more often in a row,
# does not close them because they are idle.
_AT_ONCE_SECONDS = 1.0
_AT_ONCE_TIMES = 3
# A connection that is kept counts as good after this time.
_SETTLED_SECONDS = 5.0
# At the end, an endpoint that hangs has to leave time for the others.
_LAST_PATIENCE_SECONDS = 1.5
_FAULT_DELAY_SECONDS = 1.0
_HURRIED_PAUSE_SECONDS = 0.05


class Sender:
    """Delivers the lines of an outbox from a thread of its own.

    See the page on reliability for the rules. Nobody waits for it but
    :meth:`close`.

    :param settings: of :mod:`~ceilometer_graphite.settings`
    :param box: the :class:`~ceilometer_graphite.outbox.Outbox`
    :param transport: of :mod:`~ceilometer_graphite.transports`
    :param counts: a :class:`~ceilometer_graphite.stats.Counts`
    :param report: called when its thread should put the publisher's own
        series into the outbox; returns the seconds to the next report, or
        None for never
    :param clock: monotonic seconds
    """

    def __init__(self, settings, box: outbox.Outbox, transport,
                 counts: stats.Counts,
                 report: Callable[[], float | None],
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._endpoints = collections.deque(settings.endpoints)
        self._settings = settings
        self._box = box
        self._transport = transport
        self._counts = counts
        self._report = report
        self._clock = clock
        self._delay = _FIRST_DELAY_SECONDS
        self._throttle = throttle.Throttle(LOG)
        self._largest = min(MAX_TRANSACTION_BYTES, settings.buffer_size // 2)
        self._limit = self._largest
        self._state: tuple = ()
        self._good: set[tuple[str, int]] = set()  # have confirmed lines
        self._connected_at = clock()
        self._sent = self._sends = 0  # bytes and calls of this transaction
        self._failures = self._closed_at_once = 0  # in a row
        self._backlog_at = 0.0
        self._report_at: float | None = clock()
        self._ends_at: float | None = None
        self._ending = threading.Event()
        self._is_closing = False
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._is_woken = False
        self._thread = threading.Thread(
            target=self._run, name="graphite-sender", daemon=True)

    @property
    def is_connected(self) -> bool:
        """Whether the last connection or transaction succeeded."""
        return self._state[:1] == (True,)

    @property
    def is_stalled(self) -> bool:
        """Whether the peer has taken nothing for a while."""
        return self._transport.stalled_seconds() > QUIET_SECONDS

    def start(self) -> None:
        """Start the thread.

        :raises RuntimeError: if the system cannot start a thread
        """
        self._thread.start()

    def wake(self) -> None:
        """Wake the thread, because lines wait in the outbox."""
        if not self._is_woken:
            self._is_woken = True
            os.eventfd_write(self._wake_fd, 1)

    def hurry(self, ends_at: float) -> None:
        """Send all waiting lines as fast as possible; takes no lock.

        :param ends_at: monotonic seconds when the process ends
        """
        self._ends_at = ends_at
        self._ending.set()
        os.eventfd_write(self._wake_fd, 1)

    def close(self) -> None:
        """End the thread when all is sent, or in time; after hurry()."""
        self._is_closing = True
        os.eventfd_write(self._wake_fd, 1)

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, seconds))

    def abandon(self) -> None:
        """Close what belongs to the parent process; a child has to."""
        self._transport.close()
        os.close(self._wake_fd)

    def patience(self) -> float:
        """Seconds that a peer may make no progress."""
        if self._ends_at is None:
            return self._settings.send_timeout_seconds
        left = max(0.1, self._ends_at - self._clock())
        if len(self._endpoints) > 1:
            left = min(left, _LAST_PATIENCE_SECONDS)
        return min(self._settings.send_timeout_seconds, left)

    # The thread

    def _run(self) -> None:
        self._try(self._connect)
        while not self._is_over():
            self._try(self._step)
        self._transport.close()

    def _is_over(self) -> bool:
        if not self._is_closing or self._ends_at is None:
            return False
        if self._clock() >= self._ends_at:
            return True
        # Go on sending lines that are on disk, as long as that works.
        return self._box.is_done() and (
            self._box.is_empty() or not self.is_connected)

    def _try(self, action: Callable[[], typing.Any]) -> None:
        error = None
        try:
            action()
        except transports.TransportError as e:
            error = e
        except Exception as e:
            # A fault of this code. The lines and the thread stay.
            self._throttle.log(
                logging.ERROR, "fault", "The sender to Graphite met an "
                "unexpected error and goes on: %r", e, exc_info=True)
            error = transports.TransportError("an unexpected error")
            self._pause(_FAULT_DELAY_SECONDS)
        # Within "except", oslo.log would append the exception.
        if error is not None:
            self._failed(error)

    def _step(self) -> None:
        """Wait for lines and deliver them, or notice a peer that leaves."""
        self._put_report()
        if self._box.is_empty():
            self._idle()
            return
        if self._transport.fileno() < 0:
            self._connect()
        try:
            self._transact()
        except (transports.PeerClosedError, transports.PeerResetError) as e:
            if not self._is_harmless(e):
                raise
            self._box.retry()
            self._connect()
            self._transact()

    def _is_harmless(self, error: transports.TransportError) -> bool:
        """Whether the peer may only have closed an idle connection.

        If so, it takes the next connection. If not, it may have lost the
        lines that it read last, and they are sent again.
        """
        if not self._box.has_recent():
            return self._sends <= 1
        return (self._settings.confirm and self._sends == 0
                and self._closed_at_once <= _AT_ONCE_TIMES
                and isinstance(error, transports.PeerClosedError))

    def _seconds_connected(self) -> float:
        return self._clock() - self._connected_at

    def _put_report(self) -> None:
        if self._report_at is not None and self._clock() >= self._report_at:
            seconds = self._report()
            self._report_at = None if seconds is None else (
                self._clock() + seconds)

    def _idle(self) -> None:
        """Wait for lines, or for a peer that closes the connection."""
        if self._wait(self._seconds_to_report()) or (
                self._transport.fileno() < 0):
            return
        try:
            self._transport.check()
        except (transports.PeerClosedError, transports.PeerResetError) as e:
            self._sends = 0
            self._closed_at_once = (
                self._closed_at_once + 1
                if self._seconds_connected() < _AT_ONCE_SECONDS else 0)
            if not self._is_harmless(e):
                raise
            self._transport.close()
            if self._box.has_recent():
                self._connect()

    def _seconds_to_report(self) -> float | None:
        if self._report_at is None:
            return None
        return max(0.0, self._report_at - self._clock())

    def _transact(self) -> None:
        """Send waiting lines, and wait for the confirmation."""
        started = quiet_since = self._clock()
        self._sent = self._sends = 0
        if self._ends_at is None:
            self._pause(LINGER_SECONDS)
        while True:
            batches = self.take()
            if batches:
                self._send(batches)
                quiet_since = self._clock()
            if self._is_due(started, quiet_since):
                break
            if not batches:
                if self._wait(_BACKLOG_SECONDS) and self._ends_at is None:
                    self._pause(LINGER_SECONDS)
                self._transport.check()
                if not self._sends and self._box.is_empty():
                    return
        self._commit()

    def take(self) -> list[outbox.Batch]:
        """Take the batches to send next; none if nothing is due."""
        limit = min(self._limit - self._sent, _SEND_BYTES)
        if limit <= 0:
            return []
        live = self._box.take_live(limit)
        if live:
            return live
        now = self._clock()
        if self._ends_at is not None:
            return self._box.take_backlog(limit, float("inf"))
        # Do not make up for more than a second without backlog.
        self._backlog_at = max(self._backlog_at, now - 1.0)
        seconds = now - self._backlog_at
        if seconds < _BACKLOG_SECONDS:
            return []
        rate = self._settings.catch_up_rate
        batches = self._box.take_backlog(limit, seconds * rate)
        self._backlog_at += sum(batch.count for batch in batches) / rate
        return batches

    def _send(self, batches: list[outbox.Batch]) -> None:
        lines = b"".join(batch.lines for batch in batches)
        self._transport.send(lines)
        self._sent += len(lines)
        self._sends += 1
        self._counts.add(stats.LINES_SENT,
                         sum(batch.count for batch in batches))

    def _is_due(self, started: float, quiet_since: float) -> bool:
        """Whether it is time to commit."""
        if not self._sends:
            return False
        now = self._clock()
        return (self._sent >= self._limit or now - started >= AGE_SECONDS
                or now - quiet_since >= QUIET_SECONDS
                or self._ends_at is not None and self._box.is_empty())

    def _commit(self) -> None:
        started = self._clock()
        if self._settings.confirm or not self._transport.confirms:
            self._transport.commit()
        else:
            self._transport.drain()
        self._box.confirm()
        if self._clock() - started < self._settings.send_timeout_seconds / 4:
            # A slower peer could not confirm a larger transaction in time.
            self._limit = min(self._largest,
                              self._limit + max(1024, self._limit // 4))
        self._good.add(self._endpoints[0])
        if self._settings.confirm or not self._failures or (
                self._seconds_connected() > _SETTLED_SECONDS):
            # A receiver that takes lines but soon closes is not well.
            self._failures = 0
            self._delay = _FIRST_DELAY_SECONDS
            self._say_connected()
        if self._transport.confirms and self._transport.fileno() < 0 and (
                self._ends_at is None):
            self._connect()

    def _connect(self) -> None:
        """Connect to the current endpoint.

        :raises transports.TransportError: if that fails
        """
        self._transport.connect(self._endpoints[0], min(
            self._settings.connect_timeout_seconds, self.patience()))
        self._connected_at = self._clock()
        if not self._state:
            self._say_connected()

    def _failed(self, error: transports.TransportError) -> None:
        """Requeue lines that are not confirmed; use the next endpoint."""
        self._transport.close()
        self._closed_at_once = 0
        if isinstance(error, transports.StalledError) and self._sent:
            self._limit = max(1, min(self._limit, self._sent) // 2)
        again = self._box.fail()
        self._counts.add(stats.LINES_REPLAYED, again)
        self._counts.add(stats.FAILURES)
        self._say_failed(error)
        self._endpoints.rotate(-1)
        self._backlog_at = self._clock()
        self._failures += 1
        if self._failures % len(self._endpoints) == 0:
            self._back_off()

    def _back_off(self) -> None:
        """Pause, twice as long each time.

        The delay is drawn from the upper half of its range, so that many
        nodes whose Graphite went away at one moment do not come back at one
        moment.
        """
        delay = min(self._delay, self._settings.reconnect_delay_max_seconds)
        self._delay = delay * 2
        self._pause(random.uniform(delay / 2, delay))  # noqa: S311

    def _say_connected(self) -> None:
        state = (True, self._endpoints[0])
        if state != self._state:
            self._state = state
            LOG.info("Connected to Graphite at %s",
                     transports.endpoint_text(self._endpoints[0]))

    def _say_failed(self, error: transports.TransportError) -> None:
        state = (False, self._endpoints[0])
        # An endpoint that has worked is configured correctly.
        hint = "" if self._endpoints[0] in self._good else error.hint
        waiting, _, _ = self._box.waiting()
        message = "Graphite cannot be reached: %s: %s. %d lines wait%s"
        args = (transports.endpoint_text(self._endpoints[0]), error, waiting,
                hint and "; " + hint)
        say = (self._throttle.log if self._state[:1] == (False,)
               else self._throttle.log_always)
        say(logging.WARNING, state, message, *args)
        self._state = state

    def _pause(self, seconds: float) -> None:
        """Wait, but only briefly if the process is about to end."""
        if self._ending.wait(seconds):
            time.sleep(min(seconds, _HURRIED_PAUSE_SECONDS))

    def _wait(self, seconds: float | None) -> bool:
        """Wait for lines or for the peer.

        :param seconds: maximum time; None means no limit
        :returns: whether lines may wait
        """
        poll = select.poll()
        poll.register(self._wake_fd, select.POLLIN)
        if self._transport.fileno() >= 0:
            poll.register(self._transport.fileno(), select.POLLIN)
        found = poll.poll(None if seconds is None else seconds * 1000)
        if self._wake_fd not in dict(found):
            return False
        os.eventfd_read(self._wake_fd)
        # Only now, so that no wake-up is lost.
        self._is_woken = False
        return True
