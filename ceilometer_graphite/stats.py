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

"""Counters, and the publisher's own series."""

import collections
import hashlib
import logging
import threading
import time
import urllib.parse

from oslo_log import log

from ceilometer_graphite import naming
from ceilometer_graphite import sanitize
from ceilometer_graphite import throttle
from ceilometer_graphite import wire

LOG = log.getLogger(__name__)

LINES_SENT = "lines_sent"
LINES_REPLAYED = "lines_replayed"
FAILURES = "failures"
DROPPED = "lines_dropped."
SKIPPED = "samples_skipped."


def text(numbers):
    """Format numbers by name for a log line."""
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
        """Add to a counter and log a warning, throttled by counter."""
        self.add(name, number)
        self._throttle.log(logging.WARNING, name, "%s: " + message, name,
                           *args, exc_info=exc_info)

    def totals(self):
        """All counters by name."""
        with self._lock:
            return dict(self._counter)


BRANCH = "graphite_publisher"
# Reported from the start, so that their graphs begin at 0.
ALWAYS = (LINES_SENT, LINES_REPLAYED, FAILURES)


def namer(settings, slot="", endpoints=None):
    """Return a function from a metric's name to the name of its series.

    The series are
    ``{prefix}.HOST.graphite_publisher.PUBLISHER.NAME``, or
    ``{prefix}.graphite_publisher.NAME;host=HOST;endpoint=PUBLISHER``.
    HOST is the host's short name. PUBLISHER is the endpoints, plus a hash
    if the host has a domain or the URL has options, plus a number from 2 if
    other processes of the host have a publisher with the same URL.

    :param slot: the slot of this process; its text is that number
    :param endpoints: replaces the publisher's endpoints
    """
    host = sanitize.short_host(settings.host)
    head = naming.checked_prefix(settings.prefix)
    parts = urllib.parse.urlsplit(settings.url)
    publisher = sanitize.component(endpoints or ",".join(
        "%s:%d" % endpoint for endpoint in settings.endpoints))
    if settings.host.partition(".")[2] or parts.query:
        publisher += "_" + hashlib.blake2b(
            ("%s?%s" % (settings.host, parts.query)).encode(),
            digest_size=4).hexdigest()
    if str(slot):
        publisher += "_" + str(slot)
    if settings.naming == "tags":
        tags = ";host=%s;endpoint=%s" % (host, publisher)
        return lambda name: ".".join(filter(None, (
            head, BRANCH, name))) + tags
    return lambda name: ".".join(filter(None, (
        head, host, BRANCH, publisher, name)))


class SelfMetrics:
    """Makes the lines of the publisher's reports.

    A counter is reported as its growth since the last report, as Carbon
    does. A level is reported as it is.

    :param name: function from a metric's name to the name of its series
    :param now: function that returns seconds since 1970
    """

    def __init__(self, name, now=time.time):
        self._name = name
        self._now = now
        self._last = {}

    def lines(self, totals, levels):
        """Make one report.

        :param totals: counters since the start, by name
        :param levels: current levels, by name
        :returns: lines of the plaintext protocol
        """
        grown = {name: totals.get(name, 0) - self._last.get(name, 0)
                 for name in {*ALWAYS, *totals}}
        self._last = totals
        seconds = int(self._now())
        return [wire.line(self._name(name), value, seconds)
                for name, value in sorted({**grown, **levels}.items())]
