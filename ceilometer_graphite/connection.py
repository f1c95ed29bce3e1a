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

"""One connection after the other, to one endpoint or the next."""

import collections
import logging
import random
import time

from oslo_log import log

from ceilometer_graphite import backoff
from ceilometer_graphite import throttle
from ceilometer_graphite import transports

LOG = log.getLogger(__name__)

RECONNECT_DELAY_SECONDS = 0.2
# A connection that lived for so long was a good one.
SETTLED_SECONDS = 5.0


class Connection:
    """A transport that is connected to one of some endpoints, or is not.

    It stays with an endpoint that works, and goes on to the next when that
    fails. Unsafe for concurrent callers.

    :param settings: endpoints, reconnect_delay_max_seconds and
        reconnect_interval
    :param transport: of :mod:`~ceilometer_graphite.transports`
    :param clock: monotonic seconds
    :ivar sent_bytes: on the connection of now
    :ivar is_again: whether it is not the first; None before any
    """

    def __init__(self, settings, transport, clock=time.monotonic):
        self._endpoints = collections.deque(settings.endpoints)
        self._renew_seconds = settings.reconnect_interval
        self._transport = transport
        self._clock = clock
        self._backoff = backoff.Backoff(RECONNECT_DELAY_SECONDS,
                                        settings.reconnect_delay_max_seconds)
        self._throttle = throttle.Throttle(LOG)
        self._since = None
        self._until = None
        self.is_again = None
        self.sent_bytes = 0

    @property
    def is_open(self):
        """Whether there is a connection, for all that is known."""
        return self._since is not None

    @property
    def is_due(self):
        """Whether it is time for a new connection, if one wants them."""
        return self._until is not None and self._clock() > self._until

    @property
    def endpoint(self):
        """``host:port`` of the endpoint that is used, or is the next."""
        return transports.endpoint_text(self._endpoints[0])

    def open(self):
        """Try each endpoint once.

        :returns: how many seconds to wait before the next try; 0 when there
            is a connection
        """
        for _ in range(len(self._endpoints)):
            try:
                self._transport.connect(self._endpoints[0])
            except transports.TransportError as e:
                self._say(e)
                self._endpoints.rotate(-1)
            else:
                self._since = self._clock()
                self._until = self._since + self._renew_seconds * (
                    random.uniform(0.9, 1.1)  # noqa: S311
                ) if self._renew_seconds else None
                self.sent_bytes = 0
                self.is_again = self.is_again is not None
                return 0
        return self._backoff.next_delay()

    def send(self, lines):
        """Send lines.

        :returns: where among the bytes of this connection they end
        :raises transports.TransportError: when it broke
        """
        self.sent_bytes += self._transport.send(lines)
        return self.sent_bytes

    def check(self):
        """Notice a far end that is gone.

        :raises transports.TransportError: when it is
        """
        self._transport.check()

    def arrived_bytes(self):
        """How much of what was sent has arrived.

        :raises transports.TransportError: when it broke
        """
        return self.sent_bytes - self._transport.unacknowledged()

    def read_bytes(self, surely):
        """How much of what was sent the far end has read.

        :param surely: leave out what it may not have read
        :raises transports.TransportError: when it broke
        """
        unread = self._transport.unread() if surely else 0
        return self.sent_bytes - unread

    def close(self):
        """Give the connection up, to have another of the same endpoint."""
        self._transport.close()
        self._since = None

    def lost(self, error):
        """Give up a connection that broke, and go on to the next endpoint.

        :returns: how many seconds to wait before the next :meth:`open`
        """
        lived = self._clock() - self._since
        self.close()
        self._say(error)
        self._endpoints.rotate(-1)
        if lived > SETTLED_SECONDS:
            self._backoff.reset()
            return 0
        # One that takes connections only to drop them is not hammered.
        return self._backoff.next_delay()

    def _say(self, error):
        self._throttle.log(
            logging.WARNING, self._endpoints[0],
            "Graphite cannot be reached: %s. Lines wait, and are sent when "
            "it can be", error)
