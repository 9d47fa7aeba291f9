"""The launch flow of a project in a real browser, on a real guest: from nothing to a console that shows the login prompt.

Screenshots in light and dark go to .build/test-logs/dashboard/."""
import time
import unittest

from selenium.webdriver.common.by import By

from cloud import Cloud, guest_image, wait
from dashboard_browser import BrowserTest

# What the guest's screen holds: how many of its points are lit, once noVNC is connected.
LIT = """
const canvas = document.querySelector('#screen canvas');
if (!canvas || document.body.dataset.state !== 'connected') return -1;
const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
let lit = 0;
for (let at = 0; at < data.length; at += 4) if (data[at] + data[at + 1] + data[at + 2] > 200) lit++;
return lit;
"""


class DashboardGuestTest(BrowserTest):
    @classmethod
    def make_cloud(cls):
        cloud = Cloud()
        cloud.up()
        # By its own boot loader, which leaves the screen in a text mode that the kernel goes on with.
        cloud.openstack("image", "create", "guest", "--public", "--disk-format", "qcow2", "--container-format", "bare",
                        "--file", guest_image()["disk"])
        return cloud

    def test_launch_flow_of_a_real_guest(self):
        self.sign_in_admin()
        self.administrator()
        self.sign_in("erin", "a-long-password-9")
        self.networks()
        self.launch()
        self.volume()
        self.outside()
        self.console()
        self.assertEqual(self.severe(), [])

    def administrator(self):
        self.submit("/identity/projects/-/create", name="engineering", description="The launch flow")
        self.submit("/identity/users/-/create", name="erin", password="a-long-password-9", project="engineering",
                    role="member")
        self.go("/admin/quotas")
        project = self.id_of("engineering")
        self.submit(f"/admin/quotas/{project}/edit", instances="5", cores="4")
        self.shot("guest-quota")

    def networks(self):
        self.submit("/project/networks/-/create", name="web", cidr="10.20.0.0/24", subnet_name="web-v4")
        self.submit("/project/routers/-/create", name="edge", external="public")
        router = self.browser.current_url.rsplit("/", 1)[1]
        self.submit(f"/project/routers/{router}/add-interface", subnet="web-v4")
        self.submit("/project/security-groups/-/create", name="ssh", description="SSH and ping from anywhere")
        group = self.browser.current_url.rsplit("/", 1)[1]
        for service in ("SSH", "Ping"):
            self.submit(f"/project/security-groups/{group}/add-rule", service=service)
        self.shot("guest-security-group")
        self.go("/project/key-pairs")
        self.browser.find_element(By.LINK_TEXT, "Create key pair").click()
        self.until(lambda: self.all("dialog #form-panel"))
        self.fill(name="erin-key").find_element(By.CSS_SELECTOR, ".buttons button").click()
        self.until(lambda: "PRIVATE KEY" in self.browser.page_source)
        self.submit("/project/volumes/-/create", name="data", size="1")

    def launch(self):
        self.go("/project/launch")
        self.one("[name=name]").send_keys("web-1")
        while self.step() != "Placement and metadata":
            if self.step() == "Source":
                row = next(r for r in self.all(".pick tr") if r.text.startswith("guest "))
                row.find_element(By.CSS_SELECTOR, "input").click()
                self.shot("guest-launch-source")
            if self.step() == "Flavor":
                row = next(r for r in self.all(".pick tr") if "m1.nano" in r.text)
                row.find_element(By.CSS_SELECTOR, "input").click()
            if self.step() == "Security groups":
                next(label for label in self.all("label.check") if label.text.strip() == "ssh").click()
            if self.step() == "Key pair":
                self.assertEqual(self.one("[name=key]").get_attribute("value"), "erin-key")
            self.next_step()
        self.shot("guest-launch-last")
        self.one(".wizard .primary").click()
        self.until(lambda: "/project/instances/" in self.browser.current_url)
        self.server = self.browser.current_url.rsplit("/", 1)[1].split("?")[0]
        # The page learns it by itself.
        self.until(lambda: "ACTIVE" in self.one("#live-status").text, 120)

    def volume(self):
        self.submit(f"/project/instances/{self.server}/attach-volume", volume="data")
        self.go("/project/volumes")
        self.until(lambda: "in-use" in self.text(), 90)
        self.assertIn("web-1", self.text())
        self.shot("guest-volumes")
        self.go(f"/project/instances/{self.server}")
        self.assertIn("Volumes", self.text())

    def outside(self):
        self.submit(f"/project/instances/{self.server}/associate", port="10.20.0.", address="public")
        self.go(f"/project/instances/{self.server}")
        self.until(lambda: "floating" in self.text())
        self.shot("guest-instance")
        self.go("/project/topology")
        self.until(lambda: "web-1" in self.text() and "edge" in self.text())
        self.shot("guest-topology")
        self.go("/project/instances")
        self.until(lambda: "↗" in self.text())
        self.shot("guest-instances")

    def console(self):
        """The guest's login prompt in the page: whoever types at it gets in. Then the same in a window of its own."""
        wait("the guest's log ends at its login prompt", lambda: "login:" in self.console_log(), 240, 1)
        self.shot("guest-log")
        self.go(f"/project/instances/{self.server}?tab=console")
        self.browser.switch_to.frame(self.one("iframe.screen"))
        try:
            self.until(self.lit, 60)
            for line in ("", "cirros", "gocubsgo"):
                self.type(line)
            # Only what a shell runs comes out at the serial console.
            self.type("echo typed-at-the-console | sudo tee /dev/ttyS0")
        finally:
            self.browser.switch_to.default_content()
        self.shot("guest-console")
        wait("the guest did what was typed", lambda: "typed-at-the-console" in self.console_log(), 60, 1)
        # A token opens once: what the window was given is used up.
        self.go(f"/project/instances/{self.server}?tab=console")
        self.browser.get(self.one("a[target=_blank]").get_attribute("href"))
        self.until(lambda: "vnc_auto.html" in self.browser.current_url)
        address = self.browser.current_url
        self.until(self.lit, 60)
        self.shot("guest-console-window")
        self.assertEqual(self.severe(), [])
        self.browser.get(address)
        self.until(lambda: self.one("body").get_attribute("data-state") == "closed")
        self.browser.get_log("browser")  # Its refusal is there by right.

    def type(self, line):
        """Types a line and waits until the screen has changed by it and stands still."""
        before = self.screen()
        self.browser.execute_script("typeText(arguments[0] + '\\n')", line)
        self.until(lambda: self.screen() != before)
        last = ""
        deadline = time.monotonic() + 30
        while (now := self.screen()) != last and time.monotonic() < deadline:
            last = now
            time.sleep(1.5)

    def lit(self):
        count = self.browser.execute_script(LIT)
        return count if count > 200 else 0

    def screen(self):
        return self.browser.execute_script("return document.querySelector('#screen canvas').toDataURL()")

    def console_log(self):
        self.go(f"/project/instances/{self.server}?tab=log")
        return self.text()


if __name__ == "__main__":
    unittest.main()
