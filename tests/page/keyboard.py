"""The page without a mouse, and as a screen reader is told it."""
import re

from page import equal, main, true


def focus(page):
    return page.run("return document.activeElement.id || document.activeElement.textContent.trim()")


def tab_to(page, wanted, most=40):
    """Presses Tab until the element with this id or text has the focus."""
    seen = []
    for _ in range(most):
        page.keys("Tab")
        seen.append(focus(page))
        if seen[-1] == wanted:
            return seen
    raise AssertionError(f"Tab never comes to {wanted}: {seen}")


def a_photo_is_cut_merged_and_hidden_with_the_keys_alone(page):
    equal("the first stop", tab_to(page, "file"), ["file"])
    tab_to(page, "coffee")
    page.keys("Enter")
    page.settle()
    equal("the slider is at hand", focus(page), "tau")
    count = page.number("#count")
    page.keys(*["Right"] * 20)
    page.settle()
    finer = page.number("#count")
    true(f"finer: {count} {finer}", finer > count)
    true(page.said(), re.search(rf"^{finer} segments at granularity 0\.50$", page.said()))
    tab_to(page, "segments")
    page.keys("Home")
    first = page.rows()[0][0]
    true("its segment is lit", page.run("return document.querySelector('#segments .lit, #segments .active') !== null"))
    equal("active row", page.run("return document.getElementById('segments').getAttribute('aria-activedescendant')"),
          f"segment-{first}")
    page.keys("Space", "Down", "Space")
    page.wait_text("#selected-count", "2 chosen")
    page.keys("m")
    page.wait_text("#count", f"^{finer - 1}$")
    true(page.said(), re.match(r"2 segments merged into segment \d+\.", page.said()))
    page.settle()
    page.keys("h")
    page.wait("word of it", lambda: page.said() == "1 segment hidden")
    page.settle()
    true("the row says so", any("hidden" in words for _, words, _ in page.rows()))
    page.keys("Control+z", "Control+z")
    page.wait_text("#count", f"^{finer}$")
    page.keys("Control+Shift+z")
    page.wait_text("#count", f"^{finer - 1}$")
    page.keys("Control+z", "Control+z")
    page.wait_text("#count", f"^{count}$")  # the slider's 20 steps are one
    page.keys("Escape")
    page.wait_text("#selected-count", "^$")


def the_cross_names_and_chooses_and_finds_what_is_similar(page):
    page.open_sample("coffee")
    page.run("document.getElementById('stage').focus()")
    page.keys("Up", "Up", "Left")
    true("the cross", page.shown("#cross"))
    true(page.said(), re.match(r"Segment \d+, [\d.]+ % of the photo", page.said()))
    page.keys("Enter")
    page.wait_text("#selected-count", "1 chosen")
    page.keys("Enter")
    page.wait_text("#selected-count", "^$")
    box = "const b = document.getElementById('photo-layer').getBoundingClientRect(); return [b.left, b.width];"
    fitted = page.run(box)
    page.keys("+", "+")
    zoomed = page.run(box)
    true("zoomed", zoomed[1] > fitted[1])
    page.keys("Shift+Right")
    true("moved", page.run(box)[0] < zoomed[0])
    page.keys("0")
    equal("fits", page.run(box), fitted)
    page.run("document.querySelector('[value=select]').focus()")
    page.keys("Right")
    equal("tool", page.run("return document.getElementById('stage').dataset.tool"), "similarity")
    page.run("document.getElementById('stage').focus()")
    page.keys("Down", "Enter")
    page.wait("the heat map", lambda: page.shown("#heat-layer"))
    page.wait("word of it", lambda: page.said().startswith("What is like the place"))


def everything_has_a_name_and_a_role(page):
    equal("heading", page.name_and_role("#welcome-title"), ("Cut a photo into its regions", "heading"))
    page.open_sample("chelsea")
    page.click("#fine summary")
    for selector, name, role in [
            ("#stage", "The photo", "application"), ("#tau", "Granularity τ", "slider"),
            ("#opacity", "Colour over the photo", "slider"), ("#iterations", "Passes of refinement", "slider"),
            ("#alpha", "Contrast of similarities α", "slider"),
            ("#min-tokens", "Smallest segment, patches", "spinbutton"),
            ("#boundaries", "Lines between segments", "checkbox"), ("#segments", "Segments", "listbox"),
            ("[value=select]", "Choose segments", "radio"), ("#zoom-in", "Zoom in", "button"),
            ("#zoom-out", "Zoom out", "button"), ("#undo", "Undo", "button"), ("#merge", "Merge", "button"),
            ("[data-download=coco]", "Masks COCO JSON", "button"), ("#file", "Open a photo", "button")]:
        got = page.name_and_role(selector)
        true(f"{selector}: {got}, expected {name}, {role}", got[0].startswith(name) and got[1] == role)
    name, role = page.name_and_role("#segments li")
    true(f"a row: {name}", re.match(r"Segment \d+, [\d.]+ % of the photo", name) and role == "option")
    equal("value of the slider", page.run("return document.getElementById('tau').ariaValueText"),
          f"0.40, {page.number('#count')} segments")
    # Whatever can have the focus has a name.
    nameless = page.run("""return [...document.querySelectorAll('button, input, [tabindex], summary')]
        .filter((element) => element.getClientRects().length > 0).map((element, index) => {
            element.dataset.index = index;
            return index;
        });""")
    for index in nameless:
        name, role = page.name_and_role(f"[data-index='{index}']")
        true(f"element {index}, {role}, has no name", name != "")
    equal("ids are given once", page.run("""const ids = [...document.querySelectorAll('[id]')].map((one) => one.id);
        return ids.filter((id, index) => ids.indexOf(id) !== index);"""), [])
    equal("ids that are pointed to but are not there", page.run("""
        return [...document.querySelectorAll('*')].flatMap((one) =>
        ['for', 'aria-labelledby', 'aria-describedby', 'aria-activedescendant'].flatMap((key) =>
            (one.getAttribute(key) ?? '').split(' ').filter(Boolean)))
        .filter((id) => document.getElementById(id) === null);"""), [])


main(a_photo_is_cut_merged_and_hidden_with_the_keys_alone,
     the_cross_names_and_chooses_and_finds_what_is_similar,
     everything_has_a_name_and_a_role)
