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


import copy
import json
import pathlib
import re
import unittest

from oslotest import base
import yaml

from ceilometer_graphite import definitions
from ceilometer_graphite import stats
from ceilometer_graphite.dashboards import description
from ceilometer_graphite.dashboards import grafana
from ceilometer_graphite.dashboards import graphite_web
from ceilometer_graphite.dashboards import layout
from tests.unit.dashboards import test_layout

try:
    from tests.unit.dashboards import schema
except ImportError:  # Grafana's SDK needs Python 3.11
    schema = None

ROOT = pathlib.Path(__file__).parent.parent.parent.parent
PAGES = description.load()
REPORTED = (
    stats.LINES_SENT, stats.LINES_REPLAYED, stats.FAILURES,
    stats.DROPPED + "*", stats.SKIPPED + "*", "buffer_bytes",
    "buffer_lines", "spool_bytes", "connected", "lag_seconds",
    "sample_age_seconds", "forward_dropped.*")
SHORT = ',"_([0-9a-f]{8})-[0-9a-f-]{27}$"," \\1")'


def made(module, chosen=None, **changed):
    """Return {name: document} of all dashboards."""
    settings = test_layout.settings(**changed)
    return {page.name: module.dashboard(
        page, (layout.of_publishers if page.of_publishers
               else layout.of_machines)(settings),
        chosen or {}, settings, 90, layout.of_publishers(settings))
        for page in PAGES}


def saved(document):
    """Return a dashboard as it is after the import dialog."""
    return {key: value for key, value in document.items()
            if not key.startswith("__")}


def meters(page):
    return {meter for panel in page.panels for target in panel.targets
            if target.of_publishers in (False, page.of_publishers)
            for meter in (*([target.of] if isinstance(target.of, str)
                            else target.of), target.times, target.over)
            if meter}


class DescriptionTest(base.BaseTestCase):

    def test_each_panel_has_a_title_of_its_own(self):
        for page in PAGES:
            titles = [panel.title for panel in page.panels]
            self.assertEqual(len(titles), len(set(titles)), page.name)
            self.assertNotIn("", titles)

    def test_each_panel_has_a_known_unit(self):
        units = {panel.unit for page in PAGES for panel in page.panels}
        self.assertEqual(units, set(grafana.UNITS))
        self.assertEqual(units, set(graphite_web.UNITS))

    def test_the_example_polls_what_is_shown_of_instances(self):
        source, = yaml.safe_load(
            (ROOT / "etc" / "polling.yaml").read_text())["sources"]
        packaged = definitions.load()
        published = {*source["meters"], *(
            gauge.name for meter in source["meters"]
            for gauge in packaged.gauges(meter)), *(
            packaged.rate(meter, "").name for meter in source["meters"])}
        for page in PAGES:
            if not page.of_publishers:
                self.assertEqual(set(), meters(page) - published)

    def test_everything_that_publishers_report_is_shown(self):
        page, = (page for page in PAGES if page.of_publishers)
        self.assertEqual(set(REPORTED), meters(page))


