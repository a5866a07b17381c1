const ChatComposer = customElements.get("llm-chat-composer");

/**
 * `<llm-chat-edit>`: a composer in the place of a question.
 *
 * Out: `chat:rewrite` {message, text}, `chat:discard` {message}. State, the transcript's: the attribute `sending`.
 */
class ChatEdit extends ChatComposer {
  start() {
    super.start();
    this.hear(this, { click: ({ target }) => target.closest("[data-cancel]") && this.escape() });
  }

  send(text) {
    if (text === this.#article.querySelector("[data-blocks]").textContent) this.escape();
    else this.tell("chat:rewrite", { message: this.#article.dataset.message, text });
  }

  escape() {
    const article = this.#article;
    this.tell("chat:discard", { message: article.dataset.message });
    this.remove();
    article.querySelector("[data-action=edit]")?.focus();
  }

  get #article() {
    return this.closest("[data-message]");
  }
}

ChatEdit.define("llm-chat-edit");
