const ChatComposer = customElements.get("llm-chat-composer");

/**
 * `<llm-chat-edit>`: a composer in the place of a question that the page shows, with its text.
 *
 * Out: `chat:rewrite` {message, text} and `chat:discard` {message}. State, set by the transcript: the attribute `sending`.
 */
class ChatEdit extends ChatComposer {

  // Life cycle

  start() {
    super.start();
    this.hear(this, { click: ({ target }) => target.closest("[data-cancel]") && this.escape() });
  }

  // Actions

  send(text) {
    if (text === this.#article.querySelector("[data-blocks]")?.textContent) this.escape();
    else this.tell("chat:rewrite", { message: this.#article.dataset.message, text });
  }

  escape() {
    const article = this.#article;
    this.tell("chat:discard", { message: article.dataset.message });
    this.remove();
    article.querySelector("[data-action=edit]")?.focus();
  }

  // Internals

  get #article() {
    return this.closest("[data-message]");
  }
}

ChatEdit.define("llm-chat-edit");
