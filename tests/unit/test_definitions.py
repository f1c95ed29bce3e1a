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

import math
import pathlib

import fixtures
import hypothesis
from hypothesis import strategies as st
from oslotest import base

from ceilometer_graphite import definitions

RATE = "rates: [{meter: m, name: n, %s}]"
GAUGE = "gauges: [{meter: m, name: n, metadata: k, %s}]"


def factor(rate, metadata):
    """Return the factor of a growth per second."""
    return rate.scale / rate.divisor(metadata)


class DefinitionsTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path, "own.yaml")

    def load(self, text):
        if isinstance(text, str):
            text = text.encode()
        self.path.write_bytes(text)
        return definitions.load(str(self.path))

    def error(self, text):
        return str(self.assertRaises(definitions.DefinitionsError,
                                     self.load, text))


class PackagedDefinitionsTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.packaged = definitions.load()

    def test_a_counter_becomes_its_rate_per_second(self):
        rate = self.packaged.rate("disk.device.read.bytes", "B")
        self.assertEqual(("disk.device.read.bytes.rate", "B/s", 1.0),
                         (rate.name, rate.unit, factor(rate, {})))

    def test_cpu_becomes_percent_of_all_cpus_of_the_instance(self):
        rate = self.packaged.rate("cpu", "ns")
        self.assertEqual(("cpu_util", "%"), (rate.name, rate.unit))
        four_busy_cpus = 4e9
        self.assertAlmostEqual(
            100.0, four_busy_cpus * factor(rate, {"vcpus": 4}))

    def test_the_hypervisors_number_of_cpus_comes_first(self):
        rate = self.packaged.rate("cpu", "ns")
        for number in 1, 2:
            self.assertAlmostEqual(100.0 / number, 1e9 * factor(
                rate, {"vcpus": 4, "cpu_number": number}))

    def test_a_number_of_cpus_that_is_no_number_is_ignored(self):
        rate = self.packaged.rate("cpu", "ns")
        for hopeless in (None, 0, -1, "two", [], {}, math.nan):
            self.assertAlmostEqual(50.0, 1e9 * factor(
                rate, {"cpu_number": hopeless, "vcpus": 2}))

    def test_an_unknown_number_of_cpus_counts_as_one(self):
        rate = self.packaged.rate("cpu", "ns")
        self.assertAlmostEqual(100.0, 1e9 * factor(rate, {}))

    def test_cpu_usage_is_at_most_100_percent(self):
        self.assertEqual(100, self.packaged.rate("cpu", "ns").max)
        self.assertEqual(math.inf, self.packaged.rate("m", "").max)

    def test_other_meters_that_begin_with_cpu_are_not_cpu(self):
        self.assertEqual("cpu.x.rate", self.packaged.rate("cpu.x", "").name)

    def test_cpu_makes_gauges_of_the_flavor(self):
        self.assertEqual(
            {("memory", "memory_mb", "MiB"), ("cpu_count", "vcpus", "vcpu"),
             ("disk_space", "disk_gb", "GB")},
            {(gauge.name, gauge.metadata, gauge.unit)
             for gauge in self.packaged.gauges("cpu")})

    def test_other_meters_make_no_gauges(self):
        self.assertEqual([], self.packaged.gauges("memory.usage"))

    def test_a_counter_without_a_unit_has_a_rate(self):
        self.assertEqual("/s", self.packaged.rate("errors", None).unit)

    @hypothesis.given(st.text())
    def test_every_counter_has_a_rate_of_another_name(self, meter):
        self.assertNotEqual(meter, self.packaged.rate(meter, "B").name)


