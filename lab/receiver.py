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
"""A receiver in a process of its own: what its application read, in a file."""

import argparse
import os
import pathlib
import pickle
import signal
import socket
import ssl
import struct
import sys
import threading

from lab import process

ROOT = pathlib.Path(__file__).absolute().parent.parent
# What it does with a connection, until the signal HEAL.
READS = "reads"
NEVER_READS = "never_reads"
READS_SLOWLY = "reads_slowly"
RESETS = "resets"
HEAL = signal.SIGUSR1


class Receiver(process.Process):
    """Takes lines on loopback, and writes down each one that it has read.

    It keeps its port and its file when it is started again.

    :param directory: for that file, `lines`, and its log.
    :param mode: one of the above.
    :param options: more of the command line: protocol, format, certificate,
        client_ca, bytes_per_second, receive_buffer.
    :param within: what the command begins with: how it gets into a
        namespace, such as.
    """

    def __init__(self, directory, mode=READS, port=None, within=(),
                 **options):
        directory = pathlib.Path(directory).absolute()
        directory.mkdir(parents=True, exist_ok=True)
        self.port = port or process.free_ports(1)[0]
        self.path = directory / "lines"
        self.within = list(within)
        self.options = options
        self.mode = mode
        super().__init__("a receiver", None, directory / "receiver.log",
                         env={"PYTHONPATH": str(ROOT)})

    def start(self):
        """Return when it listens."""
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
        """Let it read as it should from now on."""
        self.mode = READS
        self.send_signal(HEAL)

    def count(self):
        """Return how many lines it has read, repeated ones too."""
        return (self.path.read_bytes().count(b"\n") if self.path.exists()
                else 0)

    def connections(self):
        """Return how many connections it has taken."""
        return self.log_text().count("connected\n")

    def lines(self):
        """Return what it has read, in this order, without line ends."""
        if not self.path.exists():
            return []
        text = self.path.read_bytes().decode(errors="replace")
        return text[:text.rfind("\n") + 1].splitlines()


class _Server:
    """What runs in the other process."""

    def __init__(self, arguments):
        self._arguments = arguments
        self._file = os.open(arguments.path,
                             os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._healed = threading.Event()
        if arguments.mode == READS:
            self._healed.set()
        signal.signal(HEAL, lambda *_: self._healed.set())

    def run(self):
        kind = (socket.SOCK_DGRAM if self._arguments.protocol == "udp"
                else socket.SOCK_STREAM)
        server = socket.socket(socket.AF_INET, kind)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self._arguments.receive_buffer:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                              self._arguments.receive_buffer)
        server.bind(("127.0.0.1", self._arguments.port))
        if kind == socket.SOCK_DGRAM:
            print("listening")
            while True:
                os.write(self._file, server.recv(65536))
        server.listen(128)
        print("listening")
        while True:
            connection, _ = server.accept()
            print("connected")
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection):
        try:
            if self._arguments.protocol == "tls":
                connection = self._context().wrap_socket(
                    connection, server_side=True)
            self._misbehave(connection)
            if self._arguments.format == "pickle":
                self._read_frames(connection)
            else:
                self._read_lines(connection)
        except OSError as e:
            print(f"a connection ended: {e}")

    def _context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._arguments.certificate)
        if self._arguments.client_ca:
            context.load_verify_locations(self._arguments.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _misbehave(self, connection):
        if self._healed.is_set():
            return
        if self._arguments.mode == RESETS:
            connection.recv(1, socket.MSG_PEEK)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  struct.pack("ii", 1, 0))
            connection.close()
        elif self._arguments.mode == NEVER_READS:
            self._healed.wait()

    def _read_lines(self, connection):
        """Keep whole lines; what is cut off at the end is none."""
        rest = b""
        while data := connection.recv(self._size()):
            rest += data
            end = rest.rfind(b"\n") + 1
            if end:
                os.write(self._file, rest[:end])
                rest = rest[end:]

    def _size(self):
        """Bytes to read now, after a second of waiting if it is slow."""
        if self._healed.is_set() or self._healed.wait(1):
            return 65536
        return self._arguments.bytes_per_second

    def _read_frames(self, connection):
        with connection.makefile("rb") as file:
            while len(header := file.read(4)) == 4:
                size, = struct.unpack("!L", header)
                frame = file.read(size)
                if len(frame) < size:
                    return
                lines = [f"{path} {value} {second}\n" for path, (
                    second, value) in pickle.loads(frame)]
                os.write(self._file, "".join(lines).encode())


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
    _Server(parser.parse_args()).run()


if __name__ == "__main__":
    main()
