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


"""Show the lines that the agent would send, from a poll or a recording.

The lines go to stdout, and notes on them to stderr. Nothing is sent.
"""

import argparse
import collections
import json
import math
import re
import sys
import time

from ceilometer_graphite import conversion
from ceilometer_graphite import sanitize
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import pipelines
from ceilometer_graphite.cli import sampling

PACKAGED = "the packaged definitions.yaml"
_HASH = re.compile(r"_[0-9a-f]{16}\Z")
_HASH_BYTES = 17
_OF = {"volume": "the volume of %s", "rate": "a rate, made of the counter %s",
       "gauge": "a gauge, made of the metadata of %s"}
_WHY_NO_LINE = {
    "rate": "a rate needs an earlier sample of its counter, and neither the "
            "counter nor the clock may go back",
    "gauge": "the metadata contain no number there",
    "volume": "it was not made"}
# Why a value is missing, by what its name begins with.
_WHY_NONE = {
    "project_name": "unless [polling] identity_name_discovery is true",
    "metadata.user_metadata": "unless the user gave it and, from Ceilometer "
                              "27 on, [compute] fetch_extra_metadata is true",
    "metadata.": "in the metadata of this sample",
}


def run(arguments: argparse.Namespace) -> int:
    """Print lines, or how they came about."""
    conf = common.load_conf(arguments)
    pipes = pipelines.Pipelines(conf)
    batches, notes = (
        (sampling.read(arguments.file, conf), []) if arguments.file
        else _poll(arguments, conf, pipes))
    sent, left_out = pipes.send(batches)
    if arguments.explain:
        _explain(arguments, sent, left_out)
    elif arguments.json:
        _print_json(sent, left_out, notes)
    else:
        _print_lines(sent, left_out, notes)
    return 0


def _poll(arguments, conf, pipes):
    """The samples of a poll, after one for the rates, and warnings."""
    if not getattr(conf.polling, "enable_notifications", True):
        raise common.CommandError(
            "[polling] enable_notifications is off, and the agent publishes "
            "nothing", "set it to true in ceilometer.conf")
    polled = sampling.Hypervisor(conf)
    if arguments.once:
        _say("there are no rates, which need two polls; --once makes one")
    else:
        pipes.send(polled.poll())
        _say("polled once, and again in %g s for the rates"
             % arguments.seconds)
        time.sleep(arguments.seconds)
    batches, notes = polled.poll(), polled.notes.take()
    if not batches:
        raise common.CommandError(
            ": ".join(["the hypervisor has no samples", *notes[:1]]),
            "ceilometer-graphite check finds the reason, and "
            "ceilometer-graphite top shows the instances")
    return batches, notes


def _print_json(sent, left_out, notes):
    def shown(sample, why):
        return {"meter": sample.name, "resource_id": sample.resource_id,
                "timestamp": sample.timestamp, "volume": sample.volume,
                "why": why}
    print(json.dumps({
        "publishers": [{
            "url": each.url,
            "lines": [line.rstrip("\n") for line in each.lines],
            "problems": [shown(problem.sample, pipelines.meaning(problem))
                         for problem in each.problems]} for each in sent],
        "left_out": [shown(*pair) for pair in left_out], "notes": notes}))


def _print_lines(sent, left_out, notes):
    for note in notes:
        _say("ceilometer: " + note)
    kinds = collections.Counter(
        (sample.name, why) for sample, why in left_out)
    for (meter, why), count in sorted(kinds.items()):
        _say("left out: %d of %s: %s" % (count, meter, why))
    for each in sent:
        _say("%s: %d lines of %d samples" % (
            each.url, len(each.lines), len(each.samples)))
        for problem in each.problems:
            _say("%s of %s with volume %.60r: %s" % (
                problem.sample.name, problem.sample.resource_id,
                problem.sample.volume, pipelines.meaning(problem)))
        sys.stdout.writelines(each.lines)
        sys.stdout.flush()


def _say(text):
    print(text, file=sys.stderr)


def _explain(arguments, sent, left_out):
    found = [{"url": each.url, "meters": explain(each, arguments.explain)}
             for each in sent]
    if not any(each["meters"] for each in found):
        whys = sorted({why for sample, why in left_out
                       if sample.name == arguments.explain})
        known = sorted({
            sample.name for each in sent for sample in each.samples})
        raise common.CommandError(
            ": ".join(["no sample is published of " + arguments.explain,
                       *whys[:1]]),
            "there are samples of %s" % (", ".join(known) or "nothing"))
    if arguments.json:
        print(json.dumps(found, default=str))
    else:
        print("\n\n".join(
            "\n".join([*([each["url"]] if len(found) > 1 else []),
                       *_lines(meter)])
            for each in found for meter in each["meters"]))


