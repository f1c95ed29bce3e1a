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


"""What polling.yaml polls, and where pipeline.yaml leads it."""

import importlib.metadata
import itertools
import pathlib

from ceilometer import declarative
from ceilometer.polling import manager

from ceilometer_graphite import opts
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import pipelines
from ceilometer_graphite.cli import yamlfiles
from ceilometer_graphite.cli.check import agent
from ceilometer_graphite.cli.check import results

# Meters of the example that Ceilometer 19 lacks. To name them costs nothing.
NEWER = {"memory.available", "power.state"}
POLLSTERS = "ceilometer.poll."
NAMESPACE = "compute"


def polling(state: results.State) -> results.Results:
    """Check that polling.yaml is what Ceilometer expects."""
    path = state.conf.polling.cfg_file
    state.sources = yamlfiles.load(
        path, yamlfiles.POLLING,
        lambda: manager.PollingManager(state.conf).sources)
    yield from yamlfiles.doubts(path, yamlfiles.POLLING)
    yield "%s: every %s seconds" % (path, ", ".join(map(str, sorted(
        {source.get_interval() for source in state.sources}))))


def meters(state: results.State) -> results.Results:
    """Check that the sources name meters that a compute agent has."""
    try:
        dynamic = _dynamic_pollsters(state.conf)
    except common.CommandError as e:
        raise common.CommandError(
            "the agent does not start, because of the pollsters in %s" % e,
            "repair or remove that file") from e
    names = {point.name for point in importlib.metadata.entry_points(
        group=POLLSTERS + NAMESPACE)} | dynamic.get(NAMESPACE, set())
    state.polled = sorted(name for name in names if any(
        source.support_meter(name) for source in state.sources))
    unknown = _unknown(state.sources).difference(*dynamic.values())
    if not state.polled:
        raise common.CommandError(
            "polling.yaml names none that the compute agent has",
            "name some, as %s does" % yamlfiles.POLLING.example)
    if unknown - NEWER:
        yield opts.Problem(
            "this Ceilometer has no pollster for " + ", ".join(
                sorted(unknown - NEWER)), "correct or remove them in "
            "polling.yaml; rates and cpu_util are made of the counters, such "
            "as cpu")
    else:
        yield "polled: %d" % len(state.polled) + (
            "; this Ceilometer is too old for " + ", ".join(sorted(unknown))
            if unknown else "")
    yield from _odd_sources(state)


def _unknown(sources):
    """Names without wildcards that no pollster gives, of whatever agent."""
    points = importlib.metadata.entry_points()
    return {meter for source in sources for meter in source.meters
            if not any(mark in meter for mark in "!*?[")} - {
                point.name for group in points.groups
                if group.startswith(POLLSTERS)
                for point in points.select(group=group)}


def _odd_sources(state):
    for one, other in itertools.combinations(state.sources, 2):
        both = [meter for meter in state.polled if one.support_meter(meter)
                and other.support_meter(meter)]
        if both:
            yield opts.Problem(
                "the sources %s and %s both poll %s" % (
                    one.name, other.name, common.some(both)),
                "name each meter in one source of polling.yaml")
    for source in state.sources:
        if source.resources and any(map(source.support_meter, state.polled)):
            yield opts.Problem(
                "the source %s names resources, which the compute agent does "
                "not poll" % source.name,
                "remove resources from it in polling.yaml; the agent finds "
                "the instances itself")


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
            raise yamlfiles.unusable(path, e) from e
    return found


def pipeline(state: results.State) -> results.Results:
    """Check that pipeline.yaml is what Ceilometer expects."""
    path = state.conf.pipeline_cfg_file
    state.pipelines = pipelines.load(state.conf)
    yield from yamlfiles.doubts(path, yamlfiles.PIPELINE)
    yield "%s: %s" % (path, ", ".join(map(str, state.pipelines)))


def publishers(state: results.State) -> results.Results:
    """Check that each URL has a publisher, and that one of them is ours."""
    urls = pipelines.urls(state.pipelines)
    state.urls = [url for url in urls if url.startswith(common.SCHEME)]
    others = [_other_publisher(url) for url in urls if url not in state.urls]
    if state.urls:
        yield ", ".join(state.urls)
    elif all(isinstance(each, str) for each in others):
        yield common.CommandError(
            "there is no graphite:// among " + ", ".join(urls),
            "add one to a sink in pipeline.yaml, such as "
            "graphite://graphite.example.com:2003")
    yield from others


def _other_publisher(url):
    scheme = url.partition("://")[0]
    if scheme == "notifier":
        return common.CommandError(
            "%s is not used, because it would give the driver its own "
            "samples again" % url, "remove it from pipeline.yaml, and set "
            "forward_drivers = messagingv2 in [%s] of ceilometer.conf"
            % opts.PIPELINE_GROUP)
    try:
        common.load_plugin(agent.PUBLISHERS, scheme, "")
    except common.CommandError as e:
        return common.CommandError(
            "%s is not used: %s" % (url.strip(), e),
            "write graphite://HOST:2003 in pipeline.yaml, or the name of "
            "another publisher")
    return url


def taken(state: results.State) -> results.Results:
    """Check that what is polled reaches a graphite:// publisher."""
    sources = [each.source for each in state.pipelines
               if set(each.publishers) & set(state.urls)]
    lost = [meter for meter in state.polled if not any(
        source.support_meter(meter) for source in sources)]
    if not lost:
        yield "all %d polled meters go to Graphite" % len(state.polled)
        return
    make = (common.CommandError if len(lost) == len(state.polled)
            else opts.Problem)
    yield make(
        "%d of %d polled meters do not go to Graphite: %s" % (
            len(lost), len(state.polled), common.some(lost)),
        "name them in a source of pipeline.yaml whose sink has the "
        "graphite:// publisher, or do not poll them")
