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

from oslotest import base

from ceilometer_graphite import naming
from ceilometer_graphite import sanitize
from tests.unit import base as unit_base

COMPONENT = "[A-Za-z0-9_-]{1,200}"


def path_namer(template=naming.DEFAULT_TEMPLATE, prefix="ceilometer.",
               append_hostname=True):
    return naming.PathNamer(template, prefix, append_hostname)


def tag_namer(prefix="ceilometer.", append_hostname=True):
    return naming.TagNamer(prefix, append_hostname)


def path(template=naming.DEFAULT_TEMPLATE, meter="cpu", unit="ns",
         namer_options=None, **fields):
    return path_namer(template, **(namer_options or {})).name(
        unit_base.make_sample(**fields), meter, unit)


# {field: (source, value, text of this value)}.
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
IDENTITIES = {"project_id", "user_id", "instance_id", "resource_id",
              "device", "meter"}


def make_fields(prefix="ceilometer.", append_hostname=True):
    return naming.Fields(prefix, append_hostname)


class NamesTest(base.BaseTestCase):

    def test_fields_of_the_meter_may_stand_anywhere_and_more_than_once(self):
        for template, expected in {
                "{meter}": "cpu", "{unit}.{meter}": "ns.cpu",
                "{meter}.{host}.{unit}": "cpu.h.ns",
                "{host}.{meter}.{unit}.{host}": "h.cpu.ns.h",
                "{meter}.{meter}": "cpu.cpu",
                "{meter}.{host}.{meter}": "cpu.h.cpu",
                "{meter}-{unit}.{host}": "cpu-ns.h",
                "{meter}-{host}.{unit}": "cpu-h.ns",
                "{host}.{meter}.x.{unit}": "h.cpu.x.ns"}.items():
            with self.subTest(template):
                sample = unit_base.make_sample(
                    metadata={"instance_host": "h"})
                namer = path_namer(template)
                self.assertEqual(expected, namer.name(sample, "cpu", "ns"))
                self.assertEqual(
                    expected.replace("cpu", "a.b").replace("ns", "B"),
                    namer.name(sample, "a.b", "B"))

    def test_equal_values_are_written_by_their_type(self):
        ids = (1, True, 1.0, "1", "True", "1.0", 0, False, None, "", "none")
        template = "{project_id}.{instance_id}.{metadata.x}.{meter}.{unit}"
        namers = [path_namer(text) for text in (
            template, template + ".{user_id}.{meter}")]
        for namer, order in itertools.product(namers, (ids, ids[::-1])):
            for value in order * 2:
                sample = unit_base.make_sample(
                    resource_id=value, metadata={"x": value})
                sample.project_id = value
                written = sanitize.identity(value)
                self.assertEqual("%s.%s.%s.%s.%s" % (
                    written, written, sanitize.component(value),
                    sanitize.meter_path(value), sanitize.component(value)),
                    namer.name(sample, value, value).partition(".u.")[0])


class IdentityTestCase(base.BaseTestCase):

    def assert_distinct(self, one, other):
        for namer in path_namer(), tag_namer():
            names = {namer.name(unit_base.make_sample(resource_id=text),
                                "cpu", "ns") for text in (one, other)}
            self.assertEqual(2, len(names), names)


class IdentityTest(IdentityTestCase):

    def test_long_instance_ids_that_differ_at_their_end_differ(self):
        self.assert_distinct("x" * 10000 + "a", "x" * 10000 + "b")

    def test_instance_ids_that_no_utf_8_can_write_differ(self):
        self.assert_distinct("\ud800", "\ud801")
        self.assert_distinct("\ud800", "?")

    def test_an_instance_called_none_is_not_one_without_an_id(self):
        self.assert_distinct("", "none")

    def test_instances_differ_in_a_component_of_several_fields(self):
        namer = path_namer("{instance_name}-{instance_id}.{meter}")
        names = {namer.name(unit_base.make_sample(
            resource_id=instance_id,
            metadata={"display_name": "n" * 199}), "cpu", "ns")
            for instance_id in ("a" * 150, "a" * 149 + "b", "a" * 149)}
        self.assertEqual(3, len(names))


