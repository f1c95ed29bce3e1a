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


import unittest

from ceilometer.polling import manager

from tests.unit.cli import checks

SETTINGS = ("ceilometer.conf", "options", "pipeline.yaml", "publishers",
            "graphite://")
HAS_NAMES = any(opt.name == "identity_name_discovery"
                for opt in manager.POLLING_OPTS)


class SettingsTestCase(checks.CheckTestCase):

    def found(self, query="", urls=(), **options):
        self.write_pipeline(*(urls or [self.url + query]))
        self.write_options(**options)
        return self.find(*SETTINGS)


class SettingsTest(SettingsTestCase):

    def assert_error(self, results, *texts):
        self.assert_found("error", results, *texts)
        self.assertEqual([], self.state.publishers)

    def test_a_good_url_is_told_with_its_template(self):
        self.assert_ok(self.found())
        self.assertIn("{instance}.{meter}.{device}, plaintext over tcp",
                      self.found()[-1].message)

    def test_an_unknown_parameter_is_an_error(self):
        self.assert_error(self.found("?prefx=a"), "prefx is not an option")

    def test_a_bad_endpoint_is_an_error(self):
        self.assert_error(self.found(urls=["graphite://g:99999"]), "99999")

    def test_a_bad_value_in_ceilometer_conf_is_an_error(self):
        self.assert_error(self.found(counters="sum"),
                          "[graphite] counters", "rate, raw, both")

    def test_a_value_that_is_no_number_is_an_error(self):
        self.assert_error(self.found(buffer_size="32M"), "buffer_size")

    def test_all_bad_options_are_told_in_one_run(self):
        results = self.found("?protocol=smoke", counters="sum",
                             spool_size="2G")
        self.assertEqual(
            [("[graphite] counters has to be one of rate, raw, both, and not "
              "'sum'", "correct it in pipeline.yaml, or in [graphite] of "
              "ceilometer.conf"),
             ("[graphite] spool_size has to be a whole number of at least "
              "1048576, and not '2G'", "spool_size = 2147483648 is 2 GiB"),
             ("protocol in the URL has to be one of tcp, tls, udp, and not "
              "'smoke'", "correct it in pipeline.yaml, or in [graphite] of "
              "ceilometer.conf")],
            [(each.message, each.hint) for each in results
             if each.status == "error"])

    def test_an_unknown_option_is_a_warning_said_once(self):
        results = self.found(urls=[self.url, self.url + "?prefix=b"],
                             prefx="a.")
        self.assert_found("warning", results, "options: [graphite] prefx is "
                          "not an option", "did you mean prefix?")

    def test_an_option_in_another_section_is_a_warning(self):
        for section in "DEFAULT", "publisher", "polling":
            with self.subTest(section):
                self.write_conf({section: {"prefix": "a."}})
                self.assert_found(
                    "warning", self.find("ceilometer.conf", "options"),
                    "[%s] prefix is not an option" % section,
                    "move it to [graphite]")

    def test_an_option_of_ceilometers_in_another_section_is_a_warning(self):
        self.write_conf({"publisher": {
            "telemetry_driver": "ceilometer_pipeline"}})
        self.assert_found(
            "warning", self.find("ceilometer.conf", "options"),
            "[publisher] telemetry_driver is not an option",
            "move it to [publisher_notifier]")

    def test_a_bad_value_of_an_option_of_ceilometers_is_one_error(self):
        self.write_conf({
            "DEFAULT": {"libvirt_type": "kvn"},
            "polling": {"batch_size": "5O"},
            "compute": {"instance_discovery_method": "libvirt"}})
        ended = self.check()
        errors = [line for line in ended.out.splitlines()
                  if line.startswith("error")]
        self.assertEqual(3, len(errors), errors)
        for line, name in zip(sorted(errors), (
                "[DEFAULT] libvirt_type has to be one of kvm, ",
                "[compute] instance_discovery_method has to be one of naive",
                "[polling] batch_size has to be a whole number, and not '5O'"
                ), strict=True):
            self.assertIn(name, line)
            self.assertIn("; correct it in ceilometer.conf", line)

    def test_a_bad_value_is_told_once_whatever_number_of_urls_it_is_for(self):
        self.assert_found("error", self.found(
            urls=[self.url, self.url + "?counters=both"], buffer_size="64M"),
            "buffer_size = 67108864 is 64 MiB")

    def test_a_section_that_is_almost_ours_is_a_warning(self):
        self.write_conf({"grafite": {"prefix": "a."}})
        self.assert_found(
            "warning", self.find("ceilometer.conf", "options"),
            "nothing reads the section [grafite]", "did you mean [graphite]?")

    def test_a_template_that_does_not_compile_is_an_error(self):
        self.assert_error(self.found(template="{meter}.{server}"),
                          "template", "{server}")

    def test_a_prefix_that_no_path_may_have_is_an_error(self):
        self.assert_error(self.found(prefix="a b"), "prefix")

    def test_definitions_that_do_not_compile_are_an_error(self):
        path = self.write("definitions.yaml", "rates: [{meter: cpu}]")
        self.assert_error(self.found(definitions_file=path),
                          "definitions_file", "name is missing")

    def test_definitions_that_are_missing_are_an_error(self):
        self.assert_error(self.found(definitions_file="/no/such.yaml"),
                          "/no/such.yaml: cannot be read")

    def test_definitions_that_the_user_may_not_read_are_an_error(self):
        path = self.write("definitions.yaml", "rates: []")
        (self.directory / "definitions.yaml").chmod(0o600)
        self.write_options(definitions_file=path)
        self.as_nobody(lambda: self.assert_error(
            self.find(*SETTINGS), "Permission denied"))

    def test_a_cafile_that_is_missing_is_an_error(self):
        self.assert_error(self.found("?protocol=tls", cafile="/no/ca.pem"),
                          "cafile = /no/ca.pem")

    def test_one_bad_url_leaves_the_others(self):
        results = self.found(urls=[self.url + "?a=b", self.url])
        self.assert_found("error", results, "a is not an option")
        self.assertEqual([self.url], [
            settings.url for settings in self.state.publishers])


