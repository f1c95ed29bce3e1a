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
    """Listens on one port of loopback, each time in a new process.

    :param make_reader: as of :class:`lab.receiver.Server`
    :param certificate: path of a PEM file, for TLS
    :param options: more of :class:`lab.receiver.Server`
    :ivar orders: its :class:`lab.receiver.Orders`
    """

    log_path = os.devnull

    def __init__(self, make_reader: typing.Callable, certificate=None,
                 **options: typing.Any):
        self.port, = process.free_ports(1)
        context = None
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
        self._server = receiver.Server(
            self.port, make_reader, context=context, **options)
        self.orders = self._server.orders

    def start(self) -> None:
        """Listen and read as a receiver should; return once it listens."""
        self.orders.heal()
        super().start()

    def _run(self, ready):
        self._server.run(ready)
