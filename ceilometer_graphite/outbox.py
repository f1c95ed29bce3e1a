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

"""The queue: every line between the agent and its confirmation."""

import collections
from collections.abc import Callable
from collections.abc import Iterable
import itertools
import threading
import time
import typing

from ceilometer_graphite import wire

# Lines that come in a larger piece are cut: a slow peer takes one at least.
BATCH_BYTES = 16384
# Python's own memory for a batch, beside its lines (measured: 190 to 210).
BATCH_OVERHEAD = 256
# Batches below this are merged, so that they share the overhead.
_SMALL_BYTES = 4096


class File(typing.Protocol):
    """A file of the spool, as far as the queue needs to know it.

    :ivar left: how many of its lines are not confirmed
    :ivar in_memory: how many of these a batch in memory has, too
    :ivar done: the places of its batches that need not be sent any more
    """

    left: int
    in_memory: int
    done: set[int]


class Batch:
    """Whole lines that travel together.

    :ivar lines: bytes of them
    :ivar count: how many
    :ivar since: when the oldest came, in monotonic seconds
    :ivar file: of the spool, that has a copy of them, or None
    :ivar place: how many lines that file has before them
    :ivar confirmed_at: when they were confirmed first, or None
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
    """Lines that wait, are in flight, or were confirmed lately.

    Safe for concurrent callers, and the only one that uses its lock; no
    call waits for anything else. Lines go through these places:

    * live: they wait, and the receiver is well as far as is known;
    * backlog: they wait since before the last failure, and are sent after
      the live ones, slowly;
    * in flight: sent, or being sent, and not confirmed;
    * recent: confirmed, and kept for ``replay_seconds``, because a receiver
      that dies then may not have stored them.

    All of them share ``size`` bytes. When they need more, the recent ones
    go first, then waiting ones that a file of the spool holds too, then the
    oldest waiting ones, which are lost and counted.

    :param size: bytes of memory at most
    :param replay_seconds: how long confirmed lines are kept
    :param dropped: called with a number of lines that were lost
    :param clock: monotonic seconds
    """

    def __init__(self, size: int, replay_seconds: float,
                 dropped: Callable[[int], None],
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._replay_seconds = replay_seconds
        self._dropped = dropped
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
        """Add the newest lines.

        They are never lost at once while the receiver is well, even if
        they alone are larger than the queue.
        """
        batches = list(_pieces(lines, count, self._clock()))
        with self._lock:
            if not self._merge_locked(batches[0]):
                self._live.extend(batches)
                self._bytes += sum(batch.size for batch in batches)
                self._open = batches[-1]
            lost = self._trim_locked(len(batches) if self._healthy else 0)
        self._tell(lost)

    def take_live(self, size: int) -> list[Batch]:
        """Take the oldest live batches; they are in flight then.

        :param size: bytes of lines, which one batch alone may exceed
        """
        with self._lock:
            return self._take_locked(self._live, size, float("inf"))

    def take_backlog(self, size: int, count: float) -> list[Batch]:
        """Take the oldest of the backlog; they are in flight then.

        :param size: bytes of lines, which one batch alone may exceed
        :param count: how many lines, likewise
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
        """What is in flight was delivered.

        :returns: how many lines that were
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
        """What is in flight is live again, because nothing has failed."""
        with self._lock:
            self._live.extendleft(reversed(self._in_flight))
            self._in_flight = []

    def fail(self) -> int:
        """What is in flight was not delivered, and the recent may be lost.

        All that waits is backlog then.

        :returns: how many lines will be sent again
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
        return sum(batch.count for batch in again)

    def has_recent(self) -> bool:
        """Whether lines were confirmed within the last replay_seconds."""
        with self._lock:
            self._forget_locked(self._clock())
            return bool(self._recent)

    def unsaved(self, since: float, stalled: bool) -> list[Batch]:
        """The batches that came before ``since`` and are in no file.

        :param stalled: those in flight too, and not only those that wait
        """
        with self._lock:
            self._open = None
            batches = [*(self._in_flight if stalled else ()),
                       *self._backlog, *self._live]
        return [batch for batch in batches
                if batch.file is None and batch.since <= since]

    def saved(self, batches: Iterable[Batch], file: File) -> None:
        """Note that a file holds a copy of batches that :meth:`unsaved` gave.

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
        """Add what was read from a file, before all that is backlog."""
        with self._lock:
            loaded = list(batches)
            for batch in loaded:
                self._join_file_locked(batch, file)
                self._bytes += batch.size
            self._backlog.extendleft(reversed(loaded))
            self._trim_recent_locked()

    def drop(self, file: File) -> int:
        """Drop what waits of a file that has to go.

        :returns: how many of its lines are in flight, and have no copy then
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
        """How many bytes may be loaded from files; half is for new lines."""
        with self._lock:
            self._forget_locked(self._clock())
            recent = sum(batch.size for batch in self._recent)
            return self._size // 2 - (self._bytes - recent)

    def waiting(self) -> tuple[int, int, float]:
        """What is not confirmed.

        :returns: how many lines and bytes wait or are in flight, and for
            how many seconds the oldest does
        """
        with self._lock:
            batches = [*self._unconfirmed_locked()]
        now = self._clock()
        return (sum(batch.count for batch in batches),
                sum(len(batch.lines) for batch in batches),
                max((now - batch.since for batch in batches), default=0.0))

    def bytes(self) -> int:
        """How many bytes of memory all lines take."""
        return self._bytes

    def is_empty(self) -> bool:
        """Whether no line waits; some may be in flight."""
        return not self._live and not self._backlog

    def is_done(self, lock_seconds: float = -1) -> bool:
        """Whether each line was confirmed or is in a file.

        :param lock_seconds: how long to wait for the lock. A signal handler
            may have interrupted its holder; then the answer is no
        """
        if not self._lock.acquire(timeout=lock_seconds):
            return False
        try:
            return all(batch.file for batch in self._unconfirmed_locked())
        finally:
            self._lock.release()

    def unsaved_lines(self) -> int:
        """How many lines are neither confirmed nor in a file."""
        with self._lock:
            return sum(batch.count for batch in self._unconfirmed_locked()
                       if batch.file is None)

    def _merge_locked(self, batch: Batch) -> bool:
        """Add a batch to the newest one, if both are small."""
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
        """Let go of what was first confirmed long enough ago."""
        kept: collections.deque[Batch] = collections.deque()
        for batch in self._recent:
            if now - (batch.confirmed_at or 0.0) < self._replay_seconds:
                kept.append(batch)
            else:
                self._bytes -= batch.size
        self._recent = kept

    def _trim_locked(self, keep: int = 0) -> int:
        """Make room, and say how many lines were lost by it.

        :param keep: how many of the newest live batches have to stay
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
        """Drop the oldest waiting batches that are in a file, too."""
        # More than is needed now, so that this is not done for each put.
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
    """Lines as batches of a size that can be sent at once."""
    if len(lines) <= BATCH_BYTES:
        yield Batch(lines, count, now)
        return
    for piece in wire.datagrams(lines, BATCH_BYTES):
        yield Batch(piece, piece.count(b"\n"), now)
