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


import contextlib
import io

import fixtures
import yaml

from ceilometer_graphite.cli import dashboards
from ceilometer_graphite.cli import main
from tests.unit.cli import commands

NAMES = ["alerts.yaml", "fleet.json", "hypervisor.json", "instance.json",
         "project.json", "publisher.json"]


class DashboardsTest(commands.CommandTestCase):
    """``ceilometer-graphite dashboards``."""

    def setUp(self):
        super().setUp()
        self.output = self.directory / "new" / "folder"

    def write_them(self, *arguments):
        """Have them written; return how that ended."""
        return self.run_command("dashboards", "--output", str(self.output),
                                *arguments)

    def there(self):
        return sorted(path.name for path in self.output.iterdir())

    def text(self, name="hypervisor"):
        return (self.output / (name + ".json")).read_text()

    def test_all_are_written_to_a_folder_that_is_made(self):
        ended = self.write_them()
        self.assertEqual((0, ""), (ended.status, ended.err))
        self.assertEqual(NAMES, self.there())
        for name in NAMES:
            self.assertIn(str(self.output / name), ended.out)
            yaml.safe_load((self.output / name).read_text())

    def test_the_command_line_offers_what_they_can_be_written_for(self):
        self.assertEqual(
            set(main.FORMATS), dashboards.FORMATS.keys())

    def test_without_a_folder_they_are_only_listed(self):
        ended = self.run_command("dashboards")
        self.assertEqual((0, ""), (ended.status, ended.err))
        for name in NAMES:
            self.assertIn(name, ended.out)
        self.assertFalse(self.output.exists())

    def test_what_is_there_is_kept_and_nothing_is_written_beside_it(self):
        self.output.mkdir(parents=True)
        (self.output / "project.json").write_text("mine")
        self.assert_fails(self.write_them(), "there is already",
                          "project.json")
        self.assertEqual(["project.json"], self.there())
        self.assertEqual("mine", self.text("project"))

    def test_what_is_there_is_replaced_when_forced(self):
        self.output.mkdir(parents=True)
        (self.output / "project.json").write_text("mine")
        self.assertEqual(0, self.write_them("--force").status)
        self.assertEqual(NAMES, self.there())
        self.assertNotEqual("mine", self.text("project"))

    def test_a_folder_that_cannot_be_made_is_told(self):
        self.output.parent.write_text("a file")
        self.assert_fails(self.write_them(), "cannot be written")

    def test_they_are_for_the_names_that_the_agent_gives(self):
        self.configure(commands.PIPELINE % (commands.URL + "?prefix=of.url"),
                       prefix="of.conf", template="{prefix}.{host}."
                       "{project_id}.{instance_id}.{meter}.{device}")
        self.write_them()
        self.assertIn("(of.url.$hypervisor.*.*.cpu_util,1)", self.text())

    def test_prefix_and_template_can_be_given(self):
        self.configure(naming="tags")
        self.write_them("--prefix", "a.b", "--template", "{prefix}.{device}"
                        ".{project_id}.{host}.{instance_id}.{meter}")
        self.assertIn("(a.b.*.$hypervisor.*.cpu_util,1)", self.text())

    def test_tagged_series_have_dashboards_too(self):
        self.configure(naming="tags")
        self.assertEqual(0, self.write_them().status)
        self.assertIn("'host=~^$hypervisor$'", self.text())

    def test_a_template_is_refused_with_what_it_lacks(self):
        self.assert_fails(
            self.write_them("--template", "{prefix}.{host}.{meter}.{device}"),
            "{project_id} or {project_name}, {instance} or ")
        self.assertFalse(self.output.exists())

    def test_an_unusable_template_or_prefix_is_refused(self):
        self.assert_fails(self.write_them("--template", "{meter}.{nme}"),
                          "--template has to be of", "{nme}")
        self.assert_fails(self.write_them("--prefix", "a b"),
                          "--prefix has to be of")

    def test_a_choice_that_no_path_can_have_is_refused(self):
        for option, text in (("--hypervisor", "compute-1.example.org"),
                             ("--instance", "web*"), ("--project", "a b")):
            self.assert_fails(self.write_them(option, text),
                              option + " has to be one component", repr(text))
        self.assertFalse(self.output.exists())

    def test_a_tag_can_be_of_more_than_a_component(self):
        self.configure(naming="tags")
        self.assertEqual(0, self.write_them(
            "--hypervisor", "compute-1.example.org").status)

    def test_series_of_counters_alone_are_refused(self):
        self.configure(counters="raw")
        self.assert_fails(self.write_them(), "counters = raw")

    def test_publishers_that_do_not_report_are_left_out(self):
        self.configure(self_metrics_interval=0)
        ended = self.write_them()
        self.assertEqual(0, ended.status)
        self.assertIn("publisher is left out: self_metrics_interval is 0",
                      ended.err)
        self.assertEqual(NAMES[:5], self.there())

    def test_publishers_that_do_not_report_have_no_alerts(self):
        self.configure(self_metrics_interval=0)
        self.write_them()
        written = (self.output / "alerts.yaml").read_text()
        self.assertIn("ceilometer-cpu-at-limit", written)
        self.assertNotIn("ceilometer-lag", written)

    def test_graphite_web_has_no_file_of_alerts(self):
        self.write_them("--format", "graphite")
        self.assertEqual(NAMES[1:], self.there())

    def test_a_broken_configuration_that_was_named_is_an_error(self):
        self.write("pipeline.yaml", "sources: [")
        self.assert_fails(self.write_them(), "pipeline.yaml")

    def test_a_pipeline_that_is_not_there_is_told_and_done_without(self):
        # Where oslo.config looks first.
        folder = self.directory / ".ceilometer"
        folder.mkdir()
        (folder / "ceilometer.conf").write_text(
            "[DEFAULT]\npipeline_cfg_file = nowhere.yaml\n"
            "[graphite]\nprefix = mine\n")
        self.useFixture(fixtures.EnvironmentVariable(
            "HOME", str(self.directory)))
        err = io.StringIO()
        with (contextlib.redirect_stderr(err),
              contextlib.redirect_stdout(io.StringIO())):
            self.assertEqual(0, main.main(
                ["dashboards", "--output", str(self.output)]))
        self.assertIn("nowhere.yaml", err.getvalue())
        self.assertIn("using [graphite] of ceilometer.conf",
                      err.getvalue())
        self.assertIn("(mine.$hypervisor", self.text())

    def test_graphite_web_gets_a_template_and_how_to_save_it(self):
        ended = self.write_them("--format", "graphite")
        self.assertIn(
            "curl --data-urlencode state@%s/hypervisor.json "
            "http://GRAPHITE/dashboard/save_template/ceilometer-hypervisor/"
            "__VALUE__" % self.output, ended.out)
        self.assertIn("http://GRAPHITE/dashboard#ceilometer-hypervisor/"
                      "HYPERVISOR", ended.out)
        self.assertIn("ceilometer.__VALUE__.*", self.text())

    def test_graphite_web_gets_a_dashboard_of_what_is_chosen(self):
        ended = self.write_them("--format", "graphite", "--hypervisor", "h")
        self.assertIn("/dashboard/save/ceilometer-hypervisor-h\n", ended.out)
        self.assertIn("ceilometer.h.*", self.text())

    def test_minutes_have_to_be_a_number_above_0(self):
        self.assert_fails(self.write_them("--minutes", "0"), "--minutes")
        self.assertEqual(0, self.write_them("--minutes", "5").status)
        self.assertIn('"now-5m"', self.text())
