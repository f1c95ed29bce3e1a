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


"""How the path of a series came about."""

import collections
import math
import re

from ceilometer_graphite import conversion
from ceilometer_graphite import sanitize
from ceilometer_graphite.cli import pipelines

PACKAGED = "the packaged definitions.yaml"
_HASH = re.compile(r"_[0-9a-f]{16}\Z")
_HASH_BYTES = 17
# Why a value is missing, by what its name begins with.
_WHY_NONE = {
    "project_name": "unless [polling] identity_name_discovery is true",
    "metadata.user_metadata": "unless the user gave it and, from Ceilometer "
                              "27 on, [compute] fetch_extra_metadata is true",
    "metadata.": "in the metadata of this sample",
}


def explain(sent: pipelines.Sent, meter: str) -> list[dict]:
    """How the series of a meter are named.

    :param meter: of samples, or of what is made of them
    :returns: a list of dicts, one for each meter of samples whose series
        they are: of one of its samples, its series, and of each of these
        what it was made of
    """
    lines = {(path, second): value for path, value, second in (
        line.split() for line in sent.lines)}
    by_meter = collections.defaultdict(list)
    for sample in sent.samples:
        if meter in (sample.name, *(
                name for _, name, *_ in _series(sent.settings, sample))):
            by_meter[sample.name].append(sample)
    return [_explain_samples(sent, samples, meter, lines)
            for samples in by_meter.values()]


def _explain_samples(sent, samples, meter, lines):
    """Explain one of them: the first with the most lines."""
    def count(sample):
        return sum(_key(sent.settings, sample, *series[1:3]) in lines
                   for series in _series(sent.settings, sample))
    sample = max(samples, key=count)
    return {
        "meter": sample.name, "type": sample.type, "unit": sample.unit,
        "volume": sample.volume, "timestamp": sample.timestamp,
        "resource_id": sample.resource_id, "samples": len(samples),
        "series": [
            _explain_series(sent, sample, lines, *series)
            for series in _series(sent.settings, sample)
            if meter in (sample.name, series[1])]}


def _series(settings, sample):
    return conversion.series(
        settings, sample.name, sample.unit, sample.type)


def _key(settings, sample, name, unit):
    """The path and the second of a line, None where there cannot be one."""
    try:
        return (settings.namer.name(sample, name, unit),
                str(int(conversion.timestamp(sample.timestamp))))
    except conversion.SkippedSample:
        return None


def _explain_series(sent, sample, lines, what, name, unit, definition):
    settings = sent.settings
    key = _key(settings, sample, name, unit)
    value, why = lines.get(key), _why_no_line(sent, sample, what)
    if what == "gauge" and any(
            each.name == name and each.resource_id == sample.resource_id
            for each in sent.samples):
        value, why = None, "the meter %s is polled itself" % name
    return {
        "name": name, "unit": unit, "what": what,
        "definition": definition and {
            "file": settings.definitions_file or PACKAGED,
            "entry": {key: value for key, value in vars(definition).items()
                      if value not in ("", (), math.inf)}},
        "template": "tags" if settings.naming == "tags"
        else settings.template,
        "fields": [_explain_field(settings, sample, name, unit, component)
                   for component in settings.namer.components
                   if component.write or settings.naming != "tags"],
        "path": key and key[0],
        "line": value and " ".join((key[0], value, key[1])),
        "no_line": None if value else why}


def _why_no_line(sent, sample, what):
    for problem in sent.problems:
        if problem.sample is sample:
            return pipelines.meaning(problem)
    return {
        "rate": "a rate needs an earlier sample of its counter, and a "
                "counter and a clock that went on",
        "gauge": "the metadata have no number there",
        "volume": "it was not made"}[what]


def _explain_field(settings, sample, name, unit, component):
    """Of one component: the values, what was written of them, and how."""
    field = component.text
    if settings.naming == "tags":
        field = component.lead.strip(".;=") or field.strip("{}")
    if component.write is None:
        return {"field": field, "values": {}, "component": None,
                "note": "left out, as the options say"}
    namer = settings.namer
    found = namer.sources(namer.values(sample), name, unit)
    values = {source: found[source] for source in sorted(component.sources)}
    written = component.write(found)
    if values:
        note = _note(*values.items(), written) if len(values) == 1 else ""
    else:
        note = ("of the option prefix" if "prefix" in field
                else "as it stands in the template")
    return {"field": field, "values": values, "component": written,
            "note": note}


def _note(value, written):
    """What happened to a value on its way into the path.

    :param value: (its source, itself)
    """
    source, raw = value
    raw = "" if raw is None else str(raw)
    if written is None:
        return "left out, there is none"
    if not raw:
        return " ".join(["there is none", *(
            why for name, why in _WHY_NONE.items()
            if source.startswith(name))][:2])
    notes = []
    if source == "host" and written == sanitize.short_host(raw) != raw:
        notes.append("up to the first dot")
        raw = raw.partition(".")[0]
    replaced = set(sanitize.UNSAFE.findall(raw)) - set(written)
    if replaced:
        notes.append("%s became _" % " ".join(map(repr, sorted(replaced))))
    if len(raw) > sanitize.MAX_BYTES:
        notes.append("cut")
    if _HASH.search(written) and not raw.endswith(written[-_HASH_BYTES:]):
        notes.append("made unique by a hash of the whole")
    return ", ".join(notes)
