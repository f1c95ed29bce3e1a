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
import threading

import fixtures
from oslotest import base

from ceilometer_graphite import backlog
from ceilometer_graphite import buffer
from ceilometer_graphite import spool
from ceilometer_graphite import stats
from tests import fakes


def batch(number, count=1, came_at=1000.0):
    text = b"".join(b"m.%d.%d 1 1\n" % (number, n) for n in range(count))
    return buffer.Batch(text, count, came_at)


class BacklogTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.directory = os.path.join(
            self.useFixture(fixtures.TempDir()).path, "spool")
        self.store = spool.Spool(self.directory, "a_2003", 1 << 20)
        self.buffer = buffer.Buffer(1 << 20)
        self.lock = threading.Lock()
        self.counts = stats.Counts()
        self.clock = fakes.Clock()
        self.pauses = fakes.Pauses()
        self.backlog = self.make()

    def make(self, rate=1000.0):
        return backlog.Backlog(
            self.store, self.buffer, self.lock, rate, self.counts,
            clock=self.clock, sleep=self.pauses)

    def on_disk(self):
        return [row.lines for row in self.store.read(0, 1 << 30)]

    def begin(self, each, end=None, row_ids=()):
        chunk = buffer.Chunk(each.lines, each.count, each.came_at, row_ids,
                             end)
        return self.buffer.begin(chunk)

    def break_disk(self):
        with open(self.directory, "w"):
            pass

    def mend_disk(self):
        os.unlink(self.directory)


