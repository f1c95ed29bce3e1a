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

"""Applies the patches of ``upstream/`` to Ceilometer and tests them.

Downloads the source distribution of the release that the series is made for,
and applies the patches in order. After each patch it runs Ceilometer's style
checks and the test modules that the patch touches. After the last patch, or
with ``--every`` after each, it also runs all of Ceilometer's unit tests and
builds its documentation::

    tox -e upstream
    tox -e upstream -- --every
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

RELEASE = "27.0.0"
SERIES = pathlib.Path(__file__).absolute().parent.parent / "upstream"
MAX_LINES = 400
# git needs an identity for the commits that it makes here.
_IDENTITY = {f"GIT_{role}_{key}": value
             for role in ("AUTHOR", "COMMITTER")
             for key, value in (("NAME", "ceilometer-graphite"),
                                ("EMAIL", "series@localhost"))}
_BIN = pathlib.Path(sys.executable).parent
_ENV = {**os.environ, **_IDENTITY, "PBR_VERSION": RELEASE,
        "PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}"}


class SeriesError(Exception):
    """A patch breaks a rule; the message names the patch and the rule."""


def changed_lines(patch):
    """Count the lines that a patch adds or removes.

    :param patch: its text, as ``git format-patch`` writes it
    """
    diff = patch.partition("\ndiff --git ")[2]
    return len(re.findall(r"^(?:\+(?!\+\+ )|-(?!-- ))", diff, re.M))


def subject(patch):
    """Return the subject of a patch as one line."""
    return re.search(r"^Subject: \[PATCH [^]]*\] (.*(?:\n .*)*)", patch,
                     re.M)[1].replace("\n ", " ")


def check_patch(name, patch):
    """Check a patch against the rules of this series.

    :raises SeriesError: if it is too long or lacks what a reviewer needs
    """
    size = changed_lines(patch)
    if size > MAX_LINES:
        raise SeriesError(f"{name} changes {size} lines, more than "
                          f"{MAX_LINES}")
    if len(subject(patch)) > 50:
        raise SeriesError(f"{name} has a subject of over 50 characters")
    for needed in ("\nSigned-off-by: ", "+++ b/ceilometer/tests/",
                   "+++ b/releasenotes/notes/"):
        if needed not in patch:
            raise SeriesError(f"{name} has no {needed.strip()}")


def run(*command, cwd):
    """Print and run a command.

    :raises subprocess.CalledProcessError: if it fails
    """
    print("$", *command, flush=True)
    subprocess.run(command, cwd=cwd, env=_ENV, check=True)


def unpack(folder):
    """Download Ceilometer's source, and make a git repository of it.

    :returns: its path
    """
    run("pip", "download", "--quiet", "--no-deps", "--no-build-isolation",
        "--no-binary", ":all:", f"ceilometer=={RELEASE}", cwd=folder)
    archive, = pathlib.Path(folder).glob("ceilometer-*.tar.gz")
    with tarfile.open(archive) as source:
        source.extractall(folder, filter="data")
    tree = pathlib.Path(folder) / f"ceilometer-{RELEASE}"
    # Its entry points would hide those of the patches.
    run("rm", "-r", "ceilometer.egg-info", cwd=tree)
    run("git", "init", "--quiet", cwd=tree)
    run("git", "add", "--all", "--force", cwd=tree)
    run("git", "commit", "--quiet", "--message", RELEASE, cwd=tree)
    return tree


def install(tree):
    """Install what Ceilometer's tests and documentation need."""
    run("uv", "pip", "install", "--quiet", "-r", "requirements.txt", "-r",
        "test-requirements.txt", "-r", "doc/requirements.txt", cwd=tree)


def test_all(tree):
    """Run all unit tests and build the documentation."""
    run("stestr", "run", cwd=tree)
    run("sphinx-build", "-q", "-b", "html", "doc/source", "doc/build/html",
        cwd=tree)


def test_touched(tree):
    """Run the style checks, and the unit tests of the last patch."""
    run("uv", "pip", "install", "--quiet", "--no-deps",
        "--no-build-isolation", "--editable", ".", cwd=tree)
    run("flake8", cwd=tree)
    run("ruff", "check", "--quiet", "ceilometer", cwd=tree)
    touched = subprocess.run(
        ["git", "diff", "--name-only", "HEAD~1"], cwd=tree, check=True,
        stdout=subprocess.PIPE, text=True).stdout.split()
    run("codespell", "--ignore-words=doc/dictionary.txt", *touched, cwd=tree)
    pages = [path for path in touched if path.endswith((".rst", ".yaml"))]
    run("doc8", "--quiet", *pages, cwd=tree)
    modules = [path for path in touched if "/test_" in path]
    run("stestr", "run", "|".join(
        path[:-len(".py")].replace("/", r"\.") + r"\." for path in modules),
        cwd=tree)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--every", action="store_true",
                        help="run all tests after each patch")
    arguments = parser.parse_args()
    patches = sorted(SERIES.glob("*.patch"))
    with tempfile.TemporaryDirectory() as folder:
        tree = unpack(folder)
        install(tree)
        for patch in patches:
            check_patch(patch.name, patch.read_text())
            run("git", "am", "--quiet", str(patch), cwd=tree)
            test_touched(tree)
            if arguments.every or patch == patches[-1]:
                test_all(tree)


if __name__ == "__main__":
    try:
        main()
    except (SeriesError, subprocess.CalledProcessError) as e:
        sys.exit(f"upstream: {e}")
