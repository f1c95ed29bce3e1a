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

from ceilometer_graphite import wire

TABLE_FULL = "rate_table_full"

_NEVER_SEEN = (object(), 0.0, None, 0, 0.0)


def _number(monotonic):
    """A clock's reading as a number, None for what is none."""
    try:
        return wire.number(monotonic)
    except wire.SkippedSample:
        return None


def _quotient(grown, elapsed):
    try:
        return grown / elapsed
    except OverflowError:
        return math.inf


class RateTable:
    """Remembers of each counter what its next rate needs.

    Unsafe for concurrent callers. A counter is told by its meter and its
    resource, which for a disk or a NIC is that device.

    :param expiry_seconds: a counter that was not seen for so long is
        forgotten; its place is free after twice that time at the latest
    :param max_series: how many counters are remembered at most; what comes
        when it is full gets no rate until places are free
    """

    def __init__(self, expiry_seconds, max_series):
        self._expiry = expiry_seconds
        self._max_series = max_series
        # By meter and resource: counters seen since the last turn, and those
        # seen only before it. The turn is what forgets, and costs nothing
        # while there is none.
        self._young = {}
        self._old = {}
        self._turn_at = -math.inf

    def __len__(self):
        return sum(map(len, (*self._young.values(), *self._old.values())))

    def per_second(self, samples, volumes, hosts, seconds, now):
        """What counters grew by per second since their last samples.

        :param samples: of one meter and time, one at least; their resources
            are hashable
        :param volumes: the number in each
        :param hosts: of the instance of each, whatever that is
        :param seconds: that time, in seconds since 1970
        :param now: monotonic seconds of this process, for the expiry only
        :returns: for each a float, or None: for a first sample, one from
            another host, a counter that went back (its guest was restarted)
            and a clock that did not go on (a sample delivered twice, a
            clock set back); and a list of the samples that are left out,
            because they are first ones and the table is full
        """
        if now >= self._turn_at:
            self._turn(now)
        meter = samples[0].name
        young = self._young.setdefault(meter, {})
        old = self._old.get(meter, {})
        found, left_out = [], []
        for sample, volume, host in zip(samples, volumes, hosts, strict=True):
            monotonic = sample.monotonic_time
            if type(monotonic) is not float or not 0.0 <= monotonic < math.inf:
                monotonic = _number(monotonic)
            key = sample.resource_id
            last = young.get(key) or old.pop(key, _NEVER_SEEN)
            if last is _NEVER_SEEN and len(self) >= self._max_series:
                left_out.append(sample)
                found.append(None)
                continue
            young[key] = host, seconds, monotonic, volume, now
            last_host, last_seconds, last_monotonic, last_volume, seen = last
            if monotonic is None or last_monotonic is None:
                elapsed = seconds - last_seconds
            else:
                elapsed = monotonic - last_monotonic
            value = None
            # Of two hosts neither clocks nor counters have much in common.
            if host == last_host:
                if elapsed == 0:
                    # The first of a sample and its copies is what counts.
                    young[key] = *last[:4], now
                elif (elapsed > 0 and volume >= last_volume
                        and now - seen <= self._expiry):
                    value = _quotient(volume - last_volume, elapsed)
            found.append(value)
        if not young:
            del self._young[meter]
        return found, left_out

    def _turn(self, now):
        self._old, self._young = self._young, self._old
        self._young.clear()
        self._turn_at = now + self._expiry
