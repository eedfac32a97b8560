"""Print how light and how fast the first page is on a throttled phone: python -m tests.e2e.measure_first_page URL

CPU four times slower, 1.6 Mbit/s down, 150 ms to the server (Lighthouse's "slow 4G"). Largest contentful
paint is the median of RUNS loads with an empty cache. Exits 1 where a budget is not kept. The page is drawn
without the software OpenGL of the other browser tests: it has no 3D, and composing it so costs half a second.
"""

from __future__ import annotations

import gzip
import shutil
import statistics
import sys

from playwright.sync_api import Browser, sync_playwright

RUNS = 9
FLAGS = ["--no-sandbox", "--disable-gpu"]
PAINT_BUDGET = 1.5  # seconds
SCRIPT_BUDGET = 90_000  # bytes, compressed

PAINT = """() => new Promise((resolve) => new PerformanceObserver((list) =>
  resolve(list.getEntries().at(-1).startTime)).observe({ type: 'largest-contentful-paint', buffered: true }))"""
SHIFT = """() => new Promise((resolve) => { let sum = 0; new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) sum += entry.value; }).observe({ type: 'layout-shift', buffered: true });
  setTimeout(() => resolve(sum), 300); })"""


def main(address: str) -> int:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        loads = [_load(browser, address) for _ in range(RUNS)]
        browser.close()
    paint = statistics.median(load[0] for load in loads)
    shift = max(load[1] for load in loads)
    scripts = loads[0][2]
    print(
        f"largest contentful paint {paint:.2f} s (budget {PAINT_BUDGET}); all: {[round(load[0], 2) for load in loads]}"
    )
    print(
        f"layout shift {shift:.3f}; scripts {scripts / 1000:.1f} kB compressed (budget {SCRIPT_BUDGET / 1000:.0f})"
    )
    return int(paint > PAINT_BUDGET or scripts > SCRIPT_BUDGET)


def _load(browser: Browser, address: str) -> tuple[float, float, int]:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, device_scale_factor=2, is_mobile=True, has_touch=True
    )
    page = context.new_page()
    scripts: list[str] = []
    page.on("request", lambda request: scripts.append(request.url) if request.url.endswith(".js") else None)
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    throttled = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 93_750}
    session.send("Network.emulateNetworkConditions", throttled)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.goto(address, wait_until="load")
    paint, shift = page.evaluate(PAINT) / 1000, page.evaluate(SHIFT)
    size = sum(len(gzip.compress(page.request.get(url).body(), 9)) for url in scripts)
    context.close()
    return paint, shift, size


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/"))
