"""The page as a person uses it with a mouse: a photo in, the slider, hover, merging, hiding, undo, similarity, zoom."""
import os
import re
import time

from page import SAMPLES, equal, main, true


def a_photo_comes_in_by_file_by_drop_by_paste_and_as_a_sample(page):
    page.open_file(os.path.join(SAMPLES, "chelsea.png"))
    page.settle()
    equal("width of the map", page.run("return document.getElementById('segment-layer').width"), 451)
    page.drop(os.path.join(SAMPLES, "coffee.png"))
    page.wait("the dropped photo", lambda: page.run("return document.getElementById('segment-layer').width") == 600)
    page.settle()
    page.paste(os.path.join(SAMPLES, "astronaut.png"))
    page.wait("the pasted photo", lambda: page.run("return document.getElementById('segment-layer').width") == 512)
    page.settle()
    true("segments of the pasted photo", page.number("#count") > 1)
    page.load()
    page.open_sample("rocket")
    equal("width of the map", page.run("return document.getElementById('segment-layer').width"), 640)


def the_slider_answers_as_it_is_dragged_without_the_server(page):
    page.open_sample("chelsea")
    before = page.number("#count")
    start = page.run("""const slider = document.getElementById('tau'), box = slider.getBoundingClientRect();
        const at = (slider.value - slider.min) / (slider.max - slider.min);
        return [box.left + 8 + (box.width - 16) * at, box.top + box.height / 2, box.right - 40];""")
    # Every answer of the server from here on is counted; the drag's own frames are looked at from inside the page.
    page.run("""window.counts = []; window.asked = 0; window.ask = window.fetch;
        window.fetch = (...values) => { window.asked++; return window.ask(...values); };
        new MutationObserver(() => window.counts.push(
            [Number(document.getElementById('count').textContent), window.asked]))
            .observe(document.getElementById('count'), {childList: true, characterData: true, subtree: true});""")
    page.drag(start[:2], *[(start[0] + (start[2] - start[0]) * step / 6, start[1]) for step in range(1, 7)])
    page.wait("more segments", lambda: page.number("#count") > before)
    page.settle()
    counts = page.run("return window.counts")
    passing = [count for count, asked in counts if asked == 0]
    true(f"counts on the way without the server: {counts}", len(passing) >= 2 and passing == sorted(passing))
    true("the exact map is asked for when the slider rests", page.run("return window.asked") >= 1)
    page.run("window.fetch = window.ask")
    page.set_range("#tau", 0)
    page.wait_text("#count", "^1$")
    equal("word for one", page.text("#count-word"), "segment")


def hovering_names_the_segment_and_lights_it_up(page):
    page.open_sample("coffee")
    unlit = page.pixel(0.5, 0.2)
    page.hover(page.on_photo(0.5, 0.2))
    page.wait("the tip", lambda: page.shown("#tip"))
    words = page.text("#tip-text")
    true(words, re.fullmatch(r"Segment \d+ · (under )?[\d.]+ %", words))
    page.wait("the segment to light up", lambda: page.pixel(0.5, 0.2)[3] > unlit[3])
    segment = int(re.search(r"\d+", words).group())
    swatch = page.run("return getComputedStyle(document.getElementById('tip-swatch')).backgroundColor")
    equal("colour of the swatch", [int(part) for part in re.findall(r"\d+", swatch)], page.pixel(0.5, 0.2)[:3])
    lit = page.run("return [...document.querySelectorAll('#segments .lit')].map((row) => Number(row.dataset.segment))")
    equal("row that is lit", lit, [segment])
    page.hover(page.middle("#about"))
    page.wait("the light to go out", lambda: page.pixel(0.5, 0.2) == unlit)
    true("no tip", not page.shown("#tip"))


def clicked_segments_are_merged_hidden_and_brought_back_by_undo(page):
    page.open_sample("chelsea")
    before = page.number("#count")
    picture = page.picture_sum()
    page.press(page.on_photo(0.35, 0.15))
    page.press(page.on_photo(0.3, 0.7))
    page.wait_text("#selected-count", "2 chosen")
    chosen = sorted(segment for segment, _, selected in page.rows() if selected)
    page.click("#merge")
    page.wait_text("#count", f"^{before - 1}$")
    page.settle()
    rows = page.rows()
    true("the merged one has the lowest number", any(
        segment == chosen[0] and "merged" in words and selected for segment, words, selected in rows))
    true("the other number is gone", all(segment != chosen[1] for segment, _, _ in rows))
    equal("colours of both places", page.pixel(0.35, 0.15), page.pixel(0.3, 0.7))
    page.click("#hide")
    page.wait("the segment to be hidden", lambda: page.pixel(0.35, 0.15)[3] == 0)
    equal("the button now shows", page.text("#hide"), "Show")
    page.click("#undo")
    page.wait("the segment to be back", lambda: page.pixel(0.35, 0.15)[3] > 0)
    page.click("#undo")
    page.wait_text("#count", f"^{before}$")
    page.click("#clear")
    page.hover(page.middle("#about"))
    page.wait("the picture as it was", lambda: page.picture_sum() == picture)
    page.click("#redo")
    page.wait_text("#count", f"^{before - 1}$")
    page.press(page.on_photo(0.35, 0.15))
    page.click("#split")
    page.wait_text("#count", f"^{before}$")


