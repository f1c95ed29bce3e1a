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

"""What the agent polls."""

import importlib.metadata
import itertools
import os
import pathlib

from ceilometer import declarative
from ceilometer.polling import manager

from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import yamlfiles
from ceilometer_graphite.cli.check import results

# Meters of the example that Ceilometer 19 lacks. To name them costs nothing.
NEWER = {"memory.available", "power.state"}
POLLSTERS = "ceilometer.poll."
NAMESPACE = "compute"


def polling(state: results.State) -> results.Results:
    """polling.yaml is what Ceilometer expects."""
    path = state.conf.polling.cfg_file
    if not os.path.isabs(path):
        raise common.CommandError(
            "there is no %s beside ceilometer.conf, and the agent ends at "
            "its start" % path, "copy %s there" % common.example(
                yamlfiles.POLLING.example))
    yamlfiles.check(path, yamlfiles.POLLING)
    try:
        state.sources = manager.PollingManager(state.conf).sources
    except Exception as e:
        raise common.unusable(path, e, yamlfiles.POLLING.example) from e
    for doubt in yamlfiles.doubts(path, yamlfiles.POLLING):
        yield results.warning("polling.yaml", "%s: %s" % (
            path, doubt.problem), doubt.hint)
    yield results.ok("polling.yaml", "%s: every %s seconds" % (
        path, ", ".join(str(seconds) for seconds in sorted(
            {source.get_interval() for source in state.sources}))))


def meters(state: results.State) -> results.Results:
    """The sources name meters that a compute agent has."""
    try:
        dynamic = _dynamic_pollsters(state.conf)
    except common.CommandError as e:
        raise common.CommandError(
            "the agent ends at its start, as pollsters in %s" % e,
            "repair or remove that file") from e
    names = {point.name for point in importlib.metadata.entry_points(
        group=POLLSTERS + NAMESPACE)} | dynamic.get(NAMESPACE, set())
    state.polled = sorted(name for name in names if any(
        source.support_meter(name) for source in state.sources))
    unknown = _unknown(state.sources, names | _elsewhere(dynamic))
    too_new = sorted(NEWER & set(unknown))
    unknown = [name for name in unknown if name not in NEWER]
    if not state.polled:
        yield results.error(
            "meters", "polling.yaml names none that the compute agent has",
            "name some, as %s does" % common.example("polling.yaml"))
    elif unknown:
        yield results.warning(
            "meters", "no pollster of this Ceilometer gives " + ", ".join(
                unknown), "correct or remove them in polling.yaml; rates and "
            "cpu_util are made of the counters, such as cpu")
    else:
        yield results.ok("meters", "polled: %d" % len(state.polled) + (
            "; this Ceilometer is too old for " + ", ".join(too_new)
            if too_new else ""))
    yield from _polled_twice(state)
    yield from _static(state)


def _polled_twice(state):
    """A warning for each pair of sources that poll the same meters."""
    for one, other in itertools.combinations(state.sources, 2):
        both = [meter for meter in state.polled if one.support_meter(meter)
                and other.support_meter(meter)]
        if both:
            yield results.warning(
                "meters", "the sources %s and %s both poll %s" % (
                    one.name, other.name, common.some(both)),
                "name each meter in one source of polling.yaml")


def _static(state):
    """A warning for each source whose resources are no instances."""
    for source in state.sources:
        if source.resources and any(map(
                source.support_meter, state.polled)):
            yield results.warning(
                "meters", "the source %s names resources, of which the "
                "compute agent polls nothing" % source.name,
                "remove resources from it in polling.yaml; the agent finds "
                "the instances itself")


def _elsewhere(dynamic):
    """What other agents poll, as one file may serve them all."""
    points = importlib.metadata.entry_points()
    return {point.name for group in points.groups
            if group.startswith(POLLSTERS)
            for point in points.select(group=group)}.union(*dynamic.values())


def _unknown(sources, names):
    """Names without wildcards that nothing polls."""
    wanted = {meter for source in sources for meter in source.meters
              if not any(mark in meter for mark in "!*?[")}
    return sorted(wanted - names)


def _dynamic_pollsters(conf):
    """What files define beside Ceilometer's own, by namespace."""
    found: dict[str, set[str]] = {}
    for path in [str(path) for folder in conf.pollsters_definitions_dirs
                 for path in sorted(pathlib.Path(folder).glob("*.yaml"))]:
        try:
            for pollster in declarative.load_definitions(conf, [], path):
                namespaces = pollster.get("namespaces", "central")
                for namespace in ([namespaces] if isinstance(namespaces, str)
                                  else namespaces):
                    found.setdefault(namespace, set()).add(pollster["name"])
        except Exception as e:
            raise common.unusable(path, e) from e
    return found
