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
"""Lines on disk survive the death of the process that wrote them."""

import gzip
import random
import time

from ceilometer_graphite import spool
from lab import process
from lab import receiver
from tests.functional import faults


class SpoolTestCase(faults.FaultsTestCase):

    def setUp(self):
        super().setUp()
        self.spool_dir = self.directory / "spool"
        self.options = {"spool_dir": self.spool_dir, "catch_up_rate": 50000,
                        "replay_seconds": 1}

    def spooled(self):
        """Return how many lines are on disk."""
        try:
            return sum(folder.count_lines()
                       for folder in spool.folders(self.spool_dir))
        except FileNotFoundError:  # it was created or deleted just now
            return 0

    def wait_for_spooled(self, count, timeout_seconds=20):
        """Wait until at least so many lines are on disk."""
        process.wait_for(lambda: self.spooled() >= count, timeout_seconds,
                         f"{count} lines on disk")

    def assert_another_sends(self, lines, reader, count=200):
        """Assert that another publisher sends the lines of a killed one."""
        another = self.start_child(reader.port, tag="another", count=count,
                                   options=self.options)
        another.wait_for_published(min(count, 200))
        self.assert_all_arrive(lines + another.published(), reader)


class KillTest(SpoolTestCase):
    """Kills publishers. May lose lines of the last second before."""

    def test_killed_while_carbon_is_away(self):
        """May lose lines of the last second before the kill."""
        port, = process.free_ports(1)
        child = self.start_child(port, count=10 ** 6, options=self.options)
        child.wait_for_published(5000)
        child.kill()
        old = child.published(until=time.monotonic() - 1)
        reader = self.start_receiver(port=port)
        self.assert_another_sends(old, reader)

    def test_killed_twice_while_carbon_is_away(self):
        """May lose lines of the last second before each kill."""
        port, = process.free_ports(1)
        old = []
        for number in range(2):
            child = self.start_child(port, count=10 ** 6, pause=0.01,
                                     tag=f"load{number}-",
                                     options=self.options)
            child.wait_for_published(3000)
            child.kill()
            old += child.published(until=time.monotonic() - 1)
        reader = self.start_receiver(port=port)
        self.assert_another_sends(old, reader)

    def test_the_last_lines_before_an_outage_reach_the_disk(self):
        """No line follows the lines in flight on a broken connection.

        Loses nothing.
        """
        hole = self.start_receiver(receiver.NEVER_READS)
        child = self.start_child(hole.port, count=500, options=self.options)
        child.wait_for_published(500)
        hole.kill()
        self.wait_for_spooled(500)
        child.kill()
        hole.mode = receiver.READS
        hole.start()
        self.assert_another_sends(child.published(), hole)

    def test_the_last_lines_into_a_black_hole_reach_the_disk(self):
        """The kernel's buffers are full, and no more lines follow.

        Loses nothing.
        """
        hole = self.start_receiver(receiver.NEVER_READS, receive_buffer=4096)
        child = self.start_child(
            hole.port, count=100000, batch=1000, pause=0.001,
            options={**self.options, "send_timeout_seconds": 3600})
        child.wait_for_published(100000)
        self.wait_for_spooled(100000)
        child.kill()
        hole.kill()
        hole.mode = receiver.READS
        hole.start()
        self.assert_another_sends(child.published(), hole)


class EmptyTest(SpoolTestCase):

    def test_delivered_lines_are_deleted_from_disk(self):
        """Loses nothing."""
        port, = process.free_ports(1)
        child = self.start_child(port, count=3000, options=self.options)
        self.wait_for_spooled(2000)
        self.start_receiver(port=port, receive_buffer=16384)
        child.wait_until(lambda: not list(self.spool_dir.glob(
            "*/*.lines.gz")), 30, "an empty spool")

    def test_any_gzip_sends_a_spool_by_hand(self):
        port, = process.free_ports(1)
        child = self.start_child(port, count=500, options=self.options)
        self.wait_for_spooled(500)
        child.kill()
        lines = b"".join(gzip.decompress(path.read_bytes())
                         for path in self.spool_dir.glob("*/*.lines.gz"))
        self.assertEqual(set(map(faults.parsed, child.published())),
                         set(map(faults.parsed, lines.decode().splitlines())))


class SharedTest(SpoolTestCase):

    def test_two_processes_share_one_spool(self):
        """One is killed; the next process that starts sends its lines.

        May lose lines of the last second before the kill.
        """
        port, = process.free_ports(1)
        one, two = (self.start_child(port, count=10 ** 6, tag=tag,
                                     options=self.options)
                    for tag in ("one", "two"))
        for child in (one, two):
            child.wait_for_published(2000)
        one.kill()
        old = one.published(until=time.monotonic() - 1)
        reader = self.start_receiver(port=port)
        self.assert_another_sends(old, reader)
        self.assert_all_arrive(two.published(), reader)


class SizeTest(SpoolTestCase):

    def test_the_oldest_lines_go_first_when_the_spool_is_full(self):
        """May lose the oldest lines beyond spool_size, counted."""
        port, = process.free_ports(1)
        publisher = self.make_publisher(
            port, spool_size=1024 ** 2, buffer_size=2 ** 19, **self.options)
        # Values that do not compress well fill it with fewer lines.
        load = faults.Load(value=lambda number: random.Random(
            number).getrandbits(50))
        while not publisher.counts["lines_dropped.spool_full"]:
            load.publish(publisher, 5000, 500)
            process.wait_for(publisher.is_done, 20, "a spool")
        size = sum(path.stat().st_size
                   for path in self.spool_dir.glob("*/*.lines.gz"))
        self.assertLessEqual(size, 1024 ** 2)
        dropped = publisher.counts["lines_dropped.spool_full"]
        self.assertEqual(1, self.log.output.count("spool_size"))
        self.assert_all_arrive(load.lines[dropped:],
                               self.start_receiver(port=port))


class DiskTest(SpoolTestCase):
    """The disk cannot be written: lines stay in memory."""

    needs_root = True
    needs_commands = ("unshare", "nsenter", "mount")

    def setUp(self):
        super().setUp()
        self.namespace = self.start(faults.Namespace(self.directory))
        self.spool_dir.mkdir()

    def check_nothing_is_lost(self, count, *mounts):
        for options in mounts:
            self.namespace.run("mount", "-t", "tmpfs", "-o", options,
                               "tmpfs", self.spool_dir)
        port, = process.free_ports(1)
        within = self.namespace.within
        child = self.start(faults.Child(
            self.directory, self.url(port, **self.options), count=count,
            within=within))
        child.wait_for_published(count)
        child.wait_for_log("The spool in")
        reader = self.start_receiver(port=port, within=within)
        self.assert_all_arrive(child.published(), reader)
        self.assertEqual(1, child.log_text().count("The spool in"),
                         child.log_text())

    def test_a_full_disk_loses_nothing(self):
        """Loses nothing while buffer_size is not exceeded."""
        self.check_nothing_is_lost(10000, "size=20k")

    def test_a_disk_that_is_full_from_the_start_loses_nothing(self):
        """Loses nothing while buffer_size is not exceeded."""
        self.check_nothing_is_lost(3000, "size=4k")

    def test_a_read_only_folder_loses_nothing(self):
        """Loses nothing while buffer_size is not exceeded."""
        self.check_nothing_is_lost(3000, "ro")
