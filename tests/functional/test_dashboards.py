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
import json
import pathlib
import re
import tempfile
import time
import urllib.parse

from ceilometer_graphite.dashboards import description
from lab import agent
from lab import dashboards
from lab import graphite
from lab import process
from tests import host
from tests.functional import grafana
from tests.functional import truth
from tests.unit.cli import commands

ROOT = pathlib.Path(__file__).parent.parent.parent
INSTANCES = 6
# {name: (publisher's options, hypervisor's name in Graphite)}. The last
# one has a prefix of two components, the meter in the middle, and both names
# and ids.
NAMINGS = {
    "default": ({}, "compute-1"),
    "tags": ({"prefix": "tagged", "naming": "tags"}, "compute-1"),
    "other": ({"prefix": "other.place.", "template":
               "{prefix}.{project_id}.{meter}.{device}.on-{host}."
               "{instance_name}.{instance_id}"},
              "on-compute-1_example_org"),
}
PIPELINE = """\
sources:
  - {{name: all, meters: ["*"], sinks: [all]}}
sinks:
  - {{name: all, publishers: {publishers}}}
"""
PAGES = description.load()
BY_MACHINE = {(page.name, panel.title) for page in PAGES
              for panel in page.panels for target in panel.targets
              if target.by == "instance"}
# How many instances the pages show that are about one project or instance.
ONE_OF_MANY = {"project": 2, "instance": 1}
LIMITS = {target.legend for page in PAGES for panel in page.panels
          for target in panel.targets if target.constant}


class Lab(contextlib.ExitStack):
    """A Graphite with samples of the real agent in all namings.

    :ivar machines: a sample of each instance
    """

    def __init__(self):
        super().__init__()
        self.directory = pathlib.Path(self.enter_context(
            tempfile.TemporaryDirectory()))
        self.carbon = graphite.Carbon(self.directory / "carbon", tags=True)
        self.web = self.enter_context(dashboards.DashboardWeb(
            self.directory / "web", self.carbon))

    def url(self, host="127.0.0.1", **options):
        return "graphite://%s:%d?%s" % (
            host, self.carbon.line_port, urllib.parse.urlencode(options))

    def feed(self):
        """Start the agent, and start Carbon after lines were dropped."""
        polling_agent = self._start_agent()
        polling_agent.wait_for_log("lines_dropped.buffer_full", 180)
        self.machines = list({
            sample["resource_id"]: sample for sample
            in truth.load(self.directory / "truth.jsonl")
            if sample["name"] == "cpu"}.values())
        self.enter_context(self.carbon)
        own = "graphite_publisher"
        for target, count in (
                ("ceilometer.compute-1.*.*.cpu_util", INSTANCES),
                ("other.place.*.cpu_util.*.*.*", INSTANCES),
                ("seriesByTag('name=tagged.cpu_util')", INSTANCES),
                (f"ceilometer.compute-1.{own}.*.lines_sent", 2),
                (f"other.place.compute-1.{own}.*.lines_sent", 1),
                (f"seriesByTag('name=tagged.{own}.lines_sent')", 1)):
            process.wait_for(
                lambda target=target, count=count:
                len(self.points(target)) == count, 120, target)

    def points(self, target):
        return self.web.points(target, since="-5min")

    def _start_agent(self):
        spool_dir = self.directory / "spool"
        spool_dir.mkdir()
        default, *others = (options for options, _ in NAMINGS.values())
        publishers = [
            self.url(**default, spool_dir=spool_dir),
            *(self.url(**options) for options in others),
            # Like the first one, with minimal buffer and number of counters.
            self.url("localhost", buffer_size=65536, rate_max_series=1),
            "file://%s/truth.jsonl?json" % self.directory]
        polling = re.sub(r"interval: \d+", "interval: 1",
                         (ROOT / "etc" / "polling.yaml").read_text())
        return self.enter_context(agent.Agent(
            self.directory / "agent", PIPELINE.format(publishers=publishers),
            polling, {"graphite": {"self_metrics_interval": 1}},
            agent.simulator_env(INSTANCES, start=time.time() - 300,
                                events=0)))


class DashboardsTestCase(commands.CommandTestCase):
    """Writes dashboards with the command."""

    def written(self, lab, kind, naming="default"):
        """Return {name: text} of the dashboards for a naming."""
        self.configure(commands.PIPELINE % lab.url(**NAMINGS[naming][0]),
                       self_metrics_interval=1)
        folder = self.directory / kind
        ended = self.run_command("dashboards", "--format", kind, "--force",
                                 "--output", str(folder))
        self.assertEqual((0, ""), (ended.status, ended.err))
        return {path.stem: path.read_text() for path in folder.glob("*.json")}