class StoreTest(BacklogTestCase):
    """What goes to disk, and when."""

    def store_once(self):
        """Let the thread do what it does in one turn.

        :returns: how long it pauses after that
        """
        self.backlog.start()
        self.backlog.wake()
        self.pauses.reached()
        self.pauses.go()
        return self.pauses.reached()

    def test_lines_that_waited_go_to_disk(self):
        self.buffer.put(batch(1))
        self.buffer.put(batch(2))
        self.clock.advance(1)
        self.store_once()
        self.assertEqual([batch(1).lines + batch(2).lines], self.on_disk())
        self.assertEqual(0, self.buffer.lines)

    def test_lines_that_just_came_do_not(self):
        self.buffer.put(batch(1))
        self.buffer.put(batch(2, came_at=1001.0))
        self.clock.advance(1)
        self.store_once()
        self.assertEqual([batch(1).lines], self.on_disk())
        self.assertEqual(1, self.buffer.lines)

    def test_it_lets_the_sender_have_half_a_second(self):
        self.buffer.put(batch(1))
        self.backlog.start()
        self.backlog.wake()
        self.assertEqual(backlog.WAITED_SECONDS, self.pauses.reached())

    def test_at_the_end_it_waits_for_nothing(self):
        self.buffer.put(batch(1))
        self.backlog.ending = True
        self.backlog.start()
        self.backlog.wake()
        self.assertEqual(0, self.pauses.reached())
        self.pauses.go()
        self.pauses.reached()
        self.assertEqual([batch(1).lines], self.on_disk())

    def test_the_end_is_noticed_while_a_send_hangs(self):
        self.begin(batch(1), end=10)
        self.begin(batch(2))
        self.backlog.start()
        self.backlog.wake()
        self.assertEqual(backlog.WAITED_SECONDS, self.pauses.reached())
        self.backlog.ending = True
        self.pauses.go()
        self.pauses.reached()
        self.assertEqual([batch(1).lines, batch(2).lines], self.on_disk())

    def test_what_was_sent_and_not_proven_goes_to_disk_at_the_end(self):
        chunk = self.begin(batch(1), end=10)
        self.backlog.ending = True
        self.store_once()
        self.assertEqual([batch(1).lines], self.on_disk())
        self.assertEqual(1, len(chunk.row_ids))

    def test_what_was_sent_and_not_proven_stays_in_memory_before_that(self):
        self.begin(batch(1), end=10)
        self.buffer.put(batch(2))
        self.clock.advance(100)
        self.store_once()
        self.assertEqual([batch(2).lines], self.on_disk())

    def test_a_send_that_hangs_puts_all_under_way_on_disk(self):
        self.begin(batch(1), end=10)
        self.begin(batch(2))
        self.clock.advance(1)
        self.store_once()
        self.assertEqual([batch(1).lines, batch(2).lines], self.on_disk())

    def test_a_hanging_send_of_lines_from_disk_does_so_as_well(self):
        ids, _ = self.store.append([batch(1)[:2]])
        self.begin(batch(2), end=10)
        self.begin(batch(1), row_ids=tuple(ids))
        self.buffer.put(batch(3))
        self.clock.advance(1)
        self.store_once()
        self.assertEqual({batch(n).lines for n in (1, 2, 3)},
                         set(self.on_disk()))
        self.assertEqual(3, len(self.on_disk()))

    def test_a_send_that_has_just_begun_does_not(self):
        self.begin(batch(1, came_at=1001.0))
        self.buffer.put(batch(2))
        self.clock.advance(1)
        self.store_once()
        self.assertEqual([batch(2).lines], self.on_disk())

    def test_nothing_is_written_twice(self):
        self.begin(batch(1))
        self.clock.advance(1)
        self.store_once()
        self.pauses.go()
        self.buffer.put(batch(2))
        self.clock.advance(1)
        self.backlog.wake()
        while batch(2).lines not in self.on_disk():
            self.pauses.reached()
            self.pauses.go()
        self.assertEqual([batch(1).lines, batch(2).lines], self.on_disk())

    def test_more_than_a_row_holds_goes_to_disk_in_one_turn(self):
        for number in range(100):
            self.buffer.put(batch(number, 200))
        self.clock.advance(1)
        self.store_once()
        rows = self.on_disk()
        self.assertEqual(b"".join(batch(n, 200).lines for n in range(100)),
                         b"".join(rows))
        self.assertLessEqual(max(map(len, rows)), backlog.ROW_BYTES)

    def test_what_was_proven_meanwhile_does_not_stay_on_disk(self):
        self.begin(batch(1), end=10)
        self.backlog.ending = True
        append = self.store.append

        def append_when_proven(batches):
            with self.lock:
                self.buffer.prove(10, 5000.0, 0)
            return append(batches)
        self.store.append = append_when_proven
        self.store_once()
        self.assertEqual([], self.on_disk())

    def test_it_is_idle_when_everything_is_on_disk(self):
        self.buffer.put(batch(1))
        self.begin(batch(2), end=10)
        self.assertFalse(self.backlog.is_idle_locked())
        self.backlog.ending = True
        self.store_once()
        self.assertTrue(self.backlog.is_idle_locked())

    def test_it_is_not_idle_while_lines_are_being_written(self):
        self.buffer.put(batch(1))
        self.clock.advance(1)
        idle = []
        append = self.store.append

        def append_when_asked(batches):
            idle.append(self.backlog.is_idle_locked())
            return append(batches)
        self.store.append = append_when_asked
        self.store_once()
        self.assertEqual([False], idle)
        self.assertTrue(self.backlog.is_idle_locked())

    def test_the_lock_is_free_while_lines_are_being_written(self):
        self.buffer.put(batch(1))
        self.clock.advance(1)
        free = []
        append = self.store.append

        def append_when_asked(batches):
            free.append(not self.lock.locked())
            return append(batches)
        self.store.append = append_when_asked
        self.store_once()
        self.assertEqual([True], free)

    def test_lines_that_the_disk_does_not_take_wait_in_memory(self):
        self.break_disk()
        for number in range(3):
            self.buffer.put(batch(number))
        self.clock.advance(1)
        self.assertEqual(backlog.RETRY_SECONDS, self.store_once())
        self.assertEqual([batch(n) for n in range(3)],
                         self.buffer.take(1 << 20))
        self.assertEqual(1, self.log.output.count("The spool failed"))

    def test_the_disk_is_tried_again(self):
        self.break_disk()
        self.buffer.put(batch(1))
        self.clock.advance(1)
        self.store_once()
        self.mend_disk()
        self.pauses.go()
        self.assertEqual(backlog.POLL_SECONDS, self.pauses.reached())
        self.assertEqual([batch(1).lines], self.on_disk())

    def test_a_fault_of_the_disks_code_costs_no_lines(self):
        def append(batches):
            raise ZeroDivisionError
        self.store.append = append
        self.buffer.put(batch(1))
        self.clock.advance(1)
        self.assertEqual(backlog.RETRY_SECONDS, self.store_once())
        self.assertEqual([batch(1)], self.buffer.take(1 << 20))
        self.assertIn("ZeroDivisionError", self.log.output)

    def test_what_no_longer_fits_into_memory_is_counted(self):
        self.buffer = buffer.Buffer(100)
        self.backlog = self.make()

        def append(batches):
            with self.lock:
                while not self.buffer.put(batch(9, came_at=2000.0)):
                    pass
            raise spool.SpoolError("full")
        self.store.append = append
        self.buffer.put(batch(1, 3))
        self.clock.advance(1)
        self.store_once()
        self.assertEqual(3, self.counts["lines_dropped.buffer_full"])

    def test_what_no_longer_fits_on_disk_is_counted(self):
        self.store.size = 64 * 1024
        for number in range(10):
            self.buffer.put(batch(number, 1000))
            self.buffer.put(batch(number, 1000))
        self.clock.advance(1)
        self.store_once()
        kept = b"".join(self.on_disk()).count(b"\n")
        self.assertEqual(20000, kept + self.counts[backlog.SPOOL_FULL])
        self.assertIn("spool_size = 65536 bytes", self.log.output)


