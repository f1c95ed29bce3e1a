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

"""Converts counters to rates: their growth per second."""

import math
import sys

_NEVER = -math.inf
# The host of a counter without a sample. None is a host that is unknown.
_NOWHERE = object()
# Minimum seconds between the first two samples of a counter.
_FIRST = 0.5
# A counter begins anew after this many times its usual interval.
_AWAY = 4


class Counter:
    """The last sample of a counter, which its next rate needs.

    :ivar seen: monotonic seconds of this process when the sample came
    :ivar divisor: divisor of its rate, such as the number of vCPUs
    :ivar usual: usual seconds between two samples; infinite at first
    """

    __slots__ = ("host", "seconds", "monotonic", "volume", "seen", "divisor",
                 "usual")

    def __init__(self, seen: float):
        self.seen = seen
        self.host = _NOWHERE
        self.monotonic = None
        self.seconds = self.volume = 0
        self.divisor = 1
        self.usual = math.inf

    def per_second(self, host, seconds, monotonic, volume, divisor, is_late):
        """Return the growth per second since the last sample, or None.

        A counter has no rate at its first sample, and none where it begins
        anew: on another host, whose clocks and counters are unrelated; after
        a clock was set back; after an absence, in which its guest may have
        run elsewhere. It has none if it decreased, because its guest was
        restarted. A sample that comes much sooner than usual was delivered
        twice, or two sources poll the meter: it has no rate, and the next
        rate is since the sample before it.

        :param host: the host of its instance, of any type
        :param seconds: the sample's time, in seconds since 1970
        :param monotonic: its time by a clock of that host that is never set,
            or any other value
        :param volume: a number
        :param is_late: whether the last sample has expired
        :returns: a float, or None
        """
        if type(monotonic) is not float or not 0.0 <= monotonic < math.inf:
            monotonic = _reading(monotonic)
        usual, value = self.usual, None
        early = usual / 2 if usual < math.inf else _FIRST
        if monotonic is None or self.monotonic is None:
            # The wall clock may have been set back.
            elapsed, soonest = seconds - self.seconds, 0
        else:
            # If two sources poll at once, the later may come first.
            elapsed, soonest = monotonic - self.monotonic, -early
        if (host == self.host and not is_late
                and soonest <= elapsed <= usual * _AWAY):
            if elapsed < early:
                return None
            if volume >= self.volume:
                try:
                    value = (volume - self.volume) / elapsed
                except OverflowError:
                    value = math.inf
            # One missed poll should not double the usual interval.
            self.usual = (elapsed if elapsed < usual
                          else usual + (elapsed - usual) / 4)
        else:
            self.usual = math.inf
        self.host, self.seconds, self.monotonic = host, seconds, monotonic
        self.volume, self.divisor = volume, divisor
        return value


def _reading(monotonic):
    """Return the reading of a clock, or None if it is not one."""
    if (isinstance(monotonic, (int, float))
            and 0 <= monotonic <= sys.float_info.max):
        return monotonic
    return None


class Polled:
    """Tells whether a meter is still polled.

    A rate or gauge with the name of a polled meter gives way to it, but only
    while it is polled. Time is counted in samples of the meter that the rate
    or gauge comes from. Up to four of these may come in a row if threads or
    two sources poll both meters.
    """

    __slots__ = ("since", "before", "usual")

    def __init__(self):
        self.since = self.before = 0
        self.usual = 1

    def come(self) -> None:
        """Note a sample of the polled meter."""
        self.usual = max(1, min(self.before, self.since))
        self.before, self.since = self.since, 0

    def is_polled(self) -> bool:
        """Note a sample of the other meter; return if it gives way."""
        self.since += 1
        return self.since <= 2 * self.usual + 2


class Resource:
    """What is remembered of a resource.

    :ivar values: the values in the names of its series, or None
    :ivar before: the text before the meter in these names
    :ivar after: the text after the meter
    :ivar counters: a dict of :class:`Counter` by meter
    :ivar polled: a dict of :class:`Polled` by meter and host, or None
    """

    __slots__ = ("values", "before", "after", "counters", "polled")

    def __init__(self):
        self.values = self.polled = None
        self.counters = {}


class Resources(dict):
    """A dict of resources and their counters.

    Unsafe for concurrent callers. Disks and NICs are resources of their own.
    An unknown key gets a new :class:`Resource`.

    :param expiry: seconds after which a counter is forgotten; its memory is
        free after at most twice that time
    :param max_counters: maximum number of counters, and of resources
    :ivar now: monotonic seconds of the last call of :meth:`forget`
    :ivar count: number of counters
    """

    def __init__(self, expiry, max_counters):
        super().__init__()
        self.expiry = expiry
        self.now = _NEVER
        self.count = 0
        self._max = max_counters
        # Resources without a sample since the last turn. The next turn
        # forgets them.
        self._old = {}
        self._turn_at = _NEVER

    def forget(self, now):
        """Forget what was not seen for the time of expiry.

        :param now: monotonic seconds
        """
        self.now = now
        if now >= self._turn_at:
            self.count -= sum(
                len(each.counters) for each in self._old.values())
            self._old = dict(self)
            self.clear()
            self._turn_at = now + self.expiry

    def __missing__(self, key):
        found = self._old.pop(key, None) or Resource()
        for meter, counter in list(found.counters.items()):
            if self.now - counter.seen > self.expiry:
                del found.counters[meter]
                self.count -= 1
        if len(self) + len(self._old) < self._max:
            self[key] = found
        return found

    def add_counter(self, resource, meter, seen):
        """Return a new :class:`Counter`, or None if there are too many."""
        if self.count >= self._max:
            return None
        self.count += 1
        counter = resource.counters[meter] = Counter(seen)
        return counter
