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


import string

import hypothesis
from hypothesis import strategies as st
from oslotest import base

from ceilometer_graphite import naming
from ceilometer_graphite import sanitize
from tests.unit import base as unit_base

SAFE = string.ascii_letters + string.digits + "_-"
# What a field is written of, and of which value what text is made.
WRITTEN = {
    "hostname": ("host", "a.example.org", "a"),
    "host": ("host", "a.example.org", "a_example_org"),
    "project_id": ("project_id", "p1", "p1"),
    "project_name": ("project_name", "Tenant A", "Tenant_A"),
    "user_id": ("user_id", "u1", "u1"),
    "instance_id": ("instance_id", "i1", "i1"),
    "instance_name": ("instance_name", "web 1", "web_1"),
    "resource_id": ("resource_id", "i1-vda", "i1-vda"),
    "flavor": ("flavor", "m1.tiny", "m1_tiny"),
    "device": ("device", "vda", "vda"),
    "meter": ("meter", "disk.read", "disk.read"),
    "unit": ("unit", "B/s", "B_s"),
    "metadata.a.b": ("metadata.a.b", "c.d", "c_d"),
}
IDENTITIES = {"project_id", "user_id", "instance_id", "resource_id"}


def make(prefix="ceilometer.", append_hostname=True):
    return naming.Fields(prefix, append_hostname)


class MetadataTest(base.BaseTestCase):

    def test_metadata_are_the_mapping_that_a_sample_has(self):
        sample = unit_base.make_sample(metadata={"a": 1})
        self.assertIs(sample.resource_metadata, naming.metadata(sample))

    def test_metadata_that_are_no_mapping_are_an_empty_one(self):
        sample = unit_base.make_sample()
        for hopeless in (None, "a", b"a", 5, ["a"], [("a", 1)], object()):
            sample.resource_metadata = hopeless
            self.assertEqual({}, naming.metadata(sample))

    def test_a_value_is_what_stands_at_its_key(self):
        for value in ("x", "", 0, 1.5, False, True):
            self.assertIs(value, naming.metadata_value({"a": value}, "a"))

    def test_dots_lead_inwards(self):
        md = {"flavor": {"a": {"b": 7}}}
        self.assertEqual(7, naming.metadata_value(md, "flavor.a.b"))

    def test_a_key_that_has_the_dots_itself_comes_first(self):
        md = {"flavor": {"name": "b"}, "flavor.name": "a"}
        self.assertEqual("a", naming.metadata_value(md, "flavor.name"))

    def test_what_is_not_there_is_none(self):
        md = {"a": {"b": 1}, "c": "text", "d": [1], "e": None}
        for key in ("x", "a.x", "c.x", "d.0", "e.x", "a.b.x", "", ".", "a."):
            self.assertIsNone(naming.metadata_value(md, key), key)

    def test_what_is_no_scalar_is_none(self):
        for value in ({}, {"a": 1}, [], [1], (), (1,)):
            self.assertIsNone(naming.metadata_value({"a": value}, "a"))
            self.assertIsNone(naming.metadata_value({"a": {"b": value}},
                                                    "a.b"))


class SourcesTest(base.BaseTestCase):
    """The values that components are written of."""

    TEMPLATE = ".".join("{%s}" % field for field in WRITTEN)

    def read(self, sample):
        namer = naming.PathNamer(self.TEMPLATE, "", True, "agent")
        return namer.sources(namer.values(sample), "cpu", "ns")

    def test_each_value_is_read_where_ceilometer_keeps_it(self):
        sample = unit_base.make_sample(
            resource_id="i1-vda", project_name="Tenant A", metadata={
                "instance_host": "c1", "instance_id": "i1",
                "display_name": "web 1", "instance_type": "m1.tiny",
                "disk_name": "vda", "a": {"b": "active"}})
        self.assertEqual({
            "host": "c1", "project_id": "p", "project_name": "Tenant A",
            "user_id": "u", "instance_id": "i1", "instance_name": "web 1",
            "flavor": "m1.tiny", "resource_id": "i1-vda", "device": "vda",
            "metadata.a.b": "active", "meter": "cpu", "unit": "ns",
        }, self.read(sample))

    def test_a_card_is_a_device_too_and_an_instance_its_own_resource(self):
        found = self.read(unit_base.make_sample(
            metadata={"vnic_name": "tap1"}))
        self.assertEqual(["tap1", "i1"], [
            found[source] for source in ("device", "instance_id")])

    def test_what_a_sample_does_not_have_is_none(self):
        sample = unit_base.make_sample()
        del sample.project_name
        sample.resource_metadata = None
        found = self.read(sample)
        for source in ("project_name", "instance_name", "flavor", "device",
                       "metadata.a.b"):
            self.assertIsNone(found[source])


