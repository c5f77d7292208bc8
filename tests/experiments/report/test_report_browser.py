"""The report in a real browser: offline, by pointer and by keyboard, at desktop and at phone width."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finished_run import foreign_run, small_run
from headless_browser import emulate, opened, requests, show

from experiments.report.command import main
from experiments.stored.activity import activity_of_run
from savings_gym.activity.recording import hand_paths
from savings_gym.arrays import MM

PLACE = """
const player = document.querySelector("article").player, hand = player.svg.querySelector(".hand");
return [player.time, Number(hand.getAttribute("cx")), Number(hand.getAttribute("cy")), player.playing];
"""
DRAWN = """
const places = ["[data-plot=learning] svg", ".arm svg", ".muscles svg", ".units canvas"];
return places.every(place => document.querySelector(place));
"""
VISIBLE = 0.021  # mm, rounding of stored places and of those on the page


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with opened() as browser:
        yield browser


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, chrome: Any) -> Path:  # without a browser nothing runs
    return small_run(tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture(scope="module")
def page(run: Path) -> Path:
    assert main([str(run)]) == 0
    return run / "report.html"


@pytest.fixture
def open_page(chrome: Any, page: Path) -> Any:
    show(chrome, page)
    wait(chrome, DRAWN)
    return chrome


def wait(chrome: Any, script: str, seconds: float = 10.0) -> Any:
    """Return what a script returns as soon as that is true."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(chrome, seconds, poll_frequency=0.05).until(lambda its: its.execute_script(script))


def find(chrome: Any, query: str) -> Any:
    return chrome.find_element("css selector", query)


def choose(chrome: Any, name: str, value: str) -> None:
    chrome.execute_script("arguments[0].click()", find(chrome, f'[name="{name}-0"][value="{value}"]'))


