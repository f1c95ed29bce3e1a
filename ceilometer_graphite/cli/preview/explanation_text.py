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


"""Explanations of paths, as a text to read."""

_OF = {"volume": "the volume of %s", "rate": "a rate, made of the counter %s",
       "gauge": "a gauge, made of the metadata of %s"}


def lines(meter):
    """The lines of a text.

    :param meter: a dict of :func:`~ceilometer_graphite.cli.preview.explanation
        .explain`
    """
    yield "%s of %s: %r %s (%s) at %s, one of %d samples" % (
        meter["meter"], meter["resource_id"], meter["volume"],
        meter["unit"] or "", meter["type"], meter["timestamp"],
        meter["samples"])
    if not meter["series"]:
        yield "  nothing is sent of it, as no entry of rates fits"
    for series in meter["series"]:
        yield ""
        yield from _series(meter["meter"], series)


def _series(meter, series):
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