class ComponentTest(base.BaseTestCase):

    def test_a_field_is_written_of_its_value(self):
        for field, (source, value, text) in WRITTEN.items():
            with self.subTest(field):
                made = make().component("{%s}" % field)
                self.assertEqual({source}, made.sources)
                self.assertEqual(text, made.write({source: value}))

    def test_a_field_without_a_value_is_called_none(self):
        # A host there always is, the agent's own at the least.
        for field in WRITTEN.keys() - {"hostname", "device"}:
            source, _, _ = WRITTEN[field]
            write = make().component("{%s}" % field).write
            self.assertEqual(["none", "none"], [
                write({source: nothing}) for nothing in (None, "")], field)

    def test_a_device_that_is_not_there_leaves_its_component_out(self):
        write = make().component("{device}").write
        self.assertEqual([None, None], [
            write({"device": nothing}) for nothing in (None, "")])

    def test_only_identities_tell_what_was_changed_apart(self):
        for field, (source, _, _) in WRITTEN.items():
            write = make().component("{%s}" % field).write
            self.assertEqual(
                2 if field in IDENTITIES else 1,
                len({write({source: text}) for text in ("a b", "a_b")}),
                field)

    def test_the_prefix_is_written_of_nothing(self):
        for prefix in "a.b", "a.b.":
            made = make(prefix).component("{prefix}")
            self.assertEqual((frozenset(), "a.b"),
                             (made.sources, made.write({})))

    def test_a_literal_is_written_of_nothing(self):
        made = make().component("vm-1")
        self.assertEqual((frozenset(), "vm-1"),
                         (made.sources, made.write({})))

    def test_a_component_that_is_never_there_is_none(self):
        self.assertIsNone(make(prefix="").component("{prefix}").write)
        self.assertIsNone(
            make(append_hostname=False).component("{hostname}").write)

    def test_a_component_of_several_pieces_is_of_all_their_sources(self):
        made = make().component("vm-{host}_{unit}{prefix}")
        self.assertEqual({"host", "unit"}, made.sources)
        self.assertEqual("vm-c1_Bceilometer",
                         made.write({"host": "c1", "unit": "B"}))

    def test_a_piece_that_is_not_there_is_called_none(self):
        made = make("", False).component("{prefix}-{hostname}-{device}")
        self.assertEqual("none-none-none",
                         made.write({"host": "c1", "device": None}))

    def test_several_pieces_together_are_one_component_of_200_bytes(self):
        write = make().component("{flavor}-{unit}").write
        for size, whole in (99, True), (100, False):
            text = write({"flavor": "a" * size, "unit": "b" * 100})
            joined = "a" * size + "-" + "b" * 100
            self.assertEqual(joined if whole else sanitize.hashed(
                joined, joined), text)
            self.assertLessEqual(len(text), 200)

    @hypothesis.given(st.text(max_size=20), st.none() | st.text(max_size=20))
    def test_no_value_leaves_its_component(self, value, device):
        for field, (source, _, _) in WRITTEN.items():
            made = make().component("{%s}-{device}" % field)
            self.assertRegex(
                made.write({"device": device, source: value}),
                r"\A[A-Za-z0-9_%s-]{1,200}\Z" % (
                    "." if field == "meter" else ""))


class RefusalTest(base.BaseTestCase):

    REFUSED = {
        "": "not empty", "a b": "A-Z a-z 0-9 _ -",
        "a/b": "A-Z a-z 0-9 _ -", "a.b": "A-Z a-z 0-9 _ -",
        "a\n": "A-Z a-z 0-9 _ -", "\u00e9": "A-Z a-z 0-9 _ -",
        "{host": "fields in braces", "host}": "fields in braces",
        "{{host}}": "fields in braces", "{}": "and not {}",
        "{name}": "and not {name}", "{Host}": "and not {Host}",
        "{host }": "and not {host }", "{metadata}": "and not {metadata}",
        "{metadata.}": "and not {metadata.}",
        "x{name}": "and not {name}", "{host}{name}": "and not {name}",
    }

    def test_what_cannot_be_used_is_refused_saying_what_can(self):
        for text, told in self.REFUSED.items():
            with self.subTest(text):
                e = self.assertRaises(naming.TemplateError,
                                      make().component, text)
                self.assertIn(told, str(e))

    def test_an_unknown_field_is_told_with_all_that_are_known(self):
        e = self.assertRaises(naming.TemplateError, make().component, "{x}")
        for field in {"prefix", "metadata.KEY", *WRITTEN} - {"metadata.a.b"}:
            self.assertIn("{%s}" % field, str(e))

    def test_absent_fields_are_no_unknown_ones(self):
        absent = make("", False)
        e = self.assertRaises(naming.TemplateError, absent.component, "{x}")
        self.assertIn("{hostname}", str(e))
        self.assertIn("{prefix}", str(e))


class PrefixTest(base.BaseTestCase):

    def test_one_trailing_dot_is_taken_off(self):
        for prefix, checked in {
                "": "", ".": "", "a": "a", "a.": "a", "a.b": "a.b",
                "a.b.": "a.b", "x" * 200: "x" * 200}.items():
            self.assertEqual(checked, naming.checked_prefix(prefix))

    def test_what_no_path_may_have_is_refused(self):
        for prefix in ("a..b", "a..", "..", ".a", "a b", "a\n", "\u00e9",
                       "a;b", "a/b", "x" * 201, "a." + "x" * 201):
            with self.subTest(prefix):
                e = self.assertRaises(naming.TemplateError,
                                      naming.checked_prefix, prefix)
                self.assertIn("A-Z a-z 0-9 _ -", str(e))
                self.assertRaises(naming.TemplateError, make, prefix)

    @hypothesis.given(st.lists(st.text(SAFE, min_size=1), max_size=5))
    def test_safe_components_are_a_prefix(self, parts):
        self.assertEqual(".".join(parts),
                         naming.checked_prefix(".".join(parts)))
