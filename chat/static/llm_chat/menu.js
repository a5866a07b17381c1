const ChatElement = customElements.get("llm-chat-element");

/** Where the device keeps the theme; theme.js applies it. */
const THEME = "llm-chat-theme";

/** `<llm-chat-menu>`: the theme of the app's page, and printing a conversation of which the page has only the end. */
class ChatMenu extends ChatElement {
  connect() {
    this.hear(this, { change: () => this.#keep(), click: (event) => this.#click(event) });
    this.hear(window, { storage: () => this.#show() });
    this.hear(document, { keydown: (event) => this.#press(event) });
    this.find("fieldset").hidden = !this.#show();
  }

  #keep() {
    for (const choice of this.querySelectorAll("input")) if (choice.checked) localStorage.setItem(THEME, choice.value);
    window.dispatchEvent(new StorageEvent("storage", { key: THEME }));
  }

  /** Return whether the device keeps anything: the browser may refuse storage. */
  #show() {
    try {
      const theme = localStorage.getItem(THEME) ?? "";
      for (const choice of this.querySelectorAll("input")) choice.checked = choice.value === theme;
      return true;
    } catch {
      return false;
    }
  }

  #click(event) {
    if (event.target.closest("a")) this.hidePopover();
  }

  /** `beforeprint` cannot wait until the earlier messages are there, and the print page has them. */
  #press(event) {
    if (event.key !== "p" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
    if (!document.querySelector("llm-chat-transcript[earlier]")) return;
    event.preventDefault();
    this.find("[data-action=print]").click();
  }
}

ChatMenu.define("llm-chat-menu");
