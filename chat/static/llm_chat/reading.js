const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-print>`: the menu's link to the print page, or that page's button, which prints at once the first time. */
class ChatPrint extends ChatElement {
  connect() {
    if (this.querySelector("a")) this.hear(document, { keydown: (event) => this.#press(event) });
    else this.#offer(this.find("button"));
  }

  /** `beforeprint` cannot wait for the messages that the chat lacks. */
  #press(event) {
    if (event.key !== "p" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
    if (!document.querySelector("llm-chat-transcript[earlier]")) return;
    event.preventDefault();
    this.find("a").click();
  }

  #offer(button) {
    button.hidden = false;
    this.hear(button, { click: () => window.print() });
    this.hear(window, { load: () => button.click() });
  }
}

ChatPrint.define("llm-chat-print");

/** `<llm-chat-share>`: a share link, which its button copies. */
class ChatShare extends ChatElement {
  connect() {
    const field = this.find("input");
    const button = this.find("button");
    button.hidden = !navigator.clipboard; // on an insecure page
    this.hear(field, { focus: () => field.select() });
    this.hear(button, { click: () => this.#copy(field.value, button) });
  }

  async #copy(link, button) {
    try {
      await navigator.clipboard.writeText(link);
      button.textContent = button.dataset.copied;
    } catch {
      this.find("input").select(); // the browser forbids it: then by hand
    }
  }
}

ChatShare.define("llm-chat-share");
