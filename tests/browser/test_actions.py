"""What a visitor can do with a message: copy it, say what it is worth, ask again, and change a question."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.db import DatabaseError
from playwright.sync_api import expect

from chat.models import Feedback, Message

MARKDOWN = "Some **bold** text and `code`:\n\n```python\ndef f():\n    return 1\n```\n\n- one\n- two\n"
CODE = "def f():\n    return 1"
NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined })"
"""As where a site is served without TLS."""


@pytest.fixture(params=["modern", "old"])
def clipboard(request, chat):
    """A chat whose page may write to the clipboard, by either way that browsers have."""
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    if request.param == "old":
        chat.page.evaluate(
            "() => { window.board = navigator.clipboard;"
            " Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true }) }"
        )
    return chat


def copied(chat):
    return chat.page.evaluate("(window.board ?? navigator.clipboard).readText()")


def test_an_answer_is_copied_as_the_markdown_that_it_is_made_of(clipboard, script):
    clipboard.talk(script, answer=MARKDOWN)
    clipboard.click("Copy")
    expect(clipboard.answer.get_by_role("button", name="Copied")).to_be_visible()
    expect(clipboard.status).to_have_text("Copied")
    assert copied(clipboard) == MARKDOWN
    expect(clipboard.answer.get_by_role("button", name="Copied")).to_be_focused()
    expect(clipboard.answer.get_by_role("button", name="Copy", exact=True)).to_be_visible()


def test_a_question_is_copied_as_it_was_asked(clipboard, script):
    clipboard.talk(script, "Is **this**\n  one question?")
    clipboard.click("Copy", clipboard.questions.first)
    expect(clipboard.status).to_have_text("Copied")
    assert copied(clipboard) == "Is **this**\n  one question?"


def test_without_a_connection_an_answer_is_copied_as_it_is_shown(script, proxy, shaky):
    shaky.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shaky.talk(script, answer="Some **bold** text")
    shaky.stay_away()
    proxy.down()
    shaky.disconnected()
    shaky.click("Copy")
    expect(shaky.status).to_have_text("Copied")
    assert copied(shaky) == "Some bold text"


def test_copying_uses_the_shown_text_if_the_connection_dies_before_the_source_arrives(script, proxy, shaky):
    shaky.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shaky.talk(script, answer="Some **bold** text")
    shaky.stay_away()
    proxy.hold("server")
    shaky.click("Copy")
    proxy.cut()
    proxy.flow()
    expect(shaky.status).to_have_text("Copied")
    assert copied(shaky) == "Some bold text"


def bar(chat, name, number=0):
    """One of the buttons above a block of code."""
    return chat.answer.get_by_role("group", name="Code").get_by_role("button", name=name).nth(number)


def test_code_is_copied_exactly_by_a_button_above_it(clipboard, script):
    clipboard.talk(script, answer=f"{MARKDOWN}\n```\nanother\n\n```\n")
    for number, code in enumerate((CODE, "another\n")):
        bar(clipboard, "Copy the code", number).click()
        expect(clipboard.page.get_by_role("button", name="Copied")).to_be_visible()
        expect(clipboard.page.get_by_role("button", name="Copied")).to_be_focused()
        assert copied(clipboard) == code
        expect(bar(clipboard, "Copy the code", 1)).to_be_visible()


def test_the_bar_of_long_code_stays_in_sight(chat, script):
    chat.talk(script, answer="```python\n" + "print(1)\n" * 200 + "```\n")
    chat.answer.locator("pre").hover(position={"x": 20, "y": chat.answer.locator("pre").bounding_box()["height"] - 20})
    expect(bar(chat, "Copy the code")).to_be_in_viewport(ratio=1)
    assert chat.answer.locator("pre").evaluate("code => code.getBoundingClientRect().top") < 0


def test_lines_stay_wrapped_and_code_can_be_copied_while_it_grows(clipboard, script):
    clipboard.ask("Code?")
    reply = script.next_reply()
    reply.say(f"```python\ndef f():\n    # {'long ' * 100}\n")
    code = clipboard.answer.locator("pre")
    expect(code).to_have_attribute("tabindex", "0")
    expect(code).to_have_accessible_name("Code")
    bar(clipboard, "Wrap long lines").press("Enter")
    expect(code).not_to_have_attribute("tabindex", "0")
    reply.say("    return 1\n")
    expect(code).to_contain_text("return 1")
    bar(clipboard, "Copy the code").click()
    expect(clipboard.page.get_by_role("button", name="Copied")).to_be_visible()
    assert copied(clipboard) == f"def f():\n    # {'long ' * 100}\n    return 1"
    reply.say("```\n\nThat is all.")
    expect(code.locator("span").first).to_be_visible()
    expect(bar(clipboard, "Wrap long lines")).to_have_attribute("aria-pressed", "true")
    expect(bar(clipboard, "Wrap long lines")).to_have_count(1)
    assert code.evaluate("code => code.scrollWidth <= code.clientWidth")
    reply.finish()


@pytest.mark.parametrize(
    ("fence", "name"),
    [
        ("Python", "code.py"),
        ("c++", "code.cpp"),
        ("css", "code.css"),
        ("", "code.txt"),
        ('js title="src/a.b.js"', "a.b.js"),
    ],
)
def test_code_is_downloaded_as_a_file_of_its_language(chat, script, fence, name):
    chat.talk(script, answer=f"```{fence}\nx = 'é'\n```")
    with chat.page.expect_download() as download:
        bar(chat, "Download the code").click()
    assert download.value.suggested_filename == name
    assert download.value.path().read_text() == "x = 'é'\n"


TABLE = """
| Name | Sum |
|------|-----|
| a, "b" | -5.00 € |
| two<br>lines | =1+1 |
| $x_1$ | -1+cmd |
| **bold** `code` | @x |
| - | \uff1dx |
"""


def test_a_table_is_copied_as_csv_without_formulas(clipboard, script):
    clipboard.talk(script, answer=TABLE)
    clipboard.answer.get_by_role("button", name="Copy as CSV").click()
    expect(clipboard.status).to_have_text("Copied")
    rows = ["Name,Sum", '"a, ""b""",-5.00 €', '"two\nlines",\'=1+1', "x_1,'-1+cmd", "bold code,'@x", "-,'\uff1dx", ""]
    assert copied(clipboard) == "\r\n".join(rows)


