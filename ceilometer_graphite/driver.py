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

It takes the place of the message bus: what the polling agent notifies goes
through ``pipeline.yaml`` within the agent, as it did until Kilo.
"""

import functools
import logging

from ceilometer.pipeline import sample as sample_pipeline
from ceilometer.telemetry import notifications
from oslo_log import log
from oslo_messaging.notify import notifier
from stevedore import driver as stevedore_driver

from ceilometer_graphite import opts
from ceilometer_graphite import settings
from ceilometer_graphite import throttle

LOG = log.getLogger(__name__)

POLLING = "telemetry.polling"
NAMESPACE = "oslo.messaging.notify.drivers"
NAME = "ceilometer_pipeline"
_METERS = 4096


class _GuardedPublishers:
    """Ceilometer's publishers, without those that would call this driver."""

    def __init__(self, manager):
        self._manager = manager

    def get(self, url):
        if url.partition("://")[0] == "notifier":
            raise settings.ConfigError(
                "%s in a pipeline that the driver %s runs would notify the "
                "driver again. Name the driver that it is meant for in "
                "[%s] forward_drivers, as in forward_drivers = messagingv2"
                % (url, NAME, opts.PIPELINE_GROUP))
        return self._manager.get(url)


class _Sink(sample_pipeline.SampleSink):
    def __init__(self, conf, cfg, publisher_manager):
        super().__init__(conf, cfg, _GuardedPublishers(publisher_manager))


class _Source(sample_pipeline.SampleSource):
    """Matches the name of a meter once, and not for each of its samples."""

    def __init__(self, cfg):
        super().__init__(cfg)
        self.support_meter = functools.lru_cache(_METERS)(self.support_meter)


class _PipelineManager(sample_pipeline.SamplePipelineManager):
    pm_source = _Source
    pm_sink = _Sink


class PipelineDriver(notifier.Driver):
    """Runs the sample pipeline on what an agent notifies.

    Never raises: the agent drops a driver whose constructor does, with all
    its samples, and logs each payload whose notification does. What is
    wrong is said in the log, once.
    """

    def __init__(self, conf, topics, transport):
        super().__init__(conf, topics, transport)
        opts.register_opts(conf)
        self._throttle = throttle.Throttle(LOG)
        self._pipelines = self._load_pipelines()
        self._forward = [forward for forward in map(
            self._load_forward, conf[opts.PIPELINE_GROUP].forward_drivers)
            if forward is not None]
        self._build = notifications.TelemetryIpc(conf, None).build_sample

    def notify(self, ctxt, message, priority, retry):
        """Publish the samples of one ``telemetry.polling`` notification.

        What is not such a notification goes to the ``forward_drivers``
        only, which get this one as well.
        """
        try:
            if message.get("event_type") == POLLING:
                self._publish(message)
        except Exception as e:
            self._fault("publish", "A notification", e)
        for name, forward in self._forward:
            try:
                forward.notify(ctxt, message, priority, retry)
            except Exception as e:
                self._fault(name, "The forward driver %s" % name, e)

    def _publish(self, message):
        samples = self._samples(message)
        for pipeline in self._pipelines:
            try:
                pipeline.publish_data(samples)
            except Exception:
                # It looks at all samples before it publishes any.
                self._publish_each(pipeline, samples)

    def _publish_each(self, pipeline, samples):
        for sample in samples:
            try:
                pipeline.publish_data([sample])
            except Exception as e:
                self._fault("pipeline", "The sample %.200r" % (sample,), e)

    def _samples(self, message):
        """Ceilometer's own samples, with the clock that it leaves out."""
        found = message["payload"]["samples"]
        try:
            return self._built(found)
        except Exception:
            return [sample for fields in found
                    for sample in self._built_alone(fields)]

    def _built_alone(self, fields):
        try:
            return self._built([fields])
        except Exception as e:
            self._fault("sample", "The sample %.200r" % (fields,), e)
            return []

    def _built(self, found):
        samples = list(self._build({"payload": {"samples": found}}))
        for sample, fields in zip(samples, found, strict=True):
            sample.monotonic_time = fields.get("monotonic_time")
        return samples

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
            return None

    def _fault(self, kind, what, error):
        self._throttle.log(logging.ERROR, kind, "%s failed: %r", what, error,
                           exc_info=error)
