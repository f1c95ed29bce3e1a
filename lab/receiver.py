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

"""A receiver that can misbehave, in a process of its own.

:class:`Receiver` writes lines to a file. Other receivers can use
:class:`Server`.
"""

import argparse
import contextlib
import math
import os
import pickle
import signal
import socket
import ssl
import struct
import sys
import threading
import time
import typing

from lab import child
from lab import process

# How it treats connections until the signal HEAL.
READS = "reads"
NEVER_READS = "never_reads"
READS_SLOWLY = "reads_slowly"
RESETS = "resets"
HEAL = signal.SIGUSR1
_HOST = "127.0.0.1"
_READ_BYTES = 2 ** 18
_LOOK_SECONDS = 0.05
_BACKLOG = 1024
# SO_LINGER of 0 seconds: close() sends RST.
_RST = struct.pack("ii", 1, 0)


class Orders:
    """How a server behaves, in memory that forked processes share."""

    def __init__(self):
        # Number of resets; whether to reset every connection; the time until
        # which to read slowly; bytes a second to read then.
        self._values = child.shared_doubles(4)

    def heal(self) -> None:
        """Accept and read normally."""
        self._values[1] = self._values[2] = 0.0

    def reset_all(self) -> None:
        """Reset every connection at its first byte."""
        self._values[1] = 1.0

    def reset_present(self) -> None:
        """Reset the present connections, and accept new ones."""
        self._values[0] += 1

    def read_slowly(self, bytes_per_second: int,
                    seconds: float = math.inf) -> None:
        """Read at most some bytes, or one datagram, a second."""
        self._values[3] = bytes_per_second
        self._values[2] = time.monotonic() + seconds

    @property
    def resets(self) -> float:
        """How often `reset_present` was called."""
        return self._values[0]

    @property
    def resets_all(self) -> bool:
        """Whether to reset every connection."""
        return bool(self._values[1])

    def wait_to_read(self) -> int:
        """Wait a second if reading slowly; return how many bytes to read."""
        until = time.monotonic() + 1.0
        while (now := time.monotonic()) < self._values[2]:
            if now >= until:
                return int(self._values[3])
            time.sleep(_LOOK_SECONDS)
        return _READ_BYTES


class Server:
    """Reads from a loopback port.

    :param port: port to listen on
    :param make_reader: called for each accepted connection. Returns an object
        whose ``feed`` takes received bytes and returns a reply
    :param is_datagram: whether to use UDP
    :param context: an SSLContext for TLS
    :param decrypts: whether ``feed`` gets decrypted bytes. Otherwise it gets
        the encrypted bytes after the handshake
    :param receive_buffer: SO_RCVBUF; 0 for the kernel's default
    :param orders: :class:`Orders`
    """

    def __init__(self, port: int, make_reader: typing.Callable,
                 is_datagram: bool = False,
                 context: ssl.SSLContext | None = None,
                 decrypts: bool = True, receive_buffer: int = 0,
                 orders: Orders | None = None):
        self.port = port
        self.orders = orders or Orders()
        self._make_reader = make_reader
        self._is_datagram = is_datagram
        self._context = context
        self._decrypts = decrypts
        self._receive_buffer = receive_buffer

    def run(self, ready: typing.Callable) -> None:
        """Serve forever; call ``ready()`` when listening."""
        server = socket.socket(
            socket.AF_INET, socket.SOCK_DGRAM if self._is_datagram
            else socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self._receive_buffer:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                              self._receive_buffer)
        server.bind((_HOST, self.port))
        if self._is_datagram:
            ready()
            self._read(server, self._make_reader())
        server.listen(_BACKLOG)
        ready()
        while True:
            # Ignore a client that has already closed its connection.
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                threading.Thread(
                    target=self._serve, daemon=True,
                    args=(connection, self._make_reader())).start()

    def _serve(self, connection, reader):
        try:
            with connection:
                if self._context:
                    connection = self._accept_tls(connection)
                # Close it at once: that confirms the peer's lines.
                with connection:
                    self._read(connection, reader)
        except OSError as e:
            print(f"a connection ended: {e}")

    def _accept_tls(self, connection):
        while not self.orders.wait_to_read():
            continue
        encrypted = self._context.wrap_socket(connection, server_side=True)
        return (encrypted if self._decrypts
                else socket.socket(fileno=encrypted.detach()))

    def _read(self, connection, reader):
        """Read until the peer closes, or until a reset is ordered."""
        resets = self.orders.resets
        if self.orders.resets_all:
            connection.recv(1)
            resets = -1
        connection.settimeout(_LOOK_SECONDS)
        while resets == self.orders.resets or self._is_datagram:
            size = self.orders.wait_to_read()
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


