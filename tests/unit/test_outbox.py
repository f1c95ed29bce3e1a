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

import threading

from oslotest import base

from ceilometer_graphite import outbox
from tests import fakes


class File:
    """A file of the spool, of which nothing is on any disk."""

    def __init__(self):
        self.left = self.in_memory = 0
        self.done = set()


def line(number):
    return b"path.%04d %d 1\n" % (number, number)


class OutboxTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.clock = fakes.Clock()
        self.lost = []

    def make(self, size=1 << 20, replay_seconds=10):
        return outbox.Outbox(size, replay_seconds, self.lost.append,
                             self.clock)

    def put(self, box, *numbers, size=0):
        """Put a batch for each number, too large to be merged."""
        for number in numbers:
            box.put(line(number).rjust(size or 4097, b"#"), 1)

    def numbers(self, batches):
        return [int(each.split()[1]) for batch in batches
                for each in batch.lines.splitlines()]

    def take(self, box, backlog=float("inf")):
        return self.numbers(box.take_live(1 << 30)
                            + box.take_backlog(1 << 30, backlog))

    def test_lines_are_taken_in_the_order_in_which_they_came(self):
        box = self.make()
        self.put(box, 1, 2, 3)
        self.assertEqual([1, 2, 3], self.take(box))
        self.assertEqual([], self.take(box))

    def test_small_batches_share_their_overhead(self):
        box = self.make()
        for number in range(100):
            box.put(line(number), 1)
        self.assertLess(box.bytes(), 100 * len(line(0))
                        + 2 * outbox.BATCH_OVERHEAD)
        self.assertEqual(list(range(100)), self.take(box))

    def test_a_batch_that_the_spool_may_hold_gets_no_more_lines(self):
        box, file = self.make(), File()
        box.put(line(1), 1)
        saved = box.unsaved(self.clock.now, stalled=False)
        box.put(line(2), 1)
        box.saved(saved, file)
        self.assertEqual(
            [2], self.numbers(box.unsaved(self.clock.now, stalled=False)))

    def test_a_large_batch_is_cut_at_line_ends(self):
        box = self.make()
        data = b"".join(map(line, range(3000)))
        box.put(data, 3000)
        batches = box.take_live(1 << 30)
        self.assertEqual(data, b"".join(each.lines for each in batches))
        self.assertEqual(3000, sum(each.count for each in batches))
        for each in batches:
            self.assertLessEqual(len(each.lines), outbox.BATCH_BYTES)
            self.assertEqual(b"\n", each.lines[-1:])

    def test_a_batch_larger_than_the_queue_is_not_lost_at_once(self):
        box = self.make(size=65536)
        data = b"".join(map(line, range(10000)))
        box.put(data, 10000)
        self.assertEqual([], self.lost)
        self.assertEqual(list(range(10000)), self.take(box))

    def test_it_is_while_the_receiver_fails(self):
        box = self.make(size=65536)
        box.fail()
        box.put(b"".join(map(line, range(10000))), 10000)
        self.assertLessEqual(box.bytes(), 65536)
        left = self.take(box)
        self.assertEqual(list(range(10000))[-len(left):], left)
        self.assertEqual(10000 - len(left), sum(self.lost))

    def test_one_batch_at_least_is_taken(self):
        box = self.make()
        self.put(box, 1, 2)
        self.assertEqual([1], self.numbers(box.take_live(1)))
        box.fail()
        self.assertEqual([1], self.numbers(box.take_backlog(1, 0.5)))

    def test_no_more_than_asked_for_is_taken(self):
        box = self.make()
        self.put(box, *range(10), size=5000)
        self.assertEqual([0, 1], self.numbers(box.take_live(14999)))
        box.fail()
        self.assertEqual([0, 1, 2], self.numbers(
            box.take_backlog(1 << 30, 3)))

    def test_what_failed_is_sent_again_before_what_waited_behind_it(self):
        box = self.make()
        self.put(box, 1, 2)
        self.take(box)
        self.put(box, 3)
        self.assertEqual(2, box.fail())
        self.assertEqual([], box.take_live(1 << 30))
        self.assertEqual([1, 2, 3], self.take(box))

    def test_live_lines_are_apart_from_the_backlog(self):
        box = self.make()
        self.put(box, 1)
        box.fail()
        self.put(box, 2)
        self.assertEqual([2], self.numbers(box.take_live(1 << 30)))
        self.assertEqual([1], self.numbers(box.take_backlog(1 << 30, 9)))

    def test_what_is_tried_again_without_a_failure_stays_live(self):
        box = self.make()
        self.put(box, 1, 2)
        box.take_live(1)
        box.retry()
        self.assertEqual([1, 2], self.numbers(box.take_live(1 << 30)))

    def test_confirmed_lines_are_sent_again_when_the_receiver_dies(self):
        box = self.make()
        self.put(box, 1, 2)
        self.take(box)
        self.assertEqual(2, box.confirm())
        self.clock.advance(9.9)
        self.assertTrue(box.has_recent())
        self.assertEqual(2, box.fail())
        self.assertEqual([1, 2], self.take(box))

    def test_they_are_not_after_replay_seconds(self):
        box = self.make()
        self.put(box, 1)
        self.take(box)
        box.confirm()
        self.clock.advance(10)
        self.assertFalse(box.has_recent())
        self.assertEqual(0, box.fail())
        self.assertEqual(0, box.bytes())

    def test_replay_seconds_count_from_the_first_confirmation(self):
        """Or a receiver that dies every 9 seconds got them for ever."""
        box = self.make()
        self.put(box, 1)
        for seconds in (6, 4):
            self.take(box)
            box.confirm()
            self.clock.advance(seconds)
            again = box.fail()
        self.assertEqual(0, again)

    def test_the_recent_go_first_when_it_is_full(self):
        box = self.make(size=65536)
        self.put(box, *range(10))
        self.take(box)
        box.confirm()
        self.put(box, *range(10, 24))
        self.assertEqual([], self.lost)
        self.assertLessEqual(box.bytes(), 65536)
        self.assertEqual(list(range(10, 24)), self.take(box))

    def test_then_go_those_that_a_file_holds_too(self):
        box, file = self.make(size=65536), File()
        box.fail()
        self.put(box, *range(10))
        box.saved(box.unsaved(self.clock.now, False)[3:], file)
        self.put(box, *range(10, 16))
        self.assertEqual([], self.lost)
        self.assertLess(file.in_memory, 7)
        self.assertEqual(7, file.left)
        self.assertEqual([0, 1, 2], self.take(box)[:3])

    def test_then_the_oldest_are_lost(self):
        box = self.make(size=65536)
        box.fail()
        self.put(box, *range(20))
        left = self.take(box)
        self.assertEqual(list(range(20 - len(left), 20)), left)
        self.assertEqual(20 - len(left), sum(self.lost))

    def test_what_is_in_flight_is_never_dropped(self):
        box = self.make(size=65536)
        self.put(box, *range(10))
        self.take(box)
        self.put(box, *range(10, 40))
        self.assertEqual(10, box.confirm())

    def test_a_file_knows_when_its_lines_are_delivered(self):
        box, file = self.make(), File()
        self.put(box, 1, 2)
        box.saved(box.unsaved(self.clock.now, False), file)
        self.assertEqual((2, 2), (file.in_memory, file.left))
        self.assertTrue(box.is_done())
        self.take(box)
        box.confirm()
        self.assertEqual((0, 0, {0}), (
            file.in_memory, file.left, file.done))

    def test_what_was_delivered_meanwhile_is_not_pending(self):
        box, file = self.make(), File()
        self.put(box, 1, 2)
        writing = box.unsaved(self.clock.now, stalled=False)
        box.take_live(1)
        box.confirm()
        writing[0].place, writing[1].place = 10, 11
        box.saved(writing, file)
        self.assertEqual((1, 1, {10}), (
            file.in_memory, file.left, file.done))

    def test_what_is_in_flight_is_saved_only_when_it_stalls(self):
        box = self.make()
        self.put(box, 1)
        self.take(box)
        self.assertEqual([], box.unsaved(self.clock.now, stalled=False))
        self.assertEqual([1], self.numbers(
            box.unsaved(self.clock.now, stalled=True)))

    def test_what_came_lately_is_not_saved_yet(self):
        box = self.make()
        self.put(box, 1)
        since = self.clock.now
        self.clock.advance(1)
        self.put(box, 2)
        self.assertEqual([1], self.numbers(box.unsaved(since, False)))

    def test_what_a_file_brings_back_is_backlog(self):
        box, file = self.make(), File()
        box.fail()
        self.put(box, 3)
        box.fail()
        box.load([outbox.Batch(line(1), 1, 0)], file)
        self.assertEqual([1, 3], self.take(box))
        box.confirm()
        self.assertEqual(0, file.in_memory)

    def test_a_file_that_goes_takes_its_lines_that_wait_along(self):
        box, file, other = self.make(), File(), File()
        for number, each in ((1, file), (2, file), (3, other)):
            self.put(box, number)
            box.saved(box.unsaved(self.clock.now, False), each)
        box.take_live(1)
        self.assertEqual(1, box.drop(file))
        self.assertEqual(1, box.unsaved_lines())
        box.retry()
        self.assertEqual([1, 3], self.take(box))
        self.assertEqual(0, file.in_memory)

    def test_it_tells_how_much_waits_and_for_how_long(self):
        box = self.make()
        self.assertEqual((0, 0, 0.0), box.waiting())
        self.put(box, 1)
        self.clock.advance(3)
        self.put(box, 2)
        self.assertEqual((2, 2 * 4097, 3.0), box.waiting())

    def test_an_interrupted_holder_of_the_lock_is_not_waited_for(self):
        box = self.make()
        with box._lock:
            self.assertFalse(box.is_done(0.01))
        self.assertTrue(box.is_done(0.01))

    def test_many_threads_lose_nothing(self):
        box = self.make(size=64 << 20)
        threads = [threading.Thread(target=lambda first=first: [
            box.put(line(first + number), 1) for number in range(500)])
            for first in range(0, 8000, 1000)]
        for thread in threads:
            thread.start()
        taken = []
        while len(taken) < 4000:
            taken += self.take(box)
            box.confirm()
        for thread in threads:
            thread.join()
        self.assertEqual(4000, len(set(taken)))