class QueryTest(base.BaseTestCase):

    def query(self, page, title, **changed):
        texts = [target["target"]
                 for panel in made(grafana, **changed)[page]["panels"]
                 if panel["title"] == title for target in panel["targets"]]
        return texts[0] if len(texts) == 1 else texts

    def busiest(self, **changed):
        return self.query("hypervisor", "CPU usage, the 10 busiest",
                          **changed)[0]

    def test_lines_are_named_by_the_instance(self):
        self.assertEqual(
            "aliasSub(highestAverage(groupByNodes(keepLastValue("
            'ceilometer.$hypervisor.*.*.cpu_util,1),"sum",3),10)' + SHORT,
            self.busiest())

    def test_a_longer_prefix_moves_all_later_components(self):
        self.assertIn('a.b.c.$hypervisor.*.*.cpu_util,1),"sum",5)',
                      self.busiest(prefix="a.b.c"))

    def test_instances_with_the_same_name_stay_two_lines(self):
        self.assertEqual(
            "aliasSub(aliasByNode(highestAverage(groupByNodes(keepLastValue("
            'x.$hypervisor.*.*.cpu_util,1),"sum",2,3),10),1)' + SHORT,
            self.busiest(template="x.{hostname}.{project_id}."
                                  "{instance_name}.{meter}.{device}"))

    def test_the_page_of_an_instance_says_its_name(self):
        self.assertEqual(
            "aliasSub(groupByNodes(keepLastValue(ceilometer.$hypervisor."
            '$project.$instance.cpu_util,1),"sum",3)' + SHORT,
            self.query("instance", "CPU usage")[0].replace(
                "ceilometer.*", "ceilometer.$hypervisor"))

    def test_limits_are_dashed(self):
        self.assertEqual(
            'alias(color(dashed(constantLine(100)),"555555"),"all vCPUs")',
            self.query("instance", "CPU usage")[1])

    def test_the_other_instances_are_summed(self):
        written = self.query("fleet", "Memory used on each hypervisor")
        each = ("groupByNodes(scale(keepLastValue(ceilometer.$hypervisor.*.*."
                'memory.resident,1),1048576),"sum",1)')
        self.assertEqual(
            f"group(highestAverage({each},10),color(alias(maximumAbove("
            f"diffSeries(sumSeries({each}),sumSeries(highestAverage({each},"
            '10))),0.001),"others"),"bbbbbb"))', written)

    def test_the_page_of_instances_needs_no_publisher_series(self):
        settings = test_layout.settings()
        page, = (page for page in PAGES if page.name == "fleet")
        for module, panels in ((grafana, "panels"), (graphite_web, "graphs")):
            with_them, without = (len(module.dashboard(
                page, layout.of_machines(settings), {}, settings, 90,
                publishers)[panels]) for publishers in (
                    layout.of_publishers(settings), None))
            self.assertEqual(with_them, without + 1)

    def test_counters_of_publishers_are_shown_per_second(self):
        self.assertEqual(
            "highestAverage(groupByNodes(scale(ceilometer.$hypervisor."
            'graphite_publisher.*.lines_replayed,0.05),"sum",1),10)',
            self.query("publisher",
                       "Lines sent again after a broken connection",
                       self_metrics_interval=20.0))

    def test_publishers_that_report_at_different_times_are_summed(self):
        series = ("keepLastValue(ceilometer.$hypervisor.graphite_publisher.*."
                  "connected,3)")
        self.assertEqual([
            f'alias(sumSeries({series}),"connected")',
            f"alias(color(dashed(sumSeries(offset(scale({series},0),1))),"
            '"555555"),"all")'],
            self.query("publisher", "Publishers that are connected"))

    def test_a_missing_series_is_shown_as_0(self):
        self.assertEqual(
            "fallbackSeries(highestAverage(groupByNodes(ceilometer."
            '$hypervisor.graphite_publisher.*.lines_dropped.*,"sum",1,-1),10),'
            "alias(scale(sumSeries(ceilometer.$hypervisor."
            'graphite_publisher.*.lines_sent),0),"none was ever lost"))',
            self.query("publisher", "Lines lost, by reason"))

    def test_cpus_in_use_are_computed_per_instance(self):
        self.assertEqual(
            'alias(sumSeries(scale(groupByNodes(keepLastValue(group('
            "ceilometer.*.$project.*.cpu_util,"
            'ceilometer.*.$project.*.cpu_count),1),"multiply",1,3),0.01)),'
            '"used")',
            self.query("project", "vCPUs, allocated and used")[0])


class GrafanaTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.dashboards = made(grafana)

    def variables(self, name, **kwargs):
        return {each["name"]: each for each in made(grafana, **kwargs)[name][
            "templating"]["list"]}

    @unittest.skipUnless(schema, "needs Grafana's Foundation SDK")
    def test_all_dashboards_fit_grafanas_schema(self):
        for changed in ({}, {"naming": "tags"}):
            for name, document in made(
                    grafana, {"hypervisor": "h"}, **changed).items():
                self.assertEqual([], schema.problems(saved(document)), name)

    @unittest.skipUnless(schema, "needs Grafana's Foundation SDK")
    def test_grafanas_schema_refuses_a_wrong_dashboard(self):
        wrong = saved(copy.deepcopy(self.dashboards["hypervisor"]))
        wrong["graphTooltip"] = "1"
        wrong["templating"]["list"][0]["type"] = "quarry"
        wrong["panels"][0]["titel"] = "Instances"
        wrong["panels"][1]["fieldConfig"]["defaults"]["custom"][
            "stacking"]["mode"] = "upwards"
        found = schema.problems(wrong)
        self.assertEqual(4, len(found), found)

    @unittest.skipUnless(schema, "needs Grafana's Foundation SDK")
    def test_grafana_knows_all_units(self):
        self.assertEqual({"suffix: lines/s"},
                         set(grafana.UNITS.values()) - schema.UNITS)

    def test_all_queries_use_the_selected_data_source(self):
        for name, document in self.dashboards.items():
            self.assertEqual([("DS_GRAPHITE", "datasource", "graphite")], [
                (each["name"], each["type"], each["pluginId"])
                for each in document["__inputs"]], name)
            self.assertEqual(
                {"${DS_GRAPHITE}"},
                set(re.findall(r'"uid": "(\$.*?)"', json.dumps(document))))

    def test_all_used_variables_exist(self):
        for name, document in self.dashboards.items():
            used = set(re.findall(r"\$\{?([a-z_]+)", json.dumps(
                document["panels"])))
            self.assertEqual(set(), used - set(self.variables(name)), name)

    def test_all_projects_can_be_selected_at_once_but_not_all_instances(self):
        found = self.variables("instance")
        self.assertEqual([True, True, False], [
            found[name]["includeAll"]
            for name in ("hypervisor", "project", "instance")])
        self.assertEqual(["*", ".*"], [
            self.variables("instance", naming=name)["project"]["allValue"]
            for name in ("path", "tags")])

    def test_the_selected_values_are_shown_at_first(self):
        self.assertEqual({"text": "h", "value": "h"}, self.variables(
            "hypervisor", chosen={"hypervisor": "h"})["hypervisor"][
                "current"])

    def test_panels_do_not_overlap_and_fit_the_page(self):
        for document in self.dashboards.values():
            taken = [(x, y) for panel in document["panels"]
                     for position in [panel["gridPos"]]
                     for x in range(position["x"],
                                    position["x"] + position["w"])
                     for y in range(position["y"],
                                    position["y"] + position["h"])]
            self.assertEqual(len(taken), len(set(taken)))
            self.assertLess(max(taken)[0], 24)

    def test_four_graphs_are_seen_at_first_on_a_screen_of_768(self):
        # A browser takes 143 pixels of that, Grafana 80 and the choices 56.
        for name, document in self.dashboards.items():
            for panel in document["panels"][:4]:
                self.assertEqual("timeseries", panel["type"], name)
                position = panel["gridPos"]
                # Of Grafana's grid, with its margins.
                ends_at = (position["y"] + position["h"]) * (30 + 8)
                self.assertLessEqual(ends_at, 768 - 143 - 80 - 56, name)

    def test_a_legend_of_the_ten_largest_has_names_alone(self):
        calculated = {panel["title"]: panel["options"]["legend"]["calcs"]
                      for panel in self.dashboards["hypervisor"]["panels"]
                      if panel["type"] == "timeseries"}
        self.assertEqual([], calculated["Memory used in the guests"])
        self.assertEqual(["max", "lastNotNull"],
                         calculated["vCPUs, allocated and used"])

    def test_limits_and_others_have_colors_of_their_own(self):
        colors = {
            override["matcher"]["options"]:
            override["properties"][0]["value"]["fixedColor"]
            for panel in self.dashboards["hypervisor"]["panels"]
            for override in panel["fieldConfig"]["overrides"]}
        self.assertEqual("#bbbbbb", colors["others"])
        self.assertEqual("#555555", colors["all vCPUs"])


