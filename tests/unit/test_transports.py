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

import contextlib
import socket
import struct
import threading
import types

from oslotest import base

from ceilometer_graphite import transports
from tests import fakes


class TcpTransportTest(base.BaseTestCase):

    def make(self, patience=10.0):
        transport = transports.TcpTransport(lambda: patience)
        self.addCleanup(transport.close)
        return transport

    def receiver(self, *args):
        receiver = fakes.Receiver(*args)
        self.addCleanup(receiver.close)
        return receiver

    def accepted(self, transport):
        """The other end of a connection of a transport."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            transport.connect(server.getsockname(), 10)
            connection, _ = server.accept()
        self.addCleanup(connection.close)
        connection.settimeout(10)
        return connection

    def check_until_it_fails(self, transport):
        while True:
            transport.check()

    def test_lines_arrive_and_are_confirmed(self):
        for host in ("127.0.0.1", "::1"):
            receiver = self.receiver(host)
            transport = self.make()
            transport.connect(receiver.endpoint, 10)
            transport.send(b"a 1 1\nb 2 2\n")
            transport.commit()
            self.assertEqual([b"a 1 1\n", b"b 2 2\n"], receiver.take(2))
            self.assertEqual(-1, transport.fileno())

    def test_a_peer_that_closes_before_it_has_read_all_confirms_nothing(self):
        transport = self.make()
        connection = self.accepted(transport)
        transport.send(b"a 1 1\n" * 1000)
        connection.recv(10)
        connection.close()
        self.assertRaises(transports.PeerResetError, transport.commit)

    def test_a_peer_that_ends_its_side_first_confirms_nothing(self):
        transport = self.make()
        connection = self.accepted(transport)
        transport.send(b"a 1 1\n")
        connection.recv(10)
        connection.shutdown(socket.SHUT_WR)
        self.assertRaises(transports.PeerClosedError,
                          self.check_until_it_fails, transport)

    def test_a_peer_that_never_closes_confirms_nothing(self):
        transport = self.make(patience=0.3)
        connection = self.accepted(transport)
        transport.send(b"a 1 1\n")
        connection.recv(10)
        error = self.assertRaises(transports.StalledError, transport.commit)
        self.assertIn("it did not confirm", str(error))
        self.assertIn("confirm = false", error.hint)

    def test_a_peer_that_reads_nothing_ends_the_send(self):
        transport = self.make(patience=0.3)
        self.accepted(transport)
        error = self.assertRaises(transports.StalledError, transport.send,
                                  b"a 1 1\n" * (1 << 21))
        self.assertIn("it took no more lines", str(error))

    def test_a_peer_that_reads_slowly_is_waited_for(self):
        transport = self.make(patience=1.0)
        connection = self.accepted(transport)
        data = b"a 1 1\n" * (1 << 20)
        read = []

        def read_slowly():
            pause = threading.Event()
            while received := connection.recv(1 << 20):
                read.append(received)
                pause.wait(0.1)
            connection.close()
        thread = threading.Thread(target=read_slowly)
        thread.start()
        transport.send(data)
        transport.commit()
        thread.join()
        self.assertEqual(data, b"".join(read))

    def test_a_kept_connection_is_drained_and_goes_on(self):
        transport = self.make()
        connection = self.accepted(transport)
        for _ in range(2):
            transport.send(b"a 1 1\n")
            transport.drain()
            self.assertEqual(b"a 1 1\n", connection.recv(10))

    def test_a_peer_that_dies_resets(self):
        transport = self.make()
        connection = self.accepted(transport)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              struct.pack("ii", 1, 0))
        connection.close()
        self.assertRaises(transports.PeerResetError,
                          self.check_until_it_fails, transport)

    def test_bytes_from_the_peer_tell_what_it_is(self):
        for answer, hint in ((b"HTTP/1.1 400 Bad Request\r\n", "web server"),
                             (b"\x15\x03\x01\0\x02\x02\x46", "TLS"),
                             (b"", "protocol and format")):
            transport = self.make()
            connection = self.accepted(transport)
            connection.sendall(answer)
            connection.close()
            error = self.assertRaises(
                transports.PeerClosedError, self.check_until_it_fails,
                transport)
            self.assertIn(hint, error.hint)

    def test_a_peer_that_answers_confirms_nothing(self):
        transport = self.make()
        connection = self.accepted(transport)
        transport.send(b"a 1 1\n")
        self.assertEqual(b"a 1 1\n", connection.recv(100))
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n")
        connection.close()
        error = self.assertRaises(transports.TransportError,
                                  transport.commit)
        self.assertIn("web server", error.hint)

    def test_a_refused_connection_says_so(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            endpoint = server.getsockname()
        error = self.assertRaises(transports.TransportError,
                                  self.make().connect, endpoint, 10)
        self.assertEqual("Connection refused", str(error))

    def test_dead_addresses_cost_one_deadline_together(self):
        """A listener whose queue is full drops what else wants in."""
        dead = socket.socket()
        self.addCleanup(dead.close)
        dead.bind(("127.0.0.1", 0))
        dead.listen(0)
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                full = stack.enter_context(socket.socket())
                full.setblocking(False)
                full.connect_ex(dead.getsockname())
            receiver = self.receiver()
            found = [address for endpoint in (
                *[dead.getsockname()] * 10, receiver.endpoint)
                for address in socket.getaddrinfo(
                    *endpoint, type=socket.SOCK_STREAM)]
            self.patch(socket, "getaddrinfo", lambda *_, **__: [*found])
            transport = self.make()
            transport.connect(("x", 2003), 10)
            transport.send(b"a 1 1\n")
            self.assertEqual([b"a 1 1\n"], receiver.take(1))
            del found[10:]
            self.assertRaises(transports.TransportError, transport.connect,
                              ("y", 2003), 0.2)

    def test_the_address_that_answered_last_is_tried_first(self):
        resolver = transports.Resolver(socket.SOCK_STREAM)
        endpoint = ("localhost", 2003)
        found = [*resolver.addresses(endpoint, 10)]
        resolver.answered(endpoint, found[-1])
        again = resolver.addresses(endpoint, 10)
        self.assertEqual(found[-1], again[0])
        self.assertCountEqual(found, again)

    def test_a_name_that_does_not_resolve_is_told(self):
        for host in ("no-such-host.invalid", "a" * 70 + ".example.org"):
            error = self.assertRaises(
                transports.TransportError, self.make().connect,
                (host, 2003), 10)
            self.assertIn("its name cannot be looked up", str(error))

    def test_endpoints_are_written_with_brackets_where_needed(self):
        self.assertEqual("[::1]:2003",
                         transports.endpoint_text(("::1", 2003)))
        self.assertEqual("a:2003", transports.endpoint_text(("a", 2003)))


class UdpTransportTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.server.bind(("127.0.0.1", 0))
        self.server.settimeout(10)
        self.addCleanup(self.server.close)
        self.transport = transports.UdpTransport(datagram_size=300)
        self.addCleanup(self.transport.close)
        self.transport.connect(self.server.getsockname(), 10)

    def test_datagrams_hold_whole_lines(self):
        lines = b"".join(b"path.%03d %d 1\n" % (n, n) for n in range(100))
        self.transport.send(lines)
        received = []
        while sum(map(len, received)) < len(lines):
            received.append(self.server.recv(9000))
        self.assertEqual(lines, b"".join(received))
        self.assertTrue(all(d.endswith(b"\n") for d in received))
        self.assertTrue(all(len(d) <= 300 for d in received))

    def test_a_port_that_nobody_listens_on_is_noticed(self):
        self.server.close()
        error = self.assertRaises(transports.TransportError,
                                  self.send_until_it_fails)
        self.assertIn("Connection refused", str(error))

    def send_until_it_fails(self):
        while True:
            self.transport.send(b"a 1 1\n")


class SlotTest(base.BaseTestCase):

    def test_publishers_of_one_name_get_numbers_that_are_freed(self):
        name = self.id()
        first, second = transports.Slot(name), transports.Slot(name)
        self.assertEqual(("", "2"), (str(first), str(second)))
        first.close()
        self.assertEqual("", str(transports.Slot(name)))


class MakeTest(base.BaseTestCase):

    def make(self, **settings):
        return transports.make(types.SimpleNamespace(**{
            "protocol": "tcp", "format": "plaintext", "datagram_size": 300,
            "cafile": None, "certfile": None, "keyfile": None,
            "tls_verify": True, **settings}), lambda: 10)

    def test_the_protocol_says_what_carries_lines(self):
        for protocol, kind in (("tcp", transports.TcpTransport),
                               ("tls", transports.TlsTransport),
                               ("udp", transports.UdpTransport)):
            self.assertIs(kind, type(self.make(protocol=protocol)))
