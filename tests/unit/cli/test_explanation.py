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


import argparse
import hashlib
import json

from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import pipelines
from ceilometer_graphite.cli import preview
from ceilometer_graphite.cli import sampling
from tests.unit import base
from tests.unit.cli import commands

RECORDING = str(base.FIXTURES / "polling-27.0.0.json")
HOST = "compute-1.example.org"


class ExplainTest(commands.CommandTestCase):

    def explain(self, meter, *samples, **options):
        """What is explained of samples, or of the recording without any."""
        if options:
            self.configure(**options)
        path = RECORDING
        if samples:
            path = self.write("samples", "\n".join(map(json.dumps, samples)))
        ended = self.run_command("preview", "--json", "--explain", meter,
                                 path)
        self.assertEqual(0, ended.status, ended.err)
        publisher, = json.loads(ended.out)
        return publisher["meters"]

    def fields(self, meter, *samples, **options):
        """(component, note) of each field of the one series there is."""
        series, = self.explain(meter, *samples, **options)[0]["series"]
        return {field["field"]: (field["component"], field["note"])
                for field in series["fields"]}

    def lines(self):
        return self.run_command("preview", RECORDING).out.splitlines()


class PathTest(ExplainTest):

    def check_paths(self, **options):
        """Each series is explained by a line that is sent, and composed."""
        self.configure(**options)
        conf = common.load_conf(argparse.Namespace(
            config_file=[str(self.directory / "ceilometer.conf")],
            config_dir=[], debug=False))
        (sent,), _ = pipelines.Pipelines(conf).send(
            sampling.read(RECORDING, conf))
        lines = {line.rstrip("\n") for line in sent.lines}
        for meter in {sample.name for sample in sent.samples}:
            found, = [each for each in preview.explain(sent, meter)
                      if each["meter"] == meter]
            for series in found["series"]:
                self.assertEqual(self.composed(series), series["path"])
                if series["no_line"] != "the meter memory is polled itself":
                    self.assertIn(series["line"], lines)

    def composed(self, series):
        written = {field["field"]: field["component"]
                   for field in series["fields"]
                   if field["component"] is not None}
        if series["template"] != "tags":
            return ".".join(written.values())
        return ".".join([written.pop("prefix"), written.pop("meter")]) + (
            "".join(";%s=%s" % item for item in written.items()))

    def test_by_the_default_template(self):
        self.check_paths()

    def test_by_another_template(self):
        self.check_paths(
            template="vm.{flavor}_{instance_name}.{host}.{meter}.{unit}"
                     ".{metadata.image.id}.{resource_id}", counters="both")

    def test_with_components_that_the_options_leave_out(self):
        self.check_paths(prefix="", append_hostname="false")

    def test_by_tags(self):
        self.check_paths(naming="tags", counters="raw")

    def test_all_series_of_a_meter_have_their_own_line(self):
        meter, = self.explain("cpu")
        lines = set(self.lines())
        found = {series["name"]: series["line"]
                 for series in meter["series"]}
        self.assertEqual({"cpu_util", "memory", "cpu_count", "disk_space"},
                         found.keys())
        for name in ("cpu_util", "cpu_count", "disk_space"):
            self.assertIn(found[name], lines)


