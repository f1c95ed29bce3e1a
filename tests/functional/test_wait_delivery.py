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

"""Faults of receivers that last seconds, with real processes and sockets."""

import contextlib
import itertools
import os
import signal
import socket
import threading

from ceilometer_graphite import spool
from lab import certificates
from lab import command
from lab import haproxy
from lab import process
from lab import receiver
from lab import relay
from tests.functional import faults

# How many lines a slow reader gets, and how many bytes it reads in a second.
# An agent of some size publishes 10,000 lines in 20 s.
SLOW_LINES = int(os.environ.get("SLOW_LINES", 4000))
SLOW_BYTES = int(os.environ.get("SLOW_BYTES", 12000))


class DeliveryTestCase(faults.FaultsTestCase):

    def warnings(self):
        return [line for line in self.log.output.splitlines()
                if "cannot be reached" in line]

    def wait_until_delivered(self, publisher, timeout_seconds=60):
        process.wait_for(publisher.is_done, timeout_seconds,
                         "all lines to be confirmed")

    def read(self, *receivers):
        """Return how many lines were read, and how many differ."""
        lines = [line for part in receivers for line in part.lines()]
        return len(lines), len(set(lines))


class SlowReaderTest(DeliveryTestCase):

    def test_a_slow_reader_gets_all_lines_at_most_twice(self):
        """Loses nothing."""
        reader = self.start_receiver(
            receiver.READS_SLOWLY, bytes_per_second=SLOW_BYTES)
        publisher = self.make_publisher(reader.port)
        load = faults.Load()
        load.publish(publisher, SLOW_LINES)
        self.assert_all_arrive(load.lines, reader,
                               timeout_seconds=90 * 12000 / SLOW_BYTES)
        self.wait_until_delivered(publisher)
        read, unique = self.read(reader)
        self.assertEqual(SLOW_LINES, unique)
        self.assertLessEqual(read, 2 * SLOW_LINES)

    def test_a_reader_that_pauses_gets_all_lines(self):
        """Pauses like a Carbon with flow control. Loses nothing."""
        reader = self.start_receiver()
        publisher = self.make_publisher(reader.port, send_timeout_seconds=1)
        load = faults.Load()
        ends = threading.Event()
        with self.loading(publisher, load, 1000):
            for _ in range(3):
                reader.send_signal(signal.SIGSTOP)
                ends.wait(2)
                before = load.count
                reader.send_signal(signal.SIGCONT)
                process.wait_for(
                    lambda b=before: self.read(reader)[1] >= b, 30,
                    "the lines of a pause")
        self.assert_all_arrive(load.lines, reader)


class HungRelayTest(DeliveryTestCase):

    def test_a_relay_that_hangs_is_left_for_the_next(self):
        """Its kernel acknowledges everything. Loses nothing."""
        hung = self.start_receiver(receiver.NEVER_READS, "hung",
                                   receive_buffer=4 << 20)
        reader = self.start_receiver(name="reader")
        publisher = self.make_publisher(hung.port, reader.port,
                                        send_timeout_seconds=1)
        load = faults.Load()
        ends = threading.Event()
        while not reader.count():
            load.publish(publisher, 1, 1)
            ends.wait(0.1)
        self.assert_all_arrive(load.lines, reader)
        self.assertEqual(1, len(self.warnings()), self.log.output)
        self.assertIn("it did not confirm", self.warnings()[0])

    def test_sigterm_while_a_relay_hangs_loses_nothing(self):
        """The relay is killed after that. Loses nothing."""
        hung = self.start_receiver(receiver.NEVER_READS, "hung")
        reader = self.start_receiver(name="reader")
        child = self.start_child(hung.port, reader.port, count=10 ** 6)
        child.wait_for_published(2000)
        self.assertEqual(0, child.terminate())
        hung.kill()
        self.assert_all_arrive(child.published(), reader)

    def test_sigterm_without_any_endpoint_counts_what_is_lost(self):
        """May lose the waiting lines, and counts them."""
        hung = self.start_receiver(receiver.NEVER_READS)
        child = self.start_child(hung.port, count=1000)
        child.wait_for_published(1000)
        self.assertEqual(0, child.terminate())
        self.assertIn("1000 lines were not delivered", child.log_text())