def test_only_a_table_that_is_too_wide_can_be_focused(chat, script):
    chat.page.set_viewport_size({"width": 360, "height": 640})
    chat.talk(script, answer=f"| a | b |\n|---|---|\n| 2026-07-01 | {'word ' * 12}|\n\n| a |\n|---|\n| b |")
    boxes = chat.answer.locator("llm-chat-box > div:last-child")
    expect(boxes.first).to_have_attribute("tabindex", "0")
    expect(boxes.first).to_have_accessible_name("Table")
    expect(boxes.last).not_to_have_attribute("tabindex", "0")
    date = boxes.first.locator("td").first
    assert date.bounding_box()["height"] < 80, "few lines of a long text"
    lines = (
        "cell => { const range = new Range(); range.selectNodeContents(cell); return range.getClientRects().length; }"
    )
    assert date.evaluate(lines) == 1


def test_an_answer_is_copied_as_rich_text_too(clipboard, script):
    clipboard.talk(script, answer=f"# Title\n\n- [x] [done](https://a.example/)\n\n{MARKDOWN}{TABLE}")
    clipboard.click("Copy")
    expect(clipboard.status).to_have_text("Copied")
    html = clipboard.page.evaluate("""async () => {
        const [item] = await (window.board ?? navigator.clipboard).read();
        return (await item.getType("text/html")).text();
    }""")
    assert "<p>Some <strong>bold</strong> text and <code>code</code>:</p>" in html
    assert f"<pre><code>{CODE}</code></pre>" in html
    assert html.startswith("<h1>Title</h1>")
    assert '<li>☑ <a href="https://a.example/">done</a></li>' in html
    assert "<table>" in html
    assert not re.search("class=|llm-chat|<button|<svg|tabindex|<div|<span", html)


