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
from ceilometer_graphite import naming

TABLE_FULL = "rate_table_full"


def _elapsed(last, state):
    """Seconds between two states, by the better clock that both have.

    None, when they are of two hosts: there neither their monotonic clocks
    nor their counters have anything in common.
    """
    last_host, last_seconds, last_monotonic, _, _ = last
    host, seconds, monotonic, _, _ = state
    if last_host != host:
        return None
    if last_monotonic is not None and monotonic is not None:
        return monotonic - last_monotonic
    return seconds - last_seconds


def _number(monotonic):
    """A clock's reading as a number, None for what is none."""
    try:
        return encoding.number(monotonic)
    except encoding.SkippedSample:
        return None


class RateTable:
    """Remembers of each counter what its next rate needs.

    Safe for concurrent callers. A counter is told by its meter and its
    resource, which for a disk or a NIC is that device.

    :param expiry_seconds: a counter that was not seen for so long is
        forgotten; its place is free after twice that time at the latest
    :param max_series: how many counters are remembered at most; what comes
        when it is full gets no rate until places are free
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
        :returns: a float, or None: for a first sample, one from another
            host, a counter that went back (its guest was restarted) and a
            clock that did not go on (a sample delivered twice, a clock set
            back)
        :raises encoding.SkippedSample: for a counter that comes for the
            first time when the table is full
        """
        seen_at = self._clock()
        monotonic = sample.monotonic_time
        if type(monotonic) is not float or not 0 <= monotonic < math.inf:
            monotonic = _number(monotonic)
        state = (naming.metadata(sample).get("instance_host"), seconds,
                 monotonic, volume, seen_at)
        with self._lock:
            last, elapsed = self._replace_locked(
                (sample.name, sample.resource_id), state)
        if not elapsed or elapsed < 0 or seen_at - last[4] > self._expiry:
            return None
        grown = volume - last[3]
        try:
            return grown / elapsed if grown >= 0 else None
        except OverflowError:
            return math.inf

    def _replace_locked(self, key, state):
        """The counter's last state, and the seconds since then, if any."""
        if state[4] - self._turned_at >= self._expiry:
            self._turn_locked(state[4])
        last = self._young.get(key) or self._old.pop(key, None)
        if last is None:
            if len(self) >= self._max_series:
                raise encoding.SkippedSample(TABLE_FULL)
            self._young[key] = state
            return None, None
        elapsed = _elapsed(last, state)
        # Of the same sample twice, the first one stays what counts.
        self._young[key] = (*last[:4], state[4]) if elapsed == 0 else state
        return last, elapsed

    def _turn_locked(self, now):
        self._old = self._young
        self._young = {}
        self._turned_at = now