class CatchUpTest(BacklogTestCase):
    """What comes back from disk, and when."""

    def rows(self, *batches):
        ids, _ = self.store.append([each[:2] for each in batches])
        return ids

    def test_the_oldest_lines_come_first(self):
        ids = self.rows(batch(1, 200), batch(2, 200))
        chunk = self.backlog.next_chunk()
        self.assertEqual(batch(1, 200).lines + batch(2, 200).lines,
                         chunk.lines)
        self.assertEqual((400, tuple(ids), None),
                         (chunk.count, chunk.row_ids, chunk.end))

    def test_nothing_on_disk_is_nothing_to_send(self):
        self.assertIsNone(self.backlog.next_chunk())

    def test_each_row_comes_once(self):
        self.rows(*(batch(n, 200) for n in range(4)))
        lines = []
        while chunk := self.backlog.next_chunk():
            lines.append(chunk.lines)
            self.clock.advance(10)
        self.assertEqual(b"".join(batch(n, 200).lines for n in range(4)),
                         b"".join(lines))

    def test_no_more_lines_come_in_a_second_than_the_rate(self):
        self.rows(*(batch(n, 50) for n in range(200)))
        began, count = self.clock.now, 0
        while chunk := self.backlog.next_chunk():
            self.assertLessEqual(count, 1000 * (self.clock.now - began))
            count += chunk.count
            self.clock.advance(self.backlog.next_in())
        self.assertEqual(10000, count)
        self.assertLess(self.clock.now - began, 14)

    def test_a_row_larger_than_a_piece_is_paid_for(self):
        self.rows(batch(1, 5000), batch(2))
        self.backlog.next_chunk()
        self.assertGreaterEqual(self.backlog.next_in(), 5.0)
        self.assertIsNone(self.backlog.next_chunk())

    def test_nodes_do_not_begin_at_the_same_moment(self):
        def wait():
            self.backlog.rewind()
            return self.backlog.next_in()
        waits = [wait() for _ in range(100)]
        self.assertGreater(max(waits) - min(waits), 0.5)
        self.assertTrue(all(0 <= seconds <= 1 for seconds in waits))

    def test_an_empty_spool_is_looked_at_once_a_second(self):
        self.backlog.next_chunk()
        self.assertEqual(backlog.LOOK_SECONDS, self.backlog.next_in())

    def test_all_comes_again_when_the_connection_broke(self):
        self.rows(batch(1))
        first = self.backlog.next_chunk()
        self.buffer.recover()
        self.backlog.rewind()
        self.clock.advance(10)
        self.assertEqual(first.lines, self.backlog.next_chunk().lines)

    def test_what_is_under_way_is_left_out(self):
        ids = self.rows(batch(1), batch(2), batch(3))
        self.begin(batch(1), row_ids=(ids[0],))
        self.begin(batch(3), row_ids=(ids[2],))
        chunk = self.backlog.next_chunk()
        self.assertEqual((batch(2).lines, (ids[1],)),
                         (chunk.lines, chunk.row_ids))

    def test_what_was_delivered_does_not_come_again(self):
        ids = self.rows(batch(1), batch(2))
        self.backlog.delivered(ids[:1])
        self.assertEqual(batch(2).lines,
                         self.backlog.next_chunk().lines)

    def test_what_the_disk_changed_is_left_out_and_counted(self):
        self.rows(batch(1), batch(2), batch(3))
        self.store._connection.execute(
            "UPDATE batches SET lines = x'00' WHERE lines = ?",
            (batch(2).lines,))
        self.store._connection.commit()
        self.assertEqual(batch(1).lines + batch(3).lines,
                         self.backlog.next_chunk().lines)
        self.assertEqual(1, self.counts[backlog.SPOOL_CORRUPT])
        self.assertEqual([batch(1).lines, batch(3).lines], self.on_disk())

    def test_only_one_process_sends_what_several_wrote(self):
        self.rows(batch(1))
        other = spool.Spool(self.directory, "a_2003", 1 << 20)
        other.claim()
        self.assertIsNone(self.backlog.next_chunk())

    def test_a_disk_that_fails_gives_nothing_and_is_told_once(self):
        self.break_disk()
        for _ in range(10):
            self.assertIsNone(self.backlog.next_chunk())
            self.clock.advance(10)
        self.backlog.delivered([1])
        self.assertIsNone(self.backlog.bytes())
        self.assertEqual(1, self.log.output.count("The spool failed"))

    def test_a_broken_file_costs_nothing_that_is_under_way(self):
        ids = self.rows(batch(1))
        self.begin(batch(1), end=10, row_ids=tuple(ids))
        self.store._connection.execute("DROP TABLE batches")
        self.assertIsNone(self.backlog.bytes())
        self.buffer.recover()
        self.assertEqual([batch(1)], self.buffer.take(100))

    def test_lines_in_a_new_file_are_found_after_a_broken_one(self):
        self.rows(*(batch(n) for n in range(10)))
        self.backlog.next_chunk()
        self.store._connection.execute("DROP TABLE batches")
        self.backlog.bytes()
        self.rows(batch(11))
        self.store._connection.execute("UPDATE batches SET id = 1")
        self.store._connection.commit()
        self.clock.advance(10)
        self.assertEqual(batch(11).lines, self.backlog.next_chunk().lines)

    def test_a_late_proof_from_a_broken_file_deletes_no_other_rows(self):
        old = self.rows(batch(1))
        self.store._connection.execute("DROP TABLE batches")
        self.backlog.bytes()
        self.rows(batch(2))
        self.backlog.delivered(old)
        self.assertEqual([batch(2).lines], self.on_disk())
