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


import http.server
import json
import re
import threading
import types

from ceilometer_graphite.cli.check import hypervisor
from ceilometer_graphite.cli.check import results as check_results
from tests import releases
from tests.unit.cli import checks

LIBVIRT = ("ceilometer.conf", "hypervisor_inspector", "libvirt", "instances")


class HypervisorTest(checks.CheckTestCase):

    def use_simulator(self, instances=3):
        self.useFixture(checks.fixtures.EnvironmentVariable(
            "SIMULATOR_INSTANCES", str(instances)))
        module = checks.simulated_libvirt()
        self.use_libvirt(module)
        return module

    def test_instances_that_nova_made_are_found(self):
        self.use_simulator(3)
        self.write_conf(releases.options_of_nova(self))
        results = self.find(*LIBVIRT)
        self.assert_ok(results)
        self.assertIn("3 of 3 are found", results[-1].message)

    def test_an_inspector_that_there_is_not_is_an_error(self):
        self.write_conf({"DEFAULT": {"hypervisor_inspector": "hyperv"}})
        self.assert_found(
            "error", self.find("ceilometer.conf", "hypervisor_inspector"),
            "hyperv")

    def test_an_inspector_that_is_no_option_any_more_is_fine(self):
        state = check_results.State(None, conf=types.SimpleNamespace())
        self.assert_ok(list(check_results.run([check_results.Check(
            "hypervisor_inspector", hypervisor.inspector)], state)))

    def test_a_python_without_libvirt_is_an_error(self):
        self.use_libvirt(None)
        self.assert_found("error", self.find(*LIBVIRT),
                          "module libvirt is missing", "python3-libvirt")

    def test_a_libvirt_that_is_away_is_an_error(self):
        module = self.use_simulator()

        def refuse(uri):
            raise module.libvirtError(
                "Failed to connect socket to '%s'" % uri,
                module.VIR_ERR_SYSTEM_ERROR)
        module.openReadOnly = refuse
        self.write_conf({"DEFAULT": {"libvirt_uri": "qemu:///elsewhere"}})
        results = self.find(*LIBVIRT)
        self.assert_found("error", results, "qemu:///elsewhere",
                          "restart libvirtd")
        self.assert_found("skipped", results, "instances")

    def test_a_libvirt_that_does_not_answer_is_an_error(self):
        module = self.use_simulator()
        self.never_answers(module)
        results = self.find(*LIBVIRT)
        self.assert_found("error", results, "no answer within 0.1 seconds",
                          "restart libvirtd")
        self.assert_found("skipped", results, "instances")

    def never_answers(self, module):
        answers = threading.Event()
        self.addCleanup(answers.set)
        module.openReadOnly = lambda uri: answers.wait()
        self.useFixture(checks.fixtures.MonkeyPatch(
            "ceilometer_graphite.cli.sampling.ANSWER_SECONDS", 0.1))

    def test_no_instance_is_a_warning(self):
        self.use_simulator(0)
        self.assert_found("warning", self.find(*LIBVIRT), "there are none",
                          "libvirt_uri")

    def without_metadata(self, module, first):
        """Take Nova's metadata from the instances but for the first ones."""
        def metadata(domain, kind, uri, flags=0):
            index = int(domain.name().rpartition("-")[2], 16) - 1
            if index >= first:
                raise module.libvirtError(
                    "metadata not found",
                    module.VIR_ERR_NO_DOMAIN_METADATA)
            return domain._nova_xml
        module.Domain.metadata = metadata

    def test_instances_of_which_none_is_novas_are_an_error(self):
        self.without_metadata(self.use_simulator(3), 0)
        self.assert_found("error", self.find(*LIBVIRT), "0 of 3 are found",
                          "not made by Nova")

    def test_instances_of_which_some_are_not_novas_are_a_warning(self):
        self.without_metadata(self.use_simulator(3), 2)
        self.write_conf(releases.options_of_nova(self))
        self.assert_found("warning", self.find(*LIBVIRT), "2 of 3 are found",
                          "no graphs of them")

    def test_a_domain_without_flavor_or_owner_is_named(self):
        for element in "flavor", "owner":
            module = self.use_simulator(3)
            self.write_conf(releases.options_of_nova(self))
            self.change_second(module, lambda text, element=element: re.sub(
                "(?s)<%s .*?</%s>|<%s>.*?</%s>" % ((element,) * 4), "", text))
            self.assert_found(
                "warning", self.find(*LIBVIRT), "instance-00000002 has no "
                + element, "in Nova's metadata, so it is left out",
                "openstack server reboot --hard")

    def test_an_odd_domain_that_ends_the_whole_discovery_is_named(self):
        self.write_conf(releases.options_of_nova(self))
        for change in (lambda text: text.replace("uuid=", "id="),
                       lambda text: text + "<"):
            self.change_second(self.use_simulator(3), change)
            found = self.assert_found(
                "error", self.find(*LIBVIRT), "instance-00000002 has no ",
                "which ends the discovery of all")
            self.assertNotIn("credentials", found.hint)

    def change_second(self, module, change):
        """Change Nova's metadata of the second of the domains."""
        def metadata(domain, kind, uri, flags=0):
            text = domain._nova_xml
            return change(text) if domain.name().endswith("2") else text
        module.Domain.metadata = metadata

    def test_metadata_that_need_nova_without_credentials_are_an_error(self):
        module = self.use_simulator(3)
        module.NOVA_XML = module.NOVA_XML.replace(' id="{flavor.id}"', "")
        self.assert_found("error", self.find(*LIBVIRT),
                          "libvirt_metadata finds none",
                          "set [service_credentials]",
                          "Ceilometer before 25.0.0")

    def test_the_method_naive_without_credentials_is_an_error(self):
        self.use_simulator(3)
        self.write_conf({"compute": {"instance_discovery_method": "naive"}})
        self.assert_found("error", self.find(*LIBVIRT),
                          "= naive finds none",
                          "instance_discovery_method = libvirt_metadata",
                          "fetch_extra_metadata = false")

    def test_a_host_that_nova_does_not_know_is_an_error(self):
        self.use_simulator(3)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _NoServers)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.write_conf({
            "compute": {"instance_discovery_method": "naive"},
            "service_credentials": {
                "auth_type": "none",
                "endpoint": "http://127.0.0.1:%d" % server.server_port}})
        self.assert_found("error", self.find(*LIBVIRT), "0 of 3 are found",
                          "host in [DEFAULT] as Nova has it")


class _NoServers(http.server.BaseHTTPRequestHandler):
    """A Nova to which a host of that name has no instances."""

    def do_GET(self):
        body = json.dumps({"servers": [], "flavors": []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Keep requests out of the tests' output."""