class DoubtsTest(SettingsTestCase):

    def test_plaintext_to_the_port_of_pickle_is_a_warning(self):
        self.assert_found("warning", self.found(urls=["graphite://g:2004"]),
                          "g:2004 is usually the port for pickle",
                          "use port 2003, or set format = pickle")

    def test_pickle_to_the_port_of_plaintext_is_a_warning(self):
        self.assert_found(
            "warning", self.found(urls=["graphite://g:2003?format=pickle"]),
            "g:2003 is usually the port for plaintext",
            "use port 2004, or set format = plaintext")

    def test_certificates_without_tls_are_a_warning(self):
        self.assert_found("warning", self.found(cafile="/etc/ca.pem"),
                          "cafile is set, but nothing is encrypted")

    def test_tls_that_is_not_verified_is_a_warning(self):
        self.assert_found(
            "warning", self.found("?protocol=tls&tls_verify=false"),
            "certificate is not verified")

    def test_a_template_in_which_instances_collide_is_a_warning(self):
        self.assert_found(
            "warning", self.found(
                template="{prefix}.{hostname}.{meter}.{device}"),
            "gives two instances one series")

    def test_a_template_in_which_disks_collide_is_a_warning(self):
        self.assert_found(
            "warning", self.found(template="{instance_id}.{meter}"),
            "gives two disks one series")

    def test_templates_that_tell_all_apart_are_fine(self):
        for template in ("{instance_name}.{meter}.{device}",
                         "{resource_id}.{meter}"):
            self.assert_ok(self.found(template=template))

    def test_tagged_series_are_fine(self):
        self.assert_ok(self.found(naming="tags"))

    def test_a_relative_spool_dir_is_a_warning(self):
        self.assert_found("warning", self.found(spool_dir="spool"),
                          "spool_dir = spool depends on the folder")


class PollingTest(checks.CheckTestCase):
    """What has to fit how the agent polls."""

    def found(self, polling=None, **options):
        self.write_conf({"graphite": options, "polling": polling or {}})
        return self.find("polling.yaml", *SETTINGS)

    def test_names_of_projects_that_nobody_looks_up_are_a_warning(self):
        template = "a.{project_name}.{instance}.{meter}.{device}"
        self.assert_found(
            "warning", self.found(template=template),
            "{project_name}, which is none without identity_name_discovery",
            "set identity_name_discovery = true in [polling]")

    @unittest.skipUnless(HAS_NAMES, "this Ceilometer has no such option")
    def test_names_of_projects_that_are_looked_up_are_fine(self):
        self.assert_ok(self.found(
            {"identity_name_discovery": True},
            template="a.{project_name}.{instance}.{meter}.{device}"))

    def test_rates_that_expire_between_two_polls_are_a_warning(self):
        self.assert_ok(self.found(rate_expiry_seconds=61))
        for seconds in (59, 60):
            self.assert_found(
                "warning", self.found(rate_expiry_seconds=seconds),
                "rate_expiry_seconds = %d is not longer than the polling "
                "interval of 60 seconds" % seconds,
                "set rate_expiry_seconds = 180")

    def test_rates_that_nobody_wants_may_expire(self):
        self.assert_ok(self.found(rate_expiry_seconds=60, counters="raw"))
