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
"""A process ends, forks, or publishes from many threads at once."""

import threading

from ceilometer_graphite import shutdown
from lab import process
from lab import receiver
from tests.functional import faults
from tests.functional import test_faults_spool

THREADS = 16


class SigtermTest(test_faults_spool.SpoolTestCase):
    """SIGTERM and then os._exit, as in the agent's worker."""

    def terminate(self, child):
        """Assert that it ends normally and in time; return its lines."""
        # If it needs longer, SIGKILL ends it with another exit status.
        self.assertEqual(0, child.terminate(shutdown.WAIT_SECONDS + 15))
        return child.published()

    def test_sigterm_under_load_loses_nothing(self):
        """Loses nothing."""
        reader = self.start_receiver()
        child = self.start_child(reader.port, count=10 ** 6, pause=0.001)
        child.wait_for_published(5000)
        self.assert_all_arrive(self.terminate(child), reader)

    def test_sigterm_with_a_backlog_loses_nothing_when_carbon_reads(self):
        """The lines are in memory, because Carbon has just started.

        Loses nothing that can be sent in five seconds.
        """
        port, = process.free_ports(1)
        child = self.start_child(port, count=10 ** 6, pause=0.001)
        child.wait_for_published(20000)
        reader = self.start_receiver(port=port)
        self.assert_all_arrive(self.terminate(child), reader)

    def test_sigterm_without_carbon_or_spool_ends_all_the_same(self):
        """Loses all lines, because it has no place for them."""
        port, = process.free_ports(1)
        child = self.start_child(port, count=10 ** 6)
        child.wait_for_published(1000)
        self.assertTrue(self.terminate(child))

    def test_sigterm_without_carbon_leaves_all_on_disk(self):
        """Loses nothing."""
        port, = process.free_ports(1)
        child = self.start_child(port, count=10 ** 6, pause=0.001,
                                 options=self.options)
        child.wait_for_published(10000)
        lines = self.terminate(child)
        self.assert_another_sends(lines, self.start_receiver(port=port))

    def test_sigterm_before_a_black_hole_leaves_all_on_disk(self):
        """All lines were sent, none was read. Loses nothing."""
        hole = self.start_receiver(receiver.NEVER_READS)
        child = self.start_child(hole.port, count=100000, batch=1000,
                                 pause=0.001, options=self.options)
        child.wait_for_published(100000)
        lines = self.terminate(child)
        hole.kill()
        hole.mode = receiver.READS
        hole.start()
        self.assert_another_sends(lines, hole)


class ForkTest(test_faults_spool.SpoolTestCase):

    def lines(self, child):
        """Return the lines of a parent and its forks; see faults_child."""
        return child.published(), faults.Load("loadchild", child.load.base)

    def check_nothing_is_lost(self, forks, **options):
        reader = self.start_receiver()
        child = self.start_child(reader.port, forks=forks, count=0,
                                 options=options)
        child.wait_until(
            lambda: child.log_text().count("published") >= forks * 8, 60,
            "each process to have published")
        lines, forked = self.lines(child)
        # A fork continues at the parent's position.
        for fork in range(forks):
            lines += map(forked.line, range(fork * 200, fork * 200 + 200))
        self.assert_all_arrive(lines, reader)

    def test_forks_of_a_publisher_lose_nothing(self):
        """Loses nothing."""
        self.check_nothing_is_lost(5)

    def test_forks_of_a_publisher_with_a_spool_lose_nothing(self):
        """Loses nothing."""
        self.check_nothing_is_lost(5, **self.options)


class ThreadsTest(test_faults_spool.SpoolTestCase):

    def check_nothing_is_lost(self, **options):
        """Publish from all threads while the receiver is killed."""
        reader = self.start_receiver()
        publisher = self.make_publisher(reader.port, **options)
        load = faults.Load()
        together = threading.Barrier(THREADS)
        errors = []

        def publish():
            together.wait()
            try:
                load.publish(publisher, 2000)
            except Exception as e:
                errors.append(e)
        threads = [threading.Thread(target=publish) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        self.wait_for_lines(reader, 1000)
        reader.kill()
        reader.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], errors)
        self.assert_all_arrive(load.lines, reader)

    def test_sixteen_threads_lose_nothing(self):
        """Loses nothing."""
        self.check_nothing_is_lost()

    def test_sixteen_threads_with_a_spool_lose_nothing(self):
        """Loses nothing."""
        self.check_nothing_is_lost(**self.options)


class ClockTest(faults.FaultsTestCase):

    def test_a_clock_that_is_set_back_loses_nothing(self):
        """Set the samples' times back by an hour, and kill the receiver.

        Loses nothing.
        """
        reader = self.start_receiver()
        publisher = self.make_publisher(reader.port, replay_seconds=1)
        load = faults.Load()
        load.publish(publisher, 1000)
        load.base -= 3600
        load.publish(publisher, 1000)
        reader.kill()
        reader.start()
        load.publish(publisher, 1000)
        self.assert_all_arrive(load.lines, reader)
