const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-actions>`: what the `[data-action]` buttons of messages do. */
class ChatActions extends ChatElement {
  /** @type {Record<string, (article: HTMLElement, button: HTMLButtonElement) => void>} */
  #actions = {
    copy: (article, button) => this.#copy(article, button),
    rate: (article, button) => this.#rate(article, button),
    select: (article, button) => this.#select(article, button),
    close: (article) => this.#close(article),
    edit: (article) => this.tell("chat:edit", detailOf(article)),
    retry: (article) => this.tell("chat:retry", { ...detailOf(article), continues: false }),
    continue: (article) => this.tell("chat:retry", { ...detailOf(article), continues: true }),
    discard: (article) => this.tell("chat:discard", detailOf(article)),
  };

  connect() {
    this.hear(this.chat, {
      click: ({ target }) => this.#click(target),
      submit: (event) => event.target.matches("[data-comment]") && this.#comment(event),
    });
  }

  #click(target) {
    /** @type {HTMLButtonElement | null} */
    const button = target.closest("[data-action]");
    const article = button?.closest("[data-message]");
    if (!button || !article) return;
    this.tell("chat:problem", { text: "" });
    this.#actions[button.dataset.action ?? ""]?.(article, button);
  }

  /** Copy a message as Markdown, or as the page shows it where the server cannot be asked. */
  #copy(article, button) {
    const { innerText } = this.find("[data-parts]", article);
    const source = this.request({ type: "source", messageId: article.dataset.message });
    this.tell("chat:copy", { button, article, text: source.then(([{ text }]) => text).catch(() => innerText) });
  }

  /** Rate an answer; the button that is pressed takes the rating back. */
  async #rate(article, button) {
    const before = this.#pressed(article);
    const after = button === before ? null : button;
    this.#press(article, after);
    const done = await this.#ask({
      type: "rate",
      messageId: article.dataset.message,
      value: Number(after?.value ?? 0),
    });
    if (!done) this.#press(article, before);
  }

  async #comment(event) {
    event.preventDefault();
    const form = event.target;
    const article = form.closest("[data-message]");
    const value = Number(this.#pressed(article)?.value);
    const comment = this.find("textarea", form).value;
    if (!(await this.#ask({ type: "rate", messageId: article.dataset.message, value, comment }))) return;
    this.#close(article);
    this.tell("chat:say", { text: this.dataset.thanks ?? "" });
  }

  #close(article) {
    article.querySelector("[data-comment]")?.remove();
    this.#pressed(article)?.focus();
  }

  /** Show another version of a message, and what follows it, in the place of this one. */
  async #select(article, { value, title }) {
    const messages = await this.#ask({ type: "select", messageId: value });
    if (!messages) return;
    const shown = () => this.chat.querySelector(`[data-message="${CSS.escape(value)}"]`);
    const change = () => {
      for (const data of messages) this.tell("chat:chunk", { type: "data-message", data });
      return shown();
    };
    this.tell("chat:keep", { from: article, change });
    const buttons = shown()?.querySelectorAll("[data-action=select]:enabled");
    const next = [...(buttons ?? [])].find((candidate) => candidate.title === title) ?? buttons?.[0];
    next?.focus({ preventScroll: true });
  }

  // Internals

  /** Return what the server sends, or nothing, and then show a sentence. */
  async #ask(frame) {
    try {
      return await this.request(frame);
    } catch (text) {
      this.tell("chat:problem", { text: String(text || this.dataset.failed) });
      return undefined;
    }
  }

  /** @returns {HTMLButtonElement | null} */
  #pressed(article) {
    return article.querySelector("[aria-pressed=true]");
  }

  #press(article, button) {
    for (const thumb of article.querySelectorAll("[aria-pressed]")) thumb.ariaPressed = String(thumb === button);
    article.querySelector("[data-comment]")?.remove();
    if (button) this.find("[data-footer]", article).append(this.clone("comment"));
  }
}

/** @returns {MessageDetail} */
function detailOf(article) {
  const { message = "", role = "" } = article.dataset;
  return { message, role, text: article.querySelector("[data-blocks]")?.textContent ?? "" };
}

ChatActions.define("llm-chat-actions");
