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

"""The lines that are in memory: those that wait, and those under way."""

import collections
import dataclasses
import typing


class Batch(typing.NamedTuple):
    """Whole lines, as bytes, how many, and when they came."""

    lines: bytes
    count: int
    came_at: float = 0.0


@dataclasses.dataclass(eq=False)
class Chunk:
    """Lines that a connection took, or is taking.

    :ivar row_ids: of the spool's rows that hold the same lines
    :ivar end: where in the connection's bytes it ends; None while it is
        being sent
    :ivar read_at: since when its far end has, as far as one can see, read it
    """

    lines: bytes
    count: int
    came_at: float
    row_ids: tuple = ()
    end: int | None = None
    read_at: float | None = None


def joined(batches, now):
    """A chunk of the lines of some batches, to be sent now."""
    return Chunk(b"".join(batch.lines for batch in batches),
                 sum(batch.count for batch in batches), now)


class Buffer:
    """Batches that wait and chunks under way, of a bounded size together.

    Unsafe for concurrent callers. When it is full, the oldest go first: of
    what was sent its memory, of what waits the lines themselves.

    :param size: bytes of lines at most; a batch that alone is larger is
        dropped, and a chunk whose lines are on disk does not count
    """

    def __init__(self, size):
        self.size = size
        self.bytes = 0
        self.lines = 0
        self._waiting = collections.deque()
        self._sent = collections.deque()
        self._sent_bytes = 0

    def put(self, batch):
        """Add the newest batch.

        :returns: how many lines were dropped: the oldest, to make room, or
            the batch itself
        """
        if len(batch.lines) > self.size:
            return batch.count
        self._waiting.append(batch)
        self._count(batch, 1)
        return self._trim()

    def put_back(self, batches):
        """Put what was taken where it was, before all others.

        :returns: as :meth:`put`
        """
        self._waiting.extendleft(reversed(batches))
        for batch in batches:
            self._count(batch, 1)
        return self._trim()

    def take(self, size, until=float("inf")):
        """Take the oldest batches.

        :param size: bytes that one and more may have together; half of the
            buffer is always left to those that come meanwhile
        :param until: those that came later stay
        """
        batches = []
        size = min(size, self.size // 2)
        while self._waiting and self._waiting[0].came_at <= until:
            size -= len(self._waiting[0].lines)
            if batches and size < 0:
                break
            batches.append(self._waiting.popleft())
            self._count(batches[-1], -1)
        return batches

    def begin(self, chunk):
        """Keep a chunk that is about to be sent; returns it."""
        self._sent.append(chunk)
        self._sent_bytes += self._memory(chunk)
        return chunk

    def under_way(self):
        """The chunks that were sent, or are being sent, oldest first."""
        return list(self._sent)

    def prove(self, read_up_to, now, seconds):
        """Let go of chunks that are delivered.

        :param read_up_to: how much of the connection's bytes its far end
            has read
        :param now: monotonic seconds
        :param seconds: that the connection has to outlive them
        :returns: those chunks
        """
        proven = []
        for chunk in self._sent:
            if chunk.end is None or chunk.end > read_up_to:
                break
            if chunk.read_at is None:
                chunk.read_at = now
        while (self._sent and self._sent[0].read_at is not None
               and now - self._sent[0].read_at >= seconds):
            proven.append(self._forget())
        return proven

    def has_waited(self, arrived, since):
        """Whether a chunk was sent before ``since`` and did not arrive.

        :param arrived: how much of the connection's bytes did
        """
        return any(chunk.end is not None and chunk.end > arrived
                   and chunk.came_at < since for chunk in self._sent)

    def recover(self, only_unsent=False):
        """What is under way waits again, but for what is on disk.

        :param only_unsent: let go of what was sent whole
        :returns: as :meth:`put`, and how many of the lines that wait again
            were sent before
        """
        batches = []
        again = 0
        while self._sent:
            chunk = self._forget()
            sent = chunk.end is not None
            if not chunk.row_ids and not (only_unsent and sent):
                batches.append(
                    Batch(chunk.lines, chunk.count, chunk.came_at))
                again += chunk.count * sent
        return self.put_back(batches), again

    def on_disk(self, chunk, row_ids):
        """Note that a chunk's lines are on disk as well, or not any more.

        :returns: whether it is still under way
        """
        if chunk not in self._sent:
            return False
        self._sent_bytes -= self._memory(chunk)
        chunk.row_ids = tuple(row_ids)
        self._sent_bytes += self._memory(chunk)
        return True

    @staticmethod
    def _memory(chunk):
        return 0 if chunk.row_ids else len(chunk.lines)

    def _forget(self):
        chunk = self._sent.popleft()
        self._sent_bytes -= self._memory(chunk)
        return chunk

    def _trim(self):
        dropped = 0
        while self.bytes + self._sent_bytes > self.size:
            # One that is on disk stays: its rows are to be deleted.
            sent = next((chunk for chunk in self._sent
                         if chunk.end is not None and not chunk.row_ids),
                        None)
            if sent is not None:
                self._sent.remove(sent)
                self._sent_bytes -= len(sent.lines)
            elif self._waiting:
                batch = self._waiting.popleft()
                self._count(batch, -1)
                dropped += batch.count
            else:
                break
        return dropped

    def _count(self, batch, sign):
        self.bytes += sign * len(batch.lines)
        self.lines += sign * batch.count
