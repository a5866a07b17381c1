"""The version of the page."""

from chat.html import version


def test_a12_the_version_is_that_of_the_pages_files(tmp_path, monkeypatch):
    script = tmp_path / "static/llm_chat/chat.js"
    template = tmp_path / "templates/llm_chat/parts/text.html"
    for path in (script, template):
        path.parent.mkdir(parents=True)
        path.write_text("1")
    monkeypatch.setattr(version, "APP", tmp_path)
    first = version._digest()
    assert first == version._digest()
    for path in (script, template):
        path.write_text("2")
        assert version._digest() != first
        path.write_text("1")
    assert version._digest() == first
    script.rename(script.with_name("moved.js"))
    assert version._digest() != first


def test_a12_the_apps_own_files_are_found():
    assert version._digest() == version.PAGE_VERSION
    for folder in version.FOLDERS:
        assert any(version.APP.joinpath(folder).iterdir()), folder
