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

"""Connections to an endpoint. Only this module uses sockets."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
import contextlib
import errno
import fcntl
import hashlib
import os
import queue
import select
import socket
import ssl
import struct
import termios
import threading
import time

from ceilometer_graphite import wire

TLS_OPTIONS = ("cafile", "certfile", "keyfile", "tls_verify")
# Time until the next address of an endpoint is tried beside the others (RFC
# 8305, 8: 250 ms). It is shorter if there are many addresses.
_STAGGER_SECONDS = 0.25
# How often to look whether a peer that takes nothing makes progress.
_LOOK_SECONDS = 0.2
_READ_BYTES = 4096
_SEND_BUFFER_BYTES = 65536
_WRONG_PORT = "does the port expect what [graphite] protocol and format say?"
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10),
              (socket.TCP_KEEPCNT, 3))

Endpoint = tuple[str, int]
Address = tuple  # of socket.getaddrinfo
Encode = Callable[[bytes], Iterable[bytes]]


class TransportError(Exception):
    """An endpoint cannot be used. The text tells an operator why.

    :ivar hint: a setting that may help, or an empty text
    """

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.hint = hint


class PeerClosedError(TransportError):
    """The peer closed the connection before it confirmed anything."""


class PeerResetError(TransportError):
    """The peer reset the connection; it may not have read all of it."""


class StalledError(TransportError):
    """The peer made no progress for too long."""


def endpoint_text(endpoint: Endpoint) -> str:
    """``host:port`` of a (host, port), with an IPv6 address in brackets."""
    host, port = endpoint
    return "%s:%d" % ("[%s]" % host if ":" in host else host, port)


def make(settings, patience: Callable[[], float]):
    """Make the transport that the settings ask for, not connected yet.

    :param settings: a :class:`~ceilometer_graphite.settings.Settings`
    :param patience: returns how many seconds a peer may make no progress
    """
    if settings.protocol == "udp":
        return UdpTransport(settings.datagram_size)
    encode = (wire.pickle_frames if settings.format == "pickle"
              else lambda lines: (lines,))
    if settings.protocol == "tls":
        return TlsTransport(patience, {
            name: getattr(settings, name) for name in TLS_OPTIONS}, encode)
    return TcpTransport(patience, encode)


class Slot:
    """A number that is unique among the processes with the same name.

    The first has 1, whose text is empty. It is free again when the process
    ends, because an abstract socket of that name is.
    """

    def __init__(self, name: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        digest = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
        for self.number in range(1, 256):
            with contextlib.suppress(OSError):
                self._socket.bind("\0ceilometer-graphite-%s-%d" % (
                    digest, self.number))
                break

    def close(self) -> None:
        """Release the number."""
        self._socket.close()

    def __str__(self) -> str:
        return "" if self.number == 1 else str(self.number)


def make_context(cafile: str | None, certfile: str | None,
                 keyfile: str | None, tls_verify: bool) -> ssl.SSLContext:
    """Make a context for TLS 1.2 or later from PEM files.

    :raises TransportError: names the file that cannot be used
    """
    option = "cafile = %s" % cafile
    try:
        # With a cafile, the system's authorities are not trusted.
        context = ssl.create_default_context(cafile=cafile or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not tls_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        option = "certfile = %s, keyfile = %s" % (certfile, keyfile)
        if certfile:
            context.load_cert_chain(certfile, keyfile, password=str)
    except (OSError, ValueError) as e:
        raise TransportError("%s cannot be used: %s" % (
            option, getattr(e, "strerror", None) or e)) from e
    return context


def _explained(error: Exception) -> TransportError:
    """Explain an error of the operating system or of TLS."""
    if isinstance(error, TransportError):
        return error
    if isinstance(error, ssl.SSLCertVerificationError):
        return TransportError(
            "its certificate is not trusted: %s" % error.verify_message,
            "set [graphite] cafile to the CA that signed it")
    if isinstance(error, ssl.SSLError):
        return _explained_tls(error)
    if isinstance(error, (ConnectionResetError, BrokenPipeError)) or (
            getattr(error, "errno", None) == errno.ENOTCONN):
        return PeerResetError("it reset the connection", _WRONG_PORT)
    if isinstance(error, TimeoutError):
        return TransportError("no answer in time")
    number = getattr(error, "errno", None)
    return TransportError(
        os.strerror(number) if number else "its name cannot be used")


def _explained_tls(error: ssl.SSLError) -> TransportError:
    reason = (error.reason or "").replace("_", " ").lower()
    if "wrong version number" in reason or not reason:
        return TransportError("it does not speak TLS", "set [graphite] "
                              "protocol = tcp, or name its port for TLS")
    return TransportError(
        "TLS failed: " + reason, "set [graphite] certfile to a certificate "
        "that it trusts" if "certificate" in reason else "")


@contextlib.contextmanager
def _explain():
    try:
        yield
    # ValueError: a host name that IDNA or TLS cannot encode.
    except (OSError, ValueError) as e:
        raise _explained(e) from e


class Resolver:
    """Looks names up in a thread, because a lookup may never end.

    :param kind: the kind of socket, such as ``socket.SOCK_STREAM``
    """

    def __init__(self, kind: int) -> None:
        self._kind = kind
        self._known: dict[Endpoint, list[Address]] = {}
        self._asked: dict[Endpoint, queue.SimpleQueue] = {}

    def addresses(self, endpoint: Endpoint, seconds: float) -> list[Address]:
        """Look up the addresses of an endpoint.

        :param seconds: maximum time; after it, the addresses of the last
            lookup are returned
        :returns: the addresses, first the one that answered last
        :raises TransportError: if there are none
        """
        known = self._known.get(endpoint, [])
        try:
            # Leave time to try addresses that are known.
            found = self._look_up(endpoint, seconds / 2 if known else seconds)
        except (OSError, ValueError) as e:
            if known:
                return known
            raise TransportError("its name cannot be looked up: %s" % (
                getattr(e, "strerror", None) or e)) from e
        found.sort(key=lambda address: address not in known[:1])
        self._known[endpoint] = found
        return found

    def answered(self, endpoint: Endpoint, address: Address) -> None:
        """Note that an address answered, so that it is tried first."""
        self._known[endpoint].sort(key=lambda each: each != address)

    def _look_up(self, endpoint: Endpoint, seconds: float) -> list[Address]:
        try:
            return socket.getaddrinfo(*endpoint, type=self._kind,
                                      flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            pass
        if endpoint not in self._asked:
            self._asked[endpoint] = queue.SimpleQueue()
            threading.Thread(
                target=self._ask, args=(endpoint, self._asked[endpoint]),
                name="graphite-resolver", daemon=True).start()
        try:
            answer = self._asked[endpoint].get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError("no answer in time") from None
        del self._asked[endpoint]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _ask(self, endpoint: Endpoint, answer: queue.SimpleQueue) -> None:
        try:
            answer.put(socket.getaddrinfo(*endpoint, type=self._kind))
        except (OSError, ValueError) as e:
            answer.put(e)


class TcpTransport:
    """Sends lines by TCP, one connection at a time.

    Unsafe for concurrent callers.

    A connection is a transaction: :meth:`commit` ends our side, and the
    peer confirms by ending its own. A kernel that closes a socket with
    unread data sends a reset instead (RFC 2525, 2.17).

    :param patience: returns how many seconds a peer may make no progress
    :param encode: converts lines to the pieces of bytes that are sent
    :param clock: returns monotonic seconds
    """

    confirms = True

    def __init__(self, patience: Callable[[], float],
                 encode: Encode = lambda lines: (lines,),
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._encode = encode
        self._clock = clock
        self._socket: socket.socket | None = None
        self._since: float | None = None  # of the last progress
        self._queued = 0  # bytes in the kernel then
        self._trying: dict[int, tuple[socket.socket, Address]] = {}
        self._resolver = Resolver(socket.SOCK_STREAM)
        self._answer = b""

    def fileno(self) -> int:
        """The socket's descriptor, or -1 if there is no connection."""
        return self._socket.fileno() if self._socket else -1

    def stalled_seconds(self) -> float:
        """Seconds without progress of the peer, while a call waits for it."""
        since = self._since
        return 0.0 if since is None else self._clock() - since

    def connect(self, endpoint: Endpoint, seconds: float) -> None:
        """Connect to the first address of an endpoint that answers.

        :param seconds: maximum time for all addresses together
        :raises TransportError: if none answers
        """
        self.close()
        self._answer = b""
        ends_at = self._clock() + seconds
        with _explain():
            sock, address = _race(self._resolver.addresses(endpoint, seconds),
                                  ends_at, self._clock, self._trying)
            try:
                self._socket = self._prepared(sock, endpoint[0], ends_at)
            except BaseException:
                sock.close()
                raise
        self._resolver.answered(endpoint, address)

    def _prepared(self, sock: socket.socket, host: str,
                  ends_at: float) -> socket.socket:
        """Make a connected socket ready for lines."""
        return sock

    def send(self, lines: bytes) -> None:
        """Hand whole lines to the kernel.

        :raises TransportError: if the connection failed
        """
        with self._watched():
            for piece in self._encode(lines):
                self._send(memoryview(piece))

    def _send(self, rest: memoryview) -> None:
        while rest:
            self.check()
            try:
                rest = rest[self._connected().send(rest):]
            except BlockingIOError:
                self._wait(select.POLLIN | select.POLLOUT)

    def check(self) -> None:
        """Check that the peer is still there.

        :raises PeerClosedError: if it closed the connection
        :raises PeerResetError: if it reset the connection
        """
        with _explain():
            if self._has_ended():
                raise PeerClosedError(
                    "it closed the connection", self._closed_hint())

    def commit(self) -> None:
        """Close our side, and wait until the peer has read all and closes.

        :raises TransportError: if it does not
        """
        with self._watched():
            self._end()
            while not self._has_ended():
                self._wait(select.POLLIN)
        if self._answer:
            raise TransportError("it answers, as no receiver of lines does",
                                 self._closed_hint())
        self.close()

    def drain(self) -> None:
        """Wait until the peer's kernel has everything; do not close.

        :raises TransportError: if it does not take it
        """
        with self._watched():
            while self._queued:
                self.check()
                self._wait(select.POLLIN)

    def close(self) -> None:
        """Close the connection, or give up connecting."""
        while self._trying:
            self._trying.popitem()[1][0].close()
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Make :meth:`_wait` fail when the peer makes no progress."""
        with _explain():
            self._connected()
            self._since, self._queued = self._clock(), self._count_queued()
            try:
                yield
            finally:
                self._since = None

    def _count_queued(self) -> int:
        """Number of bytes that the peer's kernel has not acknowledged."""
        return struct.unpack("i", fcntl.ioctl(
            self._connected(), termios.TIOCOUTQ, bytes(4)))[0]

    def _end(self) -> None:
        """Close our side of the connection."""
        self._connected().shutdown(socket.SHUT_WR)

    def _has_ended(self) -> bool:
        """Whether the peer has closed its side."""
        try:
            data = self._receive()
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        self._answer = self._answer or data
        return not data

    def _receive(self) -> bytes:
        """Read from the peer; no bytes mean that it closed its side."""
        return self._connected().recv(_READ_BYTES)

    def _wait(self, events: int) -> None:
        """Wait a moment for the peer.

        :raises StalledError: if it made no progress for too long
        """
        poll = select.poll()
        poll.register(self._connected(), events)
        seconds = min(_LOOK_SECONDS, self._patience())
        poll.poll(max(1, int(seconds * 1000)))
        queued = self._count_queued()
        if queued < self._queued:
            self._since = self._clock()
        self._queued = queued
        seconds = self.stalled_seconds()
        if seconds < self._patience():
            return
        if queued:
            raise StalledError("it took no more lines for %.3g s" % seconds)
        raise StalledError(
            "it did not confirm for %.3g s" % seconds, "if it never closes "
            "a connection, set [graphite] confirm = false")

    def _closed_hint(self) -> str:
        if self._answer.startswith(b"HTTP/"):
            return "it is a web server; name the port for Carbon's lines"
        if self._answer.startswith(b"\x15\x03"):
            return "it expects TLS: set [graphite] protocol = tls"
        return _WRONG_PORT

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise PeerClosedError("there is no connection")
        return self._socket


