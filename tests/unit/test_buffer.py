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

import hypothesis
from hypothesis import strategies as st
from oslotest import base

from ceilometer_graphite import buffer


def batch(text, count=1, came_at=0.0):
    return buffer.Batch(text.encode(), count, came_at)


def texts(batches):
    return [each.lines.decode() for each in batches]


class BufferTest(base.BaseTestCase):

    def filled(self, *contents, size=20):
        made = buffer.Buffer(size)
        for content in contents:
            made.put(batch(content))
        return made

    def test_batches_leave_in_the_order_in_which_they_came(self):
        made = self.filled("a", "b", "c")
        self.assertEqual(["a", "b", "c"], texts(made.take(10)))

    def test_an_empty_buffer_gives_nothing(self):
        self.assertEqual([], buffer.Buffer(10).take(10))

    def test_no_more_is_taken_than_fits(self):
        made = self.filled("aaa", "bbb", "ccc")
        self.assertEqual(["aaa", "bbb"], texts(made.take(8)))

    def test_one_batch_is_taken_however_large_it_is(self):
        made = self.filled("aaa", "bbb")
        self.assertEqual(["aaa"], texts(made.take(1)))

    def test_no_more_than_half_of_the_buffer_is_taken_at_once(self):
        made = self.filled("aaaa", "bbbb", "cccc", "dddd", size=20)
        self.assertEqual(["aaaa", "bbbb"], texts(made.take(100)))

    def test_what_came_too_late_is_not_taken(self):
        made = buffer.Buffer(20)
        for number in range(4):
            made.put(batch(str(number), came_at=float(number)))
        self.assertEqual(["0", "1"], texts(made.take(10, until=1.0)))

    def test_what_is_put_back_is_taken_first_and_in_order(self):
        made = self.filled("a", "b", "c")
        made.put_back(made.take(2))
        self.assertEqual(["a", "b", "c"], texts(made.take(10)))

    def test_the_oldest_make_room_and_are_counted(self):
        made = self.filled("aaaa", "bbbb", size=10)
        made.take(4)
        made.put(batch("cccc", 7))
        self.assertEqual(1, made.put(batch("dddd")))
        self.assertEqual(7, made.put(batch("eeee")))
        self.assertEqual(["dddd"], texts(made.take(4)))
        self.assertEqual(["eeee"], texts(made.take(4)))

    def test_a_full_buffer_takes_exactly_its_size(self):
        made = buffer.Buffer(10)
        self.assertEqual([0, 0],
                         [made.put(batch("aaaaa")), made.put(batch("bbbbb"))])
        self.assertEqual(10, made.bytes)

    def test_what_no_longer_fits_when_put_back_is_the_oldest(self):
        made = self.filled("aaaa", "bbbb", size=10)
        taken = made.take(4) + made.take(4)
        made.put(batch("cccc"))
        self.assertEqual(1, made.put_back(taken))
        self.assertEqual(["bbbb"], texts(made.take(4)))
        self.assertEqual(["cccc"], texts(made.take(4)))

    def test_a_batch_that_never_fits_costs_no_other(self):
        made = self.filled("aaaa", "bbbb")
        self.assertEqual(5, made.put(batch("c" * 21, 5)))
        self.assertEqual(["aaaa", "bbbb"], texts(made.take(10)))


class UnderWayTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.buffer = buffer.Buffer(20)

    def begin(self, text, end=None, row_ids=(), came_at=0.0):
        chunk = buffer.Chunk(text.encode(), 1, came_at, row_ids, end)
        self.buffer.begin(chunk)
        return chunk

    def recovered(self, **kwargs):
        dropped, _ = self.buffer.recover(**kwargs)
        self.assertEqual(0, dropped)
        waiting = []
        while batches := self.buffer.take(1):
            waiting += batches
        return texts(waiting)

    def test_a_chunk_is_of_all_lines_of_its_batches_in_order(self):
        chunk = buffer.joined([batch("a", 2), batch("b", 3)], 7.0)
        self.assertEqual((b"ab", 5, 7.0),
                         (chunk.lines, chunk.count, chunk.came_at))

    def test_what_is_not_proven_waits_again_in_its_order(self):
        self.buffer.put(batch("c"))
        self.begin("a", end=1)
        self.begin("b")
        self.assertEqual(["a", "b", "c"], self.recovered())
        self.assertEqual([], self.buffer.under_way())

    def test_recovering_says_how_many_lines_are_sent_again(self):
        self.buffer.begin(buffer.Chunk(b"a", 3, 0.0, (), 1))
        self.buffer.begin(buffer.Chunk(b"b", 4, 0.0))
        self.assertEqual((0, 3), self.buffer.recover())

    def test_what_waits_again_is_as_old_as_it_was(self):
        self.begin("a", came_at=5.0)
        self.buffer.recover()
        self.assertEqual([], self.buffer.take(1, until=4.9))
        self.assertEqual(["a"], texts(self.buffer.take(1, until=5.0)))

    def test_without_replay_only_what_was_not_sent_whole_waits_again(self):
        self.begin("a", end=1)
        self.begin("b")
        self.assertEqual(["b"], self.recovered(only_unsent=True))

    def test_what_is_on_disk_does_not_wait_again_in_memory(self):
        self.begin("a", end=1, row_ids=(1,))
        self.begin("b", row_ids=(2,))
        self.begin("c")
        self.assertEqual(["c"], self.recovered())

    def test_nothing_is_proven_before_its_time(self):
        self.begin("a", end=1)
        self.assertEqual([], self.buffer.prove(1, 100.0, 10))
        self.assertEqual([], self.buffer.prove(1, 109.9, 10))
        self.assertEqual(["a"], texts(self.buffer.prove(1, 110.0, 10)))

    def test_the_time_begins_when_it_is_read(self):
        self.begin("a", end=1)
        self.assertEqual([], self.buffer.prove(0, 100.0, 10))
        self.assertEqual([], self.buffer.prove(1, 200.0, 10))
        self.assertEqual(["a"], texts(self.buffer.prove(1, 210.0, 10)))

    def test_only_what_was_read_whole_is_proven(self):
        self.begin("aa", end=2)
        self.begin("bb", end=4)
        self.buffer.prove(3, 100.0, 10)
        self.assertEqual(["aa"], texts(self.buffer.prove(3, 200.0, 10)))

    def test_what_is_being_sent_is_not_proven(self):
        self.begin("a")
        self.assertEqual([], self.buffer.prove(100, 100.0, 0))

    def test_without_replay_what_was_sent_is_proven_at_once(self):
        self.begin("a", end=1)
        self.assertEqual(["a"], texts(self.buffer.prove(1, 100.0, 0)))
        self.assertEqual([], self.recovered())

    def test_a_window_that_shrinks_again_proves_nothing_more(self):
        self.begin("a", end=1)
        self.begin("b", end=2)
        self.buffer.prove(1, 100.0, 10)
        self.buffer.prove(0, 105.0, 10)
        self.assertEqual(["a"], texts(self.buffer.prove(0, 110.0, 10)))

    def test_what_was_sent_makes_room_before_what_waits(self):
        self.begin("a" * 10, end=10)
        self.buffer.put(batch("b" * 10))
        self.assertEqual(0, self.buffer.put(batch("c" * 10)))
        self.assertEqual([], self.buffer.under_way())

    def test_what_is_being_sent_does_not_make_room(self):
        chunk = self.begin("a" * 10)
        self.buffer.put(batch("b" * 10))
        self.assertEqual(1, self.buffer.put(batch("c" * 10)))
        self.assertEqual([chunk], self.buffer.under_way())

    def test_what_is_on_disk_takes_no_room(self):
        chunk = self.begin("a" * 15)
        self.assertTrue(self.buffer.on_disk(chunk, [1]))
        self.assertEqual(0, self.buffer.put(batch("b" * 20)))
        self.assertEqual([chunk], self.buffer.under_way())

    def test_the_newest_stay_where_a_send_hangs(self):
        for number in range(10):
            self.buffer.put(batch("%02d" % number))
        self.buffer.begin(buffer.joined(self.buffer.take(1000), 0.0))
        for number in range(10, 50):
            self.buffer.put(batch("%02d" % number))
        self.assertEqual(["45", "46", "47", "48", "49"],
                         texts(self.buffer.take(1000)))

    def test_what_is_on_disk_and_sent_is_kept_until_it_is_proven(self):
        """Else nobody would delete its rows."""
        self.begin("a" * 10, end=10, row_ids=(1,))
        self.begin("b" * 10, end=20)
        self.buffer.put(batch("c" * 20))
        self.assertEqual([(1,)], [
            chunk.row_ids for chunk in self.buffer.prove(20, 100.0, 0)])

    def test_rows_of_what_is_not_under_way_any_more_are_refused(self):
        chunk = self.begin("a", end=1)
        self.buffer.prove(1, 100.0, 0)
        self.assertFalse(self.buffer.on_disk(chunk, [1]))

    def test_what_is_not_on_disk_any_more_waits_again(self):
        chunk = self.begin("a", end=1, row_ids=(1,))
        self.assertTrue(self.buffer.on_disk(chunk, ()))
        self.assertEqual(["a"], self.recovered())

    def test_what_is_not_on_disk_any_more_takes_room_again(self):
        chunk = self.begin("a" * 15, row_ids=(1,))
        self.buffer.on_disk(chunk, ())
        self.assertEqual(1, self.buffer.put(batch("b" * 10)))


