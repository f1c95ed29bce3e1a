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
import typing

from ceilometer_graphite import encoding
from ceilometer_graphite import naming

TABLE_FULL = "rate_table_full"


class _State(typing.NamedTuple):
    host: object
    seconds: float
    monotonic: float | None
    volume: float
    seen_at: float


def _elapsed(last, state):
    """Seconds between two states, by the better clock that both have.

    None, when they are of two hosts: there neither their monotonic clocks
    nor their counters have anything in common.
    """
    if last.host != state.host:
        return None
    if last.monotonic is not None and state.monotonic is not None:
        return state.monotonic - last.monotonic
    return state.seconds - last.seconds


def _growth(last, state):
    elapsed = _elapsed(last, state)
    grown = state.volume - last.volume
    if elapsed is None or elapsed <= 0 or grown < 0:
        return None
    try:
        return grown / elapsed
    except OverflowError:
        return math.inf


def _monotonic(sample):
    try:
        return encoding.number(sample.monotonic_time)
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
        key = (sample.name, sample.resource_id)
        seen_at = self._clock()
        state = _State(naming.metadata(sample).get("instance_host"),
                       seconds, _monotonic(sample), volume, seen_at)
        with self._lock:
            self._turn_locked(seen_at)
            last = self._replace_locked(key, state)
        if last is None or seen_at - last.seen_at > self._expiry:
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
            state = last._replace(seen_at=state.seen_at)
        self._young[key] = state
        return last

    def _turn_locked(self, now):
        if now - self._turned_at < self._expiry:
            return
        self._old = self._young
        self._young = {}
        self._turned_at = now
