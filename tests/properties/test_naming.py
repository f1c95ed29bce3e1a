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

import re
import string

from carbon import util
import hypothesis
from hypothesis import strategies as st
from oslotest import base

from ceilometer_graphite import naming
from ceilometer_graphite import sanitize
from ceilometer_graphite import wire
from tests.unit import base as unit_base
from tests.unit import test_naming

COMPONENT = test_naming.COMPONENT
path_namer = test_naming.path_namer
tag_namer = test_naming.tag_namer
SAFE = string.ascii_letters + string.digits + "_-"
HOSTILE_TEXTS = st.one_of(
    st.sampled_from([
        "", "..", ".", "/", "../../etc/passwd", "a/b", ".hidden", "a..b",
        "a b", " ", "\0", "a\nb 1 2\n", "\r\n", "\x0b", "\x85", "\u2028",
        "a;host=evil", "~", "none", "None", "*", "[a-z]", "{a,b}", "é" * 9,
        "\ud800", "x" * 200, "x" * 201, "x" * 10000, "\n" * 10000,
        "a." * 5000, "x_0123456789abcdef"]),
    st.text(max_size=30),
    st.text(alphabet=st.characters(), max_size=30),
    st.text(alphabet=" \t\n./;=~\\a\x00", max_size=30))
HOSTILE = st.one_of(
    HOSTILE_TEXTS, st.none(), st.booleans(), st.integers(), st.floats(),
    st.lists(st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), HOSTILE_TEXTS, max_size=3))
METADATA = st.one_of(
    HOSTILE,
    st.fixed_dictionaries({}, optional=dict.fromkeys(
        ("instance_host", "host", "instance_id", "disk_name", "vnic_name",
         "display_name", "instance_type", "image", "image.id"), HOSTILE)))
FIELDS = ["prefix", "hostname", "host", "project_id", "project_name",
          "user_id", "instance", "instance_id", "instance_name",
          "resource_id", "flavor", "device", "meter", "unit",
          "metadata.image", "metadata.image.id"]
FIELD = st.sampled_from(FIELDS).map("{{{}}}".format)
LITERAL = st.text(SAFE, min_size=1, max_size=3)
# Fields alone, several in one component, and other fields between them.
TEMPLATE_PARTS = st.tuples(
    st.lists(st.one_of(FIELD, FIELD, LITERAL, st.lists(
        st.one_of(FIELD, LITERAL, st.just("{meter}"), st.just("{unit}")),
        min_size=2, max_size=3).map("".join)), max_size=6),
    st.integers(0, 6)).map(lambda drawn: [
        *drawn[0][:drawn[1]], "{meter}", *drawn[0][drawn[1]:]])


def modelled_name(parts, sample, meter, unit, prefix, append_hostname):
    """Compute a path from the documentation, component by component."""
    md = sample.resource_metadata
    md = md if isinstance(md, dict) else {}
    host = md.get("instance_host") or getattr(sample, "polling_host", None)
    device = md.get("disk_name") or md.get("vnic_name")
    instance_id = md.get("instance_id")
    if not instance_id or not device and (
            str(instance_id) not in sanitize.text(sample.resource_id)):
        instance_id = sample.resource_id
    texts = {
        "prefix": prefix or None,
        "hostname": sanitize.short_host(sanitize.text(host))
        if append_hostname else None,
        "device": sanitize.identity(device) if device else None,
        "instance": sanitize.instance(
            md.get("display_name")
            if instance_id == md.get("instance_id") else None, instance_id),
        "meter": sanitize.meter_path(meter)}
    image = md.get("image")
    image_id = md.get("image.id", image.get("id")
                      if isinstance(image, dict) else None)
    for name, value in (
            ("host", host), ("project_name", sample.project_name),
            ("instance_name", md.get("display_name")),
            ("flavor", md.get("instance_type")), ("unit", unit),
            ("metadata.image", image), ("metadata.image.id", image_id)):
        is_scalar = (not name.startswith("metadata")
                     or not isinstance(value, (dict, list)))
        texts[name] = sanitize.component(value if is_scalar else None)
    for name, value in (
            ("project_id", sample.project_id), ("user_id", sample.user_id),
            ("instance_id", instance_id),
            ("resource_id", sample.resource_id)):
        texts[name] = sanitize.identity(value)
    return ".".join(filter(None, (
        modelled_component(part, texts) for part in parts)))


