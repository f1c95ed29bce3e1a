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

"""A receiver that does little but count."""

import threading

from benchmarks.common import protocols
from benchmarks.common import receiver
from lab import child


class _Requests(protocols.Http):
    """Answers requests, whatever is in them."""

    def numbers(self, body):
        return []


class Drain(receiver.Receiver):
    """Counts what comes to one port of loopback.

    :param sender: of :data:`~benchmarks.common.senders.SENDERS`, that sends
        to it
    :param authority: a :class:`~lab.certificates.Authority`, for TLS
    """

    def __init__(self, sender, authority=None):
        super().__init__(
            lambda: _Reader(self, sender.decoder),
            authority.certificate("drain") if sender.is_encrypted else None,
            is_datagram=sender.is_datagram, decrypts=False,
            receive_buffer=2 ** 20 if sender.is_datagram else 0)
        self._lock = threading.Lock()
        self._totals = child.shared_doubles(2)

    @property
    def bytes(self) -> int:
        """How many bytes came; with TLS, as they are on the wire."""
        return int(self._totals[0])

    @property
    def lines(self) -> int:
        """How many newlines were among them."""
        return int(self._totals[1])

    def count(self, data: bytes) -> None:
        with self._lock:
            self._totals[0] += len(data)
            self._totals[1] += data.count(b"\n")


class _Reader:

    def __init__(self, drain, decoder):
        self._drain = drain
        self._requests = _Requests() if decoder is protocols.Http else None

    def feed(self, data):
        self._drain.count(data)
        return self._requests.feed(data)[1] if self._requests else b""
