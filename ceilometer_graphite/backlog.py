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

"""Lines go to disk when they wait too long, and come back later."""

import logging
import random
import threading
import time

from oslo_log import log

from ceilometer_graphite import buffer
from ceilometer_graphite import spool
from ceilometer_graphite import stats
from ceilometer_graphite import throttle

LOG = log.getLogger(__name__)

ROW_BYTES = 65536
# A line that waited, or was being sent, for so long goes to disk.
WAITED_SECONDS = 0.5
POLL_SECONDS = 0.25
# After a disk that took nothing.
RETRY_SECONDS = 5.0
# The backlog is read in pieces of so much of what a second allows.
PIECE_SECONDS = 0.25
# A spool that had nothing to send is looked at so often.
LOOK_SECONDS = 1.0

SPOOL_FULL = stats.DROPPED + "spool_full"
SPOOL_CORRUPT = stats.DROPPED + "spool_corrupt"


class Backlog:
    """Moves lines from a buffer to a spool, from a thread of its own.

    What the sender does not get rid of within half a second is written to
    disk, whatever the reason.

    :param store: a :class:`~ceilometer_graphite.spool.Spool`
    :param waiting: the :class:`~ceilometer_graphite.buffer.Buffer`
    :param lock: that guards the buffer
    :param catch_up_rate: lines per second at most, that come back
    :param tally: a :class:`~ceilometer_graphite.stats.Counts`
    :ivar ending: set when the process is about to end; everything that was
        not delivered then goes to disk at once
    """

    def __init__(self, store, waiting, lock, catch_up_rate, tally,
                 clock=time.monotonic, sleep=time.sleep):
        self._spool = store
        self._buffer = waiting
        self._lock = lock
        self._rate = catch_up_rate
        self._counts = tally
        self._clock = clock
        self._sleep = sleep
        self._throttle = throttle.Throttle(LOG)
        self._thread = threading.Thread(
            target=self._run, name="graphite-spooler", daemon=True)
        self._wake = threading.Event()
        self._moving = 0
        self._after_id = 0
        self._next_at = 0.0
        self._stalled = False
        self.ending = False

    def start(self):
        """Start the thread, unless it runs."""
        if not self._thread.is_alive():
            self._thread.start()

    def wake(self):
        """Say that there may be lines to move."""
        self._wake.set()

    def is_idle_locked(self):
        """Whether each line was sent and proven, or is on disk."""
        return not (self._moving or self._unsaved_locked(everything=True)
                    or self._buffer.lines)

    def bytes(self):
        """How much of the spool is in use; None when it cannot be read."""
        return self._tried(self._spool.bytes)

    def rewind(self):
        """The connection broke: begin again with the oldest rows.

        And not on all nodes at the same moment, when Graphite is back.
        """
        self._after_id = 0
        self._next_at = self._clock() + random.uniform(0, 1)  # noqa: S311
        self.wake()

    def next_in(self):
        """Seconds until it is time for lines on disk."""
        return max(0.0, self._next_at - self._clock())

    def next_chunk(self):
        """The oldest lines on disk, now under way, if it is time for them."""
        if self._clock() < self._next_at:
            return None
        self._next_at = self._clock() + LOOK_SECONDS
        if not self._spool.claim():
            return None
        with self._lock:
            chunks = self._buffer.under_way()
        rows = self._tried(
            self._spool.read, self._after_id, self._rate * PIECE_SECONDS,
            {row_id for chunk in chunks for row_id in chunk.row_ids}) or []
        if rows:
            self._after_id = rows[-1].id
        good = [row for row in rows if row.lines is not None]
        self._forget_corrupt(rows)
        count = sum(row.count for row in good)
        if not good:
            return None
        jitter = random.uniform(1.0, 1.2)  # noqa: S311
        self._next_at = self._clock() + count / self._rate * jitter
        chunk = buffer.Chunk(b"".join(row.lines for row in good), count,
                             self._clock(), tuple(row.id for row in good))
        with self._lock:
            return self._buffer.begin(chunk)

    def settle(self, proven, arrived):
        """Forget what was delivered, and keep what the far end leaves.

        :param proven: chunks that were delivered
        :param arrived: how much of the connection's bytes has arrived
        """
        self.delivered([row_id for chunk in proven
                        for row_id in chunk.row_ids])
        with self._lock:
            self._stalled = self._buffer.has_waited(
                arrived, self._clock() - WAITED_SECONDS)
        if self._stalled:
            self.wake()

    def delivered(self, row_ids):
        """Forget rows on disk."""
        if row_ids:
            self._tried(self._spool.delete, row_ids)

    def _forget_corrupt(self, rows):
        corrupt = [row for row in rows if row.lines is None]
        if corrupt:
            count = sum(row.count for row in corrupt)
            self._counts.warn(SPOOL_CORRUPT, count, "%d lines were dropped: "
                              "the disk gave them back changed", count)
            self.delivered([row.id for row in corrupt])

    def _run(self):
        while True:
            self._wake.wait()
            self._wake.clear()
            self._sleep(0 if self.ending else WAITED_SECONDS)
            while self._has_work():
                stored = self._store()
                self._sleep(POLL_SECONDS if stored else RETRY_SECONDS)

    def _has_work(self):
        with self._lock:
            return self._buffer.lines or any(
                self.ending or self._stalled or chunk.end is None
                for chunk in self._unsaved_locked(everything=True))

    def _unsaved_locked(self, everything=False):
        """The chunks under way that should be on disk, and are not."""
        chunks = self._buffer.under_way()
        stuck = self._stalled or chunks and chunks[-1].end is None and (
            self._clock() - chunks[-1].came_at > WAITED_SECONDS)
        if not (stuck or self.ending or everything):
            return []
        return [chunk for chunk in chunks if not chunk.row_ids]

    def _store(self):
        """Write what has waited; whether the disk took it."""
        until = self._clock() - (0 if self.ending else WAITED_SECONDS)
        while stored := self._store_some(until):
            pass
        return stored is not None

    def _store_some(self, until):
        """Write one row of what waits, and what is under way.

        :returns: how many rows that were; None when the disk took none
        """
        with self._lock:
            chunks = self._unsaved_locked()
            batches = self._buffer.take(ROW_BYTES, until)
            self._moving = len(batches)
        pieces = chunks + [buffer.joined(batches, until)] * bool(batches)
        if not pieces:
            return 0
        result = self._tried(self._spool.append, [
            (piece.lines, piece.count) for piece in pieces])
        with self._lock:
            if result is None:
                dropped = self._buffer.put_back(batches)
            else:
                gone = self._note_locked(chunks, result[0])
            self._moving = 0
        if result is None:
            self._counts.warn_buffer_full(dropped, self._buffer.size)
            return None
        self.delivered(gone)
        self._warn_if_full(result[1])
        return len(pieces)

    def _note_locked(self, chunks, row_ids):
        # The row of what waited, if there is one, is the last.
        return [row_id for chunk, row_id in zip(chunks, row_ids, strict=False)
                if not self._buffer.on_disk(chunk, [row_id])]

    def _warn_if_full(self, count):
        if count:
            self._counts.warn(SPOOL_FULL, count, "%d lines, the oldest, were "
                              "dropped: more than [graphite] spool_size = %d "
                              "bytes waited on disk", count, self._spool.size)

    def _tried(self, function, *args):
        """What a function of the spool returns, None when it failed."""
        try:
            return function(*args)
        except Exception as e:
            known = isinstance(e, spool.SpoolError)
            self._throttle.log(
                logging.ERROR, type(e), "The spool failed, and lines wait in "
                "memory for now: %s", e, exc_info=None if known else e)
            if isinstance(e, spool.BrokenSpoolError):
                self._forget_rows()
            return None

    def _forget_rows(self):
        """The rows went with their file; what is under way is in memory."""
        self._after_id = 0
        with self._lock:
            for chunk in self._buffer.under_way():
                self._buffer.on_disk(chunk, ())