def test_while_an_answer_runs_nothing_begins_another_one_and_the_rest_works(clipboard, script):
    clipboard.talk(script, answer="The first")
    clipboard.ask("More")
    reply = script.next_reply()
    reply.say("The second")
    expect(clipboard.answer).to_contain_text("The second")
    first = clipboard.answers.first
    expect(first.locator("button:visible:not([data-action=speak])")).to_have_count(3)
    expect(clipboard.questions.first.get_by_role("button")).to_have_count(1)
    clipboard.click("Copy", first)
    expect(clipboard.status).to_have_text("Copied")
    assert copied(clipboard) == "The first"
    clipboard.click("Good answer", first)
    rated(clipboard, 1)
    reply.finish()
    expect(first.get_by_role("button", name="Try again")).to_be_visible()


def rated(chat, value, comment=""):
    """Until the answer's rating is the stored one."""
    for _ in range(500):
        found = Feedback.objects.first()
        if (found.value if found else 0) == value and (found.comment if found else "") == comment:
            return
        chat.page.wait_for_timeout(10)
    raise AssertionError(f"the rating is {found}")


def thumbs(chat):
    return [
        chat.answer.get_by_role("button", name=f"{name} answer").get_attribute("aria-pressed")
        for name in ("Good", "Bad")
    ]


def test_an_answer_is_good_or_bad_or_neither_any_more(chat, script):
    chat.talk(script)
    chat.click("Good answer")
    assert thumbs(chat) == ["true", "false"]
    rated(chat, 1)
    chat.click("Bad answer")
    assert thumbs(chat) == ["false", "true"]
    rated(chat, -1)
    chat.reload()
    assert thumbs(chat) == ["false", "true"]
    chat.click("Bad answer")
    assert thumbs(chat) == ["false", "false"]
    expect(chat.page.get_by_label("Anything to add?")).to_have_count(0)
    rated(chat, 0)


def test_why_an_answer_is_bad_can_be_said(chat, script):
    chat.talk(script)
    chat.click("Bad answer")
    chat.page.get_by_label("Anything to add? (optional)").fill("It is wrong.")
    chat.click("Send")
    rated(chat, -1, "It is wrong.")
    expect(chat.page.get_by_label("Anything to add?")).to_have_count(0)
    expect(chat.status).to_have_text("Thank you.")
    expect(chat.answer.get_by_role("button", name="Bad answer")).to_be_focused()


HALF = """field => {
  field.value = `half ${String.fromCharCode(0xd83d)}`;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}"""


def test_b29_half_an_emoji_in_a_comment_is_sent_as_its_replacement(chat, script):
    chat.talk(script)
    chat.click("Bad answer")
    chat.page.get_by_label("Anything to add? (optional)").evaluate(HALF)
    chat.click("Send")
    rated(chat, -1, "half \ufffd")
    expect(chat.status).to_have_text("Thank you.")
    assert [frame["comment"] for frame in chat.sent if "comment" in frame] == ["half \ufffd"]
    assert chat.sockets == 1


def test_b29_half_an_emoji_in_a_question_an_edit_or_a_title_is_sent_as_its_replacement(chat, script):
    chat.composer.evaluate(HALF)
    chat.composer.press("Enter")
    script.next_reply().finish()
    chat.idle()
    expect(chat.questions.last.locator("[data-parts]")).to_have_text("half \ufffd")
    chat.click("Edit", chat.questions.last)
    field = chat.page.get_by_label("Edit the question")
    field.evaluate("field => { field.value = `another ${String.fromCharCode(0xde00)}` }")
    field.press("Enter")
    assert script.next_reply().request.messages[-1]["content"] == "another \ufffd"
    chat.page.get_by_role("link", name="Options").last.click()
    chat.page.get_by_role("menuitem", name="Rename").click()
    chat.page.get_by_label("Title").evaluate(HALF)
    chat.page.get_by_label("Title").press("Enter")
    expect(chat.page).to_have_title("half \ufffd")
    assert [message.text for message in Message.objects.filter(role="user")] == ["half \ufffd", "another \ufffd"]
    assert chat.sockets == 1


