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

"""Counters to rates: what a counter grew by, per second."""

import math
import threading
import time

from ceilometer_graphite import encoding

TABLE_FULL = "rate_table_full"


def _elapsed(last, state):
    """Seconds between two states, by the better clock that both have."""
    if last[1] is not None and state[1] is not None:
        return state[1] - last[1]
    return state[0] - last[0]


def _growth(last, state):
    elapsed = _elapsed(last, state)
    grown = state[2] - last[2]
    if elapsed <= 0 or grown < 0:
        return None
    try:
        return grown / elapsed
    except OverflowError:
        return math.inf


class RateTable:
    """Remembers of each counter what its next rate needs.

    Safe for concurrent callers. A counter is told by its meter and its
    resource, which for a disk or a NIC is that device.

    :param expiry_seconds: a counter that was not seen for so long is
        forgotten
    :param max_series: how many counters are remembered at most; what comes
        when it is full gets no rate until others have expired
    :param clock: monotonic seconds, for the expiry only
    """

    def __init__(self, expiry_seconds, max_series, clock=time.monotonic):
        self._expiry = expiry_seconds
        self._max_series = max_series
        self._clock = clock
        self._lock = threading.Lock()
        # Counters seen since the last turn, and those seen only before it:
        # the turn is what forgets, and costs nothing while there is none.
        self._young = {}
        self._old = {}
        self._turned_at = clock()

    def __len__(self):
        return len(self._young) + len(self._old)

    def per_second(self, sample, volume, seconds):
        """What a counter grew by per second since its last sample.

        :param sample: of the counter
        :param volume: the number in the sample
        :param seconds: the sample's timestamp, in seconds since 1970
        :returns: a float, or None: for a first sample, a counter that went
            back (its guest was restarted or moved) and a clock that did not
            go on (a sample delivered twice, a clock set back)
        :raises encoding.SkippedSample: for a counter that comes for the
            first time when the table is full
        """
        monotonic = sample.monotonic_time
        if not isinstance(monotonic, (int, float)):
            monotonic = None
        key = (sample.name, sample.resource_id)
        seen_at = self._clock()
        state = (seconds, monotonic, volume, seen_at)
        with self._lock:
            self._turn_locked(seen_at)
            last = self._replace_locked(key, state)
        if last is None or seen_at - last[3] > self._expiry:
            return None
        return _growth(last, state)

    def _replace_locked(self, key, state):
        last = self._young.get(key) or self._old.pop(key, None)
        if last is None:
            if len(self) >= self._max_series:
                raise encoding.SkippedSample(TABLE_FULL)
            self._young[key] = state
            return None
        if _elapsed(last, state) == 0:
            # The same sample again: the first one stays what counts.
            state = (*last[:3], state[3])
        self._young[key] = state
        return last

    def _turn_locked(self, now):
        if now - self._turned_at < self._expiry:
            return
        self._old = self._young
        self._young = {}
        self._turned_at = now
