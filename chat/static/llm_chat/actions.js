const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-actions>`: what the `[data-action]` buttons of messages do; what they do not do here is told by its name. */
class ChatActions extends ChatElement {
  #acts = {
    copy: (article, button) => this.#copy(article, button),
    rate: (article, button) => this.#rate(article, button),
    select: (article, button) => this.#select(article, button),
    close: (article) => this.#close(article),
  };

  start() {
    this.hear(this.chat, { click: ({ target }) => this.#click(target), submit: (event) => this.#comment(event) });
  }

  #click(target) {
    const button = target.closest("[data-action]");
    const article = button?.closest("[data-message]");
    if (!article) return;
    const { action } = button.dataset;
    const { message, role } = article.dataset;
    this.tell("chat:problem", { text: "" });
    if (this.#acts[action]) return this.#acts[action](article, button);
    this.tell(`chat:${action}`, { message, role, text: article.querySelector("[data-blocks]")?.textContent });
  }

  /** As Markdown, or as the page shows it where the server cannot say. */
  #copy(article, button) {
    const { innerText } = article.querySelector("[data-parts]");
    const source = this.aside({ type: "source", messageId: article.dataset.message });
    this.tell("chat:copy", { button, text: source.then(([{ text }]) => text).catch(() => innerText) });
  }

  async #rate(article, button) {
    const before = this.#thumb(article);
    const after = button === before ? null : button;
    this.#press(article, after);
    if (!(await this.#ask("rate", article, { value: Number(after?.value) || 0 }))) this.#press(article, before);
  }

  /** Why an answer is good or bad. */
  async #comment(event) {
    const form = event.target;
    if (!form.matches("[data-comment]")) return;
    event.preventDefault();
    const article = form.closest("[data-message]");
    const rating = { value: Number(this.#thumb(article).value), comment: form.querySelector("textarea").value };
    if (!(await this.#ask("rate", article, rating))) return;
    this.#close(article);
    this.tell("chat:say", { text: this.dataset.thanks });
  }

  #close(article) {
    article.querySelector("[data-comment]")?.remove();
    this.#thumb(article)?.focus();
  }

  /** Another version of a message, and what follows it, stands where this one stood. */
  async #select(article, { value, title }) {
    const messages = await this.#ask("select", article, { messageId: value });
    if (!messages) return;
    const shown = () => this.chat.querySelector(`[data-message="${CSS.escape(value)}"]`);
    const change = () => {
      for (const data of messages) this.tell("chat:chunk", { type: "data-message", data });
      return shown();
    };
    this.tell("chat:keep", { from: article, change });
    const buttons = [...(shown()?.querySelectorAll("[data-action=select]:enabled") ?? [])];
    (buttons.find((button) => button.title === title) ?? buttons[0])?.focus({ preventScroll: true });
  }

  // Internals

  /** What the server brings, or nothing and a sentence. */
  #ask(type, article, rest) {
    const failed = (text) => this.tell("chat:problem", { text: text || this.dataset.failed });
    return this.aside({ type, messageId: article.dataset.message, ...rest }).catch(failed);
  }

  /** The one that is pressed. */
  #thumb(article) {
    return article.querySelector("[aria-pressed=true]");
  }

  #press(article, button) {
    for (const thumb of article.querySelectorAll("[aria-pressed]")) thumb.ariaPressed = thumb === button;
    article.querySelector("[data-comment]")?.remove();
    if (button) article.querySelector("[data-footer]").append(this.clone("comment"));
  }
}

ChatActions.define("llm-chat-actions");