def test_the_form_can_be_closed_without_a_comment(chat, script):
    chat.talk(script)
    chat.click("Good answer")
    chat.click("Close")
    expect(chat.page.get_by_label("Anything to add?")).to_have_count(0)
    expect(chat.answer.get_by_role("button", name="Good answer")).to_be_focused()
    rated(chat, 1)


def test_without_a_connection_a_rating_says_so_and_is_taken_back(script, proxy, shaky):
    shaky.talk(script)
    shaky.stay_away()
    proxy.down()
    shaky.disconnected()
    shaky.click("Good answer")
    expect(shaky.page.get_by_text("That needs a connection.")).to_be_visible()
    assert thumbs(shaky) == ["false", "false"]
    expect(shaky.page.get_by_label("Anything to add?")).to_have_count(0)
    shaky.click("Copy")
    expect(shaky.page.get_by_text("That needs a connection.")).to_be_hidden()


def test_any_answer_that_has_ended_can_be_asked_for_again(chat, script):
    chat.talk(script, "One", "Uno")
    chat.talk(script, "Two", "Dos")
    chat.click("Try again", chat.answers.first)
    reply = script.next_reply()
    assert [turn["content"] for turn in reply.request.messages] == ["One"]
    reply.say("Eins")
    reply.finish()
    chat.expect_answer("Eins")
    expect(chat.questions).to_have_count(1)
    assert Message.objects.count() == 5


def edit(chat, question):
    question.hover()
    chat.click("Edit", question)
    return question.get_by_role("textbox", name="Edit the question")


def test_an_edited_question_takes_the_place_of_the_old_one(chat, script):
    chat.talk(script, "One", "Uno")
    chat.talk(script, "Two", "Dos")
    field = edit(chat, chat.questions.first)
    expect(field).to_be_focused()
    expect(field).to_have_value("One")
    assert chat.place(chat.questions.first.locator("header")) < chat.place(field) < chat.place(chat.answers.first)
    field.fill("Other")
    chat.click("Send", chat.questions.first)
    reply = script.next_reply()
    assert [turn["content"] for turn in reply.request.messages] == ["Other"]
    reply.say("Otro")
    reply.finish()
    chat.expect_answer("Otro")
    for _ in range(2):
        expect(chat.questions).to_have_text([re.compile("Other")])
        expect(chat.answers).to_have_count(1)
        chat.reload()
    assert Message.objects.count() == 6


def test_escape_and_cancel_and_the_same_text_leave_the_question_alone(chat, script):
    chat.talk(script, "One", "Uno")
    question = chat.questions.first
    field = edit(chat, question)
    field.fill("Other")
    field.press("Escape")
    expect(field).to_have_count(0)
    expect(question.get_by_role("button", name="Edit")).to_be_focused()
    edit(chat, question).fill("Other")
    chat.click("Cancel", question)
    edit(chat, question).press("Enter")
    expect(field).to_have_count(0)
    expect(question).to_have_text(re.compile("One"))
    expect(question).to_have_attribute("data-status", "complete")
    assert script.waiting == 0
    assert Message.objects.count() == 2


def test_an_input_methods_enter_does_not_save_and_shift_enter_breaks_the_line(chat, script):
    chat.talk(script, "One", "Uno")
    field = edit(chat, chat.questions.first)
    field.fill("Other")
    field.dispatch_event("keydown", {"key": "Enter", "isComposing": True, "keyCode": 229})
    field.press("Shift+Enter")
    field.press("x")
    expect(field).to_have_value("Other\nx")
    field.press("Control+Enter")
    assert script.next_reply().request.messages[-1]["content"] == "Other\nx"


