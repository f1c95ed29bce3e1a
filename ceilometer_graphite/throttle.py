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

"""Throttles repeated log lines, and logs how many were held back."""

import threading
import time

WINDOW_SECONDS = 60.0


class Throttle:
    """Logs one message of each kind in a time window.

    Safe for concurrent callers.
    """

    def __init__(self, log, window_seconds=WINDOW_SECONDS,
                 clock=time.monotonic):
        self._log = log
        self._window = window_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds = {}

    def log(self, level, kind, message, *args, **kwargs):
        """Log ``message % args`` unless ``kind`` was logged lately.

        Messages held back are counted. The next line of that kind says how
        many there were.

        :param level: a level of the ``logging`` module
        :param kind: any hashable; the number of kinds must be small
        :param kwargs: as for ``logging.Logger.log``
        """
        held_back = self._admit(kind)
        if held_back is None:
            return
        if held_back:
            message += " (and %d more like this since the last such line)"
            args += (held_back,)
        self._log.log(level, message, *args, **kwargs)

    def log_always(self, level, kind, message, *args, **kwargs):
        """Log even if ``kind`` was logged lately, and restart its window."""
        with self._lock:
            self._kinds.pop(kind, None)
        self.log(level, kind, message, *args, **kwargs)

    def _admit(self, kind):
        now = self._clock()
        with self._lock:
            logged_at, held_back = self._kinds.get(kind, (None, 0))
            if logged_at is not None and now - logged_at < self._window:
                self._kinds[kind] = (logged_at, held_back + 1)
                return None
            self._kinds[kind] = (now, 0)
            return held_back
