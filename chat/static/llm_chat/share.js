const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-share>`: a share link, which its button copies. */
class ChatShare extends ChatElement {
  connect() {
    const field = this.find("input");
    const button = this.find("button");
    button.hidden = !navigator.clipboard; // there is none on an insecure page
    this.hear(field, { focus: () => field.select() });
    this.hear(button, { click: () => this.#copy(field.value, button) });
  }

  async #copy(link, button) {
    await navigator.clipboard.writeText(link);
    button.textContent = button.dataset.copied;
  }
}

ChatShare.define("llm-chat-share");
