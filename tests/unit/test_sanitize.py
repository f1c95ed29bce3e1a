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

from ceilometer_graphite import sanitize

HASHED = r"_[0-9a-f]{16}\Z"


class IdentityTest(base.BaseTestCase):

    def test_an_identifier_that_is_safe_stays_as_it_is(self):
        for text in "a", "A-9_z", "x" * 200:
            self.assertEqual(text, sanitize.identity(text))

    def test_a_changed_or_hash_like_identifier_ends_in_a_hash(self):
        for text, beginning in (
                ("a/b", "a_b"), ("none", "none"), ("x" * 201, "x" * 183),
                ("a_0123456789abcdef", "a_0123456789abcdef")):
            self.assertRegex(sanitize.identity(text),
                             r"\A" + beginning + HASHED)

    def test_a_missing_identifier_is_none(self):
        self.assertEqual(["none", "none"], [
            sanitize.identity(None), sanitize.identity("")])


class InstanceTest(base.BaseTestCase):

    def test_an_instance_has_name_and_identifier(self):
        self.assertEqual("web-01_a-1", sanitize.instance("web-01", "a-1"))

    def test_an_instance_without_a_name_has_the_identifier(self):
        for name in None, "":
            self.assertEqual("a-1", sanitize.instance(name, "a-1"))

    def test_an_instance_without_an_identifier_has_name_and_none(self):
        self.assertEqual("web_none", sanitize.instance("web", None))

    def test_the_name_is_cut_to_64_bytes(self):
        self.assertEqual("x" * 64 + "_a", sanitize.instance("x" * 65, "a"))

    def test_an_identifier_that_reads_as_two_gets_a_hash(self):
        for identifier in "a_b", "0123456789abcdef":
            self.assertRegex(sanitize.instance("web", identifier),
                             r"\Aweb_" + identifier + HASHED)

    def test_200_bytes_are_kept_and_more_are_cut(self):
        self.assertEqual("x" * 64 + "_" + "a" * 135,
                         sanitize.instance("x" * 64, "a" * 135))
        self.assertRegex(sanitize.instance("x" * 64, "a" * 136),
                         r"\Ax{64}_a{118}" + HASHED)


class HostTest(base.BaseTestCase):

    def test_a_name_ends_at_its_first_dot(self):
        self.assertEqual("compute-1", sanitize.short_host("compute-1.a.b"))

    def test_an_address_stays_whole(self):
        self.assertEqual("10_0_0_1", sanitize.short_host("10.0.0.1"))


class ComponentTest(base.BaseTestCase):

    def test_200_bytes_are_kept(self):
        self.assertEqual("x" * 200, sanitize.component("x" * 200))

    def test_longer_texts_are_cut_to_200_bytes_and_end_in_a_hash(self):
        self.assertRegex(sanitize.component("x" * 201),
                         r"\Ax{183}_[0-9a-f]{16}\Z")

    def test_long_texts_with_the_same_beginning_stay_distinct(self):
        self.assertNotEqual(sanitize.component("x" * 300 + "a"),
                            sanitize.component("x" * 300 + "b"))

    def test_a_hash_is_the_same_in_every_process(self):
        # The output of b2sum -l 64.
        self.assertEqual("x" * 183 + "_4b947e1e32c12ad3",
                         sanitize.component("x" * 201))

    def test_nothing_is_none(self):
        self.assertEqual(["none", "none"],
                         [sanitize.component(None),
                          sanitize.component("")])

    def test_the_text_of_none_is_empty(self):
        self.assertEqual(["", "0"], [sanitize.text(None), sanitize.text(0)])

    def test_a_number_is_its_digits(self):
        self.assertEqual("-12", sanitize.component(-12))

    def test_each_unsafe_character_becomes_an_underscore(self):
        self.assertEqual("a__b_c_", sanitize.component("a\0\nb.cé"))


class MeterTest(base.BaseTestCase):

    def test_dots_stay(self):
        self.assertEqual("disk.device.read.bytes",
                         sanitize.meter_path("disk.device.read.bytes"))

    def test_dots_with_nothing_between_them_become_one(self):
        self.assertRegex(sanitize.meter_path("..a...b."),
                         r"\Aa\.b_[0-9a-f]{16}\Z")

    def test_a_meter_of_dots_alone_is_none(self):
        self.assertRegex(sanitize.meter_path("..."),
                         r"\Anone_[0-9a-f]{16}\Z")

    def test_a_meter_cannot_climb_out_of_its_folder(self):
        self.assertRegex(sanitize.meter_path("/../etc/passwd"),
                         r"\A_\._etc_passwd_[0-9a-f]{16}\Z")

    def test_a_meter_of_over_200_bytes_is_one_component(self):
        self.assertRegex(sanitize.meter_path("a." * 150),
                         r"\A[a_]{183}_[0-9a-f]{16}\Z")

    def test_200_bytes_keep_their_dots(self):
        for text in "a.b" * 66, "a." * 99 + "aa":
            self.assertEqual(text, sanitize.meter_path(text))

    def test_a_missing_meter_is_none(self):
        self.assertEqual("none", sanitize.meter_path(None))
