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


import itertools
import math
import struct

from carbon import util
import hypothesis
from hypothesis import strategies as st
from oslotest import base

from ceilometer_graphite import wire

FINITE = st.floats(allow_nan=False, allow_infinity=False)
LINES = st.lists(st.integers(0, 40).map(lambda n: b"x" * n + b"\n"))


class LineTest(base.BaseTestCase):

    @hypothesis.given(st.integers(-10 ** 308, 10 ** 308))
    def test_an_int_is_written_exactly(self, value):
        self.assertEqual(str(value),
                         wire.line("a", value, 1).split(" ")[1])

    @hypothesis.given(FINITE)
    def test_a_float_reads_back_as_the_same_float(self, value):
        read = float(wire.line("a", value, 1).split(" ")[1])
        self.assertEqual((value, math.copysign(1, value)),
                         (read, math.copysign(1, read)))


class DatagramsTest(base.BaseTestCase):

    @hypothesis.given(LINES, st.integers(1, 60))
    def test_no_line_is_lost_cut_or_moved(self, lines, size):
        packed = list(wire.datagrams(b"".join(lines), size))
        self.assertEqual(lines, [line for datagram in packed
                                 for line in datagram.splitlines(True)])

    @hypothesis.given(LINES, st.integers(1, 60))
    def test_only_a_single_line_is_longer_than_the_size(self, lines, size):
        for datagram in wire.datagrams(b"".join(lines), size):
            self.assertTrue(len(datagram) <= size
                            or datagram.count(b"\n") == 1)

    @hypothesis.given(LINES, st.integers(1, 60))
    def test_no_two_datagrams_in_a_row_would_fit_into_one(self, lines, size):
        packed = list(wire.datagrams(b"".join(lines), size))
        for one, other in itertools.pairwise(packed):
            first_line = other[:other.index(b"\n") + 1]
            self.assertGreater(len(one + first_line), size)


class PickleTest(base.BaseTestCase):

    def read(self, frame):
        """Return what Carbon's safe unpickler reads."""
        size, = struct.unpack("!L", frame[:4])
        self.assertEqual(size, len(frame) - 4)
        return util.get_unpickler(insecure=False).loads(frame[4:])

    @hypothesis.given(st.lists(
        st.tuples(st.one_of(FINITE, st.integers(-10 ** 308, 10 ** 308)),
                  st.integers(1, 2 ** 32 - 1)), min_size=1))
    def test_values_and_times_are_what_they_were(self, datapoints):
        frame, = wire.pickle_frames("".join(
            wire.line("a", value, seconds)
            for value, seconds in datapoints).encode("ascii"))
        read = [(type(value), value, seconds)
                for _, (seconds, value) in self.read(frame)]
        self.assertEqual([(type(value), value, seconds)
                          for value, seconds in datapoints], read)