class OwnDefinitionsTest(DefinitionsTestCase):

    def test_the_first_matching_entry_counts(self):
        made = self.load('rates:\n'
                         '- {meter: "disk.*", name: "d.{meter}"}\n'
                         '- {meter: "disk.x", name: never}\n'
                         '- {meter: "*", name: "other.{meter}"}\n')
        self.assertEqual(["d.disk.x", "other.network.x"],
                         [made.rate(meter, "").name
                          for meter in ("disk.x", "network.x")])

    def test_a_counter_without_a_matching_entry_has_no_rate(self):
        made = self.load("rates: [{meter: cpu, name: cpu_util}]")
        self.assertIsNone(made.rate("cpu.other", ""))

    def test_a_scale_may_have_an_exponent(self):
        for scale in ("1.0e-7", "1e-7", "0.0000001"):
            with self.subTest(scale):
                made = self.load(RATE % ("scale: " + scale))
                self.assertEqual(1e-7, factor(made.rate("m", ""), {}))

    def test_a_maximum_may_be_below_one(self):
        self.assertEqual(0.5, self.load(RATE % "max: 0.5").rate("m", "").max)

    def test_keys_of_nested_metadata_have_dots(self):
        made = self.load(RATE % "per: [flavor.vcpus]")
        self.assertEqual(
            0.5, factor(
                made.rate("m", ""), {"flavor": {"vcpus": 2}}))

    def test_one_meter_may_make_several_gauges(self):
        made = self.load("gauges:\n"
                         "- {meter: cpu, name: a, metadata: x}\n"
                         "- {meter: cpu, name: b, metadata: y}\n")
        self.assertEqual(["a", "b"],
                         [gauge.name for gauge in made.gauges("cpu")])
        self.assertTrue(made.may_make("a") and made.may_make("b"))

    def test_a_section_may_be_empty_or_left_out(self):
        made = self.load("rates: []")
        self.assertIsNone(made.rate("cpu", "ns"))
        self.assertEqual([], made.gauges("cpu"))

    def test_own_definitions_replace_the_packaged_ones(self):
        made = self.load("gauges: [{meter: m, name: n, metadata: k}]")
        self.assertIsNone(made.rate("cpu", "ns"))

    def test_a_copy_of_the_packaged_file_means_the_same(self):
        packaged = pathlib.Path(definitions.__file__).parent.joinpath(
            "data", "definitions.yaml")
        made = self.load(packaged.read_bytes())
        self.assertEqual(definitions.load().rate("cpu", "ns"),
                         made.rate("cpu", "ns"))
        self.assertEqual(definitions.load().gauges("cpu"),
                         made.gauges("cpu"))

    def test_a_text_may_be_any_yaml_text(self):
        made = self.load('rates: [{meter: m, name: "\\u00e9", unit: "%"}]')
        self.assertEqual(("é", "%"), (made.rate("m", "").name,
                                      made.rate("m", "").unit))