class TemplateFieldsTest(base.BaseTestCase):

    def test_the_default_template_names_host_project_and_instance(self):
        self.assertEqual("ceilometer.compute-1.p.i1.cpu", path())

    def test_the_device_of_a_disk_comes_last(self):
        self.assertEqual("ceilometer.compute-1.p.i1.cpu.vda", path(
            metadata={"instance_id": "i1", "disk_name": "vda"},
            resource_id="i1-vda"))

    def test_the_device_of_a_network_card_comes_last(self):
        self.assertEqual("ceilometer.compute-1.p.i1.cpu.tapdb053c2f-7b", path(
            metadata={"instance_id": "i1", "vnic_name": "tapdb053c2f-7b"},
            resource_id="instance-00000002-i1-tapdb053c2f-7b"))

    def test_an_instance_is_its_name_and_its_id(self):
        name = "59c901c0-1424-4122-8b83-0d7f31cf1bd0"
        self.assertEqual("web-01_%s.cpu" % name, path(
            "{instance}.{meter}", resource_id=name,
            metadata={"display_name": "web-01", "instance_id": name}))
        self.assertEqual(name + ".cpu", path(
            "{instance}.{meter}", resource_id=name))

    def test_the_name_of_an_instance_is_cut_to_64_bytes(self):
        self.assertEqual("%s_i1.cpu" % ("x" * 64), path(
            "{instance}.{meter}", metadata={
                "display_name": "x" * 200, "instance_id": "i1"}))

    def test_a_volume_is_no_part_of_the_instance_that_it_is_attached_to(self):
        names = [path("{instance}.{meter}", meter="volume.size",
                      resource_id=volume, metadata=metadata)
                 for volume in ("v1", "v2")
                 for metadata in ({"instance_id": "i1"},
                                  {"display_name": "data"})]
        self.assertEqual(["v1.volume.size"] * 2 + ["v2.volume.size"] * 2,
                         names)

    def test_a_device_belongs_to_the_instance_in_its_metadata(self):
        for resource_id, metadata in (
                ("i1-vda", {"instance_id": "i1"}),
                ("vda", {"instance_id": "i1", "disk_name": "vda"})):
            self.assertEqual("i1.cpu", path(
                "{instance}.{meter}", resource_id=resource_id,
                metadata=metadata))

    def test_values_of_an_identifier_that_is_a_list_are_hashable(self):
        values = path_namer().values(unit_base.make_sample(resource_id=["a"]))
        self.assertEqual("['a']", values[0])

    def test_devices_of_one_instance_have_paths_of_their_own(self):
        names = {path(metadata={"instance_id": "i1", key: device})
                 for key, device in itertools.product(
                     ("disk_name", "vnic_name"), ("one", "two"))}
        self.assertEqual({"ceilometer.compute-1.p.i1.cpu.one",
                          "ceilometer.compute-1.p.i1.cpu.two"}, names)

    def test_a_device_within_a_component_is_none_where_there_is_none(self):
        self.assertEqual("cpu-none", path("{meter}-{device}"))

    def test_a_host_that_is_an_address_is_not_shortened(self):
        self.assertEqual("192_0_2_1.cpu", path(
            "{hostname}.{meter}", metadata={"instance_host": "192.0.2.1"}))

    def test_the_hostname_is_short(self):
        self.assertEqual("compute-1.cpu", path("{hostname}.{meter}"))

    def test_the_host_is_whole_and_one_component(self):
        self.assertEqual("compute-1_example_org.cpu",
                         path("{host}.{meter}"))

    def test_a_sample_without_a_host_is_of_the_host_that_polled_it(self):
        sample = unit_base.make_sample(metadata={"instance_host": None})
        setattr(sample, naming.POLLING_HOST, "agent.example.org")
        self.assertEqual("agent.agent_example_org.cpu", path_namer(
            "{hostname}.{host}.{meter}").name(sample, "cpu", "ns"))

    def test_behind_the_bus_a_sample_without_a_host_is_of_none(self):
        self.assertEqual("none.none.cpu", path(
            "{hostname}.{host}.{meter}", metadata={"instance_host": None}))

    def test_the_hash_that_nova_calls_host_is_not_the_host(self):
        self.assertEqual("none.cpu", path(
            "{hostname}.{meter}",
            metadata={"instance_host": None, "host": "32d92071508f"}))

    def test_the_hostname_can_be_left_out(self):
        self.assertEqual("ceilometer.p.i1.cpu", path(
            namer_options={"append_hostname": False}))

    def test_the_prefix_means_the_same_with_and_without_its_dot(self):
        for prefix in "a.b", "a.b.":
            self.assertEqual("a.b.compute-1.p.i1.cpu", path(
                namer_options={"prefix": prefix}))

    def test_an_empty_prefix_leaves_its_component_out(self):
        self.assertEqual("compute-1.p.i1.cpu", path(
            namer_options={"prefix": ""}))

    def test_a_name_begins_with_the_first_component_that_is_there(self):
        for template, expected in {
                "{prefix}.{meter}": "cpu", "{hostname}.{meter}": "cpu",
                "{prefix}.{hostname}.{unit}.{meter}": "ns.cpu",
                "{prefix}.{hostname}.{meter}.{device}": "cpu.vda",
                "{hostname}.{project_id}.{prefix}.{meter}": "p.cpu",
                "{meter}.{prefix}.{device}": "cpu.vda",
                "{prefix}-x.{meter}": "none-x.cpu",
                "{hostname}{meter}.{unit}": "nonecpu.ns"}.items():
            with self.subTest(template):
                self.assertEqual(expected, path(
                    template, metadata={"disk_name": "vda"}, namer_options={
                        "prefix": "", "append_hostname": False}))

    def test_the_instance_is_the_resource_where_nothing_else_names_it(self):
        self.assertEqual("i7.cpu", path("{instance_id}.{meter}",
                                        resource_id="i7"))

    def test_every_other_field_comes_from_the_sample(self):
        self.assertEqual(
            "Tenant_A.u.web-1.i1-vda.m1_tiny.B.active.cpu", path(
                "{project_name}.{user_id}.{instance_name}.{resource_id}"
                ".{flavor}.{unit}.{metadata.status}.{meter}",
                unit="B", resource_id="i1-vda", project_name="Tenant A",
                metadata={"display_name": "web-1", "status": "active",
                          "instance_type": "m1.tiny"}))

    def test_a_release_without_project_names_has_none(self):
        sample = unit_base.make_sample()
        del sample.project_name
        self.assertEqual("none.cpu", path_namer("{project_name}.{meter}")
                         .name(sample, "cpu", "ns"))

    def test_dots_in_a_metadata_key_select_nested_keys(self):
        self.assertEqual("m1_tiny.cpu", path(
            "{metadata.flavor.name}.{meter}",
            metadata={"flavor": {"name": "m1.tiny"}}))

    def test_a_metadata_key_may_have_dots_itself(self):
        self.assertEqual("a.cpu", path(
            "{metadata.flavor.name}.{meter}",
            metadata={"flavor": {"name": "b"}, "flavor.name": "a"}))

    def test_metadata_that_are_no_scalar_are_none(self):
        self.assertEqual("none.cpu", path(
            "{metadata.flavor}.{meter}", metadata={"flavor": {"name": "b"}}))

    def test_literals_and_fields_make_a_component_together(self):
        self.assertEqual("vm-i1_p.cpu",
                         path("vm-{instance_id}_{project_id}.{meter}"))

    def test_a_long_literal_is_cut_like_any_component(self):
        self.assertRegex(path("%s.{meter}" % ("x" * 300)),
                         r"\A%s\.cpu\Z" % COMPONENT)


