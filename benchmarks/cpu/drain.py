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

"""A receiver that only counts what it receives."""

import threading

from benchmarks.common import protocols
from benchmarks.common import receiver
from lab import child


class _Bytes:
    """Returns the bytes as they are."""

    def feed(self, data):
        return data, b""


class _Requests(protocols.Http):
    """Returns the bytes, and replies to each request."""

    def feed(self, data):
        return data, super().feed(data)[1]

    def numbers(self, body):
        return []


class Drain(receiver.Receiver):
    """Counts the bytes and lines that reach one loopback port.

    :param sender: of :data:`~benchmarks.common.senders.SENDERS`
    :param authority: a :class:`~lab.certificates.Authority`, for TLS
    """

    def __init__(self, sender, authority=None):
        super().__init__(
            _Requests if sender.decoder is protocols.Http else _Bytes,
            self._count, sender, authority, decrypts=False,
            receive_buffer=2 ** 20 if sender.is_datagram else 0)
        self._lock = threading.Lock()
        self._totals = child.shared_doubles(2)

    @property
    def bytes(self) -> int:
        """How many bytes arrived; with TLS, encrypted ones."""
        return int(self._totals[0])

    @property
    def lines(self) -> int:
        """How many newlines were among them."""
        return int(self._totals[1])

    def _count(self, data):
        with self._lock:
            self._totals[0] += len(data)
            self._totals[1] += data.count(b"\n")