def test_an_edit_over_the_limit_says_so_and_is_not_lost(chat, script, settings):
    settings.CHAT = {**settings.CHAT, "MAX_MESSAGE_LENGTH": 20}
    chat.reload()
    chat.talk(script, "One", "Uno")
    field = edit(chat, chat.questions.first)
    field.fill("x" * 21)
    expect(chat.questions.first.get_by_text("Too long to send: 21 of 20")).to_be_visible()
    field.press("Enter")
    expect(field).to_have_value("x" * 21)
    assert script.waiting == 0


def fail(*args):
    raise DatabaseError("away")


def test_an_edit_that_is_refused_comes_back_and_the_old_branch_stays(script, site, visit, monkeypatch):
    chat = visit(site.url).open()
    chat.talk(script, "One", "Uno")
    question = chat.questions.first
    with monkeypatch.context() as patch:
        patch.setattr("chat.engine.start.ask", fail)
        field = edit(chat, question)
        field.fill("Other")
        field.press("Enter")
        expect(question.get_by_text("The message could not be stored.")).to_be_visible()
    for _ in range(2):
        expect(field).to_have_value("Other")
        expect(question.get_by_text("The message could not be stored.")).to_be_visible()
        chat.expect_answer("Uno")
        chat.reload()
    field.press("Enter")
    script.next_reply().finish()
    expect(chat.questions).to_have_text([re.compile("Other")])
    chat.idle()


def test_an_edit_without_a_connection_is_shown_as_sending_above_the_old_branch(script, proxy, shaky):
    shaky.talk(script, "One", "Uno")
    question = shaky.questions.first
    proxy.down()
    shaky.disconnected()
    field = edit(shaky, question)
    field.fill("Other")
    field.press("Enter")
    expect(question.get_by_text("Other", exact=True)).to_be_visible()
    expect(question.get_by_text("One")).to_be_hidden()
    expect(question.get_by_text("Sending…")).to_be_visible()
    expect(shaky.composer).to_be_focused()
    shaky.expect_answer("Uno")
    proxy.up()
    reply = script.next_reply(20)
    reply.say("Otro")
    reply.finish()
    shaky.expect_answer("Otro")
    expect(shaky.questions).to_have_text([re.compile("Other")])


def test_an_edit_that_was_stopped_before_it_was_sent_is_back_in_its_form(script, proxy, shaky):
    shaky.talk(script, "One", "Uno")
    proxy.down()
    shaky.disconnected()
    field = edit(shaky, shaky.questions.first)
    field.fill("Other")
    field.press("Enter")
    shaky.stop.click()
    expect(field).to_have_value("Other")
    shaky.click("Cancel", shaky.questions.first)
    expect(shaky.questions.first.get_by_text("One")).to_be_visible()
    proxy.up()
    shaky.reload()
    expect(shaky.questions.first.get_by_text("One")).to_be_visible()


@pytest.mark.parametrize("lost", ["client", "server"])
def test_an_edit_that_was_not_acknowledged_is_made_once_after_a_reload(script, proxy, shaky, lost):
    shaky.talk(script, "One", "Uno")
    shaky.stay_away()
    proxy.hold(lost)
    field = edit(shaky, shaky.questions.first)
    field.fill("Other")
    field.press("Enter")
    if lost == "server":
        reply = script.next_reply()
    proxy.cut()
    proxy.flow()
    shaky.disconnected()
    shaky.reload()
    if lost == "client":
        reply = script.next_reply()
    reply.say("Otro")
    reply.finish()
    shaky.expect_answer("Otro")
    shaky.idle()
    expect(shaky.questions).to_have_text([re.compile("Other")])
    assert Message.objects.count() == 4
    assert script.waiting == 0