class TagNamerTest(base.BaseTestCase):

    def name(self, namer=None, **fields):
        return (namer or tag_namer()).name(
            unit_base.make_sample(**fields), "cpu_util", "%")

    def test_tags_say_what_the_meter_is_about(self):
        self.assertEqual(
            "ceilometer.cpu_util;host=compute-1;project=p;instance=i1",
            self.name())

    def test_a_device_is_a_tag_where_there_is_one(self):
        self.assertEqual(
            "ceilometer.cpu_util;host=compute-1;project=p;instance=i1;"
            "device=vda", self.name(metadata={"disk_name": "vda"}))

    def test_the_host_can_be_left_out(self):
        self.assertEqual(
            "ceilometer.cpu_util;project=p;instance=i1",
            self.name(tag_namer(append_hostname=False)))

    def test_an_empty_prefix_leaves_the_meter_alone(self):
        self.assertTrue(self.name(tag_namer(prefix="")).startswith(
            "cpu_util;"))

    def test_neither_prefix_nor_host_leave_the_meter_and_its_instance(self):
        self.assertEqual(
            "cpu_util;project=p;instance=i1",
            self.name(tag_namer(prefix="", append_hostname=False)))


class RefusalTest(base.BaseTestCase):

    BAD_TEMPLATES = {
        "": "not empty",
        "{meter}..{device}": "not empty",
        ".{meter}": "not empty",
        "{meter}.": "not empty",
        "{prefix}.{instance_id}": "{meter}",
        "{meter}.{inst}": "{instance_id}",
        "{meter}.{}": "{instance_id}",
        "{meter}.{metadata.}": "metadata.KEY",
        "{meter}.{metadata": "braces",
        "{meter}.instance_id}": "braces",
        "{meter}.{{device}}": "braces",
        "{meter}.a b": "A-Z a-z 0-9 _ -",
        "{meter}/{device}": "A-Z a-z 0-9 _ -",
        "{meter}\n": "A-Z a-z 0-9 _ -",
        "{meter}.é": "A-Z a-z 0-9 _ -",
        "{meter};host={host}": "A-Z a-z 0-9 _ -",
        "{device}.{meter}": "the first is there for every sample",
    }

    def test_a_bad_template_is_refused_with_what_is_allowed(self):
        for template, allowed in self.BAD_TEMPLATES.items():
            with self.subTest(template=template):
                e = self.assertRaises(naming.TemplateError,
                                      path_namer, template)
                self.assertIn(allowed, str(e))

    def test_a_device_as_the_first_present_component_is_refused(
            self):
        for template in ("{prefix}.{device}.{meter}",
                         "{hostname}.{device}.{meter}",
                         "{hostname}.{prefix}.{device}.{meter}"):
            with self.subTest(template):
                self.assertRaises(naming.TemplateError, path_namer, template,
                                  prefix="", append_hostname=False)
                self.assertTrue(path(template).endswith(".cpu"))

    def test_a_device_within_a_component_may_come_first(self):
        self.assertEqual(["disk-none.cpu", "nonecpu"],
                         [path("disk-{device}.{meter}"),
                          path("{device}{meter}")])

    def test_a_bad_prefix_is_refused_by_paths_and_by_tags(self):
        for prefix in ("a..b", "..", "../x", ".a", "a b", "a\n", "é", "a;b",
                       "x" * 201, "a/b"):
            for namer in path_namer, tag_namer:
                with self.subTest(prefix=prefix, namer=namer):
                    e = self.assertRaises(naming.TemplateError, namer,
                                          prefix=prefix)
                    self.assertIn("A-Z a-z 0-9 _ -", str(e))


