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

"""A receiver that runs in a forked process, and can be killed."""

import os
import ssl
import typing

from lab import child
from lab import process
from lab import receiver


class Receiver(child.Child):
    """Listens on one loopback port, in a new process after each start.

    :param make_decoder: makes the decoder of one connection, as in
        :mod:`benchmarks.common.protocols`
    :param note: called with what a decoder found, from several threads
    :param sender: of :data:`~benchmarks.common.senders.SENDERS`, if it uses
        UDP or TLS
    :param authority: a :class:`~lab.certificates.Authority`, for TLS
    :param options: other options of :class:`lab.receiver.Server`
    :ivar orders: its :class:`lab.receiver.Orders`
    """

    log_path = os.devnull

    def __init__(self, make_decoder: typing.Callable, note: typing.Callable,
                 sender=None, authority=None, **options: typing.Any):
        self.port, = process.free_ports(1)
        context = None
        if sender and sender.is_encrypted:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority.certificate("receiver"))
        self._server = receiver.Server(
            self.port, lambda: _Reader(make_decoder(), note),
            is_datagram=bool(sender and sender.is_datagram), context=context,
            **options)
        self.orders = self._server.orders

    def start(self) -> None:
        """Accept and read normally; return when the socket listens."""
        self.orders.heal()
        super().start()

    def _run(self, ready):
        self._server.run(ready)


class _Reader:

    def __init__(self, decoder, note):
        self._decoder = decoder
        self._note = note

    def feed(self, data):
        found, reply = self._decoder.feed(data)
        self._note(found)
        return reply
