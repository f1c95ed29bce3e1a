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

import socket

from oslotest import base

from ceilometer_graphite import transports
from tests import fakes


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class TcpTransportTest(base.BaseTestCase):

    def make(self, **timeouts):
        transport = transports.TcpTransport(
            **{"connect_timeout_seconds": 5, "send_timeout_seconds": 5,
               **timeouts})
        self.addCleanup(transport.close)
        return transport

    def receiver(self, *args):
        receiver = fakes.Receiver(*args)
        self.addCleanup(receiver.close)
        return receiver

    def test_lines_arrive(self):
        receiver = self.receiver()
        transport = self.make()
        transport.connect(receiver.endpoint)
        transport.send(b"a 1 1\nb 2 2\n")
        self.assertEqual([b"a 1 1\n", b"b 2 2\n"], receiver.take(2))

    def test_lines_arrive_over_ipv6(self):
        receiver = self.receiver("::1")
        transport = self.make()
        transport.connect(receiver.endpoint)
        transport.send(b"a 1 1\n")
        self.assertEqual([b"a 1 1\n"], receiver.take(1))

    def test_every_address_of_a_name_is_tried(self):
        addresses = {info[4][0] for info in socket.getaddrinfo(
            "localhost", None, type=socket.SOCK_STREAM)}
        for address in sorted(addresses):
            receiver = self.receiver(address)
            transport = self.make()
            transport.connect(("localhost", receiver.endpoint[1]))
            transport.send(b"a 1 1\n")
            self.assertEqual([b"a 1 1\n"], receiver.take(1))

    def test_a_refused_connection_names_endpoint_and_reason(self):
        port = closed_port()
        error = self.assertRaises(
            transports.TransportError, self.make().connect,
            ("127.0.0.1", port))
        self.assertEqual("127.0.0.1:%d: Connection refused" % port,
                         str(error))

    def test_a_name_that_does_not_resolve_is_a_transport_error(self):
        error = self.assertRaises(
            transports.TransportError, self.make().connect,
            ("no-such-host.invalid", 2003))
        self.assertIn("no-such-host.invalid:2003: ", str(error))

    def test_a_name_that_cannot_be_one_is_a_transport_error(self):
        self.assertRaises(transports.TransportError, self.make().connect,
                          ("a" * 70 + ".example.org", 2003))

    def test_a_far_end_that_reads_nothing_ends_the_send_in_time(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            transport = self.make(send_timeout_seconds=0.2)
            transport.connect(server.getsockname())
            error = self.assertRaises(transports.TransportError,
                                      transport.send, b"x" * (64 << 20))
            self.assertIn("timed out", str(error))

    def test_a_far_end_that_closed_is_noticed_without_a_send(self):
        receiver = self.receiver()
        transport = self.make()
        transport.connect(receiver.endpoint)
        transport.send(b"a 1 1\n")
        receiver.take(1)
        transport.check()
        receiver.close_connections()
        error = self.assertRaises(transports.TransportError,
                                  self.check_until_it_fails, transport)
        self.assertIn("the far end closed the connection", str(error))

    def check_until_it_fails(self, transport):
        while True:
            transport.check()

    def test_bytes_from_the_far_end_are_no_trouble(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            transport = self.make()
            transport.connect(server.getsockname())
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"hello")
                transport.check()
                transport.send(b"a 1 1\n")
                self.assertEqual(b"a 1 1\n", connection.recv(100))

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
        self.transport = transports.UdpTransport(5, 5, datagram_size=300)
        self.addCleanup(self.transport.close)
        self.transport.connect(self.server.getsockname())

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
            self.transport.check()
            self.transport.send(b"a 1 1\n")