class IdleCloseTest(DeliveryTestCase):
    """HAProxy closes idle connections, before or after replay_seconds."""

    needs_commands = ("haproxy",)

    def check_no_event(self, **options):
        reader = self.start_receiver()
        balancer = self.start(haproxy.HAProxy(
            self.directory / "balancer", reader.port, idle_seconds=1,
            **options.pop("balancer", {})))
        publisher = self.make_publisher(balancer.port, **options)
        load = faults.Load()
        ends = threading.Event()
        for _ in range(4):
            load.publish(publisher, 100)
            self.wait_until_delivered(publisher)
            ends.wait(2)  # HAProxy closes the next connection meanwhile.
        self.assert_all_arrive(load.lines, reader)
        self.assertEqual((400, 400), self.read(reader))
        self.assertEqual([], self.warnings())
        self.assertEqual(0, publisher.counts["failures"])

    def test_an_idle_close_is_no_event(self):
        self.check_no_event(replay_seconds=0.5)

    def test_an_idle_close_within_replay_seconds_is_none_either(self):
        self.check_no_event(replay_seconds=10)

    def test_an_idle_close_is_no_event_with_tls(self):
        authority = certificates.Authority(self.directory / "authority")
        self.check_no_event(
            balancer={"certificate": authority.certificate("server")},
            protocol="tls", cafile=authority.cafile)

    def test_a_carbon_behind_it_that_hangs_confirms_nothing(self):
        hung = self.start_receiver(receiver.NEVER_READS)
        balancer = self.start(haproxy.HAProxy(
            self.directory / "balancer", hung.port))
        publisher = self.make_publisher(balancer.port,
                                        send_timeout_seconds=1)
        load = faults.Load()
        load.publish(publisher, 100)
        process.wait_for(self.warnings, 30, "a warning")
        self.assertFalse(publisher.is_done())
        hung.heal()
        self.assert_all_arrive(load.lines, hung)
        self.wait_until_delivered(publisher)


class BacklogTest(DeliveryTestCase):

    def check_live_lines_go_first(self, **options):
        port, = process.free_ports(1)
        publisher = self.make_publisher(port, catch_up_rate=2000, **options)
        old, live = faults.Load("old"), faults.Load("live")
        old.publish(publisher, 6000)
        failures = publisher.counts["failures"]
        # What came after the last failure is no backlog yet.
        process.wait_for(lambda: publisher.counts["failures"] > failures, 20,
                         "a failure")
        reader = self.start_receiver(port=port)
        self.wait_for_lines(reader, 1)
        while not any("live" in line for line in reader.lines()):
            live.publish(publisher, 50)
            threading.Event().wait(0.05)
        # A second's backlog may arrive before, but not all of it.
        before = sum(1 for _ in itertools.takewhile(
            lambda line: "live" not in line, reader.lines()))
        self.assertLess(before, 6000)
        self.assert_all_arrive(old.lines + live.lines, reader)

    def test_live_lines_go_before_the_backlog(self):
        """Loses nothing."""
        self.check_live_lines_go_first()

    def test_live_lines_go_before_what_was_on_disk(self):
        """Loses nothing."""
        self.check_live_lines_go_first(spool_dir=self.directory / "spool",
                                       buffer_size=2 ** 19)

    def test_a_relay_with_a_short_queue_loses_no_backlog(self):
        """Loses nothing."""
        reader = self.start_receiver(
            receiver.READS_SLOWLY, bytes_per_second=200000)
        between = relay.Relay(self.directory / "relay", reader.port)
        publisher = self.make_publisher(between.port, catch_up_rate=2000)
        load = faults.Load()
        load.publish(publisher, 20000)
        process.wait_for(self.warnings, 20, "a warning")
        self.start(between)
        self.assert_all_arrive(load.lines, reader, timeout_seconds=60)

    def test_a_large_spool_does_not_hold_up_the_first_live_line(self):
        """The spool has five million lines. Loses nothing."""
        reader = self.start_receiver()
        root = self.directory / "spool"
        endpoints = f"127.0.0.1:{reader.port}"
        folder = spool.folder_of(str(root), endpoints)
        folder.make(endpoints)
        data = b"".join(spool.pack(b"".join(
            b"ceilometer.compute-1.p.old%d.load %d 1700000000\n" % (
                each, number) for each in range(500)),
            500, number * 500) for number in range(20))
        for number in range(500):
            path = os.path.join(folder.path,
                                "%020d.ab.lines.gz" % (number + 1))
            with open(path, "wb") as file:
                file.write(data)
        publisher = self.make_publisher(
            reader.port, spool_dir=root, catch_up_rate=1000)
        load = faults.Load()
        load.publish(publisher, 50)
        self.wait_for_lines(reader, 50)
        first = [line for line in reader.lines()[:2000] if ".load0." in line]
        self.assertTrue(first, reader.lines()[:3])