class QueriesTest(DashboardsTestCase):
    """Checks that each query of each dashboard has an answer."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.close)
        cls.lab.feed()

    def answers(self, queries):
        """Wait until all queries have answers; return [{line: maximum}]."""
        found = {}

        def ask():
            for query in queries:
                if not found.get(query):
                    found[query] = {
                        line: max(points.values()) for line, points
                        in self.lab.points(query).items() if points}
            return all(found.values())

        with contextlib.suppress(process.LabError):
            process.wait_for(ask, 90, "all answers")
        self.assertEqual([], [query for query in queries if not found[query]])
        return [found[query] for query in queries]

    def ask_grafana(self, naming):
        """Return what Grafana shows, and the values of its variables.

        :returns: {(dashboard, panel): {line: maximum}},
            {dashboard: {variable: values}}
        """
        keys, queries, choices, shown = [], [], {}, {}
        for name, text in self.written(self.lab, "grafana", naming).items():
            values, choices[name] = grafana.variables(
                json.loads(text), self.lab.web)
            for title, query in grafana.queries(json.loads(text), values):
                keys.append((name, title))
                queries.append(query)
        for key, lines in zip(keys, self.answers(queries), strict=True):
            shown.setdefault(key, {}).update(lines)
        return shown, choices

    def of_machines(self, key):
        return sorted({sample[key] for sample in self.lab.machines})

    def named(self, form="%(display_name)s_%(instance_id)s"):
        """Return the default template's name of each instance."""
        return sorted(form % sample["resource_metadata"]
                      for sample in self.lab.machines)

    def check_grafana(self, naming, machines, instances=None):
        """Check what Grafana shows.

        :param machines: expected names of the instances
        :param instances: expected values of the variable, their ids by
            default
        """
        shown, choices = self.ask_grafana(naming)
        projects = self.of_machines("project_id")
        host = NAMINGS[naming][1]
        self.assertEqual({
            "fleet": {"hypervisor": [host]},
            "hypervisor": {"hypervisor": [host]},
            "instance": {"hypervisor": [host], "project": projects,
                         "instance": instances
                         or self.of_machines("resource_id")},
            "project": {"project": projects},
            "publisher": {"hypervisor": ["compute-1"]}}, choices)
        self.assertEqual({"instances": INSTANCES},
                         shown["hypervisor", "Instances"])
        self.assertEqual({host: 2},
                         shown["project", "Instances on each hypervisor"])
        for page, title in BY_MACHINE:
            lines = sorted(set(shown[page, title]) - LIMITS)
            if page in ONE_OF_MANY:
                self.assertEqual(set(), set(lines) - set(machines), title)
                self.assertEqual(ONE_OF_MANY[page], len(lines), title)
            else:
                self.assertEqual(machines, lines, title)
        return shown

    def test_grafana_has_an_answer_to_each_query_of_the_default_naming(self):
        shown = self.check_grafana(
            "default", self.named("%(display_name)s %(instance_id).8s"),
            self.named())
        self.assertIn("compute-1.buffer_full",
                      shown["publisher", "Lines lost, by reason"])
        self.assertIn("compute-1.rate_table_full",
                      shown["publisher", "Samples left out, by reason"])
        self.assertEqual(["compute-1"],
                         list(shown["publisher", "Waiting on disk"]))

    def test_grafana_has_an_answer_to_each_query_of_tagged_series(self):
        shown = self.check_grafana("tags", self.of_machines("resource_id"))
        self.assertEqual(["none was ever lost"],
                         list(shown["publisher", "Lines lost, by reason"]))

    def test_grafana_has_an_answer_to_each_query_of_another_template(self):
        self.check_grafana("other", sorted(
            sample["resource_metadata"]["display_name"]
            for sample in self.lab.machines))

    def test_graphite_web_has_an_answer_to_each_query(self):
        machine = self.lab.machines[0]
        values = {"hypervisor": "compute-1", "publisher": "", "fleet": "",
                  "instance": "%(display_name)s_%(instance_id)s" % machine[
                      "resource_metadata"],
                  "project": machine["project_id"]}
        for name, text in self.written(self.lab, "graphite").items():
            address = self.lab.web.save_dashboard(text) + values[name]
            state = self.lab.web.load_dashboard(address)
            self.answers([target for graph in state["graphs"]
                          for target in graph[1]["target"]])

    def test_graphite_web_leaves_room_above_all_lines_and_areas(self):
        text = self.written(self.lab, "graphite")["hypervisor"]
        address = self.lab.web.save_dashboard(text) + "compute-1"
        modes = set()
        for _, graph, _ in self.lab.web.load_dashboard(address)["graphs"]:
            mode = graph.get("areaMode", "yMax" in graph)
            modes.add(mode)
            if mode is True:
                continue
            lines = self.lab.points(graph["target"])
            room = lines.pop("")
            self.assertTrue(room, graph["title"])
            for second, value in room.items():
                drawn = [points[second] for points in lines.values()
                         if second in points]
                # What is on top of areas is added to them.
                highest = (sum(drawn) if mode == "stacked" else max(drawn))
                self.assertAlmostEqual(
                    highest * (0.05 if mode == "stacked" else 1.05), value,
                    delta=highest / 1000, msg=graph["title"])
        self.assertEqual({True, False, "stacked"}, modes)


class BrowserTest(DashboardsTestCase):
    """Opens a dashboard of graphite-web in a real browser."""

    def setUp(self):
        if not dashboards.browser():
            host.lacks("there is no Chromium")
        super().setUp()

    def test_a_browser_fetches_each_graph(self):
        with Lab() as lab:
            text = self.written(lab, "graphite")["hypervisor"]
            address = lab.web.save_dashboard(text) + "compute-1"
            dashboards.look(address, self.directory,
                            self.directory / "page.png")
            fetched = [urllib.parse.parse_qs(query) for query in re.findall(
                r'"GET /render\?(\S+) HTTP/1.1" 200 ', lab.web.log_text())]
            for _, parameters, _ in json.loads(text)["graphs"]:
                wanted = [target.replace("__VALUE__", "compute-1")
                          for target in parameters["target"]]
                self.assertIn(wanted, [each["target"] for each in fetched])
