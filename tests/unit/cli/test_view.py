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


from oslotest import base

from ceilometer_graphite.cli import instances
from ceilometer_graphite.cli import main
from ceilometer_graphite.cli import top
from tests.unit.cli import drawing

MIB = 1024 ** 2


def busy(name, cpu, memory, read, write, into, out):
    return drawing.instance(
        name, cpu_percent=cpu, memory_used_bytes=memory,
        disk_read_bytes_per_second=read, disk_write_bytes_per_second=write,
        network_in_bytes_per_second=into, network_out_bytes_per_second=out)


class ChooseTest(base.BaseTestCase):
    FOUND = [
        busy("b", cpu=1.0, memory=3, read=0, write=2, into=9, out=1),
        busy("a", cpu=0.0, memory=5, read=3, write=3, into=0, out=0),
        drawing.instance("off", state="shutdown"),
        busy("c", cpu=5.0, memory=4, read=5, write=0, into=1, out=4),
    ]

    def choose(self, **options):
        return [each.name for each in instances.choose(self.FOUND, **options)]

    def test_the_largest_is_first_and_what_is_not_known_last(self):
        for sort, order in (("cpu", "c b a"), ("memory", "a c b"),
                            ("disk", "a c b"), ("network", "b c a")):
            with self.subTest(sort):
                self.assertEqual([*order.split(), "off"],
                                 self.choose(sort=sort))

    def test_names_are_in_the_order_of_the_alphabet(self):
        self.assertEqual(["a", "b", "c", "off"], self.choose(sort="name"))

    def test_reversed_what_is_not_known_still_is_last(self):
        self.assertEqual(["a", "b", "c", "off"],
                         self.choose(sort="cpu", is_reversed=True))
        self.assertEqual(["off", "c", "b", "a"],
                         self.choose(sort="name", is_reversed=True))

    def test_a_pattern_is_looked_for_in_each_text(self):
        for pattern, found in (("OF", ["off"]), ("p-a", ["a"]),
                               ("shut", ["off"]), ("id-c", ["c"]),
                               ("m1.", ["c", "b", "a", "off"]),
                               ("nothing", [])):
            with self.subTest(pattern):
                self.assertEqual(found, self.choose(pattern=pattern))

    def test_the_command_line_offers_what_there_is_to_sort_by(self):
        self.assertEqual(set(main.SORTS), instances.SORTS.keys())
        self.assertEqual(set(main.SORTS), set(top.KEYS.values()))


class TableTest(base.BaseTestCase):

    def cells(self, **values):
        return self.row("a", **values).split()

    def row(self, name, width=80, **values):
        return instances.make_table(
            [drawing.instance(name, **values)], width)[-1]

    def test_a_row_has_all_that_is_known_in_its_units(self):
        self.assertEqual(
            ["a", "p-a", "m1.tiny", "running", "2", "12.3", "1536", "2048",
             "0.00", "1.50", "12.3", "456"],
            self.cells(cpu_percent=12.34, memory_used_bytes=1536 * MIB,
                       memory_bytes=2048 * MIB,
                       disk_read_bytes_per_second=0.0,
                       disk_write_bytes_per_second=1.5 * MIB,
                       network_in_bytes_per_second=12.34 * MIB,
                       network_out_bytes_per_second=456.4 * MIB))

    def test_what_is_not_known_is_a_dash(self):
        self.assertEqual(["a", "p-a", "m1.tiny", "running", *"--------"],
                         self.cells(vcpus=None))

    def test_little_traffic_is_not_none(self):
        self.assertEqual("<0.01", self.cells(
            disk_read_bytes_per_second=1)[8])

    def test_figures_are_whole_on_a_screen_of_80_columns(self):
        row = self.row(
            "an-instance-with-a-long-name", project="f" * 32,
            cpu_percent=100.0, memory_used_bytes=65536 * MIB,
            memory_bytes=65536 * MIB,
            disk_read_bytes_per_second=999 * MIB,
            disk_write_bytes_per_second=999 * MIB,
            network_in_bytes_per_second=1250 * MIB,
            network_out_bytes_per_second=1250 * MIB)
        self.assertTrue(row.endswith(
            " 2 100.0 65536 65536   999   999  1250  1250"), row)
        self.assertEqual(80, len(row))
        self.assertRegex(row, "^an-instance-wit\u2026ong-name f{7}\u2026 ")

    def test_the_name_gives_way_last(self):
        for width, row in (
                (None, "a-name a-project m1.tiny running"),
                (77, "a-name a-project m1.tiny running"),
                (76, "a-name a-proje\u2026 m1.tiny running"),
                (75, "a-name a-proje\u2026 running"),
                (68, "a-name a-proje\u2026 running"),
                (67, "a-name a-proje\u2026    2 ")):
            with self.subTest(width=width):
                found = self.row("a-name", width, project="a-project")
                self.assertTrue(found.startswith(row), found)

    def test_long_names_differ_on_a_screen_of_60_columns(self):
        for number in "001", "002":
            row = self.row("prod-kubernetes-worker-eu-west-" + number, 60,
                           project="f" * 32, cpu_percent=50.0)
            self.assertRegex(row, "^prod-kub[a-z-]*\u2026[a-z]*-%s " % number)
            self.assertLessEqual(len(row), 60)

    def test_an_ascii_terminal_gets_ascii_in_straight_columns(self):
        rows = instances.make_table([
            drawing.instance(name, project="p" * 32)
            for name in ("\u4e91\u670d", "12")], 80, "ascii")[-2:]
        self.assertRegex(rows[0], "^[?]{2} +p+~ ")
        self.assertEqual(rows[0][2:], rows[1][2:])

    def test_wide_characters_keep_the_columns_straight(self):
        rows = instances.make_table([
            drawing.instance(name, project="p")
            for name in ("\u4e91\u670d\u52a1\u5668", "12345678")])[-2:]
        self.assertEqual(rows[0].index("running") + 4,
                         rows[1].index("running"))

    def test_no_name_steers_the_terminal(self):
        self.assertTrue(self.row("a\x1b[2J\n\x9bb").startswith("a?[2J??b "))
