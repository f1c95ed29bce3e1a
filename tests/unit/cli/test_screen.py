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


import curses
import re

from oslotest import base

from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import top
from tests.unit.cli import drawing


class ScreenTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.screen = top.Screen("compute-1", "cpu", "")
        self.screen.instances = [
            drawing.instance("vm-%02d" % number, cpu_percent=float(number),
                             memory_used_bytes=-number)
            for number in range(40)]

    def press(self, keys):
        return [self.screen.press(key) for key in keys]

    def lines(self, height=17, width=90):
        return [line for line, _ in self.screen.draw(height, width)]

    def shown(self, **size):
        """The numbers of the instances on the screen, in their order."""
        return [int(number) for number in re.findall(
            r"^vm-(\d\d)", "\n".join(self.lines(**size)), re.MULTILINE)]

    def test_as_many_are_shown_as_fit(self):
        for height in (10, 17, 24):
            with self.subTest(height=height):
                lines = self.lines(height)
                self.assertEqual(height, len(lines))
                self.assertEqual(height - 7, len(self.shown(height=height)))
                self.assertTrue(lines[0].startswith("compute-1: 40 instances"))
                self.assertTrue(lines[-1].startswith("q quit  c cpu"))

    def test_a_tiny_screen_does_no_harm(self):
        for height in (1, 2, 5):
            with self.subTest(height=height):
                lines = self.lines(height, 20)
                self.assertEqual(height, len(lines))
                self.assertTrue(lines[-1].startswith("q quit"))

    def test_keys_sort(self):
        self.assertEqual([39, 38, 37], self.shown()[:3])
        self.press("m")
        self.assertEqual([0, 1, 2], self.shown()[:3])
        self.press("N")
        self.assertEqual([0, 1, 2], self.shown()[:3])
        self.press("r")
        self.assertEqual([39, 38, 37], self.shown()[:3])
        self.press("rc")
        self.assertEqual([39, 38, 37], self.shown()[:3])

    def test_a_filter_is_typed_corrected_and_kept(self):
        self.press("/m-1x\x7f7")
        self.assertIn("filter: m-17_", self.lines()[-1])
        self.press("\r")
        self.assertEqual([17], self.shown())
        self.assertIn("1 with m-17", self.lines()[0])
        self.assertTrue(self.lines()[-1].startswith("q quit"))

    def test_while_a_filter_is_typed_keys_are_text(self):
        self.assertEqual([True] * 3, self.press("/qr"))
        self.assertIn("filter: qr_", self.lines()[-1])

    def test_escape_takes_the_filter_away(self):
        self.press("/17\x1b")
        self.assertEqual(10, len(self.shown()))
        self.press("/17\r\x1b")
        self.assertEqual(10, len(self.shown()))

    def test_arrows_scroll_and_stop_at_the_ends(self):
        self.press([top.UP])
        self.assertEqual(39, self.shown()[0])
        self.press([top.DOWN] * 3)
        self.assertEqual(36, self.shown()[0])
        self.assertIn("4 to 13 shown", self.lines()[0])
        self.press([top.DOWN] * 100)
        self.assertEqual(list(range(9, -1, -1)), self.shown())

    def test_q_quits_and_other_keys_do_nothing(self):
        before = self.lines()
        self.assertEqual([True, True, True], self.press(["x", "\t", 999]))
        self.assertEqual(before, self.lines())
        self.assertEqual([False], self.press("q"))

    def test_a_problem_is_shown(self):
        self.screen.take(common.CommandError("libvirt is away"))
        self.assertEqual("libvirt is away", self.lines()[1])
        self.assertEqual([], self.shown())

    def test_instances_that_do_not_run_are_dim(self):
        self.screen.take([drawing.instance("on"),
                          drawing.instance("off", state="shutdown")])
        dim = [line[:3] for line, attribute in self.screen.draw(24, 80)
               if attribute == curses.A_DIM]
        self.assertEqual(["off"], dim)
