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

"""Fakes of what a test has to control."""

import contextlib
import queue
import socket
import threading


class Clock:
    """A clock that advances only when a test says so."""

    def __init__(self, now=1000.0):
        self.now = now

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


class Receiver:
    """A TCP server on loopback that keeps the lines that it reads."""

    def __init__(self, host="127.0.0.1", port=0):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._server = socket.create_server((host, port), family=family)
        self.endpoint = self._server.getsockname()[:2]
        self.lines = queue.Queue()
        self._connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._read, args=(connection,),
                             daemon=True).start()

    def _read(self, connection):
        with contextlib.suppress(OSError), connection.makefile("rb") as file:
            for line in file:
                self.lines.put(line)
        # This confirms the lines.
        connection.close()

    def take(self, count, timeout_seconds=20):
        """Wait for the next ``count`` lines, and return them."""
        return [self.lines.get(timeout=timeout_seconds)
                for _ in range(count)]

    def close(self):
        """Stop listening, and close all connections."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.close_connections()

    def close_connections(self):
        """Close all connections, and go on listening."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
