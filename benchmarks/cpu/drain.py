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

"""A receiver in a process of its own that does little but count."""

import contextlib
import selectors
import socket
import ssl

from benchmarks.common import child
from benchmarks.common import protocols

_HOST = "127.0.0.1"
_READ_BYTES = 2 ** 20
_BACKLOG = 1024
_HANDSHAKE_SECONDS = 5.0
STREAM, DATAGRAMS, TLS, HTTP = "stream", "datagrams", "tls", "http"


class _Requests(protocols.Http):
    """Answers requests, whatever is in them."""

    def numbers(self, body):
        return []


class Drain:
    """Reads what comes to one port of loopback.

    :param kind: STREAM, DATAGRAMS, TLS or HTTP
    :param port: to listen on
    :param certificate: path of a PEM file, for TLS
    """

    def __init__(self, kind, port, certificate=None):
        self._address = (_HOST, port)
        self._kind = kind
        self._certificate = certificate
        self._totals = child.shared_doubles(2)
        self._child = None

    @property
    def bytes(self):
        """How many came. Of TLS, as they are on the wire."""
        return int(self._totals[0])

    @property
    def lines(self):
        """How many newlines were among them."""
        return int(self._totals[1])

    def start(self):
        """Returns once it listens."""
        self._child = child.start(self._run)

    def close(self):
        """End it if it is there."""
        if self._child is not None:
            self._child.kill()
            self._child.join()
            self._child = None

    def _run(self, tell_ready):
        self._buffer = bytearray(_READ_BYTES)
        if self._kind == DATAGRAMS:
            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                              _READ_BYTES)
            server.bind(self._address)
            tell_ready()
            while True:
                self._read(server)
        with selectors.DefaultSelector() as selector:
            server = socket.create_server(self._address, backlog=_BACKLOG)
            selector.register(server, selectors.EVENT_READ)
            tell_ready()
            while True:
                for key, _ in selector.select():
                    if key.fileobj is server:
                        # One that went away at once is none.
                        with contextlib.suppress(OSError):
                            selector.register(
                                self._accept(server), selectors.EVENT_READ,
                                _Requests())
                    elif not self._serve(key.fileobj, key.data):
                        selector.unregister(key.fileobj)
                        key.fileobj.close()

    def _serve(self, connection, requests):
        """Read from a connection; whether it is still there."""
        try:
            size = self._read(connection)
            if size and self._kind == HTTP:
                _, reply = requests.feed(bytes(self._buffer[:size]))
                connection.sendall(reply)
            return bool(size)
        except OSError:
            return False

    def _accept(self, server):
        connection, _ = server.accept()
        if self._kind != TLS:
            return connection
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._certificate)
        connection.settimeout(_HANDSHAKE_SECONDS)
        # What follows is counted, and not decrypted.
        encrypted = context.wrap_socket(connection, server_side=True)
        return socket.socket(fileno=encrypted.detach())

    def _read(self, connection):
        size = connection.recv_into(self._buffer)
        self._totals[1] += self._buffer.count(b"\n", 0, size)
        self._totals[0] += size
        return size