class TlsTransport(TcpTransport):
    """A :class:`TcpTransport` with TLS; by default it verifies the peer.

    TLS works on buffers in memory, so that a FIN and a reset can be told
    apart, whatever came before them. The files are read again when they
    change, because certificates expire. They are not read for each
    connection, because those of the system take 50 ms.

    :param files: the arguments of :func:`make_context`
    """

    def __init__(self, patience: Callable[[], float], files: dict,
                 encode: Encode = lambda lines: (lines,),
                 clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(patience, encode, clock)
        self._files = files
        self._context: ssl.SSLContext | None = None
        self._read_from: list = []
        self._tls: ssl.SSLObject
        self._incoming: ssl.MemoryBIO
        self._outgoing: ssl.MemoryBIO
        self._is_ended = False

    def _current_context(self) -> ssl.SSLContext:
        paths = [self._files["cafile"] or (
            ssl.get_default_verify_paths().cafile),
            self._files["certfile"], self._files["keyfile"]]
        found = [(path, os.stat(path).st_ino, os.stat(path).st_mtime_ns)
                 for path in paths if path and os.path.exists(path)]
        if self._context is None or found != self._read_from:
            self._context = make_context(**self._files)
            self._read_from = found
        return self._context

    def _prepared(self, sock, host, ends_at):
        self._is_ended = False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = self._current_context().wrap_bio(
            self._incoming, self._outgoing, server_hostname=host)
        try:
            while not self._shake_hands():
                sock.settimeout(max(0.001, ends_at - self._clock()))
                sock.sendall(self._outgoing.read())
                data = sock.recv(_READ_BYTES)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            sock.sendall(self._outgoing.read())
        except TimeoutError:
            raise TransportError(
                "it did not answer in TLS in time", "set [graphite] "
                "protocol = tcp, or name its port for TLS") from None
        sock.setblocking(False)
        return sock

    def _shake_hands(self) -> bool:
        """Continue the handshake; return whether it is complete."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def _send(self, rest):
        self._tls.write(rest)
        super()._send(memoryview(self._outgoing.read()))

    def _end(self):
        """Send close_notify, then close our side.

        Without close_notify, HAProxy drops what it has read.
        """
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        super()._send(memoryview(self._outgoing.read()))
        self._is_ended = True
        super()._end()

    def _receive(self):
        """Read and decrypt; after our close_notify, only FIN is the end."""
        data = super()._receive()
        if not data:
            return data
        self._incoming.write(data)
        try:
            return self._tls.read(_READ_BYTES)
        except ssl.SSLZeroReturnError:
            if not self._is_ended:
                return b""
            raise BlockingIOError from None


class UdpTransport:
    """Sends datagrams of whole lines; each counts as delivered when sent.

    :param datagram_size: maximum bytes of a datagram
    """

    confirms = False

    def __init__(self, datagram_size: int) -> None:
        self._datagram_size = datagram_size
        self._socket: socket.socket | None = None
        self._resolver = Resolver(socket.SOCK_DGRAM)

    def fileno(self) -> int:
        """-1, because there is no connection to watch."""
        return -1

    def stalled_seconds(self) -> float:
        """0, because sending never waits."""
        return 0.0

    def connect(self, endpoint: Endpoint, seconds: float) -> None:
        """Use the first address of an endpoint that has a route.

        :raises TransportError: if none has
        """
        self.close()
        error = OSError()
        for address in self._resolver.addresses(endpoint, seconds):
            sock = socket.socket(*address[:3])
            try:
                sock.connect(address[4])
            except OSError as e:
                sock.close()
                error = e
            else:
                self._socket = sock
                return
        raise _explained(error)

    def send(self, lines: bytes) -> None:
        """Send lines.

        :raises TransportError: if the receiver's host refused the last
            ones, or there is no route
        """
        with _explain():
            if self._socket is None:
                raise OSError(errno.ENOTCONN, "")
            for datagram in wire.datagrams(lines, self._datagram_size):
                self._socket.send(datagram)

    def check(self) -> None:
        """Check that the receiver's host has not refused a datagram.

        :raises TransportError: if it has
        """
        with _explain(), contextlib.suppress(BlockingIOError):
            if self._socket is not None:
                self._socket.recv(1, socket.MSG_DONTWAIT)

    def commit(self) -> None:
        """Close the socket, so that the name is looked up again."""
        self.close()

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _race(addresses: list[Address], ends_at: float,
          clock: Callable[[], float], trying: dict,
          ) -> tuple[socket.socket, Address]:
    """Connect to addresses side by side, starting each a moment later.

    :param trying: sockets and addresses, by descriptor, until this returns
    :returns: the first socket that is connected, and its address
    :raises OSError: the error of the last address, or TimeoutError
    """
    error: OSError = TimeoutError()
    wait = min(_STAGGER_SECONDS,
               (ends_at - clock()) / (len(addresses) + 1))
    left = list(addresses)
    poll = select.poll()
    try:
        while (left or trying) and clock() < ends_at:
            if left:
                error = _start(left.pop(0), trying, poll) or error
            until = ends_at if not left else clock() + wait
            seconds = max(0.0, min(until, ends_at) - clock())
            for number, _ in poll.poll(seconds * 1000) if trying else ():
                sock, address = trying.pop(number)
                poll.unregister(number)
                failed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not failed:
                    return sock, address
                sock.close()
                error = OSError(failed, os.strerror(failed))
        raise TimeoutError if trying else error
    finally:
        while trying:
            trying.popitem()[1][0].close()


def _start(address: Address, trying: dict, poll: "select.poll",
           ) -> OSError | None:
    """Start to connect; return an error that came at once."""
    family, kind, proto, _, target = address
    sock = socket.socket(family, kind, proto)
    sock.setblocking(False)
    # Keep little of a transaction in our kernel.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    failed = sock.connect_ex(target)
    if failed not in (0, errno.EINPROGRESS):
        sock.close()
        return OSError(failed, os.strerror(failed))
    trying[sock.fileno()] = sock, address
    poll.register(sock, select.POLLOUT)
    return None
