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

"""From encoded lines to Graphite: the thread that waits for the network."""

import logging
import threading
import time

from oslo_log import log

from ceilometer_graphite import buffer
from ceilometer_graphite import stats
from ceilometer_graphite import throttle
from ceilometer_graphite import transports

LOG = log.getLogger(__name__)

# One send is of at most so many bytes, or of one batch.
CHUNK_BYTES = 65536
# A connection with nothing to send is looked at so often.
CHECK_SECONDS = 1.0
# A pollster's batches come within a moment, and a send is for all of them.
LINGER_SECONDS = 0.2
LOCK_SECONDS = 0.1


class Sender:
    """Delivers batches of lines from a thread of its own.

    The thread starts with the first batch. Safe for concurrent callers, of
    whom none ever waits for the network or the disk.

    :param connection: a :class:`~ceilometer_graphite.connection.Connection`
    :param buffer_size: bytes of lines in memory at most
    :param replay_seconds: that a connection has to outlive a line before it
        counts as delivered
    :param tally: a :class:`~ceilometer_graphite.stats.Counts`
    :param make_backlog: gets the buffer and its lock; makes a
        :class:`~ceilometer_graphite.backlog.Backlog`
    :param metrics: a :class:`~ceilometer_graphite.stats.SelfMetrics`
    :param clock: monotonic seconds
    :param sleep: waits for some seconds
    """

    def __init__(self, connection, buffer_size, replay_seconds, tally,
                 make_backlog=None, metrics=None, clock=time.monotonic,
                 sleep=time.sleep):
        self._connection = connection
        self._replay_seconds = replay_seconds
        self._counts = tally
        self._metrics = metrics
        self._clock = clock
        self._sleep = sleep
        self._buffer = buffer.Buffer(buffer_size)
        self._throttle = throttle.Throttle(LOG)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._backlog = make_backlog and make_backlog(
            self._buffer, self._lock)
        self._thread = None
        self._prove_at = 0.0
        self._closing = threading.Event()
        self._close_by = None

    def submit(self, lines, count):
        """Take some whole lines, as bytes, for delivery; returns at once."""
        batch = buffer.Batch(lines, count, self._clock())
        with self._lock:
            dropped = self._buffer.put(batch)
            if self._thread is None:
                self._try_to_start_locked()
        self._counts.warn_buffer_full(dropped, self._buffer.size)
        if not self._wake.is_set():
            self._wake.set()
        if self._backlog is not None:
            self._backlog.wake()

    def is_idle(self):
        """Whether all that was submitted was sent, or is on disk.

        Safe in a signal handler: where that interrupted a caller of this
        sender, the answer is no.
        """
        if not self._lock.acquire(timeout=LOCK_SECONDS):
            return False
        try:
            if self._backlog is not None:
                return self._backlog.is_idle_locked()
            return not self._buffer.lines and all(
                chunk.end is not None for chunk in self._buffer.under_way())
        finally:
            self._lock.release()

    def end(self):
        """Have all that is not delivered on disk at once; takes no lock."""
        if self._backlog is not None:
            self._backlog.ending = True

    def close(self, timeout_seconds):
        """Send what waits, or keep it on disk; whether all of it was."""
        self.end()
        self._close_by = self._clock() + timeout_seconds
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        return self.is_idle()

    def _try_to_start_locked(self):
        thread = threading.Thread(
            target=self._run, name="graphite-sender", daemon=True)
        try:
            if self._backlog is not None:
                self._backlog.start()
            thread.start()
            self._thread = thread
        except RuntimeError as e:
            # Lines wait, and the next ones try again.
            self._throttle.log(logging.ERROR, "start", "No thread for the "
                               "sender to Graphite: %s", e)

    def _run(self):
        while not self._is_done():
            try:
                self._turn()
            except Exception as e:
                # A fault of this code: the lines stay, and so do we.
                self._throttle.log(logging.ERROR, "fault", "%r in the "
                                   "sender to Graphite", e, exc_info=True)
                self._sleep(CHECK_SECONDS)
        self._connection.close()

    def _is_done(self):
        return self._close_by is not None and (
            self.is_idle() or self._clock() > self._close_by)

    def _turn(self):
        """Connect, send a chunk, or wait for one."""
        if self._metrics is not None and self._metrics.is_due():
            self._report()
        if self._backlog is not None and self._backlog.ending:
            self._backlog.wake()
        if not self._connection.is_open:
            self._open()
            return
        chunk = self._next_chunk()
        try:
            self._connection.check()
            if chunk is not None:
                self._send(chunk)
            self._prove()
            if self._connection.is_due:
                self._connection.close()
                self._recover()
        except Exception as e:
            delay = self._connection.lost(e)
            self._recover()
            self._say_state("Not connected to Graphite, next to try is")
            self._sleep(delay)
            if not isinstance(e, transports.TransportError):
                raise
            return
        if chunk is None and self._connection.is_open:
            self._wait()

    def _open(self):
        delay = self._connection.open()
        if self._connection.is_open:
            self._counts.add(stats.RECONNECTS, self._connection.is_again)
            self._say_state("Connected to Graphite at")
        else:
            self._sleep(delay)

    def _say_state(self, what):
        self._throttle.log(logging.INFO, what, "%s %s: %s", what,
                           self._connection.endpoint, stats.text(
                               {**self._levels(), **self._counts.totals()}))

    def _levels(self):
        """How things stand now, as numbers by name."""
        with self._lock:
            levels = {"buffer_bytes": self._buffer.bytes,
                      "buffer_lines": self._buffer.lines,
                      "connected": int(self._connection.is_open)}
        spool_bytes = self._backlog and self._backlog.bytes()
        if spool_bytes is not None:
            levels["spool_bytes"] = spool_bytes
        return levels

    def _report(self):
        lines = self._metrics.lines(self._counts.totals(), self._levels())
        self.submit("".join(lines).encode("ascii"), len(lines))

    def _next_chunk(self):
        """What to send now: live lines, else some of those on disk."""
        with self._lock:
            batches = self._buffer.take(CHUNK_BYTES)
            if batches:
                return self._buffer.begin(
                    buffer.joined(batches, self._clock()))
        return self._backlog and self._backlog.next_chunk()

    def _send(self, chunk):
        end = self._connection.send(chunk.lines)
        with self._lock:
            chunk.end = end
        self._counts.add(stats.LINES_SENT, chunk.count)

    def _prove(self):
        """Let go of what the connection has outlived."""
        now = self._clock()
        if self._replay_seconds and now < self._prove_at:
            return
        self._prove_at = now + CHECK_SECONDS
        read = self._connection.read_bytes(self._replay_seconds)
        with self._lock:
            proven = self._buffer.prove(read, now, self._replay_seconds)
        if self._backlog is not None:
            self._backlog.settle(proven, self._connection.arrived_bytes())

    def _recover(self):
        """Let what the connection did not prove wait again."""
        with self._lock:
            dropped, again = self._buffer.recover(
                only_unsent=not self._replay_seconds)
        self._counts.add(stats.LINES_REPLAYED, again)
        self._counts.warn_buffer_full(dropped, self._buffer.size)
        if self._backlog is not None:
            self._backlog.rewind()

    def _wait(self):
        seconds = CHECK_SECONDS
        if self._backlog is not None:
            seconds = min(seconds, self._backlog.next_in())
        if self._wake.wait(seconds):
            self._closing.wait(LINGER_SECONDS)
        self._wake.clear()
