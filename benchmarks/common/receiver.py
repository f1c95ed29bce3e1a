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

"""A receiver in a process of its own, that can be killed and can misbehave."""

import contextlib
import math
import socket
import ssl
import struct
import threading
import time
import typing

from benchmarks.common import child
from lab import process

_HOST = "127.0.0.1"
_READ_BYTES = 2 ** 18
_LOOK_SECONDS = 0.05
_HANDSHAKE_SECONDS = 5.0
_BACKLOG = 1024
# SO_LINGER of no seconds: close() answers with RST.
_RST = struct.pack("ii", 1, 0)


class Receiver(child.Child):
    """Listens on one port of loopback, each time in a new process.

    :param make_reader: makes an object for each connection, in that process.
        Its ``feed`` takes bytes as they come and returns the reply.
    :param is_datagram: whether it listens with UDP
    :param certificate: path of a PEM file, for TLS
    :param decrypts: whether ``feed`` gets what TLS decrypts; else it gets
        the bytes of the wire that follow the handshake
    :cvar datagrams_bytes: that may wait to be read; None is the kernel's
        default, which real receivers have
    """

    datagrams_bytes: int | None = None

    def __init__(self, make_reader: typing.Callable,
                 is_datagram: bool = False, certificate=None,
                 decrypts: bool = True):
        self.port, = process.free_ports(1)
        self._make_reader = make_reader
        self._is_datagram = is_datagram
        self._certificate = certificate
        self._decrypts = decrypts
        # Written by the parent: how often it ordered a reset, and until when
        # to read no more than a byte a second.
        self._orders = child.shared_doubles(2)

    def start(self) -> None:
        """Listen (again) and read; return once it listens."""
        self._orders[1] = 0.0
        super().start()

    def reset(self) -> None:
        """Answer each present connection with RST, and go on listening."""
        self._orders[0] += 1

    def read_slowly(self, seconds: float = math.inf) -> None:
        """Read a byte (or datagram) a second for some time.

        :param seconds: infinity reads nothing at all, for ever
        """
        self._orders[1] = time.monotonic() + seconds

    def _run(self, ready):
        if self._is_datagram:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
                if self.datagrams_bytes:
                    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                      self.datagrams_bytes)
                server.bind((_HOST, self.port))
                ready()
                self._read(server)
        server = socket.create_server((_HOST, self.port), backlog=_BACKLOG)
        ready()
        while True:
            # A client that went away at once is none.
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                threading.Thread(target=self._serve, args=(connection,),
                                 daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            if self._certificate:
                connection = self._accept_tls(connection)
            with connection:
                self._read(connection)

    def _accept_tls(self, connection):
        while self._orders[1] == math.inf:
            time.sleep(_LOOK_SECONDS)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._certificate)
        connection.settimeout(_HANDSHAKE_SECONDS)
        encrypted = context.wrap_socket(connection, server_side=True)
        return (encrypted if self._decrypts
                else socket.socket(fileno=encrypted.detach()))

    def _read(self, connection):
        """Read until the peer has closed, or a reset is ordered."""
        reader = self._make_reader()
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
            if not data and not self._is_datagram:
                return
            reply = reader.feed(data)
            if reply:
                connection.sendall(reply)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)

    def _wait_for_turn(self):
        """Return how many bytes may be read now."""
        slow_until = self._orders[1]
        if slow_until == math.inf:
            time.sleep(_LOOK_SECONDS)
            return 0
        if time.monotonic() < slow_until:
            time.sleep(1.0)
            return _READ_BYTES if self._is_datagram else 1
        return _READ_BYTES
