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

"""A receiver in a process of its own, that can be killed and can misbehave.

It notes what its application read, so what only its kernel took is lost
with it.
"""

import contextlib
import math
import socket
import ssl
import struct
import threading
import time

from benchmarks.common import child

_READ_BYTES = 65536
_LOOK_SECONDS = 0.05
_BACKLOG = 1024
# SO_LINGER of no seconds: close() answers with RST.
_RST = struct.pack("ii", 1, 0)


class Receiver:
    """Listens on one port of loopback, each time in a new process.

    :param decoder: makes one of :mod:`~benchmarks.common.protocols`
    :param ledger: a :class:`~benchmarks.faults.account.Ledger`
    :param port: to listen on
    :param is_datagram: whether it is UDP
    :param certificate: path of a PEM file, for TLS
    :ivar started_at: monotonic seconds of the last start
    """

    def __init__(self, decoder, ledger, port, is_datagram=False,
                 certificate=None):
        # Written here, read there: how often it was to reset connections,
        # and until when to read no more than a byte in a second.
        self._orders = child.shared_doubles(2)
        self._server = _Server(decoder, ledger, port, is_datagram,
                               certificate, self._orders)
        self._ledger = ledger
        self._child = None
        self.started_at = 0.0

    def start(self):
        """Listen again; returns once it does."""
        self._orders[1] = 0.0
        self._ledger.arm()
        self._child = child.start(self._server.run)
        self.started_at = time.monotonic()

    def reset(self):
        """Answer each connection of now with RST, and go on listening."""
        self._orders[0] += 1

    def read_slowly(self, seconds=math.inf):
        """Read a byte (or datagram) a second for some time, or nothing.

        :param seconds: infinite is nothing at all, for ever
        """
        self._orders[1] = time.monotonic() + seconds

    def kill(self):
        """End it by SIGKILL.

        :returns: whether it had read anything
        """
        self._child.kill()
        self._child.join()
        self._child = None
        return bool(self._ledger.first_read_at)

    def close(self):
        """End it if it is there."""
        if self._child is not None:
            self.kill()


class _Server:
    """The other side of :class:`Receiver`, in the forked process."""

    def __init__(self, decoder, ledger, port, is_datagram, certificate,
                 orders):
        self._decoder = decoder
        self._ledger = ledger
        self._address = ("127.0.0.1", port)
        self._is_datagram = is_datagram
        self._certificate = certificate
        self._orders = orders

    def run(self, tell_ready):
        if self._is_datagram:
            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.bind(self._address)
            tell_ready()
            self._read(server)
            return
        server = socket.create_server(self._address, backlog=_BACKLOG)
        tell_ready()
        while True:
            connection, _ = server.accept()
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            if self._certificate:
                while self._orders[1] == math.inf:
                    time.sleep(_LOOK_SECONDS)
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                context.load_cert_chain(self._certificate)
                connection = context.wrap_socket(connection, server_side=True)
            with connection:
                self._read(connection)

    def _read(self, connection):
        """Read until the far end has closed, or a reset is ordered."""
        decoder = self._decoder()
        resets = self._orders[0]
        connection.settimeout(_LOOK_SECONDS)
        while resets == self._orders[0] or self._is_datagram:
            size = self._wait_for_turn()
            if not size:
                continue
            try:
                data = connection.recv(size)
            except TimeoutError:
                continue
            if not data:
                return
            numbers, reply = decoder.feed(data)
            self._ledger.mark(numbers)
            if reply:
                connection.sendall(reply)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)

    def _wait_for_turn(self):
        """How many bytes may be read now."""
        slow_until = self._orders[1]
        if slow_until == math.inf:
            time.sleep(_LOOK_SECONDS)
            return 0
        if time.monotonic() < slow_until:
            time.sleep(1.0)
            return _READ_BYTES if self._is_datagram else 1
        return _READ_BYTES
