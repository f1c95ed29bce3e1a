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

"""Where pipeline.yaml leads what is polled."""

from ceilometer_graphite import opts
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import pipelines
from ceilometer_graphite.cli import yamlfiles
from ceilometer_graphite.cli.check import agent
from ceilometer_graphite.cli.check import results


def pipeline(state: results.State) -> results.Results:
    """pipeline.yaml is what Ceilometer expects."""
    state.pipelines = pipelines.load(state.conf)
    path = state.conf.pipeline_cfg_file
    for doubt in yamlfiles.doubts(path, yamlfiles.PIPELINE):
        yield results.warning("pipeline.yaml", "%s: %s" % (
            path, doubt.problem), doubt.hint)
    yield results.ok("pipeline.yaml", "%s: %s" % (
        path, ", ".join(map(str, state.pipelines))))


def publishers(state: results.State) -> results.Results:
    """Each URL has a publisher, and one of them is ours."""
    urls = pipelines.urls(state.pipelines)
    state.urls = [url for url in urls if url.startswith(common.SCHEME)]
    others = [_other_publisher(url) for url in urls if url not in state.urls]
    if state.urls:
        yield results.ok("publishers", ", ".join(state.urls))
    elif all(each.status == results.OK for each in others):
        yield results.error(
            "publishers", "none is a graphite:// one: " + ", ".join(urls),
            "add one to a sink in pipeline.yaml, such as "
            "graphite://graphite.example.com:2003")
    yield from others


def _other_publisher(url):
    scheme = url.partition("://")[0]
    if scheme == "notifier":
        return results.error(
            "publishers", "%s is not used, as it would give the driver its "
            "own samples again" % url, "remove it from pipeline.yaml, and "
            "set forward_drivers = messagingv2 in [%s] of ceilometer.conf"
            % opts.PIPELINE_GROUP)
    try:
        common.load_plugin(agent.PUBLISHERS, scheme, "")
    except common.CommandError as e:
        return results.error(
            "publishers", "%s is not used: %s" % (url.strip(), e),
            "write graphite://HOST:2003 in pipeline.yaml, or what other "
            "publisher it is")
    return results.ok("publishers", url)


def taken(state: results.State) -> results.Results:
    """What is polled reaches a graphite:// publisher."""
    sources = [each.source for each in state.pipelines
               if set(each.publishers) & set(state.urls)]
    lost = [meter for meter in state.polled if not any(
        source.support_meter(meter) for source in sources)]
    if not lost:
        yield results.ok(
            "sources", "all %d polled meters go to Graphite"
            % len(state.polled))
        return
    make = (results.error if len(lost) == len(state.polled)
            else results.warning)
    yield make(
        "sources", "%d of %d polled meters do not go to Graphite: %s" % (
            len(lost), len(state.polled), common.some(lost)),
        "name them in a source of pipeline.yaml whose sink has the "
        "graphite:// publisher, or do not poll them")
