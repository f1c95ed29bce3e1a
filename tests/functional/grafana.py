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


"""A substitute for Grafana: fills variables and makes queries.

It follows the documentation of Grafana's Graphite data source:
expand(PATTERN) asks /metrics/expand, tag_values(TAG, EXPRESSION, ...) asks
/tags/autoComplete/values, and the group of the variable's regular expression
selects the value in each answer.
"""

import json
import re


def variables(dashboard, web, chosen=None):
    """Fill the variables of a dashboard, in order.

    :param web: a graphite.GraphiteWeb
    :param chosen: {name: value}; other variables are "All" or the first value
    :return: {name: value}, and {name: all possible values}
    """
    values, choices = {}, {}
    for variable in dashboard["templating"]["list"]:
        name = variable["name"]
        if variable["type"] == "query":
            choices[name] = _choices(variable, web, values)
            values[name] = (chosen or {}).get(name) or (
                variable["allValue"] if variable["includeAll"]
                else choices[name][0])
    return values, choices


def queries(dashboard, values):
    """Return (title, query) of each query in the panels."""
    return [(panel["title"], _filled_in(target["target"], values))
            for panel in dashboard["panels"] for target in panel["targets"]]


def _choices(variable, web, values):
    query = _filled_in(variable["query"], values)
    function, argument = re.fullmatch(r"(\w+)\((.*)\)", query).groups()
    if function == "expand":
        found = json.loads(web.get(
            "/metrics/expand", query=argument))["results"]
    else:
        tag, *expressions = argument.split(", ")
        found = json.loads(web.get(
            "/tags/autoComplete/values", tag=tag, expr=expressions))
    if variable["regex"]:
        regex = re.compile(variable["regex"].strip("/"))
        found = [match[1] for match in map(regex.search, found) if match]
    return sorted(set(found))


def _filled_in(text, values):
    return re.sub(r"\$(\w+)", lambda match: values[match[1]], text)