class FieldsTest(ExplainTest):

    def sample(self, name="power.state", type="gauge", **fields):
        return {"name": name, "type": type, "unit": "", "volume": 1,
                "user_id": "u", "project_id": "p", "resource_id": "i",
                "timestamp": "2026-11-22T07:58:40.330078", "id": "m",
                "source": "openstack", "resource_metadata": {}, **fields}

    def test_a_field_is_shown_as_it_was_and_as_it_became(self):
        sample = self.sample(resource_metadata={"instance_host": HOST})
        series, = self.explain("power.state", sample)[0]["series"]
        self.assertEqual(
            [("{prefix}", {}, "ceilometer", "of the option prefix"),
             ("{hostname}", {"host": HOST}, "compute-1",
              "up to the first dot"),
             ("{project_id}", {"project_id": "p"}, "p", ""),
             ("{instance}", {"instance_id": "i", "name": None}, "i", ""),
             ("{meter}", {"meter": "power.state"}, "power.state", ""),
             ("{device}", {"device": None}, None,
              "left out, there is none")],
            [(field["field"], field["values"], field["component"],
              field["note"]) for field in series["fields"]])

    def test_characters_that_were_replaced_are_named(self):
        fields = self.fields("power.state", self.sample(
            resource_metadata={"disk_name": "a/b c"}))
        digest = hashlib.blake2b(b"a/b c", digest_size=8).hexdigest()
        self.assertEqual(
            ("a_b_c_" + digest,
             "' ' '/' became _, made unique by a hash of the whole"),
            fields["{device}"])

    def test_a_hash_that_was_added_is_told(self):
        digest = hashlib.blake2b(b"a/b", digest_size=8).hexdigest()
        fields = self.fields("power.state", self.sample(project_id="a/b"))
        self.assertEqual(
            ("a_b_" + digest,
             "'/' became _, made unique by a hash of the whole"),
            fields["{project_id}"])

    def test_a_text_that_was_cut_is_told(self):
        component, note = self.fields("power.state", self.sample(
            project_id="p" * 201))["{project_id}"]
        self.assertEqual(200, len(component))
        self.assertEqual("cut, made unique by a hash of the whole", note)

    def test_a_name_with_a_hash_of_its_own_is_not_called_hashed(self):
        name = "x_0123456789abcdef"
        fields = self.fields("power.state", self.sample(
            resource_metadata={"display_name": name}),
            template="{instance_name}.{meter}")
        self.assertEqual((name, ""), fields["{instance_name}"])

    def test_an_absent_value_is_told(self):
        fields = self.fields("power.state", self.sample(project_id=None))
        self.assertEqual(("none", "there is none"), fields["{project_id}"])

    def test_an_absent_value_is_told_with_what_would_bring_it(self):
        fields = self.fields(
            "power.state", self.sample(),
            template="{meter}.{project_name}.{metadata.x}."
                     "{metadata.user_metadata.y}")
        for field, why in (
                ("{project_name}", "there is none unless [polling] "
                 "identity_name_discovery is true"),
                ("{metadata.x}",
                 "there is none in the metadata of this sample")):
            self.assertEqual(("none", why), fields[field])
        _, why = fields["{metadata.user_metadata.y}"]
        self.assertIn("[compute] fetch_extra_metadata is true", why)

    def test_what_the_options_leave_out_is_told(self):
        fields = self.fields("power.state", self.sample(), prefix="",
                             append_hostname="false")
        for name in ("{prefix}", "{hostname}"):
            self.assertEqual((None, "left out, as the options say"),
                             fields[name])

    def test_a_host_that_is_not_in_the_sample_is_the_agents(self):
        series, = self.explain("power.state", self.sample())[0]["series"]
        self.assertEqual({"host": HOST}, series["fields"][1]["values"])

    def test_tags_are_shown_by_their_names(self):
        fields = self.fields("power.state", self.sample(), naming="tags")
        self.assertEqual(
            {"prefix": "ceilometer", "meter": "power.state",
             "host": "compute-1", "project": "p", "instance": "i",
             "instance_name": None, "device": None},
            {name: component for name, (component, _) in fields.items()})


class DefinitionTest(ExplainTest):

    def series(self, meter, name, *samples, **options):
        return next(
            series for found in self.explain(meter, *samples, **options)
            for series in found["series"] if series["name"] == name)

    def test_the_definition_of_a_rate_is_shown(self):
        series = self.series("cpu_util", "cpu_util")
        self.assertEqual("rate", series["what"])
        self.assertEqual(
            {"file": "the packaged definitions.yaml", "entry": {
                "meter": "cpu", "name": "cpu_util", "unit": "%",
                "scale": 1e-7, "per": ["cpu_number", "vcpus"],
                "max": 100}},
            series["definition"])

    def test_the_definition_of_a_gauge_is_shown_with_its_file(self):
        path = self.write("definitions.yaml", """
gauges:
  - {meter: power.state, name: disks, metadata: disk_gb}
""")
        series = self.series("disks", "disks", definitions_file=path)
        self.assertEqual(
            ("gauge", path, {"meter": "power.state", "name": "disks",
                             "metadata": "disk_gb"}),
            (series["what"], series["definition"]["file"],
             series["definition"]["entry"]))

    def test_a_gauge_that_is_polled_itself_has_no_line(self):
        meters = self.explain("memory")
        self.assertEqual({"memory", "cpu"},
                         {meter["meter"] for meter in meters})
        for meter in meters:
            series, = meter["series"]
            self.assertEqual(meter["meter"] == "memory",
                             bool(series["line"]))
            if meter["meter"] == "cpu":
                self.assertEqual("the meter memory is polled itself",
                                 series["no_line"])

    def test_a_first_sample_has_no_rate_and_says_why(self):
        first = base.recorded("polling-27.0.0.json")[:30]
        sample = next(sample for entry in first
                      for sample in entry["message"]["payload"]["samples"]
                      if sample["counter_name"] == "cpu")
        series = self.series("cpu", "cpu_util", sample)
        self.assertIsNone(series["line"])
        self.assertIn("an earlier sample", series["no_line"])

    def test_a_sample_that_is_skipped_says_why(self):
        sample = FieldsTest.sample(self, volume=float("inf"))
        series = self.series("power.state", "power.state", sample)
        self.assertIsNone(series["line"])
        self.assertIn("not finite", series["no_line"])

    def test_a_counter_that_becomes_nothing_is_told(self):
        path = self.write("definitions.yaml", "rates: []")
        self.configure(definitions_file=path)
        ended = self.run_command("preview", "--explain", "cpu", RECORDING)
        self.assertEqual(0, ended.status)
        self.assertIn("nothing is sent, because no entry", ended.out)


class MeaningTest(ExplainTest):

    def test_a_fault_has_a_meaning(self):
        self.assertIn("its conversion failed", pipelines.meaning(
            pipelines.conversion.Problem(None, None, ValueError("x"))))
