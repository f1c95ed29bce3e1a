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

import os
import pickle
import socket
import struct

import fixtures

from ceilometer_graphite import delivery
from ceilometer_graphite import settings
from ceilometer_graphite import spool
from ceilometer_graphite import stats
from tests.unit import base


class DeliveryTest(base.AgentTestCase):
    """What an operator asks for in the URL is what delivers."""

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path

    def make(self, query="", url=None):
        self.counts = stats.Counts()
        made = delivery.make_sender(
            settings.load_settings(self.conf, url or self.parsed_url(query)),
            self.counts)
        self.addCleanup(made.close, 0.1)
        return made

    def test_lines_arrive_over_tcp(self):
        self.make().submit(b"a 1 1\n", 1)
        self.assertEqual([b"a 1 1\n"], self.receiver.take(1))

    def test_lines_arrive_over_udp(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(10)
            url = self.parsed_url("?protocol=udp&datagram_size=256")
            made = self.make(url=url._replace(
                netloc="127.0.0.1:%d" % server.getsockname()[1]))
            made.submit(b"a 1 1\n" * 100, 100)
            received = b""
            while len(received) < 600:
                datagram = server.recv(9000)
                self.assertLessEqual(len(datagram), 256)
                received += datagram
        self.assertEqual(b"a 1 1\n" * 100, received)

    def test_datapoints_arrive_as_pickles(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(10)
            url = self.parsed_url("?format=pickle")
            made = self.make(url=url._replace(
                netloc="127.0.0.1:%d" % server.getsockname()[1]))
            made.submit(b"a 1.5 7\n", 1)
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as file:
                size, = struct.unpack("!L", file.read(4))
                self.assertEqual([("a", (7, 1.5))],
                                 pickle.loads(file.read(size)))

    def test_tls_does_not_send_to_what_does_not_speak_it(self):
        made = self.make("?protocol=tls&connect_timeout_seconds=0.1")
        made.submit(b"a 1 1\n", 1)
        self.assertFalse(made.close(1))
        self.assertTrue(self.receiver.lines.empty() or not any(
            b"a 1 1" in line for line in self.receiver.lines.queue))

    def test_no_file_is_made_without_a_spool(self):
        made = self.make("?replay_seconds=0")
        made.submit(b"a 1 1\n", 1)
        self.assertTrue(made.close(10))
        self.assertEqual([], os.listdir(self.directory))

    def test_a_spool_is_named_after_its_endpoints(self):
        made = self.make("?spool_dir=" + self.directory)
        made.submit(b"a 1 1\n", 1)
        self.receiver.take(1)
        self.assertTrue(made.close(10))
        name = "127_0_0_1_%d" % self.receiver.endpoint[1]
        self.assertIn(name + ".sqlite", os.listdir(self.directory))
        self.assertEqual(
            [b"a 1 1\n"], [row.lines for row in spool.Spool(
                self.directory, name, 1 << 20).read(0, 100)])

    def test_what_one_process_could_not_send_the_next_one_does(self):
        query = "?self_metrics_interval=0&spool_dir=" + self.directory
        self.receiver.close()
        first = self.make(query)
        for number in range(100):
            first.submit(b"a %d 1\n" % number, 1)
        self.assertTrue(first.close(10))
        port = self.receiver.endpoint[1]
        self.receiver = type(self.receiver)(port=port)
        self.addCleanup(self.receiver.close)
        self.make(query).submit(b"b 1 1\n", 1)
        self.assertEqual(
            {b"a %d 1\n" % number for number in range(100)} | {b"b 1 1\n"},
            set(self.receiver.take(101)))

    def test_it_reports_on_itself_under_its_endpoints(self):
        self.conf.set_override("host", "compute-1.example.org")
        self.make("?self_metrics_interval=0.01").submit(b"a 1 1\n", 1)
        head = ("ceilometer.compute-1.graphite_publisher.127_0_0_1_%d."
                % self.receiver.endpoint[1]).encode()
        wanted = {head + name for name in (
            b"lines_sent", b"lines_replayed", b"reconnects", b"connected",
            b"buffer_bytes")}
        while wanted:
            wanted.discard(self.receiver.take(1)[0].split()[0])

    def test_a_replay_that_is_turned_off_leaves_nothing_for_the_disk(self):
        made = self.make("?replay_seconds=0&spool_dir=" + self.directory)
        made.submit(b"a 1 1\n", 1)
        self.receiver.take(1)
        self.assertTrue(made.close(10))
        for name in os.listdir(self.directory):
            if name.endswith(".sqlite"):
                self.assertEqual([], spool.Spool(
                    self.directory, name[:-len(".sqlite")], 1 << 20).read(
                        0, 100))
