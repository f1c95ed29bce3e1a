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

"""Stand-ins for what a test has to control."""

import contextlib
import queue
import socket
import threading
import time

from ceilometer_graphite import transports


class Clock:
    """Seconds that go on when they are told to."""

    def __init__(self, now=1000.0):
        self.now = now

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


class Pauses:
    """A sleep that ends when it is told to.

    So a test knows where a thread is: :meth:`reached` waits for its next
    pause, and whatever comes before that pause in the code is done then.
    """

    def __init__(self):
        self._reached = queue.Queue()
        self._may_go = threading.Semaphore(0)
        self._over = threading.Event()

    def __call__(self, seconds):
        if self._over.is_set():
            time.sleep(0.01)
            return
        self._reached.put(seconds)
        self._may_go.acquire()

    def reached(self):
        """How long the pause is meant to be that was reached next."""
        return self._reached.get(timeout=20)

    def go(self):
        """End one pause."""
        self._may_go.release()

    def go_on(self):
        """End this pause and make those after it short."""
        self._over.set()
        self.go()


class FakeTransport:
    """A transport that fails as often as it is told to.

    :param connect_failures: how many calls of ``connect`` fail, first
    :param send_errors: what the first calls of ``send`` raise; None is a
        call that succeeds
    """

    def __init__(self, connect_failures=0, send_errors=()):
        self._connect_failures = connect_failures
        self._send_errors = list(send_errors)
        self.connects = []
        self.sent = queue.Queue()
        self.may_send = threading.Event()
        self.may_send.set()
        self.is_sending = threading.Event()
        self.is_gone = False
        self.unread_bytes = 0
        self.unacknowledged_bytes = 0
        self.unread_asked = queue.Queue()

    def connect(self, endpoint):
        self.connects.append(endpoint)
        if self._connect_failures:
            self._connect_failures -= 1
            raise transports.TransportError("no way to %s" % (endpoint,))
        self.is_gone = False

    def send(self, lines):
        self.is_sending.set()
        self.may_send.wait()
        error = self._send_errors.pop(0) if self._send_errors else None
        if error is not None:
            raise error
        self.sent.put(lines)
        return len(lines)

    def unread(self):
        self.unread_asked.put(None)
        return self.unread_bytes

    def unacknowledged(self):
        return self.unacknowledged_bytes

    def check(self):
        if self.is_gone:
            raise transports.TransportError("gone")

    def close(self):
        pass


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

    def take(self, count, timeout_seconds=20):
        """The next ``count`` lines, waited for."""
        return [self.lines.get(timeout=timeout_seconds)
                for _ in range(count)]

    def close(self):
        """Stop listening and close what was accepted."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.close_connections()

    def close_connections(self):
        """Close what was accepted, and go on listening."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
