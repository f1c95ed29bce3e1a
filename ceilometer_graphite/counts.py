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

"""What happened to samples and lines, in numbers and in the log."""

import collections
import logging
import threading

from oslo_log import log

from ceilometer_graphite import throttle

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
