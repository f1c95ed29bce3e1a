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

"""How bytes reach an endpoint: the only user of sockets."""

import contextlib
import fcntl
import select
import socket
import ssl
import struct
import termios

from ceilometer_graphite import wire

_READ_BYTES = 4096
_KEEPALIVE_IDLE_SECONDS = 30
_KEEPALIVE_INTERVAL_SECONDS = 10
_KEEPALIVE_PROBES = 3
# linux/tcp.h: tcpi_snd_wnd of struct tcp_info, since Linux 5.4.
_SND_WND_OFFSET = 228
# What a far end does not read shows in its window, but for so much.
UNSEEN_BYTES = 65536


class TransportError(Exception):
    """An endpoint could not be reached, or is gone; says which and why."""


def endpoint_text(endpoint):
    """``host:port`` of a (host, port), with an IPv6 address in brackets."""
    host, port = endpoint
    return "%s:%d" % ("[%s]" % host if ":" in host else host, port)


@contextlib.contextmanager
def _mapped_errors(endpoint):
    try:
        yield
    # ValueError: a host name that IDNA or TLS cannot encode.
    except (OSError, ValueError) as e:
        raise TransportError("%s: %s" % (
            endpoint_text(endpoint),
            getattr(e, "strerror", None) or e)) from e


class _SocketTransport:
    """What TCP and UDP share. Unsafe for concurrent callers.

    :param connect_timeout_seconds: for each address of an endpoint
    :param send_timeout_seconds: for one :meth:`send`
    """

    _socket_kind = None

    def __init__(self, connect_timeout_seconds, send_timeout_seconds):
        self._connect_timeout = connect_timeout_seconds
        self._send_timeout = send_timeout_seconds
        self._endpoint = None
        self._socket = None

    def connect(self, endpoint):
        """Connect to the first address of an endpoint that answers.

        The name is resolved anew at each call, because a name outlives its
        addresses: a Graphite that moved is found again without a restart.

        :param endpoint: a (host, port)
        :raises TransportError: says what the last of its addresses said
        """
        self.close()
        self._endpoint = endpoint
        with _mapped_errors(endpoint):
            addresses = socket.getaddrinfo(*endpoint, type=self._socket_kind)
            for number, (family, kind, proto, _, address) in enumerate(
                    addresses, 1):
                try:
                    self._socket = self._connected(
                        socket.socket(family, kind, proto), address)
                    return
                except OSError:
                    if number == len(addresses):
                        raise

    def _connected(self, sock, address):
        try:
            self._prepare(sock)
            sock.settimeout(self._connect_timeout)
            sock.connect(address)
            sock.settimeout(self._send_timeout)
        except OSError:
            sock.close()
            raise
        return sock

    def _prepare(self, sock):
        """Set what has to be set before a socket connects."""

    def send(self, lines):
        """Hand whole lines to the kernel.

        :param lines: bytes of whole lines
        :returns: how many bytes they were on the wire
        :raises TransportError: when not all of them were taken in time; the
            connection is of no more use
        """
        with _mapped_errors(self._endpoint):
            return self._send(lines)

    def unacknowledged(self):
        """How many of the bytes sent did not arrive, as far as one knows."""
        return 0

    def unread(self):
        """How many of the bytes sent the far end may not have read."""
        return 0

    def check(self):
        """Notice a far end that is gone.

        :raises TransportError: when it closed the connection
        """
        with _mapped_errors(self._endpoint):
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            if poll.poll(0) and not self._received():
                raise ConnectionResetError(
                    None, "the far end closed the connection")

    def _received(self):
        return self._socket.recv(_READ_BYTES)

    def close(self):
        """Close the connection, if there is one."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None


class TcpTransport(_SocketTransport):
    """A TCP connection that is kept.

    :param encode: makes of lines the pieces, of bytes, that travel
    """

    _socket_kind = socket.SOCK_STREAM

    def __init__(self, connect_timeout_seconds, send_timeout_seconds,
                 encode=lambda lines: (lines,)):
        super().__init__(connect_timeout_seconds, send_timeout_seconds)
        self._encode = encode
        self._largest_window = 0

    def connect(self, endpoint):
        self._largest_window = 0
        super().connect(endpoint)

    def unread(self):
        """How many of the bytes sent the far end may not have read.

        That a kernel acknowledged them says little: it takes megabytes for
        an application that reads nothing. But then the window that it
        offers becomes smaller than it was, by what is not read.
        """
        queued = self.unacknowledged()
        with _mapped_errors(self._endpoint):
            info = self._socket.getsockopt(
                socket.IPPROTO_TCP, socket.TCP_INFO, _SND_WND_OFFSET + 4)
        if len(info) < _SND_WND_OFFSET + 4:
            return queued + UNSEEN_BYTES
        window, = struct.unpack_from("I", info, _SND_WND_OFFSET)
        self._largest_window = max(self._largest_window, window)
        # A window that still grows hides up to about its own size.
        unseen = max(UNSEEN_BYTES, self._largest_window)
        return queued + unseen + self._largest_window - window

    def unacknowledged(self):
        """How many of the bytes sent the far end's kernel has not taken."""
        with _mapped_errors(self._endpoint):
            queued, = struct.unpack("i", fcntl.ioctl(
                self._socket, termios.TIOCOUTQ, bytes(4)))
        return queued

    def _prepare(self, sock):
        # A far end that vanished without a word is noticed: when idle by
        # the probes, with lines under way by their acknowledgements.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (
                (socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE_SECONDS),
                (socket.TCP_KEEPINTVL, _KEEPALIVE_INTERVAL_SECONDS),
                (socket.TCP_KEEPCNT, _KEEPALIVE_PROBES),
                (socket.TCP_USER_TIMEOUT, int(self._send_timeout * 1000))):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)

    def _send(self, lines):
        sent = 0
        for piece in self._encode(lines):
            sent += len(piece)
            rest = memoryview(piece)
            while rest:
                rest = rest[self._send_some(rest):]
        return sent

    def _send_some(self, data):
        """How much the kernel took; a far end that is slow is waited for."""
        while True:
            queued = self.unacknowledged()
            try:
                return self._socket.send(data)
            except TimeoutError:
                if self.unacknowledged() >= queued:
                    raise