class MetadataTest(base.BaseTestCase):

    def test_metadata_are_the_mapping_that_a_sample_has(self):
        sample = unit_base.make_sample(metadata={"a": 1})
        self.assertIs(sample.resource_metadata, naming.metadata(sample))

    def test_metadata_that_are_no_mapping_count_as_empty(self):
        sample = unit_base.make_sample()
        for hopeless in (None, "a", b"a", 5, ["a"], [("a", 1)], object()):
            sample.resource_metadata = hopeless
            self.assertEqual({}, naming.metadata(sample))

    def test_a_value_is_returned_unchanged(self):
        for value in ("x", "", 0, 1.5, False, True):
            self.assertIs(value, naming.metadata_value({"a": value}, "a"))

    def test_dots_select_nested_keys(self):
        md = {"flavor": {"a": {"b": 7}}}
        self.assertEqual(7, naming.metadata_value(md, "flavor.a.b"))

    def test_a_key_that_contains_the_dots_comes_first(self):
        md = {"flavor": {"name": "b"}, "flavor.name": "a"}
        self.assertEqual("a", naming.metadata_value(md, "flavor.name"))

    def test_a_missing_value_is_none(self):
        md = {"a": {"b": 1}, "c": "text", "d": [1], "e": None}
        for key in ("x", "a.x", "c.x", "d.0", "e.x", "a.b.x", "", ".", "a."):
            self.assertIsNone(naming.metadata_value(md, key), key)

    def test_a_value_that_is_no_scalar_is_none(self):
        for value in ({}, {"a": 1}, [], [1], (), (1,)):
            self.assertIsNone(naming.metadata_value({"a": value}, "a"))
            self.assertIsNone(naming.metadata_value({"a": {"b": value}},
                                                    "a.b"))


class SourcesTest(base.BaseTestCase):
    """The values that components are made of."""

    TEMPLATE = ".".join("{%s}" % field for field in WRITTEN)

    def read(self, sample):
        namer = naming.PathNamer(self.TEMPLATE, "", True)
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
            "name": "web 1",
        }, self.read(sample))

    def test_a_card_is_a_device_too_and_an_instance_its_own_resource(self):
        found = self.read(unit_base.make_sample(
            metadata={"vnic_name": "tap1"}))
        self.assertEqual(["tap1", "i1"], [
            found[source] for source in ("device", "instance_id")])

    def test_missing_values_of_a_sample_are_none(self):
        sample = unit_base.make_sample()
        del sample.project_name
        sample.resource_metadata = None
        found = self.read(sample)
        for source in ("project_name", "instance_name", "flavor", "device",
                       "metadata.a.b"):
            self.assertIsNone(found[source])


