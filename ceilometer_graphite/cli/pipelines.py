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

"""What ``pipeline.yaml`` would send. Nothing is sent."""

import typing

from ceilometer import sample as ceilometer_sample
from ceilometer.pipeline import sample as sample_pipeline
from oslo_config import cfg

from ceilometer_graphite import conversion
from ceilometer_graphite import publisher
from ceilometer_graphite import settings as publisher_settings
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import yamlfiles

NO_SOURCE = "no source of pipeline.yaml takes its meter"
NO_GRAPHITE = "its sources have no graphite:// publisher"


class _Manager(sample_pipeline.SamplePipelineManager):
    """Ceilometer's pipeline manager, with URLs instead of publishers."""

    def pm_sink(self, conf, cfg, publisher_manager):
        return sample_pipeline.SampleSink(conf, cfg, self)

    def get(self, url):
        """Stands in for a sink's publisher manager."""
        return url


def load(conf: cfg.ConfigOpts) -> list:
    """Ceilometer's pipelines of ``pipeline.yaml``, with URLs as publishers.

    :raises common.CommandError: when there is no file that can be used
    """
    return yamlfiles.load(conf.pipeline_cfg_file, yamlfiles.PIPELINE,
                          lambda: _Manager(conf).pipelines)


def urls(pipelines: list) -> list[str]:
    """The distinct URLs of the pipelines' publishers, in their order."""
    return list(dict.fromkeys(
        url for each in pipelines for url in each.publishers))


def graphite_urls(conf: cfg.ConfigOpts) -> list[str]:
    """The graphite:// URLs of the agent's ``pipeline.yaml``, in its order.

    :raises common.CommandError: when there is no such file, or none in it
    """
    found = [url for url in urls(load(conf))
             if url.startswith(common.SCHEME)]
    if not found:
        raise common.CommandError(
            "%s has no graphite:// publisher" % conf.pipeline_cfg_file,
            "add one, such as graphite://graphite.example.com:2003")
    return found


class Sent(typing.NamedTuple):
    """What one publisher makes of the samples that its sinks pass to it."""

    url: str
    settings: publisher_settings.Settings
    samples: list[ceilometer_sample.Sample]
    lines: list[str]
    problems: list[conversion.Problem]


def meaning(problem: conversion.Problem) -> str:
    """Describe a problem of the conversion."""
    if problem.reason == conversion.NO_TIMESTAMP:
        return "published with the current time"
    return publisher.MEANINGS[problem.reason or publisher.FAULT]


class Pipelines:
    """The agent's pipelines; they remember counters for their next rates.

    As in the driver, each graphite:// publisher gets a sample once, even if
    several sources lead it there.

    :raises common.CommandError: when ``pipeline.yaml`` cannot be used, or
        one of its graphite:// URLs
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._pipelines = load(conf)
        self._publishers = []
        for url in graphite_urls(conf):
            settings = common.load_settings(conf, url)
            self._publishers.append((
                url, settings, conversion.Converter(settings),
                [each for each in self._pipelines if url in each.publishers]))

    def send(self, batches: list[list[ceilometer_sample.Sample]]) -> tuple[
            list[Sent], list[tuple[ceilometer_sample.Sample, str]]]:
        """Convert samples for each publisher.

        :returns: what each would send, and pairs (sample, reason) of those
            that no graphite:// publisher gets
        """
        sent: list[Sent] = []
        published: set[int] = set()
        for url, settings, converter, pipelines in self._publishers:
            each = Sent(url, settings, [], [], [])
            for batch in batches:
                wanted = [sample for sample in batch
                          if _takes(pipelines, sample)]
                lines, problems = converter.convert(wanted)
                each.samples.extend(wanted)
                each.lines.extend(lines)
                each.problems.extend(problems)
            sent.append(each)
            published.update(map(id, each.samples))
        return sent, [
            (sample, NO_GRAPHITE if _takes(self._pipelines, sample)
             else NO_SOURCE) for batch in batches for sample in batch
            if id(sample) not in published]


def _takes(pipelines, sample):
    return any(each.supported(sample) for each in pipelines)
