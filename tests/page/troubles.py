"""What goes wrong is said in plain words where it matters, and nothing is lost by it: cancelled, refused, gone."""
import os
import re
import tempfile
import urllib.request

from page import SAMPLES, Server, equal, main, true

LIMITS = ("--max-body", "300000", "--max-pixels", "280000", "--max-tokens", "16384")


def error(page, selector="#open-error"):
    page.wait(f"a message in {selector}", lambda: page.shown(selector))
    return page.text(selector)


def metric(page, name):
    with urllib.request.urlopen(page.server.url + "metrics", timeout=60) as answer:
        return int(re.search(re.escape(name) + r" (\d+)", answer.read().decode()).group(1))


def cancel_in_mid_computation(page):
    """Cancel is pressed once the page says what is computed; the next photo is computed at three times the size, which
    takes the network and the cut long enough on any machine."""
    page.run("""const ask = window.fetch;
        window.fetch = (path, options) => {
            if (path === 'v1/jobs') {
                path += '?size=384';
                window.fetch = ask;
            }
            return ask(path, options);
        };
        new MutationObserver((changes, observer) => {
            if (/Looking|Comparing|Cutting/.test(document.getElementById('progress-stage').textContent)) {
                observer.disconnect();
                document.getElementById('cancel').click();
            }
        }).observe(document.getElementById('progress-stage'), {childList: true});""")


def a_computation_is_cancelled_and_the_server_stops_it(page):
    before = metric(page, 'diffcut_jobs_total{state="cancelled"}')
    cancel_in_mid_computation(page)
    page.click("#samples li:nth-child(2) button")
    page.wait("word of it", lambda: page.said() == "Cancelled")
    true("the empty page", page.shown("#welcome"))
    true("no error", not page.shown("#open-error"))
    page.wait("the server to stop", lambda: metric(page, 'diffcut_jobs_total{state="cancelled"}') == before + 1)
    page.open_sample("chelsea")
    count, picture = page.number("#count"), page.picture_sum()
    cancel_in_mid_computation(page)
    page.open_file(os.path.join(SAMPLES, "rocket.jpg"))
    page.wait("the server to stop", lambda: metric(page, 'diffcut_jobs_total{state="cancelled"}') == before + 2)
    page.settle()
    page.wait("the photo before", lambda: page.picture_sum() == picture)
    equal("its segments", page.number("#count"), count)
    page.set_range("#tau", 0.5)
    page.settle()
    true("it can be worked on", page.number("#count") > count)


def a_photo_too_large_or_none_at_all_is_refused_in_plain_words(page):
    page.open_file(os.path.join(SAMPLES, "astronaut.png"))
    true(error(page), re.fullmatch(r"That file has \d+ kB; this server takes at most 292 kB\.", error(page)))
    true("no retry", not page.shown("#open-retry"))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "notes.jpg")
        with open(path, "w") as file:
            file.write("not a photo\n")
        page.open_file(path)
        page.wait("the server's word on it", lambda: page.shown("#welcome") and "That file" not in error(page))
        true(error(page), "photo" in error(page))
        open(path, "w").close()
        page.open_file(path)
        page.wait("an empty file", lambda: error(page) == "That file is empty.")
    page.run("""const canvas = document.createElement('canvas');
        canvas.width = 1000;
        canvas.height = 300;
        canvas.toBlob((blob) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([blob], 'wide.png', {type: 'image/png'}));
            dispatchEvent(new DragEvent('drop', {dataTransfer: transfer, cancelable: true}));
        });""")
    page.wait("too many pixels", lambda: error(page).startswith("That photo has 1000 × 300 pixels"))
    page.open_sample("chelsea")
    true("the message is gone", not page.shown("#open-error"))
    page.open_file(os.path.join(SAMPLES, "astronaut.png"))
    true("said beside the photo that is open", error(page).startswith("That file has") and page.shown("#work"))
    page.click("#dismiss")
    true("put away", not page.shown("#open-error") and not page.shown("#notice"))
    page.complaints()  # the browser logs a refused request by itself


def a_server_that_is_gone_is_told_and_tried_again(page):
    page.open_sample("chelsea")
    port = page.server.port
    page.server.stop()
    page.set_range("#tau", 0.45)
    true(error(page, "#cut-error"), "does not answer" in error(page, "#cut-error"))
    true("the slider still answers", page.number("#count") > 1)
    page.click("[data-download=labels]")
    true("said at the downloads", "does not answer" in error(page, "#download-error"))
    page.open_file(os.path.join(SAMPLES, "rocket.jpg"))
    true("said at the top", "does not answer" in error(page))
    page.server.start(port)
    page.click("#open-retry")
    page.wait("the photo", lambda: page.run("return document.getElementById('segment-layer').width") == 640)
    page.settle()
    true("no message left", not page.shown("#open-error") and not page.shown("#cut-error"))
    page.complaints()


def a_photo_that_the_server_let_go_is_told(page):
    page.open_sample("chelsea")
    page.run(f"return fetch('v1/trees/{page.tree()}', {{method: 'DELETE'}}).then((answer) => answer.status);")
    page.set_range("#tau", 0.45)
    true(error(page, "#cut-error"), "no longer has this photo" in error(page, "#cut-error"))
    page.click("[value=similarity] + span")
    page.press(page.on_photo(0.5, 0.5))
    true("said at the tool", "no longer has this photo" in error(page, "#similarity-error"))
    page.click("#fine summary")
    page.set_range("#alpha", 8)
    true("said at alpha", "no longer has this photo" in error(page, "#recut-error"))
    page.run("document.getElementById('min-tokens').value = ''")
    page.type("#min-tokens", "1.5")
    page.keys("Tab")
    page.wait("a number that is none", lambda: "whole number" in error(page, "#recut-error"))
    page.complaints()


def a_server_with_a_token_is_opened_with_it(page):
    guarded = Server("--token", "rosebud")
    try:
        page.open(guarded.url)
        true("what is missing", "asks for its token" in error(page))
        page.complaints()
        page.open(guarded.url + "?token=rosebud")
        page.wait("the samples", lambda: page.run("return document.querySelectorAll('#samples img[src]').length >= 4"))
        equal("the address, without the token", page.run("return location.href"), guarded.url)
        page.open_sample("chelsea")
        true("segments", page.number("#count") > 1)
    finally:
        guarded.stop()


main(a_computation_is_cancelled_and_the_server_stops_it,
     a_photo_too_large_or_none_at_all_is_refused_in_plain_words,
     a_server_that_is_gone_is_told_and_tried_again,
     a_photo_that_the_server_let_go_is_told,
     a_server_with_a_token_is_opened_with_it, server_options=LIMITS)