def test_without_a_script_no_button_is_offered_that_would_do_nothing(chat, script):
    chat.talk(script)
    page = chat.page.context.browser.new_context(
        java_script_enabled=False, storage_state=chat.page.context.storage_state()
    ).new_page()
    page.goto(chat.page.url)
    expect(page.locator("article").get_by_text("Here")).to_be_visible()
    expect(page.locator("article").get_by_role("button")).to_have_count(0)
    page.context.close()


def test_times_are_those_of_the_readers_own_clock(script, site, visit):
    chat = visit(site.url, locale="en-GB", timezone_id="Asia/Kathmandu").open()
    chat.talk(script)
    created = Message.objects.get(role="assistant").created_at
    shown = chat.answer.locator("time")
    for _ in range(2):
        expect(shown).to_have_text(re.compile(r"^\d\d:\d\d$"))
        minutes = (created.hour * 60 + created.minute + 345) % 1440
        assert shown.inner_text() == f"{minutes // 60:02}:{minutes % 60:02}"
        assert "20" in shown.get_attribute("title")
        chat.reload()


@pytest.mark.parametrize(
    ("text", "direction"),
    [("مرحبا world", "rtl"), ("**שלום** world\n\n- one\n- שתיים", "rtl"), ("Hello مرحبا", "ltr")],
    ids=["arabic", "hebrew", "english"],
)
def test_a_message_reads_in_the_direction_of_its_first_letter(chat, script, text, direction):
    chat.talk(script, text, text + "\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n1. eins\n\n```\ncode\n```\n")
    for article in (chat.questions.last, chat.answer):
        style = article.locator("[data-blocks]").evaluate("blocks => getComputedStyle(blocks).direction")
        assert style == direction
    assert chat.answer.locator("pre").evaluate("pre => getComputedStyle(pre).direction") == "ltr"
    cells = [chat.answer.locator("td").nth(index).bounding_box()["x"] for index in (0, 1)]
    assert (cells[0] > cells[1]) == (direction == "rtl")
    side = "right" if direction == "rtl" else "left"
    for cell in ("th", "td"):  # a number, which has no direction, is below the head of its column
        assert chat.answer.locator(cell).last.evaluate("cell => getComputedStyle(cell).textAlign") == side
    item, mark = chat.answer.locator("ol"), "paddingRight" if direction == "rtl" else "paddingLeft"
    assert item.evaluate(f"list => getComputedStyle(list).{mark}") != "0px"


@pytest.mark.parametrize("beginning", ["`pip` ", "```py\nx = 1\n```\n", "1. `pip` "])
def test_code_at_the_beginning_says_nothing_of_the_direction(chat, script, beginning):
    chat.talk(script, answer=beginning + "ثم أعد التشغيل")
    direction = "blocks => getComputedStyle(blocks).direction"
    assert chat.answer.locator("[data-blocks]").evaluate(direction) == "rtl"
    assert chat.answer.locator("code").first.evaluate(direction) == "ltr"


def test_a_cell_reads_in_the_direction_of_its_own_text(chat, script):
    chat.talk(script, answer="لون\n\n| لون | طول |\n|---|---|\n| أحمر | 680 nm |\n")
    places = chat.answer.locator("td").last.evaluate(
        """cell => [0, 4].map((start) => {
            const range = document.createRange();
            range.setStart(cell.firstChild, start);
            range.setEnd(cell.firstChild, start + 1);
            return range.getBoundingClientRect().left;
        })"""
    )
    assert places[0] < places[1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_actions_are_accessible(script, site, visit, scheme):
    chat = visit(site.url, color_scheme=scheme).open()
    chat.talk(script, answer=MARKDOWN)
    chat.click("Bad answer")
    edit(chat, chat.questions.first)
    expect(chat.page.get_by_role("button", name="Copy the code")).to_be_visible()
    assert Axe().run(chat.page).response["violations"] == []
    for button in chat.log.get_by_role("button").all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 24
