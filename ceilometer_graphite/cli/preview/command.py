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

"""Show the lines that would be sent, of a poll or of a recording.

The lines go to the output, and all that is to say about them goes beside
it, to stderr. Nothing is sent.
"""

import argparse
import collections
import json
import sys
import time

from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import hypervisor
from ceilometer_graphite.cli import pipelines
from ceilometer_graphite.cli import recordings
from ceilometer_graphite.cli.preview import explanation

_OF = {"volume": "the volume of %s", "rate": "a rate, made of the counter %s",
       "gauge": "a gauge, made of the metadata of %s"}


def run(arguments: argparse.Namespace) -> int:
    """Print lines, or how they came about.

    :returns: the exit status
    :raises common.CommandError: when there are no samples
    """
    conf = common.load_conf(arguments)
    pipes = pipelines.Pipelines(conf)
    batches, notes = (
        (recordings.read(arguments.file, conf), []) if arguments.file
        else _poll(arguments, conf, pipes))
    sent, left_out = pipes.send(batches)
    if arguments.explain:
        return _explain(arguments, sent, left_out)
    if arguments.json:
        print(json.dumps({
            "publishers": [{
                "url": each.url, "lines": [
                    line.rstrip("\n") for line in each.lines],
                "problems": [_shown(problem.sample, pipelines.meaning(problem))
                             for problem in each.problems]}
                for each in sent],
            "left_out": [_shown(*pair) for pair in left_out],
            "notes": notes}))
        return 0
    _tell(notes, left_out)
    for each in sent:
        _print_lines(each)
    return 0


def _poll(arguments, conf, pipes):
    """The samples of a poll, after one for the rates, and warnings."""
    if not getattr(conf.polling, "enable_notifications", True):
        raise common.CommandError(
            "[polling] enable_notifications is off, and the agent publishes "
            "nothing", "set it to true in ceilometer.conf")
    polled = hypervisor.Hypervisor(conf)
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
            "the hypervisor has no samples" + "".join(
                ": " + note for note in notes[:1]),
            "ceilometer-graphite check tells more, and ceilometer-graphite "
            "top shows the instances on it")
    return batches, notes


def _explain(arguments, sent, left_out):
    found = [{"url": each.url, "meters": explanation.explain(
        each, arguments.explain)} for each in sent]
    if not any(each["meters"] for each in found):
        whys = sorted({": " + why for sample, why in left_out
                       if sample.name == arguments.explain})
        known = sorted({
            sample.name for each in sent for sample in each.samples})
        raise common.CommandError(
            "no sample is published of %s%s" % (
                arguments.explain, "".join(whys[:1])),
            "there are samples of %s" % (", ".join(known) or "nothing"))
    if arguments.json:
        print(json.dumps(found, default=str))
        return 0
    print("\n\n".join(
        "\n".join([*([each["url"]] if len(found) > 1 else []),
                   *_lines(meter)])
        for each in found for meter in each["meters"]))
    return 0


def _lines(meter):
    """The lines of an explanation, for people."""
    yield "%s of %s: %r %s (%s) at %s, one of %d samples" % (
        meter["meter"], meter["resource_id"], meter["volume"],
        meter["unit"] or "", meter["type"], meter["timestamp"],
        meter["samples"])
    if not meter["series"]:
        yield "  nothing is sent of it, as no entry of rates fits"
    for series in meter["series"]:
        yield ""
        yield from _series_lines(meter["meter"], series)


def _series_lines(meter, series):
    yield "%s, %s" % (series["name"], _OF[series["what"]] % meter)
    yield "  line:        %s" % (
        series["line"] or "none: " + series["no_line"])
    if series["definition"]:
        yield "  definition:  {%s} of %s" % (
            ", ".join("%s: %s" % (key, _written(value)) for key, value in
                      series["definition"]["entry"].items()),
            series["definition"]["file"])
    yield "  named by:    %s" % series["template"]
    rows = [(field["field"], _component(field), _origin(field))
            for field in series["fields"]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield ("    " + "  ".join(
            text.ljust(width) for text, width in zip(
                row, widths, strict=True))).rstrip()


def _component(field):
    return "-" if field["component"] is None else field["component"]


def _origin(field):
    """What a component was written of, and how."""
    values = [value for value in field["values"].values()
              if value is not None]
    if values == [field["component"]]:
        return "as it is"
    return ": ".join(filter(None, (
        ", ".join(map(repr, values)), field["note"])))


def _written(value):
    """A value of a definition, as YAML has it."""
    return "[%s]" % ", ".join(value) if isinstance(value, tuple) else value


def _shown(sample, why):
    return {"meter": sample.name, "resource_id": sample.resource_id,
            "timestamp": sample.timestamp, "volume": sample.volume,
            "why": why}


def _tell(notes, left_out):
    """Say what is not among the lines, alike samples together."""
    for note in notes:
        _say("ceilometer: " + note)
    kinds = collections.Counter(
        (sample.name, why) for sample, why in left_out)
    for (meter, why), count in sorted(kinds.items()):
        _say("left out: %d of %s: %s" % (count, meter, why))


def _print_lines(sent):
    _say("%s: %d lines of %d samples" % (
        sent.url, len(sent.lines), len(sent.samples)))
    for problem in sent.problems:
        _say("%s of %s with volume %.60r: %s" % (
            problem.sample.name, problem.sample.resource_id,
            problem.sample.volume, pipelines.meaning(problem)))
    sys.stdout.writelines(sent.lines)
    sys.stdout.flush()


def _say(text):
    print(text, file=sys.stderr)