def modelled_component(part, texts):
    pieces = [piece for literal, field, *_ in string.Formatter().parse(part)
              for piece in (literal, field and (texts[field],)) if piece]
    written = [sanitize.component(piece) if isinstance(piece, str)
               else piece[0] for piece in pieces]
    if len(written) == 1:
        return written[0]
    text = "".join(one or "none" for one in written)
    return text if len(text) <= 200 else sanitize.hashed(text, text)


@st.composite
def hostile_samples(draw):
    made = unit_base.make_sample()
    for field in ("name", "unit", "user_id", "project_id", "resource_id",
                  "project_name", naming.POLLING_HOST):
        setattr(made, field, draw(HOSTILE))
    made.resource_metadata = draw(METADATA)
    return made


class HostileInputTest(base.BaseTestCase):

    @hypothesis.given(hostile_samples())
    def test_any_sample_has_a_path_under_the_template(self, sample):
        name = path_namer().name(sample, sample.name, sample.unit)
        self.assertRegex(
            name, r"\Aceilometer(\.%s){4,}\Z" % COMPONENT)

    @hypothesis.given(hostile_samples())
    def test_no_field_but_the_meter_adds_a_component(self, sample):
        fields = ["hostname", "host", "project_id", "project_name",
                  "user_id", "instance_id", "instance_name", "resource_id",
                  "flavor", "unit", "metadata.image.id", "metadata.image",
                  "metadata.host"]
        template = "a.{meter}.%s" % ".".join("{%s}" % f for f in fields)
        name = path_namer(template).name(sample, "cpu", sample.unit)
        self.assertRegex(name, r"\Aa\.cpu(\.%s){%d}\Z"
                         % (COMPONENT, len(fields)))

    @hypothesis.given(hostile_samples())
    def test_a_component_of_several_fields_stays_one(self, sample):
        template = "a.{instance_name}-x{device}{project_id}_{unit}.{meter}"
        name = path_namer(template).name(sample, "cpu", sample.unit)
        self.assertRegex(name, r"\Aa\.%s\.cpu\Z" % COMPONENT)

    @hypothesis.given(hostile_samples())
    def test_the_host_of_the_agent_may_be_hostile_too(self, sample):
        sample.resource_metadata = {}
        namer = path_namer("{host}.{hostname}.{meter}")
        self.assertRegex(namer.name(sample, "cpu", ""),
                         r"\A%s\.%s\.cpu\Z" % (COMPONENT, COMPONENT))

    @hypothesis.given(hostile_samples())
    def test_a_tagged_name_is_what_graphite_parses_it_to(self, sample):
        name = tag_namer().name(sample, sample.name, sample.unit)
        series = util.TaggedSeries.parse(name)
        self.assertRegex(series.metric, r"\Aceilometer(\.%s)+\Z" % COMPONENT)
        self.assertLessEqual({"host", "project", "instance"},
                             series.tags.keys())
        self.assertLessEqual(series.tags.keys(), {
            "name", "host", "project", "instance", "instance_name",
            "device"})
        for tag in series.tags.keys() - {"name"}:
            self.assertRegex(series.tags[tag], r"\A%s\Z" % COMPONENT)

    @hypothesis.given(hostile_samples(), st.booleans())
    def test_a_name_is_one_word_of_one_line(self, sample, tags):
        namer = tag_namer() if tags else path_namer()
        name = namer.name(sample, sample.name, sample.unit)
        line = wire.line(name, 1, 2).encode("ascii")
        self.assertEqual([name.encode("ascii"), b"1", b"2"], line.split())
        self.assertEqual(1, len(line.decode().splitlines()))