class FieldTest(base.BaseTestCase):

    def test_a_field_is_written_from_its_value(self):
        for field, (source, value, text) in WRITTEN.items():
            with self.subTest(field):
                made = make_fields().component("{%s}" % field)
                self.assertEqual({source}, made.sources)
                self.assertEqual(text, made.write({source: value}))

    def test_a_field_without_a_value_is_called_none(self):
        for field in WRITTEN.keys() - {"device"}:
            source, _, _ = WRITTEN[field]
            write = make_fields().component("{%s}" % field).write
            self.assertEqual(["none", "none"], [
                write({source: nothing}) for nothing in (None, "")], field)

    def test_a_device_that_is_not_there_leaves_its_component_out(self):
        write = make_fields().component("{device}").write
        self.assertEqual([None, None], [
            write({"device": nothing}) for nothing in (None, "")])

    def test_only_identities_keep_changed_values_distinct(self):
        for field, (source, _, _) in WRITTEN.items():
            write = make_fields().component("{%s}" % field).write
            self.assertEqual(
                2 if field in IDENTITIES else 1,
                len({write({source: text}) for text in ("a b", "a_b")}),
                field)

    def test_the_prefix_needs_no_value(self):
        for prefix in "a.b", "a.b.":
            made = make_fields(prefix).component("{prefix}")
            self.assertEqual((frozenset(), "a.b"),
                             (made.sources, made.write({})))

    def test_a_literal_needs_no_value(self):
        made = make_fields().component("vm-1")
        self.assertEqual((frozenset(), "vm-1"),
                         (made.sources, made.write({})))

    def test_an_absent_component_has_no_writer(self):
        self.assertIsNone(make_fields(prefix="").component("{prefix}").write)
        self.assertIsNone(
            make_fields(append_hostname=False).component("{hostname}").write)

    def test_a_component_of_several_pieces_has_all_their_sources(self):
        made = make_fields().component("vm-{host}_{unit}{prefix}")
        self.assertEqual({"host", "unit"}, made.sources)
        self.assertEqual("vm-c1_Bceilometer",
                         made.write({"host": "c1", "unit": "B"}))

    def test_a_missing_piece_is_called_none(self):
        made = make_fields("", False).component("{prefix}-{hostname}-{device}")
        self.assertEqual("none-none-none",
                         made.write({"host": "c1", "device": None}))

    def test_several_pieces_make_one_component_of_at_most_200_bytes(self):
        write = make_fields().component("{flavor}-{unit}").write
        for size, whole in (99, True), (100, False):
            text = write({"flavor": "a" * size, "unit": "b" * 100})
            joined = "a" * size + "-" + "b" * 100
            self.assertEqual(joined if whole else sanitize.hashed(
                joined, joined), text)
            self.assertLessEqual(len(text), 200)


class FieldRefusalTest(base.BaseTestCase):

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

    def test_a_bad_component_is_refused_with_what_is_allowed(self):
        for text, told in self.REFUSED.items():
            with self.subTest(text):
                e = self.assertRaises(naming.TemplateError,
                                      make_fields().component, text)
                self.assertIn(told, str(e))

    def test_an_unknown_field_is_refused_with_all_known_ones(self):
        e = self.assertRaises(
            naming.TemplateError, make_fields().component, "{x}")
        for field in {"prefix", "instance", "metadata.KEY",
                      *WRITTEN} - {"metadata.a.b"}:
            self.assertIn("{%s}" % field, str(e))

    def test_fields_that_are_switched_off_are_known(self):
        absent = make_fields("", False)
        e = self.assertRaises(naming.TemplateError, absent.component, "{x}")
        self.assertIn("{hostname}", str(e))
        self.assertIn("{prefix}", str(e))


class PrefixTest(base.BaseTestCase):

    def test_one_trailing_dot_is_removed(self):
        for prefix, checked in {
                "": "", ".": "", "a": "a", "a.": "a", "a.b": "a.b",
                "a.b.": "a.b", "x" * 200: "x" * 200}.items():
            self.assertEqual(checked, naming.checked_prefix(prefix))

    def test_a_prefix_that_is_no_path_is_refused(self):
        for prefix in ("a..b", "a..", "..", ".a", "a b", "a\n", "\u00e9",
                       "a;b", "a/b", "x" * 201, "a." + "x" * 201):
            with self.subTest(prefix):
                e = self.assertRaises(naming.TemplateError,
                                      naming.checked_prefix, prefix)
                self.assertIn("A-Z a-z 0-9 _ -", str(e))
                self.assertRaises(naming.TemplateError, make_fields,
                                  prefix)
