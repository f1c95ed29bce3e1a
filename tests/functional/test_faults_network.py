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
"""Peers that refuse, reset, vanish or stall."""

import time

from lab import process
from lab import receiver
from tests.functional import faults


class PeerTest(faults.FaultsTestCase):
    """Faults of a receiver on loopback. Loses nothing."""

    def test_refused_at_start_loses_nothing(self):
        """Loses nothing."""
        port, = process.free_ports(1)
        publisher = self.make_publisher(port)
        load = faults.Load()
        load.publish(publisher, 1000)
        process.wait_for(lambda: "cannot be reached" in self.log.output, 10,
                         "a refused connection")
        self.assert_all_arrive(load.lines, self.start_receiver(port=port))

    def test_connections_that_are_reset_lose_nothing(self):
        """Loses nothing."""
        reader = self.start_receiver(receiver.RESETS)
        publisher = self.make_publisher(reader.port)
        load = faults.Load()
        with self.loading(publisher, load):
            process.wait_for(lambda: reader.connections() > 5, 30,
                             "some connections that were reset")
            reader.heal()
            self.wait_for_lines(reader, 1000)
        self.assert_all_arrive(load.lines, reader)

    def test_failover_and_back_lose_nothing(self):
        """Loses nothing."""
        first = self.start_receiver(name="first")
        second = self.start_receiver(name="second")
        publisher = self.make_publisher(first.port, second.port)
        load = faults.Load()
        with self.loading(publisher, load):
            for dies, lives in ((first, second), (second, first)):
                process.wait_for(dies.count, 20, "lines to one endpoint")
                dies.kill()
                self.wait_for_lines(lives, lives.count() + 100)
                dies.start()
        self.assert_all_arrive(load.lines, first, second)

    def test_a_reader_of_one_byte_a_second_that_heals_gets_all(self):
        """Loses nothing."""
        reader = self.start_receiver(receiver.READS_SLOWLY)
        publisher = self.make_publisher(reader.port, send_timeout_seconds=1)
        load = faults.Load()
        load.publish(publisher, 40000, 1000)
        process.wait_for(lambda: "cannot be reached" in self.log.output, 30,
                         "the peer to be given up")
        reader.heal()
        self.assert_all_arrive(load.lines, reader)


class BlackHoleTest(faults.FaultsTestCase):
    """A peer accepts but never reads, and then another one replaces it.

    The kernel has acknowledged each line, longer ago than replay_seconds.
    Loses nothing.
    """

    def check_nothing_is_lost(self, lines, **options):
        hole = self.start_receiver(receiver.NEVER_READS, **options)
        publisher = self.make_publisher(
            hole.port, replay_seconds=1, send_timeout_seconds=3600)
        load = faults.Load()
        for _ in range(10):
            load.publish(publisher, lines // 10, lines // 100)
            # Continue the load for longer than replay_seconds.
            time.sleep(0.3)
        hole.kill()
        hole.mode = receiver.READS
        hole.start()
        self.assert_all_arrive(load.lines, hole)

    def test_a_black_hole_at_a_low_rate(self):
        """Loses nothing."""
        self.check_nothing_is_lost(500)

    def test_a_black_hole_at_a_high_rate(self):
        """Loses nothing."""
        self.check_nothing_is_lost(100000)

    def test_a_black_hole_with_a_large_receive_buffer(self):
        """Loses nothing."""
        self.check_nothing_is_lost(5000, receive_buffer=1 << 20)