def press(chrome: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    actions = ActionChains(chrome)
    for key in keys:
        actions.send_keys(key)
    actions.perform()


def focus(chrome: Any, query: str) -> Any:
    element = find(chrome, query)
    chrome.execute_script("arguments[0].focus({focusVisible: true})", element)
    return element


def test_the_page_loads_without_errors_and_asks_for_nothing(chrome: Any, page: Path) -> None:
    chrome.get_log("browser"), requests(chrome)
    show(chrome, page)
    wait(chrome, DRAWN)
    assert chrome.get_log("browser") == []
    addresses = requests(chrome)
    assert addresses and all(address.startswith(("file:", "data:")) for address in addresses)


def test_the_numbers_that_are_seen_are_those_of_the_summary(open_page: Any, run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    row = find(open_page, '[data-key="savings.initial.difference"]')
    number = row.find_element("css selector", ".number").text
    assert float(number.removesuffix(" mm").replace("−", "-")) == pytest.approx(
        MM * summary["savings"]["initial"]["difference"], rel=5e-3
    )


def test_a_reach_plays_along_its_stored_path_and_ends_at_its_end(open_page: Any, run: Path) -> None:
    choose(open_page, "phase", "FF1")
    choose(open_page, "field", "1")
    choose(open_page, "target", "3")
    open_page.execute_script("document.querySelector('.speed').value = '1'")
    path = MM * hand_paths(activity_of_run(run, "curl", save=False))["FF1"][0, 3]
    find(open_page, ".play").click()
    seen = []
    while len(seen) < 2 or seen[-1][3]:
        seen.append(open_page.execute_script(PLACE))
    for time, x, y, _ in seen:
        assert np.hypot(*(path[int(time)] - (x, y))) < VISIBLE
    assert len({time for time, *_ in seen}) > 2 and seen[-1][0] == len(path) - 1


def test_a_frame_that_is_older_than_the_click_shows_no_time_before_the_first(open_page: Any) -> None:
    choose(open_page, "target", "3")
    times = open_page.execute_script("""
        const player = document.querySelector("article").player, own = requestAnimationFrame, times = [];
        let frame;
        window.requestAnimationFrame = (next) => { frame = next; };
        player.show(0);
        player.play();
        for (const age of [200, 150, 0]) {
          frame(performance.now() - age);
          times.push(player.time);
        }
        player.pause();
        window.requestAnimationFrame = own;
        return times;
    """)
    assert times[0] == 0 and times == sorted(times) and times[-1] > 0


def test_another_phase_shows_other_paths_and_says_which(open_page: Any) -> None:
    paths = "return [...document.querySelectorAll('.arm path')].map(path => path.getAttribute('d')).join()"
    muscles = "return document.querySelector('.muscles').innerHTML"
    before = open_page.execute_script(paths), open_page.execute_script(muscles)
    choose(open_page, "phase", "NF2")
    choose(open_page, "field", "1")
    assert "network after NF2, field on: the field comes back" in find(open_page, ".moment").text
    after = open_page.execute_script(paths), open_page.execute_script(muscles)
    assert before[0] != after[0] and before[1] != after[1]


def test_the_time_cursor_links_hand_muscles_and_units(open_page: Any) -> None:
    lefts = "return [...document.querySelectorAll('.cursor')].map(its => parseFloat(its.style.left))"
    open_page.execute_script("document.querySelector('article').player.show(20)")
    first = open_page.execute_script(lefts)
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(open_page).move_to_element(find(open_page, ".units canvas")).click().perform()
    time, *_ = open_page.execute_script(PLACE)
    second = open_page.execute_script(lefts)
    assert 40 <= time <= 60 and len(set(second)) == 1 and second[0] > first[0]


def test_a_curve_is_read_by_pointer(open_page: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    plot = find(open_page, '[data-plot="learning"] svg')
    ActionChains(open_page).move_to_element(plot).perform()
    read = find(open_page, '[data-plot="learning"] + .readout').text
    values = open_page.execute_script("return report.runs[0].learning.phases")
    phase = read.split(",")[0]
    number = float(read.split(": ")[1].split(" mm")[0].replace("−", "-"))
    assert any(abs(number - value) <= 0.0501 for value in values[phase]["mean"]), read
    assert "95 % interval" in read


def test_everything_works_by_keyboard(open_page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    focus(open_page, '[data-plot="learning"] svg')
    press(open_page, Keys.HOME)
    first = find(open_page, '[data-plot="learning"] + .readout').text
    press(open_page, Keys.ARROW_RIGHT)
    second = find(open_page, '[data-plot="learning"] + .readout').text
    assert first.startswith("NF1, trial 0:") and second.startswith("NF1") and first != second
    focus(open_page, '[name="phase-0"]:checked')
    press(open_page, Keys.ARROW_RIGHT)
    assert "after FF1" in find(open_page, ".moment").text
    focus(open_page, ".time")
    press(open_page, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert open_page.execute_script(PLACE)[0] == 2
    focus(open_page, ".play")
    press(open_page, Keys.SPACE)
    assert open_page.execute_script(PLACE)[3]
    press(open_page, Keys.SPACE)
    assert not open_page.execute_script(PLACE)[3]


def test_tab_reaches_every_control_with_a_visible_focus(open_page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    wanted = {"play", "time", "speed"}
    seen: set[str] = set()
    open_page.execute_script("document.querySelector('[name=\"zoom-0\"]:checked').focus()")
    for _ in range(4):
        press(open_page, Keys.TAB)
        name, outline = open_page.execute_script(
            "const its = document.activeElement; return [its.className, getComputedStyle(its).outlineStyle]"
        )
        seen.add(name)
        assert outline != "none", name
    assert wanted <= seen


@pytest.mark.parametrize("width", [320, 390, 768])
def test_no_page_scrolls_sideways(chrome: Any, page: Path, width: int) -> None:
    show(chrome, page, width, 844)
    wait(chrome, DRAWN)
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= width


def test_light_dark_and_print_differ_where_they_should(chrome: Any, page: Path) -> None:
    background = "return getComputedStyle(document.body).backgroundColor"
    colours = []
    for scheme in ("light", "dark"):
        show(chrome, page, scheme=scheme)
        colours.append(chrome.execute_script(background))
    emulate(chrome, "dark", "print")
    assert chrome.execute_script(background) == colours[0] != colours[1]
    assert (
        chrome.execute_script("return getComputedStyle(document.querySelector('.controls')).display")
        == "none"
    )
    emulate(chrome)


def test_several_runs_share_a_page(chrome: Any, run: Path, tmp_path: Path) -> None:
    larger = small_run(tmp_path / "larger", "--units", "12")
    other = foreign_run(run, tmp_path / "ppo")
    out = tmp_path / "three.html"
    assert main([str(run), str(larger), str(other), "--out", str(out)]) == 0
    chrome.get_log("browser")
    show(chrome, out, 390, 844)
    wait(chrome, "return document.querySelectorAll('#size svg').length >= 4")
    chrome.execute_script("document.querySelector('[name=run][value=\"2\"]').click()")
    shown = "return [...document.querySelectorAll('article.run')].map(its => !its.hidden)"
    assert chrome.execute_script(shown) == [False, False, True]
    assert "keeps no networks" in find(chrome, "#reaches-2").text
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= 390
    assert chrome.get_log("browser") == []
