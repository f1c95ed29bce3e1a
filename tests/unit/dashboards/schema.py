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


"""Checks documents with Grafana's schema, using its Foundation SDK.

The SDK's models are generated from the schema, but accept anything: they drop
unknown keys, and do not check types.
"""

import enum
import json
import typing

from grafana_foundation_sdk.cog import encoder
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models import units

UNITS = {value for value in vars(units).values() if isinstance(value, str)}


def problems(document):
    """Return the problems of a dashboard's document."""
    plugins.register_default_plugins()
    model = dashboard.Dashboard.from_json(document)
    known = json.loads(json.dumps(model, cls=encoder.JSONEncoder))
    return [*_unknown("", document, known),
            *_mistyped("", model, dashboard.Dashboard)]


def _unknown(path, document, known):
    """Yield the paths of values that the models drop or change."""
    if isinstance(document, dict) and isinstance(known, dict):
        for key, value in document.items():
            if key not in known:
                yield f"{path}.{key} is unknown"
            else:
                yield from _unknown(f"{path}.{key}", value, known[key])
    elif isinstance(document, list) and isinstance(known, list) and (
            len(document) == len(known)):
        for number, pair in enumerate(zip(document, known, strict=True)):
            yield from _unknown(f"{path}.{number}", *pair)
    elif document != known:
        yield f"{path} is {document!r}, and becomes {known!r}"


def _mistyped(path, value, hint):
    """Yield the paths of values with a wrong type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union:
        choices = [list(_mistyped(path, value, each)) for each in arguments
                   if each is not type(None) or value is None]
        if all(choices):
            yield from min(choices, key=len)
    elif origin is list and isinstance(value, list):
        for number, each in enumerate(value):
            yield from _mistyped(f"{path}.{number}", each, *arguments)
    elif hasattr(value, "from_json") and (
            hint is object or isinstance(value, hint)):
        for name, its_hint in typing.get_type_hints(type(value)).items():
            yield from _mistyped(f"{path}.{name}", getattr(value, name),
                                 its_hint)
    elif not _is_of(value, hint, origin, arguments):
        yield f"{path} is {value!r}, and not of {hint}"


def _is_of(value, hint, origin, arguments):
    if hint is object:
        return True
    if origin is typing.Literal:
        return value in arguments
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return value in [each.value for each in hint]
    if hint is float:
        hint = (int, float)
    return isinstance(value, origin or hint) and (
        hint is bool or not isinstance(value, bool))
