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

"""The queue of all lines that the receiver has not confirmed yet."""

import collections
from collections.abc import Callable
from collections.abc import Iterable
import itertools
import threading
import time
import typing

from ceilometer_graphite import wire

# Larger batches are split, because a slow peer has to take a whole one.
BATCH_BYTES = 16384
# Memory of a batch besides its lines (measured: 190 to 210 bytes).
BATCH_OVERHEAD = 256
# Smaller batches are merged, to share the overhead.
_SMALL_BYTES = 4096


class File(typing.Protocol):
    """What the queue knows of a file of the spool.

    :ivar left: number of its lines that are not confirmed
    :ivar in_memory: number of these that are also in memory
    :ivar done: places of its batches that are confirmed
    """

    left: int
    in_memory: int
    done: set[int]


class Batch:
    """Whole lines that are sent and confirmed together.

    :ivar lines: the lines, as bytes
    :ivar count: number of lines
    :ivar since: monotonic seconds when the oldest line came
    :ivar file: the file of the spool that has a copy, or None
    :ivar place: number of lines before them in that file
    :ivar confirmed_at: monotonic seconds of the first confirmation, or None
    """

    __slots__ = ("confirmed_at", "count", "file", "lines", "place", "since")

    def __init__(self, lines: bytes, count: int, since: float,
                 place: int = 0) -> None:
        self.lines = lines
        self.count = count
        self.since = since
        self.file: File | None = None
        self.place = place
        self.confirmed_at: float | None = None

    @property
    def size(self) -> int:
        """Bytes of memory."""
        return len(self.lines) + BATCH_OVERHEAD


