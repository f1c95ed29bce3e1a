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

"""Write dashboards for Grafana or for graphite-web, and Grafana's alerts.

Their queries are for the names that the agent's configuration gives to the
series, or --prefix and --template. Without --output it only lists them.
"""

import argparse
import dataclasses
import json

from ceilometer_graphite import naming
from ceilometer_graphite import sanitize
from ceilometer_graphite import settings as publisher_settings
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import pipelines
from ceilometer_graphite.dashboards import alerts
from ceilometer_graphite.dashboards import description
from ceilometer_graphite.dashboards import grafana
from ceilometer_graphite.dashboards import graphite_web
from ceilometer_graphite.dashboards import layout

ALERTS = "alerts.yaml"
HOW_TO_LOAD_ALERTS = (
    "%%s: copy it to /etc/grafana/provisioning/alerting, and give the data "
    "source the uid %s" % alerts.DATA_SOURCE)
FORMATS = {"grafana": grafana, "graphite": graphite_web}


def run(arguments: argparse.Namespace) -> int:
    """Write or list dashboards and alerts."""
    module = FORMATS[arguments.format]
    with_alerts = arguments.format == "grafana"
    settings = _settings(arguments)
    chosen = _chosen(arguments, settings)
    pages = list(_pages(settings))
    publishers = next((its_layout for page, its_layout in pages
                       if page.of_publishers), None)
    if arguments.output is None:
        for page, _ in pages:
            print("%s.json  %s" % (page.name, page.description))
        if with_alerts:
            print("%s  Alerts for Grafana to provision." % ALERTS)
        print("--output DIR writes them.")
        return 0
    texts, hints = {}, []
    for page, its_layout in pages:
        path = arguments.output / (page.name + ".json")
        texts[path] = json.dumps(module.dashboard(
            page, its_layout, chosen, settings, arguments.minutes,
            publishers), indent=2) + "\n"
        hints.append(module.how_to_load(path, page, chosen))
    if with_alerts:
        path = arguments.output / ALERTS
        texts[path] = _alerts(settings, publishers)
        hints.append(HOW_TO_LOAD_ALERTS % path)
    _write(texts, arguments.force)
    print("\n".join(hints))
    return 0


def _chosen(arguments, settings):
    """What to show, by role: components of a path, or any text of a tag."""
    chosen = {role: getattr(arguments, role) for role in common.ROLES
              if getattr(arguments, role)}
    for role, text in chosen.items():
        if settings.naming != "tags" and sanitize.UNSAFE.search(text):
            raise common.CommandError(
                "--%s has to be one component of the series' paths, of %s, "
                "not %r" % (role, sanitize.SAFE, text),
                "ceilometer-graphite preview shows the paths")
    return chosen


def _alerts(settings, publishers):
    """The text of the file of alerts, without publishers' where none are."""
    of_machines = layout.of_machines(settings)
    return alerts.provisioned([
        (alert, alerts.query(alert, publishers if alert.of_publishers
                             else of_machines, settings))
        for alert in alerts.load()
        if publishers or not alert.of_publishers])


def _pages(settings):
    """Pairs of a ``description.Dashboard`` and the layout of its series."""
    if settings.counters == "raw":
        raise common.CommandError(
            "counters = raw, and the dashboards show rates",
            "set [graphite] counters to rate or to both")
    try:
        of_machines = layout.of_machines(settings)
    except layout.LayoutError as e:
        raise common.CommandError(
            "no dashboards can be made: %s" % e, "they need the fields of "
            "the default template, %s" % naming.DEFAULT_TEMPLATE) from e
    for page in description.load():
        if not page.of_publishers:
            yield page, of_machines
            continue
        try:
            yield page, layout.of_publishers(settings)
        except layout.LayoutError as e:
            common.note("%s is left out: %s" % (page.name, e))


def _settings(arguments):
    """The settings of the agent's publisher, or the defaults."""
    conf, url = None, "graphite://localhost"
    try:
        conf = common.load_conf(arguments, needed=False)
        url = pipelines.graphite_urls(conf)[0]
    except common.CommandError as e:
        if arguments.config_file or arguments.config_dir:
            raise
        common.note("%s; using %s" % (
            e, "[graphite] of ceilometer.conf"
            if conf and (conf.config_file or conf.config_dir)
            else "the options' defaults"))
    if conf is None:
        conf = common.default_conf(arguments)
    return _renamed(common.load_settings(conf, url), arguments)


def _renamed(settings, arguments):
    """Replace prefix and template by those of the command line."""
    changes = {name: getattr(arguments, name) for name in (
        "prefix", "template") if getattr(arguments, name) is not None}
    if "template" in changes:
        changes["naming"] = "path"
    settings = dataclasses.replace(settings, **changes)
    try:
        namer = publisher_settings.make_namer(vars(settings))
    except publisher_settings.ConfigError as e:
        raise common.CommandError(
            "--" + str(e), "give it as it stands in ceilometer.conf") from e
    return dataclasses.replace(settings, namer=namer)


def _write(texts, force):
    """Write all texts, or none if a file exists already."""
    there = [str(path) for path in texts if path.exists()]
    if there and not force:
        raise common.CommandError("there is already %s" % ", ".join(there),
                                  "--force replaces what is there")
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        except OSError as e:
            raise common.CommandError(
                "%s cannot be written: %s" % (path, e.strerror),
                "choose another directory with --output") from e
