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

"""What ``pipeline.yaml`` would send, without anything that sends."""

import collections
import os
import types
import typing

from ceilometer import sample as ceilometer_sample
from ceilometer.pipeline import sample as sample_pipeline
from oslo_config import cfg

from ceilometer_graphite import conversion
from ceilometer_graphite import publisher
from ceilometer_graphite import settings as publisher_settings
from ceilometer_graphite.cli import common

NO_SOURCE = "no source of pipeline.yaml takes its meter"
NO_GRAPHITE = "its sources have no graphite:// publisher"
NO_NUMBER = "Ceilometer's pipeline drops it, its volume is not a number"


class _Manager(sample_pipeline.SamplePipelineManager):
    """Ceilometer's own, with stand-ins for publishers."""

    def __init__(self, conf, stand_in):
        self.get = stand_in  # what sinks ask a publisher manager for
        super().__init__(conf)

    def pm_sink(self, conf, cfg, publisher_manager):
        return sample_pipeline.SampleSink(conf, cfg, self)


def load(conf: cfg.ConfigOpts, stand_in: typing.Callable = str) -> list:
    """Ceilometer's pipelines of ``pipeline.yaml``.

    :param conf: the agent's ``ConfigOpts``
    :param stand_in: makes of a URL what takes the place of its publisher
    :raises common.CommandError: when there is no file that can be used
    """
    path = conf.pipeline_cfg_file
    if not os.path.isabs(path):
        raise common.CommandError(
            "there is no %s beside ceilometer.conf, so Ceilometer's own is "
            "used, which sends to Gnocchi" % path, "copy %s there, and name "
            "your Graphite in it" % common.example(path))
    try:
        return _Manager(conf, stand_in).pipelines
    except Exception as e:
        raise common.unusable(path, e) from e


def urls(pipelines: list) -> list[str]:
    """The URLs of their publishers, in their order, each once.

    :param pipelines: loaded with URLs in place of publishers
    """
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
    """What one publisher would send.

    :ivar samples: those that its sinks gave it
    :ivar lines: of the plaintext protocol, in their order
    """

    url: str
    settings: publisher_settings.Settings
    samples: list[ceilometer_sample.Sample]
    lines: list[str]
    problems: list[conversion.Problem]


def meaning(problem: conversion.Problem) -> str:
    """What a problem of the conversion means, in words."""
    if problem.reason == conversion.NO_TIMESTAMP:
        return "published with the time of now"
    return publisher.MEANINGS[problem.reason or publisher.FAULT]


class Pipelines:
    """The agent's pipelines; they remember counters for their next rates.

    :param conf: the agent's ``ConfigOpts``
    :raises common.CommandError: when ``pipeline.yaml`` cannot be used, or
        one of its graphite:// URLs
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._settings = {url: common.load_settings(conf, url)
                          for url in graphite_urls(conf)}
        self._converters = {url: conversion.Converter(settings)
                            for url, settings in self._settings.items()}
        # What the publisher of a URL was given: lists of samples.
        self._given: dict[str, list] = collections.defaultdict(list)
        self._pipelines = load(conf, lambda url: types.SimpleNamespace(
            publish_samples=self._given[url].append))

    def send(self, batches: list[list[ceilometer_sample.Sample]]) -> tuple[
            list[Sent], list[tuple[ceilometer_sample.Sample, str]]]:
        """What would be sent of samples.

        :param batches: lists of samples, published together each
        :returns: what each publisher would send, and pairs (sample, why) of
            those that no graphite:// publisher gets
        """
        for given in self._given.values():
            given.clear()
        failed: dict[int, str] = {}
        for batch in batches:
            for pipeline in self._pipelines:
                failed.update(_publish(pipeline, batch))
        sent = [self._sent(url) for url in self._settings]
        published = {id(sample) for each in sent for sample in each.samples}
        whys = {**dict.fromkeys((
            id(sample) for given in self._given.values()
            for samples in given for sample in samples), NO_GRAPHITE),
            **failed}
        return sent, [
            (sample, whys.get(id(sample)) or self._why_not(sample))
            for batch in batches for sample in batch
            if id(sample) not in published]

    def _sent(self, url):
        sent = Sent(url, self._settings[url], [], [], [])
        for samples in self._given[url]:
            lines, problems = self._converters[url].convert(samples)
            sent.samples.extend(samples)
            sent.lines.extend(lines)
            sent.problems.extend(problems)
        return sent

    def _why_not(self, sample):
        if any(pipeline.supported(sample) for pipeline in self._pipelines):
            return NO_NUMBER
        return NO_SOURCE


def _publish(pipeline, batch):
    """As the driver does: of a batch that fails, each sample alone.

    :returns: why samples failed, by their ids
    """
    try:
        pipeline.publish_data(batch)
    except Exception as e:
        if len(batch) == 1:
            return {id(batch[0]): "Ceilometer's pipeline fails on it: %r" % e}
        return {key: why for sample in batch
                for key, why in _publish(pipeline, [sample]).items()}
    return {}
