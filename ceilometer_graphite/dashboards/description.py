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

"""What is on the dashboards, and the queries of it.

All of it stands in ``data/dashboards.yaml``, whose keys are the attributes
of the classes here.
"""

import dataclasses
import importlib.resources
import typing

import yaml

from ceilometer_graphite.dashboards import layout as layouts

PER_SECOND = "per second"


@dataclasses.dataclass(frozen=True)
class Target:
    """A query of a panel.

    :ivar of: a meter, or a list of those that are added up
    :ivar times: a meter that each machine's value is multiplied by
    :ivar count: whether it counts what has a value, and does not add up
    :ivar by: ``machine``, or a list of roles of a layout: one line of each;
        all is added up to one line without
    :ivar scale: a factor; or ``per second``, of what a publisher counts from
        one report to the next
    :ivar top: at most so many lines, those of the highest average
    :ivar legend: the name of the line; with ``by``, what follows the name
    :ivar otherwise: the name of a line at 0 where there are no series
    """

    of: str | list[str]
    times: str = ""
    count: bool = False
    by: str | typing.Sequence[str] = ()
    scale: float | str = 1
    top: int = 0
    legend: str = ""
    otherwise: str = ""


@dataclasses.dataclass(frozen=True)
class Panel:
    """A graph or a number.

    :ivar unit: one that the writers know
    :ivar kind: ``lines``, ``areas`` on top of each other, ``bars`` of what
        is highest first, or the latest ``number``
    :ivar width: in Grafana, whose pages are 24 wide
    :ivar description: what the title cannot say
    """

    title: str
    unit: str
    targets: list[Target]
    kind: str = "lines"
    width: int = 12
    description: str = ""


@dataclasses.dataclass(frozen=True)
class Dashboard:
    """A page of panels.

    :ivar match: the roles of the layout that its queries choose by; the last
        is what the page is about, of the others any may be chosen
    :ivar listed_by: more of them, which narrow the choice and nothing else
    :ivar may_be_any: whether any may be chosen of the last, too
    :ivar of_publishers: whether it is about publishers, and not machines
    """

    name: str
    title: str
    description: str
    match: list[str]
    panels: list[Panel]
    listed_by: typing.Sequence[str] = ()
    may_be_any: bool = False
    of_publishers: bool = False


def load() -> list[Dashboard]:
    """The packaged dashboards."""
    packaged = importlib.resources.files("ceilometer_graphite").joinpath(
        "data/dashboards.yaml")
    found = yaml.safe_load(packaged.read_bytes())["dashboards"]
    return [_dashboard(name, **keys) for name, keys in found.items()]


def _dashboard(name, panels, **keys):
    return Dashboard(name=name, panels=[_panel(**panel) for panel in panels],
                     **keys)


def _panel(targets, **keys):
    return Panel(targets=[Target(**target) for target in targets], **keys)


class Writer(typing.NamedTuple):
    """Writes queries as Graphite expressions.

    :ivar chosen: what is chosen of the names, by role
    :ivar of_reports: whether they are of the publishers' reports
    :ivar report_seconds: between two of these
    """

    layout: layouts.Layout
    chosen: dict[str, str]
    of_reports: bool
    report_seconds: float

    def expression(self, target: Target) -> str:
        """The expression of a :class:`Target`."""
        meters = [target.of] if isinstance(target.of, str) else target.of
        written = self._values(target, meters)
        written = (self._by(written, meters[0], target.by) if target.by
                   else "sumSeries(%s)" % written)
        if target.top:
            written = "highestAverage(%s,%d)" % (written, target.top)
        if target.legend:
            written = ('aliasSub(%s,"$"," %s")' if target.by
                       else 'alias(%s,"%s")') % (written, target.legend)
        if target.otherwise:
            written = self._or_nothing(written, target.otherwise)
        return written

    def _values(self, target, meters):
        """What is added up."""
        written = self._series(meters)
        if target.times:
            written = self._grouped(
                self._series([*meters, target.times]), "multiply", meters[0],
                ["hypervisor", *self.layout.machine])
        if target.count:
            written = "offset(scale(%s,0),1)" % written
        factor = (1 / self.report_seconds if target.scale == PER_SECOND
                  else target.scale)
        return ("scale(%s,%.9g)" % (written, factor) if factor != 1
                else written)

    def _or_nothing(self, written, name):
        """An expression, or a line at 0 where others have points."""
        others = self.layout.series(self.layout.probe, self.chosen)
        return 'fallbackSeries(%s,alias(scale(sumSeries(%s),0),"%s"))' % (
            written, others, name)

    def _series(self, meters):
        written = ",".join(
            self.layout.series(meter, self.chosen) for meter in meters)
        if len(meters) > 1:
            written = "group(%s)" % written
        # A poll that is a little late leaves a gap of one point, in which
        # a sum would fall. Reports count what was, and are not repeated.
        return (written if self.of_reports
                else "keepLastValue(%s,1)" % written)

    def _by(self, written, meter, by):
        if by != "machine":
            return self._grouped(written, "sum", meter, by)
        roles = self.layout.machine
        written = self._grouped(written, "sum", meter, roles)
        return (written if len(roles) == 1
                else "aliasByNode(%s,%d)" % (written, len(roles) - 1))

    def _grouped(self, written, function, meter, roles):
        return 'groupByNodes(%s,"%s",%s)' % (written, function, ",".join(
            self.layout.node(role, meter) for role in roles))
