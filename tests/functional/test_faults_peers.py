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

"""Test cases of other senders.

They come from the tests of Vector, vmagent, OpenTelemetry's exporters, Icinga,
carbon-c-relay and Fluent Bit, if no other test here covers them.
"""

import os
import pathlib
import socket
import threading

from ceilometer_graphite import settings
from ceilometer_graphite import spool
from lab import certificates
from lab import process
from lab import receiver
from tests.functional import faults
from tests.functional import test_faults_spool

LINES = 10000
FLUSHES = 1600


class TransportsTest(faults.FaultsTestCase):
    """From carbon-c-relay: each transport delivers the same bytes."""

    needs_commands = ("openssl",)

    def deliver(self, name, encoding, **options):
        """Return the published and the read lines, sorted."""
        reader = self.start_receiver(name=name, **encoding)
        publisher = self.make_publisher(reader.port, **options)
        load = faults.Load()
        while load.count < LINES:
            # At most as much as the buffer of a UDP socket holds.
            load.publish(publisher, 500)
            self.wait_for_lines(reader, load.count)
        return sorted(load.lines), sorted(reader.lines())

    def test_each_transport_delivers_ten_thousand_lines_unchanged(self):
        """Loses nothing."""
        authority = certificates.Authority(self.directory / "authority")
        read = 0
        for name, encoding, options in (
                ("tcp", {}, {}),
                ("udp", {"protocol": "udp"}, {"protocol": "udp"}),
                ("pickle", {"format": "pickle"}, {"format": "pickle"}),
                ("tls", {"protocol": "tls", "certificate":
                         authority.certificate("server")},
                 {"protocol": "tls", "cafile": authority.cafile})):
            with self.subTest(name):
                sent, got = self.deliver(name, encoding, **options)
                self.assertEqual(sent, got)
                read += len(got)
        self.account = faults.Account(4 * LINES, read, read)


class StuckTest(faults.FaultsTestCase):
    """From Icinga: it stops at once, whatever a connection waits for."""

    def check_end(self, port, **options):
        """Assert that close(0.1) returns although a connection waits."""
        publisher = self.make_publisher(
            port, connect_timeout_seconds=60, send_timeout_seconds=60,
            **options)
        load = faults.Load()
        load.publish(publisher, LINES)
        process.wait_for(lambda: publisher.counts["lines_sent"]
                         or self.accepted.is_set(), 20, "a connection")
        ended = threading.Event()
        lost = []

        def end():
            lost.append(publisher.close(0.1))
            ended.set()
        threading.Thread(target=end, daemon=True).start()
        process.wait_for(ended.is_set, 10, "the end")
        self.assertEqual([LINES], lost)

    def test_the_end_does_not_wait_for_a_stuck_peer(self):
        """May lose the waiting lines, and counts them."""
        self.accepted = threading.Event()
        silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(silent.close)
        held = []

        def accept():
            held.append(silent.accept()[0])
            self.accepted.set()
        threading.Thread(target=accept, daemon=True).start()
        with self.subTest("in a handshake"):
            self.check_end(silent.getsockname()[1], protocol="tls")
        held[0].close()
        hung = self.start_receiver(receiver.NEVER_READS)
        with self.subTest("in a send"):
            self.check_end(hung.port)


class MistakeTest(test_faults_spool.SpoolTestCase):
    """From Fluent Bit: a failed start does not delete the spool."""

    def test_a_wrong_option_does_not_change_the_spool(self):
        """Loses nothing."""
        port, = process.free_ports(1)
        child = self.start_child(port, count=5000, options=self.options)
        child.wait_for_published(5000)
        self.wait_for_spooled(5000)
        child.kill()
        for wrong in ({"format": "json"}, {"spool_size": "much"},
                      {"no_option": 1}):
            self.assertRaises(settings.ConfigError, self.make_publisher,
                              port, **{**self.options, **wrong})
        self.assertEqual(5000, self.spooled())
        self.assert_another_sends(child.published(),
                                  self.start_receiver(port=port))


class DamagedSpoolTest(test_faults_spool.SpoolTestCase):
    """From Vector and vmagent: it reads what it can, and counts the rest.

    80,000 lines in flushes of 50, like those of a large node.
    """

    def write(self, endpoints):
        """Write a spool of four files; return their paths."""
        folder = spool.folder_of(str(self.spool_dir), endpoints)
        folder.make(endpoints)
        paths = [pathlib.Path(folder.path, "%020d.ab.lines.gz" % number)
                 for number in range(1, 5)]
        for path in paths:
            path.write_bytes(b"".join(
                spool.pack(self.flush(path, number), 50, number * 50)
                for number in range(FLUSHES // len(paths))))
        return paths

    def flush(self, path, number):
        return b"".join(b"ceilometer.compute-1.p.%s_%d.load %d 1700000000\n"
                        % (path.name[:20].encode(), number * 50 + each, each)
                        for each in range(50))

    def zero(self, path, count):
        """Write zeros into the middle of a file."""
        with path.open("r+b") as file:
            file.seek(path.stat().st_size // 2)
            file.write(bytes(count))

    def test_all_but_the_damaged_members_arrive(self):
        """May lose the damaged flushes, counted.

        It cannot count flushes that are missing at the end of a file.
        """
        port, = process.free_ports(1)
        paths = self.write("127.0.0.1:%d" % port)
        self.assertEqual(50 * FLUSHES, self.spooled())
        self.zero(paths[0], 8)
        self.zero(paths[1], 4096)
        os.truncate(paths[2], paths[2].stat().st_size - 8192)
        known = self.spooled()
        reader = self.start_receiver(port=port)
        publisher = self.make_publisher(port, **self.options)
        process.wait_for(
            lambda: not list(self.spool_dir.glob("*/*.lines.gz")), 60,
            "an empty spool")
        arrived = len(set(reader.lines()))
        self.account = faults.Account(50 * FLUSHES, arrived, reader.count())
        self.assertEqual(
            known, arrived + publisher.counts["lines_dropped.spool_corrupt"])
        self.assertGreater(arrived, 75000)
