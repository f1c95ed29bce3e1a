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


def batch(text, count=1):
    return buffer.Batch(text.encode(), count)


def texts(batches):
    return [each.lines.decode() for each in batches]


OPERATIONS = st.lists(st.one_of(
    st.tuples(st.just("put"), st.integers(1, 12)),
    st.tuples(st.just("take"), st.integers(1, 30)),
    st.tuples(st.just("put_back"), st.just(0))), max_size=60)


class BufferTest(base.BaseTestCase):

    def filled(self, *contents, size=10):
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

    def test_what_is_put_back_is_taken_first_and_in_order(self):
        made = self.filled("a", "b", "c")
        made.put_back(made.take(2))
        self.assertEqual(["a", "b", "c"], texts(made.take(10)))

    def test_the_oldest_make_room_and_are_counted(self):
        made = self.filled("aaaa", "bbbb")
        made.take(4)
        made.put(batch("cccc", 7))
        self.assertEqual(1, made.put(batch("dddd")))
        self.assertEqual(7, made.put(batch("eeee")))
        self.assertEqual(["dddd", "eeee"], texts(made.take(10)))

    def test_a_full_buffer_takes_exactly_its_size(self):
        made = buffer.Buffer(10)
        self.assertEqual([0, 0],
                         [made.put(batch("aaaaa")), made.put(batch("bbbbb"))])
        self.assertEqual(10, made.bytes)

    def test_what_no_longer_fits_when_put_back_is_the_oldest(self):
        made = self.filled("aaaa", "bbbb")
        taken = made.take(8)
        made.put(batch("cccc"))
        self.assertEqual(1, made.put_back(taken))
        self.assertEqual(["bbbb", "cccc"], texts(made.take(10)))

    def test_a_batch_that_never_fits_costs_no_other(self):
        made = self.filled("aaaa", "bbbb")
        self.assertEqual(5, made.put(batch("c" * 11, 5)))
        self.assertEqual(["aaaa", "bbbb"], texts(made.take(10)))

    @hypothesis.given(OPERATIONS)
    def test_no_line_is_lost_uncounted_and_none_is_doubled(self, operations):
        made = buffer.Buffer(20)
        taken, serial, dropped, delivered = [], 0, 0, []
        for name, argument in operations:
            if name == "put":
                serial += 1
                dropped += made.put(batch("%c" % serial * argument))
            elif name == "take":
                delivered += taken
                taken = made.take(argument)
            else:
                dropped += made.put_back(taken)
                taken = []
            self.assertLessEqual(made.bytes, 20)
        delivered += taken
        rest = made.take(1000)
        contents = texts(delivered + rest)
        self.assertEqual(serial, len(contents) + dropped)
        self.assertEqual(sorted(set(contents), key=lambda text: text[0]),
                         contents)
        self.assertEqual((0, 0), (made.lines, made.bytes))
