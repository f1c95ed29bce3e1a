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


"""The command line of tools/demo.sh."""

import argparse
import pathlib
import sys

ROOT = pathlib.Path(__file__).absolute().parent.parent


def _number_between(low, high):
    """Return an argparse type for integers in a range."""
    def number(text):
        if not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{low} to {high}, not {text}")
        return int(text)
    return number


def parse():
    """Return the arguments; `dir` and `png` are absolute paths."""
    parser = argparse.ArgumentParser(
        prog="tools/demo.sh", description="Show a hypervisor's instances in "
        "Graphite. Everything runs on this machine, in one folder.")
    add = parser.add_argument
    add("--instances", type=_number_between(1, 5000), default=12, metavar="N",
        help="number of instances to simulate (%(default)s)")
    add("--interval", type=_number_between(1, 3600), default=2,
        metavar="SECONDS", help="interval between polls (%(default)s)")
    add("--seconds", type=_number_between(10, 86400), default=36,
        metavar="SECONDS", help="duration (%(default)s)")
    add("--libvirt", nargs="?", const="qemu:///system", metavar="URI",
        help="poll the libvirt of this machine (%(const)s)")
    add("--keep", action=argparse.BooleanOptionalAction,
        default=sys.stdout.isatty(), help="stay up until Ctrl-C "
        "(default on a terminal)")
    add("--dir", type=pathlib.Path, default=ROOT / ".demo",
        help="folder for all files (.demo in the checkout)")
    add("--png", type=pathlib.Path, help="file for the picture (DIR/cpu.png)")
    arguments = parser.parse_args()
    arguments.dir = arguments.dir.absolute()
    arguments.png = (arguments.png or arguments.dir / "cpu.png").absolute()
    return arguments
