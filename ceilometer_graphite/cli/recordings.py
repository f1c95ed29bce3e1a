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


"""Reads samples from notifications and from recorded files."""

import json
import pathlib
import re

from ceilometer import sample as ceilometer_sample
from oslo_config import cfg

from ceilometer_graphite import driver
from ceilometer_graphite.cli import common

_HINT = ("it has to contain notifications as JSON, or the output of "
         "Ceilometer's publisher file://PATH?json")
_SPACE = re.compile(r"\s*")
# Field names of that publisher, and their names in a notification.
_OF_PUBLISHER = {"name": "counter_name", "type": "counter_type",
                 "unit": "counter_unit", "volume": "counter_volume",
                 "id": "message_id"}


class _Unknown(ValueError):
    """JSON that is neither notifications nor samples."""


def read(path: str, conf: cfg.ConfigOpts
         ) -> list[list[ceilometer_sample.Sample]]:
    """The samples in a file.

    :param path: of JSON: one notification or one sample a line, or one
        array or object of them
    :returns: a list of lists of samples, as they were published together
    :raises common.CommandError: names the file and the line
    """
    build, batches = driver.sample_builder(conf, fail), []
    for line, document in _documents(path):
        try:
            batches += [build(found) for found in _payloads(document)]
        except KeyError as e:
            raise _error(path, line, "a sample has no %s" % e) from e
        except _Unknown as e:
            raise _error(path, line, e) from e
        except (AttributeError, TypeError, ValueError) as e:
            raise _error(path, line, "a sample is none: %s" % e) from e
    if not any(batches):
        raise common.CommandError("%s holds no samples" % path, _HINT)
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
        raise _Unknown("is neither a notification nor a sample: %.60r"
                       % (document,))
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
        yield from _of_lists(document)


def _of_lists(document):
    lists = [value for value in document.values() if isinstance(value, list)]
    if not lists:
        raise _Unknown("is neither a notification nor a sample, it has "
                       "%.60s" % (", ".join(document) or "nothing"))
    yield from _payloads(lists)
