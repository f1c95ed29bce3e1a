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
"""Faults of the network and of name resolution, in a namespace."""

import time

from lab import receiver
from tests.functional import faults


class NamespaceTestCase(faults.FaultsTestCase):
    """Has a namespace for a publisher and a receiver."""

    needs_root = True
    needs_commands = ("unshare", "nsenter", "ip", "iptables", "mount",
                      "sysctl")

    def setUp(self):
        super().setUp()
        self.namespace = self.start(faults.Namespace(self.directory))

    def start_receiver(self, mode=receiver.READS, **options):
        return super().start_receiver(
            mode, within=self.namespace.within, **options)

    def start_child(self, *ports, **arguments):
        return super().start_child(
            *ports, within=self.namespace.within, **arguments)


class HalfOpenTest(NamespaceTestCase):
    """Packets are dropped for some time."""

    def drop_packets(self, verb):
        self.namespace.run("iptables", verb, "INPUT", "-i", "lo", "-j",
                           "DROP")

    def check_nothing_is_lost(self, count, pause):
        """Drop packets for longer than send_timeout_seconds."""
        reader = self.start_receiver()
        child = self.start_child(
            reader.port, count=count, pause=pause, options={
                "send_timeout_seconds": 1, "connect_timeout_seconds": 0.5,
                "replay_seconds": 3})
        child.wait_for_published(count // 4)
        self.drop_packets("-A")
        child.wait_for_log("cannot be reached")
        child.wait_for_published(count)
        self.drop_packets("-D")
        self.assert_all_arrive(child.published(), reader)

    def test_a_half_open_connection_loses_nothing_at_a_high_rate(self):
        """Loses nothing."""
        self.check_nothing_is_lost(10000, 0.01)

    def test_a_half_open_connection_loses_nothing_at_a_low_rate(self):
        """Loses nothing."""
        self.check_nothing_is_lost(400, 0.3)

    def test_a_half_open_connection_to_a_dead_host_loses_nothing(self):
        """The peer is killed while its packets and its RST are dropped.

        Loses nothing.
        """
        reader = self.start_receiver()
        child = self.start_child(reader.port, count=2000, options={
            "send_timeout_seconds": 1, "connect_timeout_seconds": 0.5})
        child.wait_for_published(1000)
        self.drop_packets("-A")
        reader.kill()
        child.wait_for_published(2000)
        child.wait_for_log("cannot be reached")
        self.drop_packets("-D")
        reader.start()
        self.assert_all_arrive(child.published(), reader)


class SlowTest(NamespaceTestCase):

    def test_a_slow_reader_keeps_its_connection(self):
        """The reader always makes progress, but needs longer for all lines.

        Only a peer without progress for send_timeout_seconds is left.
        Loses nothing.
        """
        for command in (["ip", "link", "set", "lo", "mtu", "1500"],
                        ["sysctl", "-w",
                         "net.ipv4.tcp_wmem=4096 16384 65536"]):
            self.namespace.run(*command)
        reader = self.start_receiver(receiver.READS_SLOWLY,
                                     bytes_per_second=24000)
        child = self.start_child(reader.port, count=10000, batch=1000,
                                 options={"send_timeout_seconds": 10})
        self.wait_for_lines(reader, 6000, 60)
        reader.heal()
        self.assert_all_arrive(child.published(), reader)
        self.assertNotIn("cannot be reached", child.log_text())


class NamesTest(NamespaceTestCase):
    """A name that does not resolve at first. Loses nothing.

    The machine's resolver has no name server here, or one that does not
    answer.
    """

    def setUp(self):
        super().setUp()
        self.hosts = self.directory / "hosts"
        self.hosts.touch()
        self.resolv_conf = self.directory / "resolv.conf"
        self.resolv_conf.write_text(
            "nameserver 127.0.0.1\noptions timeout:3 attempts:1\n")
        for path in (self.hosts, self.resolv_conf):
            self.namespace.run("mount", "--bind", path, f"/etc/{path.name}")

    def url(self, *ports, **options):
        return super().url(*ports, **options).replace(
            "127.0.0.1", "graphite.lab")

    def resolve(self):
        self.hosts.write_text("127.0.0.1 graphite.lab\n")

    def test_a_name_that_does_not_resolve_and_later_does(self):
        """Loses nothing."""
        reader = self.start_receiver()
        child = self.start_child(reader.port, count=1000)
        child.wait_for_published(1000)
        child.wait_for_log("cannot be reached")
        self.resolve()
        self.assert_all_arrive(child.published(), reader)

    def test_a_name_server_that_does_not_answer_keeps_no_line_off_disk(self):
        """Kill the publisher while it resolves a name: lines are on disk.

        May lose lines of the last second before the kill.
        """
        self.namespace.run("iptables", "-A", "INPUT", "-p", "udp",
                           "--dport", "53", "-j", "DROP")
        reader = self.start_receiver()
        options = {"spool_dir": self.directory / "spool"}
        child = self.start_child(reader.port, count=1000, options=options)
        child.wait_for_published(1000)
        child.wait_until(
            lambda: len(child.published(until=time.monotonic() - 1)) == 1000,
            5, "lines older than a second")
        child.kill()
        self.resolve()
        another = self.start_child(reader.port, count=50, tag="another",
                                   options=options)
        another.wait_for_published(50)
        self.assert_all_arrive(child.published() + another.published(), reader)