def a_merged_segment_stays_itself_when_the_slider_moves(page):
    page.open_sample("coffee")
    page.press(page.on_photo(0.5, 0.2))
    page.press(page.on_photo(0.45, 0.45))
    page.wait_text("#selected-count", "2 chosen")
    page.click("#merge")
    page.settle()
    share = next(words for _, words, _ in page.rows() if "merged" in words)
    page.set_range("#tau", 0.6)
    page.settle()
    merged = [words for _, words, _ in page.rows() if "merged" in words]
    equal("merged segments at a finer cut", len(merged), 1)
    time.sleep(1.1)  # steps of the slider within a second are undone as one
    page.set_range("#tau", 0.05)
    page.settle()
    equal("segments at the coarsest cut: it, and all around it", page.number("#count"), 2)
    merged = [words for _, words, _ in page.rows() if "merged" in words]
    equal("merged segments at the coarsest cut", len(merged), 1)
    percent = [float(re.search(r"([\d.]+) %", words).group(1)) for words in (share, merged[0])]
    true(f"its share stays about the same: {percent}", abs(percent[0] - percent[1]) < 3)
    page.click("#undo")
    page.click("#undo")
    page.settle()
    equal("as it was merged", next(words for _, words, _ in page.rows() if "merged" in words), share)


def a_clicked_patch_shows_what_is_similar(page):
    page.open_sample("coffee")
    page.click("[value=similarity] + span")
    page.press(page.on_photo(0.5, 0.2))
    page.wait("the heat map", lambda: page.shown("#heat-layer"))
    true("the segments make room", not page.shown("#segment-layer"))
    light = lambda place: sum(page.pixel(*place, layer="#heat-layer")[:3])
    true("the rim of the cup is like itself, the table is not", light((0.47, 0.2)) > light((0.9, 0.3)) + 60)
    first = page.picture_sum("#heat-layer")
    page.press(page.on_photo(0.9, 0.3))
    page.wait("another heat map", lambda: page.picture_sum("#heat-layer") != first)
    page.click("[value=select] + span")
    true("the segments are back", page.shown("#segment-layer") and not page.shown("#heat-layer"))


def opacity_lines_and_refinement_change_the_picture(page):
    page.open_sample("coffee")
    opacity = page.pixel(0.5, 0.2)[3]
    page.set_range("#opacity", 1)
    page.wait("opaque colours", lambda: page.pixel(0.5, 0.2)[3] == 255 > opacity)
    white = "const c = document.getElementById('segment-layer');" \
            "const d = new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer);" \
            "return d.reduce((n, p) => n + Number((p & 0xffffff) === 0xffffff), 0);"
    true("lines", page.run(white) > 500)
    page.click("#boundaries")
    page.wait("no lines", lambda: page.run(white) == 0)
    refined = page.picture_sum()
    page.click("#fine summary")
    page.click("#refine")
    page.settle()
    page.wait("rough borders", lambda: page.picture_sum() != refined)
    rough = page.picture_sum()
    page.click("#refine")
    page.settle()
    page.wait("refined borders", lambda: page.picture_sum() == refined)
    page.set_range("#iterations", 3)
    page.settle()
    page.wait("borders refined a little", lambda: page.picture_sum() not in (refined, rough))


def another_alpha_cuts_anew_and_undo_brings_the_former_cut_back(page):
    page.open_sample("chelsea")
    page.hover(page.middle("#about"))
    before, picture = page.number("#count"), page.picture_sum()
    alpha = page.run("return document.getElementById('alpha').value")
    page.click("#fine summary")
    page.set_range("#alpha", 10)
    page.wait("another cut", lambda: page.number("#count") != before)
    page.settle()
    page.click("#undo")
    page.wait("the former cut", lambda: page.number("#count") == before and page.picture_sum() == picture)
    equal("alpha", page.run("return document.getElementById('alpha').value"), alpha)
    page.run("document.getElementById('min-tokens').value = ''")
    page.type("#min-tokens", "40")
    page.keys("Tab")
    page.wait("segments of 40 patches or more", lambda: page.number("#count") < before)


def wheel_drag_and_buttons_zoom_and_move_the_photo(page):
    page.open_sample("chelsea")
    box = "const b = document.getElementById('photo-layer').getBoundingClientRect();" \
          "return [b.left, b.top, b.width, b.height].map(Math.round);"
    fitted = page.run(box)
    place = page.on_photo(0.3, 0.6)
    page.wheel(place, -400)
    zoomed = page.run(box)
    true(f"larger: {fitted} {zoomed}", zoomed[2] > 2 * fitted[2])
    equal("the pointer stays on its place", [round((place[0] - zoomed[0]) / zoomed[2], 2),
                                             round((place[1] - zoomed[1]) / zoomed[3], 2)], [0.3, 0.6])
    middle = page.middle("#stage")
    page.drag(middle, (middle[0] + 50, middle[1] + 30), (middle[0] + 90, middle[1] + 60))
    moved = page.run(box)
    equal("moved by", [moved[0] - zoomed[0], moved[1] - zoomed[1]], [90, 60])
    equal("dragging chooses nothing", page.text("#selected-count"), "")
    page.click("#zoom-fit")
    equal("fits again", page.run(box), fitted)
    page.click("#zoom-in")
    true("zoomed in", page.run(box)[2] > fitted[2])
    page.click("#zoom-out")
    equal("and out", page.run(box), fitted)
    page.pinch(page.middle("#stage"), 80, 240)
    pinched = page.run(box)
    true(f"pinched: {pinched}", 2.5 < pinched[2] / fitted[2] < 3.5)


main(a_photo_comes_in_by_file_by_drop_by_paste_and_as_a_sample,
     the_slider_answers_as_it_is_dragged_without_the_server,
     hovering_names_the_segment_and_lights_it_up,
     clicked_segments_are_merged_hidden_and_brought_back_by_undo,
     a_merged_segment_stays_itself_when_the_slider_moves,
     a_clicked_patch_shows_what_is_similar,
     opacity_lines_and_refinement_change_the_picture,
     another_alpha_cuts_anew_and_undo_brings_the_former_cut_back,
     wheel_drag_and_buttons_zoom_and_move_the_photo)
