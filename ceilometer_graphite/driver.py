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

"""The notification driver ``ceilometer_pipeline``.

It replaces the message bus: notifications of the polling agent go through
``pipeline.yaml`` inside the agent, as they did until Kilo.
"""

from collections.abc import Callable
import functools
import itertools
import logging
import typing

from ceilometer import sample as ceilometer_sample
from ceilometer.pipeline import sample as sample_pipeline
from ceilometer.telemetry import notifications
from oslo_log import log
from oslo_messaging.notify import notifier
from stevedore import driver as stevedore_driver

from ceilometer_graphite import lanes
from ceilometer_graphite import naming
from ceilometer_graphite import opts
from ceilometer_graphite import publisher
from ceilometer_graphite import settings
from ceilometer_graphite import throttle

LOG = log.getLogger(__name__)

POLLING = "telemetry.polling"
NAMESPACE = "oslo.messaging.notify.drivers"
NAME = "ceilometer_pipeline"
FORWARD_DROPPED = "forward_dropped."
_METERS = 4096


class _GuardedPublishers:
    """Ceilometer's publisher manager, without ``notifier://``.

    Such a publisher would call this driver again, endlessly.
    """

    def __init__(self, manager):
        self._manager = manager

    def get(self, url):
        if url.partition("://")[0] == "notifier":
            raise settings.ConfigError(
                "%s in a pipeline that the driver %s runs would notify the "
                "driver again. Remove it, and name the driver that it was "
                "for in [%s]: forward_drivers = messagingv2"
                % (url, NAME, opts.PIPELINE_GROUP))
        return self._manager.get(url)


class _Sink(sample_pipeline.SampleSink):
    def __init__(self, conf, cfg, publisher_manager):
        super().__init__(conf, cfg, _GuardedPublishers(publisher_manager))


class _Source(sample_pipeline.SampleSource):
    """Caches whether a meter matches, because samples repeat their meters."""

    def __init__(self, cfg):
        super().__init__(cfg)
        self.support_meter = functools.lru_cache(_METERS)(self.support_meter)


class _PipelineManager(sample_pipeline.SamplePipelineManager):
    pm_source = _Source
    pm_sink = _Sink


def sample_builder(conf, failed: Callable[[dict, Exception], typing.Any],
                   ) -> Callable[[list], list[ceilometer_sample.Sample]]:
    """Return a function that builds samples from a notification's payload.

    The samples get their monotonic time, which Ceilometer drops, and the
    name of this agent's host.

    :param conf: the agent's ``ConfigOpts``
    :param failed: called with the fields and the error of each sample that
        cannot be built; the others are built
    :returns: a function from a list of dicts to a list of samples
    """
    build = notifications.TelemetryIpc(conf, None).build_sample

    def build_one(fields):
        try:
            sample, = build({"payload": {"samples": [fields]}})
            sample.monotonic_time = fields.get("monotonic_time")
            setattr(sample, naming.POLLING_HOST, conf.host)
        except Exception as e:
            failed(fields, e)
            return None
        return sample

    return lambda found: [sample for sample in map(build_one, found)
                          if sample is not None]


class PipelineDriver(notifier.Driver):
    """Runs the sample pipeline on an agent's notifications.

    ``graphite://`` publishers run in the agent's thread, because they never
    wait. Each pipeline with other publishers and each forward driver has a
    lane of its own.

    Never raises. If the constructor raised, the agent would drop the driver
    with all its samples; if ``notify`` raised, the agent would log the whole
    payload each time. Problems are logged here instead, throttled.
    """

    def __init__(self, conf, topics, transport):
        super().__init__(conf, topics, transport)
        opts.register_opts(conf)
        self._throttle = throttle.Throttle(LOG)
        self._pipelines = self._load_pipelines()
        # Our publishers, each with the list of pipelines that name it.
        self._ours: dict = {}
        self._others = []
        for pipeline in self._pipelines:
            self._sort(pipeline)
        self._forward = [self._lane(name, forward.notify) for name, forward
                         in map(self._load_forward, dict.fromkeys(
                             conf[opts.PIPELINE_GROUP].forward_drivers))
                         if forward is not None]
        self._build = sample_builder(conf, lambda fields, e: self._fault(
            "sample", "The sample %.200r" % (fields,), e))

    def notify(self, ctxt, message, priority, retry):
        """Publish the samples of one ``telemetry.polling`` notification.

        The ``forward_drivers`` get every notification. Notifications of
        other types go only to them.
        """
        try:
            if message.get("event_type") == POLLING:
                self._publish(self._build(message["payload"]["samples"]))
        except Exception as e:
            self._fault("publish", "A notification", e)
        for lane in self._forward:
            lane.put(ctxt, message, priority, retry)

    def _publish(self, samples):
        for each, pipelines in self._ours.items():
            wanted = [sample for sample in samples
                      if self._is_wanted(sample, pipelines)]
            if wanted:
                each.publish_samples(wanted)
        for lane in self._others:
            lane.put(samples)

    def _is_wanted(self, sample, pipelines):
        """Whether at least one of the pipelines supports the sample."""
        try:
            return any(each.supported(sample) for each in pipelines)
        except Exception as e:
            self._fault("pipeline", "The sample %.200r" % (sample,), e)
            return False

    def _sort(self, pipeline):
        """Separate a pipeline's ``graphite://`` publishers from the others."""
        ours = [each for each in pipeline.publishers
                if isinstance(each, publisher.GraphitePublisher)]
        for each in ours:
            self._ours.setdefault(each, []).append(pipeline)
        others = [each for each in pipeline.publishers if each not in ours]
        if others:
            def publish(samples):
                for each in others:
                    each.publish_samples(
                        [sample for sample in samples
                         if self._is_wanted(sample, [pipeline])])
            self._others.append(self._lane(str(pipeline), publish))

    def _lane(self, name, call):
        def dropped(count):
            for each in itertools.islice(self._ours, 1):
                each.counts.add(FORWARD_DROPPED + name, count)
        return lanes.Lane(name, call, dropped)

    def _load_pipelines(self):
        path = self.conf.pipeline_cfg_file
        try:
            pipelines = _PipelineManager(self.conf).pipelines
        except Exception as e:
            LOG.error(
                "%s: the pipeline cannot be used, and no sample is "
                "published: %s. Repair the file and restart the agent",
                path, e)
            return []
        for pipeline in pipelines:
            if pipeline.publishers:
                LOG.info("Pipeline %s of %s runs in this agent, with %d of "
                         "its publishers: %s", pipeline, path,
                         len(pipeline.publishers),
                         ", ".join(pipeline.sink.cfg["publishers"]))
            else:
                LOG.error("Pipeline %s of %s has no publisher that works, "
                          "and its samples are lost. Repair what the errors "
                          "above name and restart the agent", pipeline, path)
        return pipelines

    def _load_forward(self, name):
        try:
            if name == NAME:
                raise settings.ConfigError("it would forward to itself")
            return name, stevedore_driver.DriverManager(
                NAMESPACE, name, invoke_on_load=True,
                invoke_args=(self.conf,), invoke_kwds={
                    "topics": self.topics, "transport": self.transport},
            ).driver
        except Exception as e:
            LOG.error("[%s] forward_drivers: %s cannot be used, and gets "
                      "nothing: %s", opts.PIPELINE_GROUP, name, e)
            return name, None

    def _fault(self, kind, what, error):
        self._throttle.log(logging.ERROR, kind, "%s failed: %r", what, error,
                           exc_info=error)
