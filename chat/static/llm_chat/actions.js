const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-actions>`: what the `[data-action]` buttons of messages do. Its `data-failed` is a sentence for what could
 * not be asked.
 *
 * Out: `chat:copy` {button, text: a promise}, `chat:say` {text}, `chat:problem` {text}, `chat:keep` (see scroll.js),
 * `chat:chunk` for the messages of another branch; any other action as an event of its name, like `chat:retry`, {message,
 * role, text}.
 */
class ChatActions extends ChatElement {
  #acts = {
    copy: (article, button) => this.#copy(article, button),
    rate: (article, button) => this.#rate(article, button),
    select: (article, button) => this.#select(article, button),
    close: (article) => this.#close(article),
  };

  // Life cycle

  start() {
    this.hear(this.chat, { click: ({ target }) => this.#click(target), submit: (event) => this.#comment(event) });
  }

  // Actions

  #click(target) {
    const button = target.closest("[data-action]");
    const article = button?.closest("[data-message]");
    if (!article) return;
    const { message, role } = article.dataset;
    const act = this.#acts[button.dataset.action];
    this.tell("chat:problem", { text: "" });
    if (act) act(article, button);
    else this.tell(`chat:${button.dataset.action}`, { message, role, text: article.querySelector("[data-blocks]")?.textContent });
  }

  /** As Markdown, or as the page shows it where the server cannot say. */
  #copy(article, button) {
    const shown = article.querySelector("[data-parts]").innerText;
    const source = this.#ask("source", article).then(([{ text }]) => text);
    this.tell("chat:copy", { button, text: source.catch(() => shown) });
  }

  async #rate(article, button) {
    const before = this.#pressed(article);
    const after = button === before ? null : button;
    this.#press(article, after);
    article.querySelector("[data-comment]")?.remove();
    if (after) article.querySelector("[data-footer]").append(this.clone("comment"));
    try {
      await this.#ask("rate", article, { value: Number(after?.value ?? 0) });
    } catch (error) {
      this.#press(article, before);
      article.querySelector("[data-comment]")?.remove();
      this.#fail(error);
    }
  }

  /** Why an answer is good or bad. */
  async #comment(event) {
    const form = event.target;
    if (!form.matches("[data-comment]")) return;
    event.preventDefault();
    const article = form.closest("[data-message]");
    const comment = form.querySelector("textarea").value;
    try {
      await this.#ask("rate", article, { value: Number(this.#pressed(article)?.value ?? 0), comment });
      this.#close(article);
      this.tell("chat:say", { text: this.dataset.thanks });
    } catch (error) {
      this.#fail(error);
    }
  }

  #close(article) {
    article.querySelector("[data-comment]")?.remove();
    this.#pressed(article)?.focus();
  }

  /** Another version of a message, and what follows it, stands where this one stood. */
  async #select(article, { value, title }) {
    try {
      const messages = await this.#ask("select", article, { messageId: value });
      const change = () => {
        for (const data of messages) this.tell("chat:chunk", { type: "data-message", data });
        return this.chat.querySelector(`[data-message="${CSS.escape(value)}"]`);
      };
      this.tell("chat:keep", { from: article, change });
      const buttons = [...this.chat.querySelectorAll(`[data-message="${CSS.escape(value)}"] [data-action=select]:enabled`)];
      (buttons.find((button) => button.title === title) ?? buttons[0])?.focus({ preventScroll: true });
    } catch (error) {
      this.#fail(error);
    }
  }

  // Internals

  #ask(type, article, rest) {
    return this.aside({ type, messageId: article.dataset.message, ...rest });
  }

  /** @param {string} error the server's sentence, or none */
  #fail(error) {
    this.tell("chat:problem", { text: error || this.dataset.failed });
  }

  /** The thumb that the reader has given. */
  #pressed(article) {
    return article.querySelector("[aria-pressed=true]");
  }

  #press(article, button) {
    for (const thumb of article.querySelectorAll("[aria-pressed]")) thumb.setAttribute("aria-pressed", String(thumb === button));
  }
}

ChatActions.define("llm-chat-actions");
