"""The page on a phone, in the dark, without motion; pictures of it are taken where $PAGE_PICTURES says."""
import os

from page import equal, main, true

# The least contrast (WCAG 2.2, 1.4.3) of all text that is shown, by the backgrounds below it; dimmed controls left out.
CONTRAST = """
    const channels = (color) => color.match(/[\\d.]+/g).map(Number);
    const luminance = (rgb) => rgb.slice(0, 3).map((part) => part / 255)
        .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
    const background = (element) => {
        for (let one = element; one !== null; one = one.parentElement) {
            const color = channels(getComputedStyle(one).backgroundColor);
            if (color.length < 4 || color[3] === 1) {
                return color;
            }
        }
        return [255, 255, 255];
    };
    let least = [99, ''];
    for (const element of document.querySelectorAll('body *')) {
        const texts = [...element.childNodes].filter((node) => node.nodeType === 3);
        const text = texts.map((node) => node.data).join('').trim();
        const style = getComputedStyle(element);
        if (text === '' || element.getClientRects().length === 0 || element.closest(':disabled, .unseen, .tip') ||
            style.opacity !== '1') {
            continue;
        }
        const [a, b] = [luminance(channels(style.color)), luminance(background(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < least[0]) {
            least = [ratio, text];
        }
    }
    return least;"""


def keep_picture(page, name):
    if "PAGE_PICTURES" in os.environ:
        page.picture(os.path.join(os.environ["PAGE_PICTURES"], name + ".png"))


def media(page, **features):
    page.devtools("Emulation.setEmulatedMedia", features=[
        {"name": name.replace("_", "-"), "value": value} for name, value in features.items()])


def check_contrast(page, where):
    ratio, text = page.run(CONTRAST)
    true(f"{where}: contrast of '{text}' is {ratio:.2f}", ratio >= 4.5)


def fits(page):
    width, inside = page.run("return [document.documentElement.scrollWidth, innerWidth]")
    equal("width of the page", width, inside)


def a_phone_shows_everything_without_scrolling_sideways(page):
    equal("width", page.run("return innerWidth"), 360)
    fits(page)
    keep_picture(page, "phone-empty")
    page.open_sample("astronaut")
    fits(page)
    keep_picture(page, "phone")
    page.click("#fine summary")
    fits(page)
    page.run("document.getElementById('opacity').scrollIntoView({block: 'center'})")
    top = page.run("return document.getElementById('stage').getBoundingClientRect().top")
    equal("the photo stays in view", top, 0)
    page.run("scrollTo(0, 0)")
    page.press(page.on_photo(0.5, 0.3))
    page.wait_text("#selected-count", "1 chosen")
    small = page.run("""
        return [...document.querySelectorAll('button, input:not(.unseen), .choose label, summary, #segments li')]
        .filter((one) => one.getClientRects().length > 0 && one.closest('label, .choice') === null)
        .map((one) => [one.id || one.textContent, one.getBoundingClientRect().height])
        .filter(([, height]) => height < 24);""")
    equal("controls too small to be hit (WCAG 2.2, 2.5.8)", small, [])


def light_and_dark_are_both_readable(page):
    grounds = []
    for scheme in ("light", "dark"):
        media(page, prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
        check_contrast(page, f"{scheme}, empty")
        grounds.append(page.run("return getComputedStyle(document.body).backgroundColor"))
    true(f"two grounds: {grounds}", grounds[0] != grounds[1])
    page.open_sample("chelsea")
    page.click("#fine summary")
    for scheme in ("light", "dark"):
        media(page, prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
        check_contrast(page, scheme)
        keep_picture(page, scheme)
    media(page)


def nothing_moves_by_itself_where_motion_is_unwanted(page):
    moving = "return getComputedStyle(document.querySelector('.button')).transitionDuration"
    media(page, prefers_reduced_motion="no-preference")
    true("motion", page.run(moving) != "0s")
    media(page, prefers_reduced_motion="reduce")
    equal("no motion", page.run(moving), "0s")
    media(page)


main(a_phone_shows_everything_without_scrolling_sideways,
     light_and_dark_are_both_readable,
     nothing_moves_by_itself_where_motion_is_unwanted, width=360, height=740, mobile=True)