class BrokenFileTest(DefinitionsTestCase):

    # {problem: (the file, the error after its path)}.
    BROKEN = {
        "not YAML": ("rates: [", ", line 1: is not YAML: "),
        "a tab": ("rates:\n\t- x", ", line 2: is not YAML: "),
        "two documents": ("rates: []\n---\nrates: []",
                          ", line 2: is not YAML: "),
        "an unknown alias": ("rates: *x", ", line 1: is not YAML: "),
        "an alias of itself": (
            "rates: &x [*x]",
            ", entry 1 of rates: has to be a mapping of meter, "),
        "bytes that are not UTF-8": (b"rates: \xff", ": is not YAML: "),
        "a NUL": (b"rates: \0", ": is not YAML: "),
        "brackets without end": ("[" * 100000, ": is not YAML: "),
        "an empty file": ("", ": is empty; it has to have rates or gauges"),
        "a comment alone": (
            "# x\n", ": is empty; it has to have rates or gauges"),
        "a list": ("- meter: cpu", ": has to be a mapping of rates, gauges, "
                                   "and not [{'meter': 'cpu'}]"),
        "a text": ("cpu", ": has to be a mapping of rates, gauges, and not "
                          "'cpu'"),
        "an unknown section": (
            "gauges: []\nrate: []", ": 'rate' is not one of rates, gauges"),
        "a section twice": (
            "rates: []\nrates: []",
            ", line 2: is not YAML: rates stands twice"),
        "a section that is a mapping": (
            "rates:\n  meter: cpu", ": rates has to be a list, and not {"),
        "a section of nothing": (
            "rates:", ": rates has to be a list, and not None"),
        "an entry that is a text": (
            "rates:\n- cpu", ", entry 1 of rates: has to be a mapping of "
                             "meter, name, unit, scale, per, max, "
                             "and not 'cpu'"),
        "an unknown key": (
            "rates:\n- meter: cpu\n  nam: x", ", entry 1 of rates: 'nam' is "
            "not one of meter, name, unit, scale, per, max"),
        "a key of the other section": (
            GAUGE % "scale: 1",
            ", entry 1 of gauges: 'scale' is not one of meter, "),
        "a key twice": ("rates:\n- meter: cpu\n  meter: cpu",
                        ", line 3: is not YAML: meter stands twice"),
        "a key that is a list": (
            RATE % "[a]: b", ", line 1: is not YAML: found unhashable key"),
        "a key that is a number": (
            RATE % "5: b", ", entry 1 of rates: 5 is not one of meter, "),
        "no meter": (
            "rates:\n- name: x", ", entry 1 of rates: meter is missing"),
        "no name": (
            "rates:\n- meter: x", ", entry 1 of rates: name is missing"),
        "the second of two": (
            "rates:\n- {meter: x, name: y}\n- {meter: x}",
            ", entry 2 of rates: name is missing"),
        "no metadata": ("gauges:\n- {meter: x, name: y}",
                        ", entry 1 of gauges: metadata is missing"),
        "a meter that is a number": (
            "rates: [{meter: 5, name: x}]",
            ", entry 1 of rates: meter has to be a text, and not 5"),
        "a name that is nothing": (
            "rates: [{meter: m, name: }]",
            ", entry 1 of rates: name has to be a text with no braces but "
            "{meter}, and not None"),
        "a name that is true": (
            "gauges: [{meter: m, name: yes, metadata: k}]",
            ", entry 1 of gauges: name has to be a text, and not True"),
        "a name that is no date": (
            "rates: [{meter: m, name: 2026-13-45}]", ": is not YAML: "),
        "a name that is a list": (
            "gauges: [{meter: m, name: [x], metadata: k}]",
            ", entry 1 of gauges: name has to be a text, and not ['x']"),
        "a name with a field that does not exist": (
            'rates: [{meter: m, name: "{metre}.rate"}]',
            ", entry 1 of rates: name has to be a text with no braces but "
            "{meter}, and not '{metre}.rate'"),
        "one name for many meters": (
            'rates:\n- meter: "disk.*"\n  name: disk.rate',
            ", entry 1 of rates: name has to have {meter}, "),
        "a unit with a field that does not exist": (
            RATE % 'unit: "{x}/s"', ", entry 1 of rates: unit has to be a "
            "text with no braces but {unit}, and not "),
        "a gauge of many meters": (
            'gauges: [{meter: "*", name: n, metadata: k}]',
            ", entry 1 of gauges: meter has to be the name of one meter, and "
            "not '*'"),
        "metadata that are a number": (
            "gauges: [{meter: m, name: n, metadata: 5}]",
            ", entry 1 of gauges: metadata has to be a text, and not 5"),
        **{"a scale of " + scale: (
            RATE % ("scale: " + scale),
            ", entry 1 of rates: scale has to be a number other than 0, and "
            "not ") for scale in (
                "ten", "", "0", ".nan", "inf", "true", "[1]",
                "1" + "0" * 400)},
        "a scale of 5000 digits": (
            RATE % ("scale: " + "9" * 5000), ": is not YAML: "),
        **{"a maximum of " + limit: (
            RATE % ("max: " + limit),
            ", entry 1 of rates: max has to be a number above 0, and not ")
           for limit in ("ten", "0", "-1", ".inf")},
        "a divisor that is a text": (
            RATE % "per: vcpus", ", entry 1 of rates: per has to be a list "
            "of texts, and not 'vcpus'"),
        "a divisor that is a number": (
            RATE % "per: [vcpus, 2]", ", entry 1 of rates: per has to be a "
            "list of texts, and not ['vcpus', 2]"),
        "a tag that would run code": (
            RATE % "unit: !!python/object/apply:os.getcwd []",
            ", line 1: is not YAML: could not determine a constructor"),
        "an unknown tag": (
            RATE % "unit: !secret x",
            ", line 1: is not YAML: could not determine a constructor"),
    }

    def test_an_error_names_file_entry_and_key(self):
        for what, (text, told) in self.BROKEN.items():
            with self.subTest(what):
                error = self.error(text)
                self.assertEqual(str(self.path) + told,
                                 error[:len(str(self.path) + told)])

    def test_a_file_that_does_not_exist_is_named(self):
        path = str(self.path)
        e = self.assertRaises(definitions.DefinitionsError,
                              definitions.load, path)
        self.assertEqual(
            path + ": cannot be read: No such file or directory", str(e))

    def test_a_folder_is_refused(self):
        e = self.assertRaises(definitions.DefinitionsError,
                              definitions.load, str(self.path.parent))
        self.assertIn("cannot be read: Is a directory", str(e))

    def test_an_impossible_path_is_refused(self):
        e = self.assertRaises(definitions.DefinitionsError,
                              definitions.load, "a\0b")
        self.assertIn("cannot be read: embedded null byte", str(e))

    @hypothesis.given(st.binary(max_size=60))
    def test_any_file_is_definitions_or_an_error_that_names_it(self, text):
        try:
            self.load(text)
        except definitions.DefinitionsError as e:
            self.assertTrue(str(e).startswith(str(self.path)), e)

    @hypothesis.given(st.text("rates:gu{}[]-&*!'\" \n#|>x.0", max_size=60))
    def test_any_yaml_is_definitions_or_an_error_that_names_it(self, text):
        for context in "%s", "rates:\n- meter: m\n  name: n\n  %s":
            try:
                self.load(context % text)
            except definitions.DefinitionsError as e:
                self.assertTrue(str(e).startswith(str(self.path)), e)
