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


class Counter:
    """The last sample of a counter: what its next rate needs.

    :ivar seen: monotonic seconds of this process when it came
    """

    __slots__ = ("host", "seconds", "monotonic", "volume", "seen")

    def __init__(self):
        self.seen = _NEVER
        self.host = self.monotonic = None
        self.seconds = self.volume = 0

    def per_second(self, host, seconds, monotonic, volume, now, expiry):
        """What the counter grew by per second since its last sample.

        :param host: of its instance, whatever that is
        :param seconds: the sample's time, in seconds since 1970
        :param monotonic: the same by a clock of that host that is never
            set, or whatever stands there
        :param volume: a number
        :param now: monotonic seconds of this process
        :param expiry: seconds after which a counter begins anew
        :returns: a float, or None: for a first sample, one from another
            host, a counter that went back (its guest was restarted) and a
            clock that did not go on (a sample delivered twice, a clock set
            back)
        """
        if type(monotonic) is not float or not 0.0 <= monotonic < math.inf:
            monotonic = _reading(monotonic)
        if monotonic is None or self.monotonic is None:
            elapsed = seconds - self.seconds
        else:
            elapsed = monotonic - self.monotonic
        grown = volume - self.volume
        # Of two hosts neither clocks nor counters have much in common.
        is_next = host == self.host and now - self.seen <= expiry
        self.seen = now
        if is_next and elapsed == 0:
            # The first of a sample and its copies is what counts.
            return None
        self.host, self.seconds = host, seconds
        self.monotonic, self.volume = monotonic, volume
        if not is_next or elapsed < 0 or grown < 0:
            return None
        try:
            return grown / elapsed
        except OverflowError:
            return math.inf


def _reading(monotonic):
    """A clock's reading, or None for what is none."""
    if (isinstance(monotonic, (int, float))
            and 0 <= monotonic <= sys.float_info.max):
        return monotonic
    return None


class Resource:
    """What is remembered of a resource.

    :ivar values: what the names of its series were made of, or None
    :ivar before: the text before the meter in these names
    :ivar after: that after it
    :ivar counters: by meter, a :class:`Counter`
    """

    __slots__ = ("values", "before", "after", "counters")

    def __init__(self):
        self.values = None
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

    def add_counter(self, resource, meter):
        """A new :class:`Counter`; None where there is no room."""
        if self.count >= self._max:
            return None
        self.count += 1
        counter = resource.counters[meter] = Counter()
        return counter