class HungDiskTest(DeliveryTestCase):

    needs_root = True
    needs_commands = ("fsfreeze", "losetup", "mkfs.ext4")

    def freeze(self):
        """Freeze the file system: its system calls do not return."""
        image, folder = self.directory / "image", self.directory / "disk"
        folder.mkdir()
        command.run("truncate", "-s", "20M", str(image))
        command.run("mkfs.ext4", "-q", str(image))
        command.run("mount", "-o", "loop", str(image), str(folder))
        self.addCleanup(command.run, "umount", "-l", str(folder))
        command.run("fsfreeze", "-f", str(folder))
        self.addCleanup(command.run, "fsfreeze", "-u", str(folder))
        return folder

    def test_lines_flow_as_if_there_were_no_spool(self):
        """Loses nothing."""
        folder = self.freeze()
        port, = process.free_ports(1)
        publisher = self.make_publisher(port, spool_dir=folder / "spool")
        load = faults.Load()
        load.publish(publisher, 1000)
        process.wait_for(self.warnings, 20, "a warning")
        threading.Event().wait(1)  # Now the spool's thread waits for the disk.
        reader = self.start_receiver(port=port)
        load.publish(publisher, 5000)
        self.assert_all_arrive(load.lines, reader)


class WrongPortTest(DeliveryTestCase):
    """The log tells the likely reason."""

    def check_hint(self, hint, *ports, **options):
        publisher = self.make_publisher(*ports, **options)
        faults.Load().publish(publisher, 100)
        process.wait_for(lambda: hint in self.log.output, 20, hint)

    def test_lines_to_a_port_for_tls(self):
        authority = certificates.Authority(self.directory / "authority")
        tls = self.start_receiver(
            protocol="tls", certificate=authority.certificate("server"))
        self.check_hint("protocol", tls.port)

    def test_tls_to_a_port_for_lines(self):
        plain = self.start_receiver()
        self.check_hint("protocol = tcp", plain.port, protocol="tls",
                        connect_timeout_seconds=1)

    def test_lines_to_a_web_server(self):
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)

        def answer():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        threading.Thread(target=answer, daemon=True).start()
        self.check_hint("web server", server.getsockname()[1])

    def test_a_receiver_that_never_closes(self):
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        self.check_hint("set [graphite] confirm = false",
                        server.getsockname()[1], send_timeout_seconds=0.5)


class DeadAddressTest(DeliveryTestCase):

    needs_root = True
    needs_commands = ("ip", "iptables", "unshare", "nsenter", "mount")

    def test_dead_addresses_and_a_silent_resolver_cost_one_deadline(self):
        """Ten addresses drop packets, the eleventh reads.

        Loses nothing.
        """
        namespace = self.start(faults.Namespace(self.directory))
        hosts = self.directory / "hosts"
        hosts.write_text("".join(
            "127.0.1.%d graphite.example.org\n" % number
            for number in range(1, 11)) + "127.0.0.1 graphite.example.org\n")
        namespace.run("mount", "--bind", hosts, "/etc/hosts")
        namespace.run("iptables", "-A", "INPUT", "-d", "127.0.1.0/24",
                      "-j", "DROP")
        reader = self.start_receiver(within=namespace.within)
        url = self.url(reader.port, connect_timeout_seconds=10).replace(
            "127.0.0.1", "graphite.example.org")
        child = self.start(faults.Child(
            self.directory, url, count=500, within=namespace.within))
        child.wait_for_published(500)
        self.assert_all_arrive(child.published(), reader)
        self.assertNotIn("cannot be reached", child.log_text())


class KilledTest(DeliveryTestCase):

    def test_the_last_line_of_the_log_says_how_things_are(self):
        """Kill and restart the receiver twice within a minute."""
        reader = self.start_receiver()
        publisher = self.make_publisher(reader.port)
        load = faults.Load()
        for number in range(1, 3):
            with self.loading(publisher, load, 500):
                self.wait_for_lines(reader, reader.count() + 100)
                reader.kill()
                process.wait_for(lambda n=number: len(self.warnings()) >= n,
                                 20, "a warning")
                reader.start()
                process.wait_for(
                    lambda n=number: self.log.output.count(
                        "Connected") == n + 1, 20, "a connection")
        self.wait_until_delivered(publisher)
        self.assertIn("Connected", self.log.output.splitlines()[-1])
        self.assert_all_arrive(load.lines, reader)
