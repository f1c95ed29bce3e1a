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

"""A bounded queue of encoded lines."""

import collections
import typing


class Batch(typing.NamedTuple):
    """Whole lines, as bytes, and how many they are."""

    lines: bytes
    count: int


class Buffer:
    """Batches, oldest first, of a bounded number of bytes together.

    Unsafe for concurrent callers.

    :param size: bytes of lines at most; a batch that alone is larger is
        dropped
    """

    def __init__(self, size):
        self.size = size
        self._batches = collections.deque()
        self.bytes = 0
        self.lines = 0

    def put(self, batch):
        """Add the newest batch.

        :returns: how many lines were dropped: the oldest, to make room, or
            the batch itself
        """
        if len(batch.lines) > self.size:
            return batch.count
        self._batches.append(batch)
        self._count(batch, 1)
        return self._trim()

    def put_back(self, batches):
        """Put what was taken where it was, before all others.

        :returns: as :meth:`put`
        """
        self._batches.extendleft(reversed(batches))
        for batch in batches:
            self._count(batch, 1)
        return self._trim()

    def take(self, size):
        """Take the oldest batches: one, and more while they fit ``size``."""
        batches = []
        taken = 0
        while self._batches:
            taken += len(self._batches[0].lines)
            if batches and taken > size:
                break
            batches.append(self._batches.popleft())
            self._count(batches[-1], -1)
        return batches

    def _trim(self):
        dropped = 0
        while self.bytes > self.size:
            batch = self._batches.popleft()
            self._count(batch, -1)
            dropped += batch.count
        return dropped

    def _count(self, batch, sign):
        self.bytes += sign * len(batch.lines)
        self.lines += sign * batch.count