class UdpTransport(_SocketTransport):
    """Datagrams of whole lines.

    :param datagram_size: bytes of a datagram at most
    """

    _socket_kind = socket.SOCK_DGRAM

    def __init__(self, connect_timeout_seconds, send_timeout_seconds,
                 datagram_size):
        super().__init__(connect_timeout_seconds, send_timeout_seconds)
        self._datagram_size = datagram_size

    def _send(self, lines):
        for datagram in wire.datagrams(lines, self._datagram_size):
            self._socket.send(datagram)
        return len(lines)


OPTIONS = ("cafile", "certfile", "keyfile", "tls_verify")


def make_context(cafile, certfile, keyfile, tls_verify):
    """A context of TLS 1.2 at least, from files in PEM.

    :raises TransportError: names the file that cannot be used
    """
    option = "cafile = %s" % cafile
    try:
        # The system's authorities are not trusted where one is named.
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


class TlsTransport(TcpTransport):
    """A TCP connection that is encrypted and, by default, verified.

    The files are read anew at each connect, because certificates expire and
    are replaced.

    :param files: the arguments of :func:`make_context`
    """

    def __init__(self, *args, files, **kwargs):
        super().__init__(*args, **kwargs)
        self._files = files

    def _connected(self, sock, address):
        sock = super()._connected(sock, address)
        try:
            sock.settimeout(self._connect_timeout)
            encrypted = make_context(**self._files).wrap_socket(
                sock, server_hostname=self._endpoint[0])
            encrypted.settimeout(self._send_timeout)
        except BaseException:
            sock.close()
            raise
        return encrypted

    def _received(self):
        # What there is to read may be of TLS's own, with nothing for us.
        self._socket.settimeout(0)
        try:
            return super()._received()
        except ssl.SSLWantReadError:
            return True
        finally:
            self._socket.settimeout(self._send_timeout)
