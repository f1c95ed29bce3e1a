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


import fnmatch
import types

import hypothesis
from hypothesis import strategies
from oslotest import base

from ceilometer_graphite import naming
from ceilometer_graphite.dashboards import layout
from tests.unit import base as unit_base

METERS = ("cpu_util", "disk.device.read.bytes.rate")
EXPECTED = {
    "{hostname}": "compute-1", "{host}": "compute-1_example_org",
    "{project_id}": "p", "{project_name}": "acme", "{device}": "vda",
    "{instance}": "web_i1", "{instance_id}": "i1",
    "vm-{instance_name}": "vm-web",
}


def settings(**changed):
    return types.SimpleNamespace(**{
        "naming": "path", "prefix": "ceilometer.", "append_hostname": True,
        "template": naming.DEFAULT_TEMPLATE, "self_metrics_interval": 60.0,
        "spool_size": 1024 ** 3,
        **changed})


def a_sample(meter):
    sample = unit_base.make_sample(metadata={
        "instance_id": "i1", "display_name": "web", "instance_type": "big",
        **({"disk_name": "vda"} if meter.startswith("disk.") else {})})
    sample.project_name = "acme"
    return sample


@strategies.composite
def templates(draw):
    """Draw templates with all required fields, in any order."""
    of = [draw(strategies.sampled_from(pair)) for pair in (
        ("{hostname}", "{host}"), ("{project_id}", "{project_name}"),
        ("{instance}", "{instance_id}", "vm-{instance_name}"))]
    more = draw(strategies.lists(strategies.sampled_from(
        ("{prefix}", "fixed", "{flavor}-{unit}", "{metadata.a.b}"))))
    texts = draw(strategies.permutations(
        [*of, *more, "{meter}", "{device}"]))
    hypothesis.assume(texts[0] != "{device}")
    return texts


class PathTest(base.BaseTestCase):

    @hypothesis.given(templates(), strategies.sampled_from(METERS),
                      strategies.sampled_from(["", "a.", "a.b-c.d"]))
    def test_each_field_is_found_at_its_position_in_a_name(
            self, texts, meter, prefix):
        hypothesis.assume(prefix or "{device}" != next(
            text for text in texts if text != "{prefix}"))
        template = ".".join(texts)
        found = layout.of_machines(settings(template=template, prefix=prefix))
        name = naming.PathNamer(
            template, prefix, True).name(
                a_sample(meter), meter, "B").split(".")
        pattern = found.series(meter, {}).split(".")
        self.assertEqual(len(name), len(pattern), (name, pattern))
        for text, glob in zip(name, pattern, strict=True):
            self.assertTrue(fnmatch.fnmatchcase(text, glob), (name, pattern))
        for role in ("hypervisor", "project", "instance", "name", *(
                ["device"] if meter.startswith("disk.") else [])):
            text = next(text for field in layout.ROLES[role]
                        for text in texts if "{%s}" % field in text)
            self.assertEqual(EXPECTED[text],
                             name[int(found.node(role, meter))], role)

    def test_the_selected_values_are_at_their_positions(self):
        self.assertEqual(
            "ceilometer.h.*.i.disk.device.read.bytes.rate.*",
            layout.of_machines(settings()).series(
                METERS[1], {"hypervisor": "h", "instance": "i"}))

    def test_a_variable_does_not_offer_the_publishers_own_series(self):
        self.assertEqual(
            ("expand(ceilometer.$h.*)", r"/^(?!.*\.graphite_publisher"
             r"(?:\.|$))(?:[^.]+\.){2}([^.]+)/"),
            layout.of_machines(settings()).variable(
                "project", {"hypervisor": "$h"}))

    def test_a_variable_finds_projects_before_hosts(self):
        found = layout.of_machines(settings(
            template="{project_id}.{hostname}.{instance_id}.{meter}.{device}"))
        self.assertEqual(("expand(*.*.*.cpu_util)", "/^(?:[^.]+\\.){0}"
                          "([^.]+)/"), found.variable("project", {}))

    def test_devices_before_projects_are_not_mistaken_for_projects(self):
        found = layout.of_machines(settings(
            template="{hostname}.{device}.{project_id}.{instance}.{meter}"))
        self.assertEqual("expand(*.*.*.cpu_util)",
                         found.variable("project", {}).query)

    def test_instances_are_distinguished_by_their_identifying_field(self):
        head = "{prefix}.{hostname}.{project_id}."
        for middle, roles in (
                ("{instance}", ["instance"]), ("{instance_id}", ["instance"]),
                ("{instance_name}", ["project", "instance"]),
                ("{instance_name}.{instance_id}", ["instance", "name"])):
            self.assertEqual(roles, layout.of_machines(settings(
                template=head + middle + ".{meter}.{device}")).identity)


class OtherLayoutsTest(base.BaseTestCase):

    def test_tagged_series_are_found_by_their_tags(self):
        found = layout.of_machines(settings(naming="tags", prefix="a.b."))
        self.assertEqual(
            "seriesByTag('name=a.b.cpu_util','project=~^p$')",
            found.series("cpu_util", {"project": "p"}))
        self.assertEqual('"host"', found.node("hypervisor", "cpu_util"))
        self.assertEqual(
            ("tag_values(instance, name=a.b.cpu_util, project=~^$p$)", ""),
            found.variable("instance", {"project": "$p"}))

    def test_publishers_are_found_below_their_hosts(self):
        found = layout.of_publishers(settings(prefix="a.b."))
        self.assertEqual("a.b.*.graphite_publisher.*.lines_dropped.*",
                         found.series("lines_dropped.*", {}))
        self.assertEqual(["2", "4", "-1"], [
            found.node(role, "lines_dropped.*")
            for role in ("hypervisor", "endpoint", "reason")])

    def test_publishers_are_found_by_their_tags(self):
        found = layout.of_publishers(settings(naming="tags"))
        self.assertEqual(
            "seriesByTag('name=~^ceilometer[.]graphite_publisher[.]"
            "lines_dropped[.].*$','host=~^h$')",
            found.series("lines_dropped.*", {"hypervisor": "h"}))


class RefusedTest(base.BaseTestCase):

    def refused(self, make=layout.of_machines, **changed):
        return str(self.assertRaises(layout.LayoutError, make,
                                     settings(**changed)))

    def test_a_template_is_refused_with_all_missing_fields(self):
        self.assertEqual(
            "the template x.{meter} lacks a component of its own for "
            "{hostname} or {host}, {project_id} or {project_name}, "
            "{instance} or {instance_id} or {instance_name}, {device}",
            self.refused(template="x.{meter}"))

    def test_each_field_needs_a_component_of_its_own(self):
        for text in ("{hostname}", "{project_id}", "{instance}",
                     "{device}", "{meter}"):
            self.assertIn(" for " + text, self.refused(
                template=naming.DEFAULT_TEMPLATE.replace(
                    text, text + "-{unit}")))

    def test_a_meter_with_other_text_in_its_component_is_refused(self):
        self.assertIn(" for {meter}", self.refused(
            template=naming.DEFAULT_TEMPLATE.replace("{meter}", "x{meter}")))

    def test_series_without_host_are_refused(self):
        for name in ("path", "tags"):
            self.assertIn("append_hostname is false", self.refused(
                naming=name, append_hostname=False))

    def test_publishers_that_do_not_report_are_refused(self):
        self.assertIn("self_metrics_interval is 0", self.refused(
            layout.of_publishers, self_metrics_interval=0.0))