class Receiver(process.Process):
    """Accepts lines on loopback, and writes each line that it reads to a file.

    It keeps its port and its file if it is started again.

    :param directory: folder for this file, `lines`, and for its log.
    :param mode: READS or another of these constants.
    :param within: start of the command line, for example to enter a
        namespace.
    :param options: further options of the command line: protocol, format,
        certificate, client_ca, bytes_per_second, receive_buffer.
    """

    def __init__(self, directory, mode=READS, port=None, within=(),
                 **options):
        directory = process.folder(directory)
        self.port = port or process.free_ports(1)[0]
        self.path = directory / "lines"
        self.within = list(within)
        self.options = options
        self.mode = mode
        super().__init__("a receiver", None, directory / "receiver.log",
                         env={"PYTHONPATH": str(process.ROOT)})

    def start(self):
        """Start it; return when it listens."""
        offset = len(self.log_text())
        options = {"mode": self.mode, **self.options}
        self.command = [
            *self.within, sys.executable, "-m", "lab.receiver",
            str(self.port), str(self.path),
            *(f"--{name.replace('_', '-')}={value}"
              for name, value in options.items())]
        super().start()
        self.wait_for_log("listening", start=offset)

    def heal(self):
        """Let it read normally from now on."""
        self.mode = READS
        self.send_signal(HEAL)

    def count(self):
        """Return how many lines it has read, including repeated ones."""
        return (self.path.read_bytes().count(b"\n") if self.path.exists()
                else 0)

    def connections(self):
        """Return how many connections it has accepted."""
        return self.log_text().count("connected\n")

    def lines(self):
        """Return the lines that it has read, in order, without line ends."""
        if not self.path.exists():
            return []
        text = self.path.read_bytes().decode(errors="replace")
        return text[:text.rfind("\n") + 1].splitlines()


class _Lines:
    """Writes whole lines, and drops an incomplete one at the end."""

    def __init__(self, file):
        self._file = file
        self._rest = b""

    def feed(self, data):
        lines, end, self._rest = (self._rest + data).rpartition(b"\n")
        os.write(self._file, lines + end)


class _Frames(_Lines):
    """Writes the lines of whole frames of the pickle protocol."""

    def feed(self, data):
        self._rest += data
        while len(self._rest) >= 4:
            end = 4 + struct.unpack("!L", self._rest[:4])[0]
            if len(self._rest) < end:
                return
            lines = [f"{path} {value} {second}\n" for path, (
                second, value) in pickle.loads(self._rest[4:end])]
            os.write(self._file, "".join(lines).encode())
            self._rest = self._rest[end:]


def _context(arguments):
    if arguments.protocol != "tls":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.certificate)
    if arguments.client_ca:
        context.load_verify_locations(arguments.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _serve(arguments):
    """Run the process of a Receiver."""
    file = os.open(arguments.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    is_datagram = arguments.protocol == "udp"

    def make_reader():
        if not is_datagram:
            print("connected")
        return (_Frames if arguments.format == "pickle" else _Lines)(file)

    orders = Orders()
    if arguments.mode == RESETS:
        orders.reset_all()
    elif arguments.mode == NEVER_READS:
        orders.read_slowly(0)
    elif arguments.mode == READS_SLOWLY:
        orders.read_slowly(arguments.bytes_per_second)
    signal.signal(HEAL, lambda *_: orders.heal())
    Server(arguments.port, make_reader, is_datagram, _context(arguments),
           receive_buffer=arguments.receive_buffer, orders=orders).run(
               lambda: print("listening"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("--mode", default=READS)
    parser.add_argument("--protocol", default="tcp")
    parser.add_argument("--format", default="plaintext")
    parser.add_argument("--certificate")
    parser.add_argument("--client-ca")
    parser.add_argument("--bytes-per-second", type=int, default=1)
    parser.add_argument("--receive-buffer", type=int, default=0)
    _serve(parser.parse_args())


if __name__ == "__main__":
    main()
