"""The status page as people meet it: light and dark, wide and narrow, by keyboard, by screen reader, without a network."""
import os
import unittest

import zmq

import browser
import harness
import test_status

# Every text with the contrast to what lies behind it (WCAG 2): those below 4.5 to 1.
FAINT = """(() => {
  const part = v => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
  const light = c => .2126 * part(c[0]) + .7152 * part(c[1]) + .0722 * part(c[2]);
  const colour = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = colour(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent.trim()).join("");
    if (!own || !e.checkVisibility() || e.closest("script, style")) continue;
    const style = getComputedStyle(e), a = light(colour(e.namespaceURI.endsWith("svg") ? style.fill : style.color)), b = light(behind(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) faint.push(own.slice(0, 30) + " " + ratio.toFixed(2));
  }
  return faint;
})()"""

# What is cut off although nothing scrolls there.
WIDE = """[...document.querySelectorAll("body *")].filter(e => e.checkVisibility() && !e.closest(".scroll, svg, .skip") &&
  e.getBoundingClientRect().right > innerWidth + 1 && !e.closest("thead")).map(e => e.tagName + " " + e.textContent.slice(0, 40))"""

FOCUS = """(e => e === document.body ? "" : e.id || e.tagName + " " + e.textContent.slice(0, 20))(document.activeElement)"""


@unittest.skipUnless(browser.CHROMIUM, "no chromium")
class Page(test_status.Status):
    def setUp(self):
        super().setUp()
        self.browser = browser.Browser()
        self.addCleanup(self.browser.close)

    def show(self):
        server, ports = self.serve(zone="zone z 1m;")
        self.talk(ports)
        self.wait_subscribed()
        self.browser.screen(1280, 900)
        self.browser.open("http://127.0.0.1:%d/signalbox" % self.http)
        self.browser.wait("document.querySelectorAll('#rows tr').length === 6 && document.querySelectorAll('#events tr').length > 3", "the page")
        return server, ports

    def leave(self, server):
        """A browser holds connections it has not asked anything over, which nginx waits for."""
        self.browser.close()
        server.quit()

    def shade(self, picture):
        """Of the corner behind everything, 0 to 255."""
        _, _, rows = picture
        return sum(rows[2][6:9]) / 3

    def test_light_and_dark_wide_and_narrow(self):
        server, _ = self.show()
        b = self.browser
        for dark in (False, True):
            for width in (1280, 400):
                with self.subTest(dark=dark, width=width):
                    b.screen(width, 2400, dark)
                    b.wait("innerWidth === %d" % width, "the new size")
                    keep = os.environ.get("SB_PICTURES")
                    picture = b.picture(keep and os.path.join(keep, "status-%s-%d.png" % ("dark" if dark else "light", width)))
                    self.assertEqual(picture[:2], (width, 2400))
                    self.assertTrue(self.shade(picture) < 60 if dark else self.shade(picture) > 200, self.shade(picture))
                    colours = {row[i:i + 3] for row in picture[2][::7] for i in range(0, 3 * width, 21)}
                    self.assertGreater(len(colours), 20, "the picture is empty")
                    self.assertLessEqual(b.run("document.documentElement.scrollWidth"), width)
                    self.assertEqual(b.run(WIDE), [])
                    self.assertEqual(b.run(FAINT), [])
        b.run("document.documentElement.style.setProperty('--soft', '#777')")
        self.assertNotEqual(b.run(FAINT), [], "grey on black is not found")
        b.run("document.getElementById('h-map').style.cssText = 'white-space: pre; position: relative; left: 390px'")
        self.assertNotEqual(b.run(WIDE), [], "what is cut off is not found")
        self.assertEqual(b.errors(), [])
        self.leave(server)

    def test_keyboard(self):
        server, _ = self.show()
        b = self.browser
        stops = []
        while len(stops) < 40 and (not stops or stops[-1] != ""):
            b.press("Tab")
            stops.append(b.run(FOCUS))
        self.assertEqual(stops[:4], ["A To the sockets", "filter", "pause", "map"])
        self.assertTrue(any(s.startswith("SUMMARY front") for s in stops), stops)
        b.run("document.querySelector('#details summary').focus()")
        b.press("Enter")
        self.assertTrue(b.run("document.querySelector('#details details').open"))
        updates = b.run("updates = 0; new MutationObserver(() => updates++).observe(document.getElementById('rows'), { childList: true }); updates")
        self.assertEqual(updates, 0)
        b.wait("updates > 1", "the page to be drawn anew")
        self.assertTrue(b.run("document.querySelector('#details details').open"), "it closes by itself")
        self.assertRegex(b.run(FOCUS), "^SUMMARY front", "the focus is lost when the page is drawn anew")
        b.run("document.getElementById('pause').focus()")
        b.press(" ")
        self.assertEqual(b.run("document.getElementById('pause').textContent"), "Go on")
        self.assertEqual(b.errors(), [])
        self.leave(server)

    def test_filter(self):
        server, _ = self.show()
        b = self.browser
        b.run("document.getElementById('filter').focus()")
        b.type("feed")
        b.wait("[...document.querySelectorAll('#rows th')].map(e => e.textContent).join() === 'feed XPUB'", "one row")
        self.assertEqual(b.run("[...document.querySelectorAll('#events tr')].every(e => e.textContent.includes('feed'))"), True)
        b.run("document.getElementById('filter').select()")
        b.type("tick.usd")
        b.wait("document.getElementById('topics').textContent.includes('usd.') && !document.getElementById('topics').textContent.includes('eur.')", "one topic")
        self.leave(server)

    def test_what_a_screen_reader_is_told(self):
        server, _ = self.show()
        told = self.browser.told()
        for role in ("button", "searchbox", "link", "image", "region", "table"):
            names = [name for r, name in told if r == role and role != "table"]
            self.assertNotIn("", names, "a %s without a name" % role)
        for wanted in (("RootWebArea", "Signalbox"), ("button", "Pause"), ("searchbox", "Filter"), ("link", "To the sockets")):
            self.assertIn(wanted, told)
        pictures = [name for role, name in told if role in ("image", "img")]
        self.assertTrue(any(n.startswith("front (ROUTER) routes to eu, us") for n in pictures), pictures)
        self.assertTrue(any(n.startswith("Handler times: up to 1us:") for n in pictures), pictures)
        headings = [name for role, name in told if role == "heading"]
        for name in ("Map", "Sockets", "Subscriptions", "Scripts", "Slowest handlers", "Events"):
            self.assertIn(name, headings)
        self.assertIn(("rowheader", "front ROUTER"), told)
        for name in ("Dropped", "Handshakes failed", "Handshakes delayed"):
            self.assertIn(("columnheader", name), told)
        self.assertEqual(self.browser.run("document.documentElement.lang"), "en")
        self.leave(server)

    def test_a_server_that_goes_is_said_and_the_page_goes_on_when_it_is_back(self):
        server, _ = self.show()
        b = self.browser
        server.signal(harness.signal.SIGTERM)
        server.wait_end()
        b.wait("document.getElementById('trouble').textContent.startsWith('No answer')", "the trouble")
        self.assertIn("alert", [role for role, _ in b.told()])
        server.start()
        b.wait("document.getElementById('trouble').textContent === ''", "the trouble to be over")
        own = "http://127.0.0.1:%d/signalbox" % self.http
        self.assertEqual({u.split("?")[0] for u in b.asked() if not u.startswith("data:")}, {own})
        self.leave(server)


for name in [n for n in dir(test_status.Status) if n.startswith("test_")]:
    setattr(Page, name, None)  # those run elsewhere

if __name__ == "__main__":
    harness.main()
