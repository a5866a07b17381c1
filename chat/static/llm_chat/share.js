const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-share>`: a share link, which its button copies. */
class ChatShare extends ChatElement {
  connect() {
    this.#button.hidden = !navigator.clipboard;
    this.hear(this.#button, { click: () => this.#copy() });
    this.hear(this.#field, { focus: () => this.#field.select() });
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.#field.value);
      this.#button.textContent = this.#button.dataset.copied ?? "";
    } catch {
      this.#field.focus(); // selected, to be copied by hand
    }
  }

  get #field() {
    return this.find("input");
  }

  get #button() {
    return this.find("button");
  }
}

ChatShare.define("llm-chat-share");