class Outbox:
    """Lines that wait, are in flight, or were confirmed recently.

    Safe for concurrent callers. No call waits for anything but the lock,
    which only this class uses. A line is in one of four places:

    * live: it waits, and came after the last failure;
    * backlog: it waits, and came before the last failure. The backlog is
      sent slowly, after the live lines;
    * in flight: it is being sent, or was sent, and is not confirmed;
    * recent: it was confirmed, and is kept for ``replay_seconds``, because
      a receiver that dies in that time may not have stored it.

    All of them share ``size`` bytes. When that is exceeded, recent lines
    are dropped first, then waiting lines that are also on disk, then the
    oldest waiting lines, which are counted as lost.

    :param size: maximum bytes of memory
    :param replay_seconds: how long confirmed lines are kept
    :param dropped: called with the number of lines that were lost
    :param clock: returns monotonic seconds
    :ivar on_wait: called, without the lock, when more lines wait
    """

    def __init__(self, size: int, replay_seconds: float,
                 dropped: Callable[[int], None],
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._replay_seconds = replay_seconds
        self._dropped = dropped
        self.on_wait: Callable[[], None] = lambda: None
        self._clock = clock
        self._lock = threading.Lock()
        self._live: collections.deque[Batch] = collections.deque()
        self._backlog: collections.deque[Batch] = collections.deque()
        self._in_flight: list[Batch] = []
        self._recent: collections.deque[Batch] = collections.deque()
        # The newest live batch, while nobody else may hold it.
        self._open: Batch | None = None
        self._bytes = 0
        self._saved = 0  # batches with a file
        self._healthy = True

    def put(self, lines: bytes, count: int) -> None:
        """Add new lines.

        While the receiver is well, they are not dropped at once, even if
        they alone exceed the size of the queue.
        """
        batches = list(_pieces(lines, count, self._clock()))
        with self._lock:
            if not self._merge_locked(batches[0]):
                self._live.extend(batches)
                self._bytes += sum(batch.size for batch in batches)
                self._open = batches[-1]
            lost = self._trim_locked(len(batches) if self._healthy else 0)
        self._tell(lost)
        self.on_wait()

    def take_live(self, size: int) -> list[Batch]:
        """Take the oldest live batches, which are in flight from then on.

        :param size: maximum bytes of lines; a single batch may exceed it
        """
        with self._lock:
            return self._take_locked(self._live, size, float("inf"))

    def take_backlog(self, size: int, count: float) -> list[Batch]:
        """Take the oldest batches of the backlog.

        They are in flight from then on.

        :param size: maximum bytes of lines; a single batch may exceed it
        :param count: maximum number of lines; a single batch may exceed it
        """
        with self._lock:
            return self._take_locked(self._backlog, size, count)

    def _take_locked(self, source: collections.deque[Batch], size: int,
                     count: float) -> list[Batch]:
        taken: list[Batch] = []
        while source:
            size -= len(source[0].lines)
            count -= source[0].count
            if taken and (size < 0 or count < 0):
                break
            taken.append(source.popleft())
        self._in_flight += taken
        return taken

    def confirm(self) -> int:
        """Note that the lines in flight were delivered.

        :returns: the number of lines
        """
        now = self._clock()
        with self._lock:
            confirmed, self._in_flight = self._in_flight, []
            self._healthy = True
            for batch in confirmed:
                self._leave_file_locked(batch, delivered=True)
                if batch.confirmed_at is None:
                    batch.confirmed_at = now
                self._recent.append(batch)
            self._forget_locked(now)
        return sum(batch.count for batch in confirmed)

    def retry(self) -> None:
        """Make the lines in flight live again; nothing has failed."""
        with self._lock:
            self._live.extendleft(reversed(self._in_flight))
            self._in_flight = []

    def fail(self) -> int:
        """Send the lines in flight and the recent lines again.

        They and all waiting lines become backlog.

        :returns: the number of lines that will be sent again
        """
        now = self._clock()
        with self._lock:
            self._forget_locked(now)
            again = [*self._recent, *self._in_flight]
            self._recent.clear()
            self._in_flight = []
            self._backlog.extendleft(reversed(again))
            self._backlog.extend(self._live)
            self._live.clear()
            self._healthy = False
            lost = self._trim_locked()
        self._tell(lost)
        self.on_wait()
        return sum(batch.count for batch in again)

    def has_recent(self) -> bool:
        """Whether lines were confirmed within the last replay_seconds."""
        with self._lock:
            self._forget_locked(self._clock())
            return bool(self._recent)

    def unsaved(self, since: float, stalled: bool) -> list[Batch]:
        """Return the batches that came before ``since`` and are not on disk.

        :param stalled: whether to include batches in flight
        """
        with self._lock:
            self._open = None
            batches = [*(self._in_flight if stalled else ()),
                       *self._backlog, *self._live]
        return [batch for batch in batches
                if batch.file is None and batch.since <= since]

    def saved(self, batches: Iterable[Batch], file: File) -> None:
        """Note that batches from :meth:`unsaved` were copied to a file.

        Some may have been delivered or dropped in the meantime.
        """
        with self._lock:
            here = set(self._unconfirmed_locked())
            for batch in batches:
                if batch in here:
                    file.left += batch.count
                    self._join_file_locked(batch, file)
                else:
                    file.done.add(batch.place)

    def load(self, batches: Iterable[Batch], file: File) -> None:
        """Put batches that were read from a file before the backlog."""
        with self._lock:
            loaded = list(batches)
            for batch in loaded:
                self._join_file_locked(batch, file)
                self._bytes += batch.size
            self._backlog.extendleft(reversed(loaded))
            self._trim_recent_locked()

    def forget(self, file: File) -> None:
        """Treat lines in memory as in no file, because it was deleted."""
        with self._lock:
            for batch in self._unconfirmed_locked():
                if batch.file is file:
                    self._leave_file_locked(batch, delivered=True)

    def drop(self, file: File) -> int:
        """Drop the waiting lines of a file that will be deleted.

        :returns: the number of its lines that are in flight
        """
        with self._lock:
            for waiting in (self._backlog, self._live):
                batches = [*waiting]
                waiting.clear()
                for batch in batches:
                    if batch.file is file:
                        self._bytes -= batch.size
                        self._leave_file_locked(batch, delivered=False)
                    else:
                        waiting.append(batch)
            sent = [each for each in self._in_flight if each.file is file]
            for batch in sent:
                self._leave_file_locked(batch, delivered=False)
        return sum(batch.count for batch in sent)

    def room(self) -> int:
        """Bytes that may be loaded from files; half is for new lines."""
        with self._lock:
            self._forget_locked(self._clock())
            recent = sum(batch.size for batch in self._recent)
            return self._size // 2 - (self._bytes - recent)

    def waiting(self) -> tuple[int, int, float]:
        """Describe the lines that are not confirmed.

        :returns: their number, their bytes, and the age of the oldest in
            seconds
        """
        with self._lock:
            batches = [*self._unconfirmed_locked()]
        now = self._clock()
        return (sum(batch.count for batch in batches),
                sum(len(batch.lines) for batch in batches),
                max((now - batch.since for batch in batches), default=0.0))

    def bytes(self) -> int:
        """Bytes of memory that all lines take."""
        return self._bytes

    def is_empty(self) -> bool:
        """Whether no line waits. Lines may be in flight."""
        return not self._live and not self._backlog

    def is_done(self, lock_seconds: float = -1) -> bool:
        """Whether each line is confirmed or on disk.

        :param lock_seconds: how long to wait for the lock. If a signal
            handler has interrupted the holder of the lock, the answer is no
        """
        if not self._lock.acquire(timeout=lock_seconds):
            return False
        try:
            return all(batch.file for batch in self._unconfirmed_locked())
        finally:
            self._lock.release()

    def unsaved_lines(self) -> int:
        """Number of lines that are neither confirmed nor on disk."""
        with self._lock:
            return sum(batch.count for batch in self._unconfirmed_locked()
                       if batch.file is None)

    def _merge_locked(self, batch: Batch) -> bool:
        """Append a batch to the newest one, if both are small."""
        last = self._live[-1] if self._live else None
        if last is None or last is not self._open or (
                len(last.lines) + len(batch.lines) > _SMALL_BYTES):
            return False
        last.lines += batch.lines
        last.count += batch.count
        self._bytes += len(batch.lines)
        return True

    def _unconfirmed_locked(self) -> Iterable[Batch]:
        return itertools.chain(self._in_flight, self._backlog, self._live)

    def _forget_locked(self, now: float) -> None:
        """Forget lines that were confirmed before replay_seconds."""
        kept: collections.deque[Batch] = collections.deque()
        for batch in self._recent:
            if now - (batch.confirmed_at or 0.0) < self._replay_seconds:
                kept.append(batch)
            else:
                self._bytes -= batch.size
        self._recent = kept

    def _trim_locked(self, keep: int = 0) -> int:
        """Make room.

        :param keep: number of the newest live batches that must stay
        :returns: the number of lines that were lost
        """
        self._trim_recent_locked()
        if self._bytes > self._size and self._saved:
            self._drop_saved_locked()
        lost = 0
        while self._bytes > self._size:
            if self._backlog:
                batch = self._backlog.popleft()
            elif len(self._live) > keep:
                batch = self._live.popleft()
            else:
                break
            self._bytes -= batch.size
            lost += batch.count
        return lost

    def _trim_recent_locked(self) -> None:
        while self._recent and self._bytes > self._size:
            self._bytes -= self._recent.popleft().size

    def _drop_saved_locked(self) -> None:
        """Drop the oldest waiting batches that are also on disk."""
        # Drop more than needed, or each put would come here.
        enough = self._size * 7 // 8
        for waiting in (self._backlog, self._live):
            kept = []
            while waiting and self._saved and self._bytes > enough:
                batch = waiting.popleft()
                if batch.file is None:
                    kept.append(batch)
                else:
                    self._bytes -= batch.size
                    self._leave_file_locked(batch, delivered=False)
            waiting.extendleft(reversed(kept))

    def _join_file_locked(self, batch: Batch, file: File) -> None:
        batch.file = file
        file.in_memory += batch.count
        self._saved += 1

    def _leave_file_locked(self, batch: Batch, delivered: bool) -> None:
        if batch.file is not None:
            batch.file.in_memory -= batch.count
            if delivered:
                batch.file.left -= batch.count
                batch.file.done.add(batch.place)
            batch.file = None
            self._saved -= 1

    def _tell(self, lost: int) -> None:
        if lost:
            self._dropped(lost)


def _pieces(lines: bytes, count: int, now: float) -> Iterable[Batch]:
    """Split lines into batches of at most BATCH_BYTES."""
    if len(lines) <= BATCH_BYTES:
        yield Batch(lines, count, now)
        return
    for piece in wire.datagrams(lines, BATCH_BYTES):
        yield Batch(piece, piece.count(b"\n"), now)
