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

import pathlib

from oslotest import base
import yaml

from ceilometer_graphite.dashboards import alerts
from ceilometer_graphite.dashboards import layout
from tests.unit.dashboards import test_layout

PAGE = (pathlib.Path(__file__).parent.parent.parent.parent
        / "doc/source/alerts.inc")


def queries(**changed):
    settings = test_layout.settings(**changed)
    return [(alert, alerts.query(
        alert, (layout.of_publishers if alert.of_publishers
                else layout.of_machines)(settings), settings))
            for alert in alerts.load()]


class AlertsTest(base.BaseTestCase):

    def test_the_documentation_has_each_query_and_its_threshold(self):
        text = PAGE.read_text()
        for alert, query in queries():
            self.assertIn("    %s\n" % query, text)
            self.assertIn("%s: the " % alert.title, text)
            self.assertIn("%g::" % alert.threshold[1], text)

    def test_no_query_contains_placeholders_of_the_description(self):
        for changed in ({}, {"naming": "tags"}):
            for _, query in queries(**changed):
                self.assertNotRegex(query, r"SERIES|BY\(|SPOOL")

    def test_the_condition_of_each_rule_is_one_of_its_steps(self):
        written = yaml.safe_load(alerts.provisioned(queries()))
        rules = written["groups"][0]["rules"]
        self.assertEqual(len(alerts.load()), len(
            {rule["uid"] for rule in rules}))
        for rule in rules:
            self.assertEqual(["A", "B", "C"], [
                each["refId"] for each in rule["data"]])
            self.assertEqual("C", rule["condition"])

    def test_grafana_sees_no_variable_in_a_dollar_sign(self):
        written = alerts.provisioned([(alerts.load()[0], "f(x,'^a$')")])
        self.assertIn("^a$$", written)
