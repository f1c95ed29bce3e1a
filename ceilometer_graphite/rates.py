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
import sys

_NEVER = -math.inf
# The host of a counter without a sample; None is one that is not known.
_NOWHERE = object()
# Seconds between the first two samples of a counter, at least.
_FIRST = 0.5
# How much longer than usual a counter may be away before it begins anew.
_AWAY = 4


class Counter:
    """The last sample of a counter: what its next rate needs.

    :ivar seen: monotonic seconds of this process when it came
    :ivar divisor: what the rate was divided by then, such as the vCPUs
    :ivar usual: seconds between two of its samples; infinite at first
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
        """What the counter grew by per second since its last sample.

        There is no rate of a first sample, or where the counter begins anew:
        on another host, whose clocks and counters have nothing in common
        with these; after a clock that went back; after an absence, in which
        its guest may have run elsewhere. There is none of a counter that
        went back, as its guest was restarted. And none of a sample that
        comes much sooner after the last than usual, because it was delivered
        twice or two sources poll its meter: the next rate is since the one
        before.

        :param host: of its instance, whatever that is
        :param seconds: the sample's time, in seconds since 1970
        :param monotonic: the same by a clock of that host that is never
            set, or whatever stands there
        :param volume: a number
        :param is_late: whether it comes too late for the last sample
        :returns: a float, or None
        """
        if type(monotonic) is not float or not 0.0 <= monotonic < math.inf:
            monotonic = _reading(monotonic)
        usual, value = self.usual, None
        early = usual / 2 if usual < math.inf else _FIRST
        if monotonic is None or self.monotonic is None:
            # That clock may have been set back.
            elapsed, soonest = seconds - self.seconds, 0
        else:
            # Of two sources that poll at once the later may come first.
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
            # A poll that is missed once does not double what is usual.
            self.usual = (elapsed if elapsed < usual
                          else usual + (elapsed - usual) / 4)
        else:
            self.usual = math.inf
        self.host, self.seconds, self.monotonic = host, seconds, monotonic
        self.volume, self.divisor = volume, divisor
        return value


def _reading(monotonic):
    """A clock's reading, or None for what is none."""
    if (isinstance(monotonic, (int, float))
            and 0 <= monotonic <= sys.float_info.max):
        return monotonic
    return None


class Polled:
    """When samples of a polled meter came, counted in samples of another.

    That other has a rate or a gauge of the same name, which gives way to the
    polled one, but only while it is polled. Where threads or two sources poll
    both meters, up to four samples of the other may come in a row.
    """

    __slots__ = ("since", "before", "usual")

    def __init__(self):
        self.since = self.before = 0
        self.usual = 1

    def come(self) -> None:
        """A sample of the polled meter has come."""
        self.usual = max(1, min(self.before, self.since))
        self.before, self.since = self.since, 0

    def is_polled(self) -> bool:
        """Whether the other's sample, of now, has to give way."""
        self.since += 1
        return self.since <= 2 * self.usual + 2


class Resource:
    """What is remembered of a resource.

    :ivar values: what the names of its series were made of, or None
    :ivar before: the text before the meter in these names
    :ivar after: that after it
    :ivar counters: by meter, a :class:`Counter`
    :ivar polled: by meter and host, a :class:`Polled`; None without any
    """

    __slots__ = ("values", "before", "after", "counters", "polled")

    def __init__(self):
        self.values = self.polled = None
        self.counters = {}


class Resources(dict):
    """Remembers resources, by a key, and their counters.

    Unsafe for concurrent callers. Disks and NICs are resources of their own.
    An unknown key has a new :class:`Resource`.

    :param expiry: seconds; what was not seen for so long is forgotten. Its
        place is free after twice that time at the latest
    :param max_counters: how many counters are remembered at most, and how
        many resources
    :ivar now: monotonic seconds of the last call of :meth:`forget`
    :ivar count: how many counters are remembered
    """

    def __init__(self, expiry, max_counters):
        super().__init__()
        self.expiry = expiry
        self.now = _NEVER
        self.count = 0
        self._max = max_counters
        # Those that were not seen since the last turn. The turn is what
        # forgets, and costs nothing while there is none.
        self._old = {}
        self._turn_at = _NEVER

    def forget(self, now):
        """Forget what was not seen for long.

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
        """A new :class:`Counter`; None where there is no room."""
        if self.count >= self._max:
            return None
        self.count += 1
        counter = resource.counters[meter] = Counter(seen)
        return counter