class GraphiteWebTest(base.BaseTestCase):

    def graph(self, page, title):
        """The parameters of a graph, whose title begins so."""
        graph, = (graph for _, graph, _ in made(graphite_web)[page]["graphs"]
                  if graph["title"].startswith(title))
        return graph

    def test_an_invisible_line_leaves_room_above_lines(self):
        *targets, room = self.graph("hypervisor", "vCPUs")["target"]
        self.assertEqual('alias(alpha(scale(maxSeries(%s),1.05),0.001),"")'
                         % ",".join(targets), room)

    def test_an_invisible_area_leaves_room_above_areas(self):
        graph = self.graph("hypervisor", "Memory used in the guests")
        self.assertEqual("stacked", graph["areaMode"])
        self.assertEqual(
            'alias(alpha(scale(sumSeries(sumSeries(scale(keepLastValue('
            "ceilometer.__VALUE__.*.*.memory.usage,1),1048576))),0.05),"
            '0.001),"")', graph["target"][-1])

    def test_each_page_fills_rows_of_three_graphs_and_of_four(self):
        for name, document in made(graphite_web).items():
            self.assertEqual(12, len(document["graphs"]), name)

    def test_the_ten_largest_and_a_limit_have_colors_of_their_own(self):
        colors = made(graphite_web)["fleet"]["defaultGraphParams"][
            "colorList"].split(",")
        self.assertEqual(20, len(set(colors)))
        self.assertFalse({description.LIMIT, description.OTHERS}
                         & set(colors))

    def test_all_targets_but_constants_contain_the_template(self):
        for name in ("hypervisor", "instance", "project"):
            for _, graph, _ in made(graphite_web)[name]["graphs"]:
                self.assertNotIn("__VALUE__", graph["title"])
                for target in graph["target"]:
                    if "constantLine" not in target:
                        self.assertIn("__VALUE__", target)

    def test_a_dashboard_of_one_hypervisor_is_not_a_template(self):
        document = made(graphite_web, {"hypervisor": "h"})["hypervisor"]
        self.assertEqual("ceilometer-hypervisor-h", document["name"])
        self.assertNotIn("__VALUE__", json.dumps(document))
        self.assertIn("ceilometer.h.*", json.dumps(document))

    def test_the_dashboard_of_publishers_is_not_a_template(self):
        document = made(graphite_web)["publisher"]
        self.assertEqual("ceilometer-publisher", document["name"])
        self.assertNotIn("__VALUE__", json.dumps(document))

    def test_it_shows_the_requested_minutes(self):
        document = made(graphite_web)["hypervisor"]
        self.assertEqual("-90minutes",
                         document["defaultGraphParams"]["from"])
        self.assertEqual("90", document["timeConfig"][
            "relativeStartQuantity"])