OPERATIONS = st.lists(st.one_of(
    st.tuples(st.just("put"), st.integers(1, 12)),
    st.tuples(st.just("begin"), st.integers(1, 30)),
    st.tuples(st.just("sent"), st.just(0)),
    st.tuples(st.just("prove"), st.integers(0, 4)),
    st.tuples(st.just("recover"), st.booleans()),
    st.tuples(st.just("store"), st.just(0)),
    st.tuples(st.just("spool"), st.integers(1, 30)),
    st.tuples(st.just("off_disk"), st.just(0)),
    st.tuples(st.just("put_back"), st.integers(1, 30))), max_size=80)


class Model:
    """Does with a buffer what a sender does, and knows of every line.

    A line is one character; each ends in exactly one of the places below.
    """

    def __init__(self, case):
        self._case = case
        self.buffer = buffer.Buffer(20)
        self.put_in = ""
        self.counts = 0
        self.sent = set()
        self.disk = set()
        self._end = 0
        self._row_id = 0

    def put(self, size):
        line = chr(ord("A") + len(self.put_in))
        self.put_in += line
        self.counts += self.buffer.put(batch(line * size))

    def begin(self, size):
        batches = self.buffer.take(size)
        if batches and not self._unsent():
            self.buffer.begin(buffer.joined(batches, 0.0))
        else:
            self.counts += self.buffer.put_back(batches)

    def sent_whole(self, _):
        for chunk in self._unsent():
            self._end += len(chunk.lines)
            chunk.end = self._end
            self.sent.update(chunk.lines.decode())

    def prove(self, back):
        for chunk in self.buffer.prove(self._end - back, 0.0, 0):
            self._case.assertIsNotNone(chunk.end)

    def recover(self, only_unsent):
        dropped, _ = self.buffer.recover(only_unsent)
        self.counts += dropped

    def store(self, _):
        for chunk in self.buffer.under_way():
            if not chunk.row_ids:
                self._row_id += 1
                self.buffer.on_disk(chunk, [self._row_id])
                self.disk.update(chunk.lines.decode())

    def spool(self, size):
        for each in self.buffer.take(size):
            self.disk.update(each.lines.decode())

    def off_disk(self, _):
        for chunk in self.buffer.under_way():
            self.buffer.on_disk(chunk, ())
        self.counts += self.buffer.put_back([])

    def put_back(self, size):
        self.counts += self.buffer.put_back(self.buffer.take(size))

    def left(self):
        """The lines that are in memory at the end, each taken out once."""
        lines = [set(chunk.lines.decode())
                 for chunk in self.buffer.under_way()]
        self._case.assertEqual(len(set().union(*lines)),
                               sum(map(len, lines)), "doubled")
        while batches := self.buffer.take(1):
            lines += [set(each.lines.decode()) for each in batches]
        self._case.assertEqual((0, 0), (self.buffer.lines, self.buffer.bytes))
        return set().union(*lines)

    def _unsent(self):
        return [chunk for chunk in self.buffer.under_way()
                if chunk.end is None]


class NoLineIsLostTest(base.BaseTestCase):

    @hypothesis.given(OPERATIONS)
    def test_each_line_is_sent_on_disk_in_memory_or_counted(self, operations):
        model = Model(self)
        for name, argument in operations:
            getattr(model, {"sent": "sent_whole"}.get(name, name))(argument)
            in_memory = model.buffer.bytes + sum(
                len(chunk.lines) for chunk in model.buffer.under_way()
                if not chunk.row_ids and chunk.end is not None)
            self.assertLessEqual(in_memory, 20)
        found = model.left() | model.sent | model.disk
        self.assertLessEqual(found, set(model.put_in))
        # One that was sent and then dropped from memory counts twice.
        self.assertGreaterEqual(len(found) + model.counts,
                                len(model.put_in))

    @hypothesis.given(OPERATIONS)
    def test_what_waits_keeps_its_order(self, operations):
        model = Model(self)
        for name, argument in operations:
            if name != "spool":
                getattr(model,
                        {"sent": "sent_whole"}.get(name, name))(argument)
        model.recover(False)
        waiting = []
        while batches := model.buffer.take(1):
            waiting += texts(batches)
        lines = [line for text in waiting for line in dict.fromkeys(text)]
        self.assertEqual(sorted(set(lines)), lines)
