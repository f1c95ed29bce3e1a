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

import struct

from carbon import conf
from carbon import util
from oslotest import base

from ceilometer_graphite import wire


class LineTest(base.BaseTestCase):

    def test_a_line_is_path_value_and_time(self):
        self.assertEqual("a.b 1 1795334320\n",
                         wire.line("a.b", 1, 1795334320))

    def test_the_limits_are_those_of_carbon_and_whisper(self):
        self.assertEqual(
            (8192, 8191, 8192, 4294967295),
            (wire.MAX_DATAGRAM_BYTES, wire.MAX_LINE_BYTES, wire.FRAME_BYTES,
             wire.MAX_TIMESTAMP))


class DatagramsTest(base.BaseTestCase):

    def test_lines_that_fit_share_a_datagram(self):
        self.assertEqual([b"a\nb\n", b"c\n"],
                         list(wire.datagrams(b"a\nb\nc\n", 5)))

    def test_a_datagram_is_filled_to_its_last_byte(self):
        self.assertEqual([b"a\nb\n", b"c\n"],
                         list(wire.datagrams(b"a\nb\nc\n", 4)))

    def test_a_line_that_is_too_long_goes_alone_and_whole(self):
        self.assertEqual([b"a\n", b"long line\n", b"b\n"],
                         list(wire.datagrams(b"a\nlong line\nb\n", 4)))

    def test_no_lines_make_no_datagram(self):
        self.assertEqual([], list(wire.datagrams(b"", 100)))


class PickleTest(base.BaseTestCase):

    def frames(self, lines):
        return list(wire.pickle_frames(lines))

    def read(self, frame):
        """Return what Carbon's safe unpickler reads."""
        size, = struct.unpack("!L", frame[:4])
        self.assertEqual(size, len(frame) - 4)
        return util.get_unpickler(insecure=False).loads(frame[4:])

    def test_carbon_reads_path_time_and_value(self):
        frame, = self.frames(b"a.b 1 1795334320\nc;host=d -1.5e-07 7\n")
        self.assertEqual([("a.b", (1795334320, 1)),
                          ("c;host=d", (7, -1.5e-07))], self.read(frame))

    def test_a_carbon_of_python_2_can_read_it(self):
        frame, = self.frames(b"a 1 1\n")
        self.assertEqual(b"\x80\x02", frame[4:6])

    def test_no_lines_make_no_frame(self):
        self.assertEqual([], self.frames(b""))

    def test_many_lines_make_frames_that_carbon_takes_and_lose_none(self):
        lines = b"".join(b"path.%06d %d 7\n" % (n, n) for n in range(50000))
        frames = self.frames(lines)
        self.assertGreater(len(frames), 1)
        self.assertEqual(
            [("path.%06d" % n, (7, n)) for n in range(50000)],
            [datapoint for frame in frames for datapoint in self.read(frame)])
        self.assertLess(max(map(len, frames)),
                        conf.settings.PICKLE_RECEIVER_MAX_LENGTH)

    def test_the_shortest_lines_make_no_frame_too_large(self):
        frames = self.frames(b"a 0.1 1\n" * 100000)
        self.assertLess(max(map(len, frames)),
                        conf.settings.PICKLE_RECEIVER_MAX_LENGTH)