class NamesTest(base.BaseTestCase):

    @hypothesis.given(TEMPLATE_PARTS,
                      st.lists(hostile_samples(), min_size=1, max_size=3),
                      st.sampled_from(["", "a.b"]), st.booleans())
    def test_any_template_names_any_sample_as_the_design_says(
            self, parts, samples, prefix, append_hostname):
        try:
            namer = path_namer(".".join(parts), prefix, append_hostname)
        except naming.TemplateError:
            absent = {"{prefix}": prefix, "{hostname}": append_hostname}
            first, *_ = [part for part in parts if absent.get(part, True)]
            self.assertEqual("{device}", first)
            return
        for sample in samples:
            expected = [modelled_name(parts, each, sample.name, sample.unit,
                                      prefix, append_hostname)
                        for each in samples]
            self.assertEqual(expected, list(self.names(
                namer, samples, sample.name, sample.unit)))
            self.assertEqual(expected, [
                namer.name(each, sample.name, sample.unit)
                for each in samples])

    @hypothesis.given(st.lists(hostile_samples(), min_size=1, max_size=4),
                      st.booleans())
    def test_tags_of_many_samples_are_those_of_each(self, samples, append):
        namer = tag_namer(append_hostname=append)
        self.assertEqual(
            [namer.name(sample, "cpu", "ns") for sample in samples],
            list(self.names(namer, samples)))

    def names(self, namer, samples, meter="cpu", unit="ns"):
        """Yield names, made of their parts if the namer is split."""
        for sample in samples:
            if namer.is_split:
                before, after = namer.around(namer.values(sample))
                yield before + namer.of_meter(meter, unit) + after
            else:
                yield namer.name(sample, meter, unit)


class IdentityTest(test_naming.IdentityTestCase):

    @hypothesis.given(HOSTILE_TEXTS, HOSTILE_TEXTS)
    def test_two_instances_never_share_a_name(self, one, other):
        hypothesis.assume(one != other)
        self.assert_distinct(one, other)

    @hypothesis.given(HOSTILE_TEXTS)
    def test_an_instance_named_like_the_name_of_another_differs(self, text):
        hypothesis.assume(sanitize.identity(text) != text)
        self.assert_distinct(text, sanitize.identity(text))

    @hypothesis.given(HOSTILE_TEXTS)
    def test_an_instance_named_like_another_sanitised_differs(self, text):
        safe = re.sub("[^A-Za-z0-9_-]", "_", text)
        hypothesis.assume(safe != text)
        self.assert_distinct(text, safe)

    @hypothesis.given(HOSTILE_TEXTS, HOSTILE_TEXTS, HOSTILE_TEXTS,
                      HOSTILE_TEXTS)
    def test_no_two_instances_share_a_component_whatever_their_names(
            self, one, name, other, other_name):
        hypothesis.assume(one != other)
        self.assertNotEqual(sanitize.instance(name, one),
                            sanitize.instance(other_name, other))


class TemplateTest(base.BaseTestCase):

    @hypothesis.given(st.text("{}.ab-\n metr", max_size=20))
    def test_a_template_is_refused_or_gives_a_valid_path(self, template):
        try:
            namer = path_namer("{meter}.x" + template)
        except naming.TemplateError:
            return
        self.assertRegex(namer.name(unit_base.make_sample(), "cpu", "ns"),
                         r"\Acpu(\.%s)+\Z" % COMPONENT)

    @hypothesis.given(st.text(max_size=20), st.none() | st.text(max_size=20))
    def test_no_value_leaves_its_component(self, value, device):
        for field, (source, _, _) in test_naming.WRITTEN.items():
            made = test_naming.make_fields().component("{%s}-{device}" % field)
            self.assertRegex(
                made.write({"device": device, source: value}),
                r"\A[A-Za-z0-9_%s-]{1,200}\Z" % (
                    "." if field == "meter" else ""))

    @hypothesis.given(st.lists(st.text(SAFE, min_size=1), max_size=5))
    def test_safe_components_are_a_prefix(self, parts):
        self.assertEqual(".".join(parts),
                         naming.checked_prefix(".".join(parts)))
