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

"""Samples, polled with Ceilometer's pollsters or read from a recording."""

import json
import logging
import pathlib
import re
import types
import typing
import warnings

from ceilometer import sample as ceilometer_sample
from ceilometer.compute import discovery
from ceilometer.compute.pollsters import util
from ceilometer.compute.virt.libvirt import utils
from ceilometer.polling import manager
from ceilometer.polling import plugin_base
from oslo_config import cfg
from stevedore import extension

from ceilometer_graphite import driver
from ceilometer_graphite.cli import common

NAMESPACE = "compute"
LOCAL_INSTANCES = "local_instances"
# The meter of InstancePollster.
INSTANCE = "instance"
ANSWER_SECONDS = 10
_NOTE_CHARACTERS = 200
# Turns off the agent's other work: notifying, sharing work, listening.
_NOT_HERE = (
    ("publisher_notifier", "telemetry_driver", "noop"),
    ("coordination", "backend_url", None),
    ("polling", "enable_notifications", True),
    ("polling", "enable_prometheus_exporter", False),
)
_HINT = ("it has to contain notifications as JSON, or the output of "
         "Ceilometer's publisher file://PATH?json")
_SPACE = re.compile(r"\s*")
# Field names of that publisher, and their names in a notification.
_OF_PUBLISHER = {"name": "counter_name", "type": "counter_type",
                 "unit": "counter_unit", "volume": "counter_volume",
                 "id": "message_id"}

Batches = list[list[ceilometer_sample.Sample]]


def connect(conf: cfg.ConfigOpts, keeper: object) -> tuple:
    """Check that libvirt answers, with Ceilometer's own call.

    That call alone writes errors to stderr, and waits without a limit.

    :param keeper: what Ceilometer keeps the connection in
    :returns: the connection, and a list of its domains
    :raises common.CommandError: when it does not answer in time
    """
    if hasattr(utils.libvirt, "registerErrorHandler"):
        utils.libvirt.registerErrorHandler(lambda *_: None, None)

    def ask():
        connection = utils.refresh_libvirt_connection(conf, keeper)
        return connection, connection.listAllDomains()
    try:
        return common.within(ANSWER_SECONDS, ask)
    except ImportError as e:
        raise common.CommandError(
            "Python's module libvirt is missing", "install python3-libvirt, "
            "or libvirt-python of the version that libvirt has, into the "
            "Python of the agent") from e
    except Exception as e:
        raise common.CommandError(
            "%s cannot reach libvirt: %s" % (
                common.user_name(), common.one_line(e)),
            "restart libvirtd, add the user to the group libvirt, or correct "
            "libvirt_uri in [DEFAULT] of ceilometer.conf") from e


class Notes(logging.Handler):
    """Collects Ceilometer's warnings: the first of each kind, and counts.

    :ivar refused: the meters that the hypervisor cannot provide at all
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._found: dict[str, tuple[str, int]] = {}
        self.refused: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, dict) and str(record.msg).startswith(
                "Prevent pollster"):
            self.refused.add(record.args["name"])
        text, count = self._found.get(record.msg) or (
            " ".join(record.getMessage().split()), 0)
        self._found[record.msg] = text, count + 1

    def take(self) -> list[str]:
        """Return the warnings since the last call, as lines."""
        found, self._found = self._found, {}
        return [text[:_NOTE_CHARACTERS] + (
            " (and %d more like it)" % (count - 1) if count > 1 else "")
            for text, count in found.values()]


class Hypervisor:
    """Polls the meters of ``polling.yaml``, as a compute agent does.

    It notifies nobody, and overrides options of ``conf`` for that.

    :raises common.CommandError: when polling cannot be set up
    :ivar notes: Ceilometer's warnings
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._build = driver.sample_builder(conf, fail)
        self._payloads: list[dict] = []
        connect(conf, self)
        self.notes = Notes()
        logging.getLogger("ceilometer").addHandler(self.notes)
        for group, name, value in _NOT_HERE:
            try:
                conf.set_override(name, value, group=group)
            except cfg.NoSuchOptError:
                continue  # it is not in each release
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._agent = manager.AgentManager(0, conf, [NAMESPACE])
            self._agent.notifier = types.SimpleNamespace(
                sample=lambda *call: self._payloads.append(call[-1]))
            self._prepare(self._agent)
            self._tasks = self._agent.setup_polling_tasks().values()
        except Exception as e:
            raise common.CommandError(
                "Ceilometer's polling cannot be set up: %s"
                % common.one_line(e),
                "the agent does not start with this either; --debug shows "
                "where it failed") from e
        if not self._tasks:
            raise common.CommandError(
                "%s names no meter that this hypervisor has"
                % conf.polling.cfg_file, "repair its sources")

    def poll(self) -> Batches:
        """Poll each meter once.

        :returns: the samples of each notification
        :raises common.CommandError: when libvirt cannot be reached
        """
        connect(self._conf, self)
        self.notes.take()
        self._payloads.clear()
        for task in self._tasks:
            self._agent.interval_task(task)
        return [self._build(payload["samples"]) for payload in self._payloads]

    def _prepare(self, agent):
        agent.polling_manager = manager.PollingManager(self._conf)


