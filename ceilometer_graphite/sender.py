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

"""From encoded lines to Graphite: the only thread."""

import collections
import logging
import threading
import time

from oslo_log import log

from ceilometer_graphite import backoff
from ceilometer_graphite import buffer
from ceilometer_graphite import throttle
from ceilometer_graphite import transports

LOG = log.getLogger(__name__)

# One send is of at most so many bytes, or of one batch.
CHUNK_BYTES = 65536
# A connection with nothing to send is looked at so often.
CHECK_SECONDS = 1.0
RECONNECT_DELAY_SECONDS = 0.2

# A connection that lived for so long was a good one.
SETTLED_SECONDS = 5.0
LOCK_SECONDS = 0.1

SENT = "sent"
BUFFER_FULL = "buffer_full"


class Sender:
    """Delivers batches of lines from a thread of its own.

    The thread starts with the first batch. Safe for concurrent callers, of
    whom none ever waits for the network.

    :param endpoints: (host, port) pairs; it stays with one that works and
        goes on to the next when that fails
    :param transport: of :mod:`~ceilometer_graphite.transports`
    :param buffer_size: bytes of lines that wait in memory at most
    :param reconnect_delay_max_seconds: between two rounds over all endpoints
    :param clock: monotonic seconds
    :param sleep: waits for some seconds
    :ivar counts: lines by what became of them: ``sent``, or the reason for
        which they were dropped
    """

    def __init__(self, endpoints, transport, buffer_size,
                 reconnect_delay_max_seconds, clock=time.monotonic,
                 sleep=time.sleep):
        self._clock = clock
        self._sleep = sleep
        self._endpoints = collections.deque(endpoints)
        self._transport = transport
        self._buffer = buffer.Buffer(buffer_size)
        self._backoff = backoff.Backoff(RECONNECT_DELAY_SECONDS,
                                        reconnect_delay_max_seconds)
        self._throttle = throttle.Throttle(LOG)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._in_hand = []
        self._thread = None
        self._connected_at = None
        self._close_by = None
        self.counts = collections.Counter()

    def submit(self, lines, count):
        """Take lines over for delivery; returns at once.

        :param lines: bytes of whole lines
        :param count: how many they are
        """
        with self._lock:
            dropped = self._buffer.put(buffer.Batch(lines, count))
            self.counts[BUFFER_FULL] += dropped
            if self._thread is None:
                self._start_locked()
        if dropped:
            self._say_dropped(dropped)
        self._wake.set()

    def is_idle(self):
        """Whether everything that was submitted was sent.

        Safe in a signal handler: where that interrupted a caller of this
        sender, the answer is no.
        """
        if not self._lock.acquire(timeout=LOCK_SECONDS):
            return False
        try:
            return not (self._buffer.lines or self._in_hand)
        finally:
            self._lock.release()

    def close(self, timeout_seconds):
        """Send what waits, and end the thread.

        :param timeout_seconds: how long that may take
        :returns: whether everything was sent
        """
        self._close_by = self._clock() + timeout_seconds
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        return self.is_idle()

    def _start_locked(self):
        self._thread = threading.Thread(
            target=self._run, name="graphite-sender", daemon=True)
        self._thread.start()

    def _run(self):
        while not self._is_done():
            try:
                self._turn()
            except Exception as e:
                # A fault of this module: the lines stay, and so do we.
                self._throttle.log(logging.ERROR, "fault", "%r in the "
                                   "sender to Graphite", e, exc_info=True)
                self._sleep(CHECK_SECONDS)
        self._transport.close()

    def _is_done(self):
        return self._close_by is not None and (
            self.is_idle() or self._clock() > self._close_by)

    def _turn(self):
        """Connect, send a chunk, or wait for one."""
        if self._connected_at is None:
            self._connect()
            return
        with self._lock:
            self._in_hand = self._buffer.take(CHUNK_BYTES)
        try:
            self._transport.check()
            if self._in_hand:
                self._transport.send(b"".join(b.lines for b in self._in_hand))
        except Exception as e:
            self._disconnect(e)
            if not isinstance(e, transports.TransportError):
                raise
            return
        if self._in_hand:
            self.counts[SENT] += sum(b.count for b in self._in_hand)
            self._in_hand = []
        else:
            self._wake.wait(CHECK_SECONDS)
            self._wake.clear()

    def _connect(self):
        """Try each endpoint once, then wait before the next round."""
        for _ in range(len(self._endpoints)):
            try:
                self._transport.connect(self._endpoints[0])
            except transports.TransportError as e:
                self._say_unreachable(e)
                self._endpoints.rotate(-1)
            else:
                self._connected_at = self._clock()
                LOG.info("Connected to Graphite at %s; %d lines wait",
                         self._endpoint_text(), self._buffer.lines)
                return
        self._sleep(self._backoff.next_delay())

    def _disconnect(self, error):
        """Give up the connection, and put back what it did not take."""
        self._transport.close()
        with self._lock:
            self.counts[BUFFER_FULL] += self._buffer.put_back(self._in_hand)
            self._in_hand = []
        self._say_unreachable(error)
        self._endpoints.rotate(-1)
        if self._clock() - self._connected_at > SETTLED_SECONDS:
            self._backoff.reset()
        else:
            # One that takes connections only to drop them is not hammered.
            self._sleep(self._backoff.next_delay())
        self._connected_at = None

    def _endpoint_text(self):
        return transports.endpoint_text(self._endpoints[0])

    def _say_unreachable(self, error):
        self._throttle.log(
            logging.WARNING, self._endpoints[0],
            "Graphite cannot be reached: %s. %d lines wait in memory and are "
            "sent when it can be", error, self._buffer.lines)

    def _say_dropped(self, dropped):
        self._throttle.log(
            logging.WARNING, BUFFER_FULL,
            "%d lines, the oldest, were dropped because more than "
            "[graphite] buffer_size = %d bytes wait for Graphite; %d lines "
            "since the start", dropped, self._buffer.size,
            self.counts[BUFFER_FULL])