def explain(sent: pipelines.Sent, meter: str) -> list[dict]:
    """How the series of a meter are named.

    :param meter: of samples, or of a rate or gauge that is made of them
    :returns: for each meter of samples that has such series, one sample
        with most lines, and its series
    """
    lines = {(path, second): value for path, value, second in (
        line.split() for line in sent.lines)}
    polled = {(sample.name, sample.resource_id) for sample in sent.samples}
    by_meter = collections.defaultdict(list)
    for sample in sent.samples:
        series = [_explain_series(sent, sample, lines, polled, *each)
                  for each in conversion.series(
                      sent.settings, sample.name, sample.unit, sample.type)
                  if meter in (sample.name, each.name)]
        if series or meter == sample.name:
            by_meter[sample.name].append({
                "meter": sample.name, "type": sample.type,
                "unit": sample.unit, "volume": sample.volume,
                "timestamp": sample.timestamp,
                "resource_id": sample.resource_id, "series": series})
    return [{**max(samples, key=lambda sample: sum(
        bool(each["line"]) for each in sample["series"])),
        "samples": len(samples)} for samples in by_meter.values()]


def _explain_series(sent, sample, lines, polled, what, name, unit,
                    definition):
    settings, path, value = sent.settings, None, None
    try:
        second = str(int(conversion.timestamp(sample.timestamp)))
        path = settings.namer.name(sample, name, unit)
        value = lines.get((path, second))
    except conversion.SkippedSample:
        pass  # which is one of its problems
    why = next((pipelines.meaning(problem) for problem in sent.problems
                if problem.sample is sample), _WHY_NO_LINE[what])
    if what == "gauge" and (name, sample.resource_id) in polled:
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
        "path": path, "line": value and " ".join((path, value, second)),
        "no_line": None if value else why}


def _explain_field(settings, sample, name, unit, component):
    """Of one component: the values, what was written of them, and how."""
    field = component.text
    if settings.naming == "tags":
        field = component.lead.strip(".;=") or field.strip("{}")
    values, written, note = {}, None, "left out, as the options say"
    if component.write:
        namer = settings.namer
        found = namer.sources(namer.values(sample), name, unit)
        written = component.write(found)
        values = {source: found[source]
                  for source in sorted(component.sources)}
        note = ("" if values else "of the option prefix" if "prefix" in field
                else "as it stands in the template")
    if len(values) == 1:
        note = _note(*next(iter(values.items())), written)
    return {"field": field, "values": values, "component": written,
            "note": note}


def _note(source, value, written):
    """What happened to a value on its way into the path."""
    raw = sanitize.text(value)
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


def _lines(meter):
    """The lines of an explanation, for people."""
    yield "%s of %s: %r %s (%s) at %s, one of %d samples" % (
        meter["meter"], meter["resource_id"], meter["volume"],
        meter["unit"] or "", meter["type"], meter["timestamp"],
        meter["samples"])
    if not meter["series"]:
        yield "  nothing is sent, because no entry of rates matches"
    for series in meter["series"]:
        yield ""
        yield "%s, %s" % (series["name"], _OF[series["what"]] % meter["meter"])
        yield "  line:        %s" % (
            series["line"] or "none: " + series["no_line"])
        if series["definition"]:
            yield "  definition:  {%s} of %s" % (", ".join(
                # As YAML has it.
                "%s: %s" % (key, "[%s]" % ", ".join(value) if isinstance(
                    value, tuple) else value) for key, value in
                series["definition"]["entry"].items()),
                series["definition"]["file"])
        yield "  named by:    %s" % series["template"]
        yield from _field_lines(series["fields"])


def _field_lines(fields):
    """Columns: a field, what was written of it, its values and why."""
    rows = []
    for field in fields:
        values = [value for value in field["values"].values()
                  if value is not None]
        rows.append((
            field["field"],
            "-" if field["component"] is None else field["component"],
            "as it is" if values == [field["component"]] else ": ".join(
                filter(None, (", ".join(map(repr, values)), field["note"])))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield ("    " + "  ".join(map(str.ljust, row, widths))).rstrip()
