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

"""What is counted, and the publisher's own series that say so."""

import collections
import logging
import threading
import time

from oslo_log import log

from ceilometer_graphite import naming
from ceilometer_graphite import sanitize
from ceilometer_graphite import throttle
from ceilometer_graphite import wire

LOG = log.getLogger(__name__)

LINES_SENT = "lines_sent"
LINES_REPLAYED = "lines_replayed"
RECONNECTS = "reconnects"
DROPPED = "lines_dropped."
SKIPPED = "samples_skipped."


def text(numbers):
    """Numbers by name, for a log line."""
    return ", ".join("%s %s" % pair for pair in sorted(numbers.items()))


class Counts:
    """Counters since the start. Safe for concurrent callers."""

    def __init__(self):
        self._lock = threading.Lock()
        self._throttle = throttle.Throttle(LOG)
        self._counter = collections.Counter()

    def __getitem__(self, name):
        return self._counter[name]

    def add(self, name, number=1):
        """Add to a counter."""
        with self._lock:
            self._counter[name] += number

    def warn(self, name, number, message, *args, exc_info=None):
        """Add to a counter, and say so unless that was said lately."""
        self.add(name, number)
        self._throttle.log(logging.WARNING, name, "%s: " + message, name,
                           *args, exc_info=exc_info)

    def warn_buffer_full(self, dropped, size):
        """Count lines, if any, that had no room in memory.

        :param size: of the buffer, in bytes
        """
        if dropped:
            self.warn(DROPPED + "buffer_full", dropped, "%d lines, the "
                      "oldest, were dropped: more than [graphite] "
                      "buffer_size = %d bytes waited for Graphite", dropped,
                      size)

    def totals(self):
        """All counters by name."""
        with self._lock:
            return dict(self._counter)


BRANCH = "graphite_publisher"
# Reported from the start, so that their graphs begin at 0.
ALWAYS = (LINES_SENT, LINES_REPLAYED, RECONNECTS)


def namer(settings, endpoints):
    """What makes of a metric's name the name of its series.

    ``{prefix}.{hostname}.graphite_publisher.ENDPOINTS.NAME``, or
    ``{prefix}.graphite_publisher.NAME;host=HOST;endpoint=ENDPOINTS``.

    :param endpoints: as one path component
    """
    host = (sanitize.short_host(settings.host) if settings.append_hostname
            else "")
    head = naming.checked_prefix(settings.prefix)
    if settings.naming == "tags":
        tags = (";host=" + host if host else "") + ";endpoint=" + endpoints
        return lambda name: ".".join(filter(None, (
            head, BRANCH, name))) + tags
    return lambda name: ".".join(filter(None, (
        head, host, BRANCH, endpoints, name)))


class SelfMetrics:
    """Makes lines of counters and levels, now and then.

    A counter is reported as what it grew by since the last report, as
    Carbon reports its own; a level as it is.

    :param name: makes of a metric's name the name of its series
    :param interval_seconds: between two reports; 0 is never
    :param clock: monotonic seconds
    :param now: seconds since 1970
    """

    def __init__(self, name, interval_seconds, clock=time.monotonic,
                 now=time.time):
        self._name = name
        self._interval = interval_seconds
        self._clock = clock
        self._now = now
        self._due_at = clock() + interval_seconds
        self._last = {}

    def is_due(self):
        """Whether it is time for a report."""
        return bool(self._interval) and self._clock() >= self._due_at

    def lines(self, totals, levels):
        """One report.

        :param totals: counters since the start, by name
        :param levels: how things stand now, by name
        :returns: lines of the plaintext protocol
        """
        self._due_at = self._clock() + self._interval
        grown = {name: totals.get(name, 0) - self._last.get(name, 0)
                 for name in {*ALWAYS, *totals}}
        self._last = totals
        seconds = int(self._now())
        return [wire.line(self._name(name), value, seconds)
                for name, value in sorted({**grown, **levels}.items())]
