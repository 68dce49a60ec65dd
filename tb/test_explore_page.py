# SPDX-License-Identifier: Apache-2.0
"""The page of `sysmt explore`: whole in itself, and in a real browser filtered, hovered over and clicked."""

import json
import re
import shutil
from importlib.util import find_spec

import pytest

from sysmt.report.explore_page import explore_page
from sysmt.sim.explore.explore import explore
from sysmt.sim.explore.requests import request_of
from sysmt.sim.explore.store import Store

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("store") / "r.sqlite") as store:
        return explore(request_of(["digits"], settings=["rows=4,8", "cols=4,8,16", "drain=overlap"]), store)


@pytest.fixture(scope="module")
def page(found):
    if find_spec("bokeh") is None:
        pytest.skip("bokeh is not installed: pip install 'sysmt[explore]'")
    cells = {"predicted": 1234.5, "low": 1.0, "high": 2e4, "measured": 1300.0, "error_percent": -5.04}
    none = dict.fromkeys(cells)
    real = [{"command": "sysmt generate os2 <x>", "area": cells, "mhz": none}]
    return explore_page(found, found.as_dict() | {"synthesised": real})


def part(page, name):
    """A JSON part of the page."""
    return json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)[1])


def test_the_page_holds_all_points_and_nothing_is_fetched(found, page):
    assert not re.search(r'(?:src|href)\s*=\s*"(?!data:)', re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL))
    shown = part(page, "shown")
    assert shown["choices"]["threads"] == sorted({point.config.pe.threads for point in found.points}, key=str)
    assert "drain" not in shown["choices"]  # all have the same
    text = json.dumps(part(page, "item"))
    assert all(found.command(point) in text for point in found.points)
    assert found.command(found.best()[0]) in page
    row = "".join(f"<td>{text}</td>" for text in ("1,234", "1,300", "-5.0", "-", "-", "-"))
    assert f"<td>sysmt generate os2 &lt;x&gt;</td>{row}" in page


def test_the_picture_is_one_of_its_format(found):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'sysmt[demo]'")
    from sysmt.report.explore_figure import explore_picture

    assert explore_picture(found, "png").startswith(b"\x89PNG")
    drawn = explore_picture(found, "svg").decode()
    assert drawn == explore_picture(found, "svg").decode()
    assert "<!-- front -->" in drawn
    assert "digits on any target" in drawn


def test_a_browser_filters_hovers_and_chooses(found, page, tmp_path):
    if find_spec("playwright") is None:
        pytest.skip("playwright is not installed: pip install playwright")
    browser_path = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser_path is None:
        pytest.skip(f"no browser is installed: one of {', '.join(BROWSERS)}")
    from playwright.sync_api import sync_playwright

    file = tmp_path / "explore.html"
    file.write_text(page)
    complaints = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1000, "height": 1200}, offline=True)
        tab = context.new_page()
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        tab.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
        tab.goto(file.as_uri())
        tab.wait_for_selector("body[data-ready]", timeout=60_000)
        rows = tab.locator("#front tbody tr")

        assert tab.inner_text("#count") == f"{len(found.points)} of {len(found.points)} configurations"
        assert commands(rows) == [found.command(found.points[i]) for i in found.front]

        # Filtered, the front is that of what is left.
        tab.select_option("select[name=threads]", "2")
        tab.fill("input[name=cols]", "8")
        kept = [point for point in found.points if point.config.pe.threads == 2 and point.config.cols <= 8]
        assert tab.inner_text("#count") == f"{len(kept)} of {len(found.points)} configurations"
        fastest = min(kept, key=lambda point: (point.latency, point.area))
        assert commands(rows)[-1] == found.command(fastest)
        tab.click("#filters button")
        assert tab.inner_text("#count").startswith(f"{len(found.points)} of")

        # A row of the table chooses a point.
        rows.last.click()
        best = found.best()[0]
        assert tab.inner_text("#command") == found.command(best)
        assert f"rows {best.config.rows}" in tab.inner_text("#chosen")

        # The pointer over a point shows its facts, a click chooses it.
        x, y = tab.evaluate(PLACE, [min(found.points[i].area for i in found.front)])
        tab.mouse.move(x - 3, y)
        tab.mouse.move(x, y)
        tab.wait_for_selector(".bk-tooltip-row-value, .bk-Tooltip", state="attached", timeout=20_000)
        assert "4 x 4" in tab.evaluate(TOOLTIP)
        tab.mouse.click(x, y)
        tab.wait_for_function("document.getElementById('chosen').textContent.startsWith('rows 4 · cols 4')")
        assert tab.inner_text("#command") in {
            found.command(p) for p in found.points if p.config.cols == p.config.rows == 4
        }
        browser.close()
    assert complaints == []


def commands(rows):
    """The commands of the rows of the table."""
    return [row.get_attribute("title") for row in rows.all()]


PLACE = """([area]) => {
  const view = Bokeh.index.roots ? Bokeh.index.roots[0] : Object.values(Bokeh.index)[0];
  const data = view.model.document.get_model_by_name("front").data;
  const i = Array.from(data.area).indexOf(area), y = data.latency ?? data.energy;
  const box = view.canvas_view.el.getBoundingClientRect(), scales = view.frame;
  return [box.x + scales.x_scale.compute(area), box.y + scales.y_scale.compute(y[i])];
}"""
"""Where a point of the front is, in pixels of the window."""

TOOLTIP = """() => {
  const texts = [], look = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (String(element.className).includes("bk-Tooltip")) texts.push((element.shadowRoot ?? element).textContent);
      if (element.shadowRoot) look(element.shadowRoot);
    }
  };
  look(document);
  return texts.join(" ");
}"""
"""What the tooltips say, wherever they are in the tree."""