class InstanceHypervisor(Hypervisor):
    """Polls some meters of all instances, and ignores ``polling.yaml``.

    It needs libvirt only: no credentials, and no Nova. An instance that is
    shut off has no meters, so each has the sample ``INSTANCE`` as well.
    """

    def __init__(self, conf: cfg.ConfigOpts, meters: list[str]) -> None:
        self._meters = meters
        super().__init__(conf)

    def _prepare(self, agent):
        for found in agent.discoveries:
            if found.name == LOCAL_INSTANCES:
                found.obj = _LocalDiscovery(self._conf)
        agent.extensions.append(extension.Extension(
            INSTANCE, None, InstancePollster, InstancePollster(self._conf)))
        agent.polling_manager = types.SimpleNamespace(
            sources=[manager.PollingSource({
                "name": "instances", "interval": 1,
                "meters": [INSTANCE, *self._meters]})])


class _LocalDiscovery(discovery.InstanceDiscovery):
    """Discovers instances from libvirt's metadata, without asking Nova.

    Only Nova knows the flavor's id and the metadata that users set.
    """

    method = "libvirt_metadata"

    def get_flavor_id(self, name):
        return name

    def get_server(self, uuid):
        return None


class InstancePollster(plugin_base.PollsterBase):
    """Makes a sample with metadata for each instance."""

    default_discovery = LOCAL_INSTANCES

    def get_samples(self, manager: typing.Any, cache: dict, resources: list
                    ) -> typing.Iterator[ceilometer_sample.Sample]:
        for instance in resources:
            yield util.make_sample_from_instance(
                self.conf, instance, name=INSTANCE,
                type=ceilometer_sample.TYPE_GAUGE, unit=INSTANCE, volume=1)


def read(path: str, conf: cfg.ConfigOpts) -> Batches:
    """The samples in a file.

    :param path: of JSON: one notification or one sample a line, or one
        array or object of them
    :returns: lists of samples that were published together
    :raises common.CommandError: names the file and the line
    """
    build, batches = driver.sample_builder(conf, fail), []
    for line, document in _documents(path):
        try:
            batches += [build(found) for found in _payloads(document)]
        except KeyError as e:
            raise _error(path, line, "a sample has no %s" % e) from e
        except common.CommandError as e:
            raise _error(path, line, e) from e
        except (AttributeError, TypeError, ValueError) as e:
            raise _error(path, line, "a sample is invalid: %s" % e) from e
    if not any(batches):
        raise common.CommandError("%s contains no samples" % path, _HINT)
    return batches


def fail(fields: dict, error: Exception) -> None:
    """Raise the error of a sample that cannot be built."""
    raise error


def _error(path, line, problem):
    return common.CommandError("%s, line %d: %s" % (path, line, problem),
                               _HINT)


def _documents(path):
    """Yield each JSON document of a file with its first line number."""
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as e:
        raise common.CommandError("%s cannot be read: %s" % (
            path, getattr(e, "strerror", None) or e), _HINT) from e
    decoder, end, line = json.JSONDecoder(), 0, 1
    while (start := _SPACE.match(text, end).end()) < len(text):
        line += text.count("\n", end, start)
        try:
            document, end = decoder.raw_decode(text, start)
        except json.JSONDecodeError as e:
            raise _error(path, e.lineno, "is not JSON: %s" % e.msg) from e
        except RecursionError as e:
            raise _error(path, line, "is nested too deeply") from e
        yield line, document
        line += text.count("\n", start, end)


def _payloads(document):
    """Yield the list of samples, as dicts, of each notification."""
    if isinstance(document, list):
        for part in document:
            yield from _payloads(part)
    elif not isinstance(document, dict):
        raise common.CommandError(
            "is neither a notification nor a sample: %.60r" % (document,))
    elif "oslo.message" in document:  # as it is on the bus
        yield from _payloads(json.loads(document["oslo.message"]))
    elif isinstance(document.get("message"), dict):
        yield from _payloads(document["message"])
    elif "payload" in document:
        if document.get("event_type") == driver.POLLING:
            yield document["payload"]["samples"]
    elif "counter_name" in document:
        yield [document]
    elif "volume" in document:
        yield [{_OF_PUBLISHER.get(key, key): value
                for key, value in document.items()}]
    else:
        yield from _payloads(_lists(document))


def _lists(document):
    found = [each for each in document.values() if isinstance(each, list)]
    if not found:
        raise common.CommandError(
            "is neither a notification nor a sample, it has %.60s" % (
                ", ".join(document) or "nothing"))
    return found
