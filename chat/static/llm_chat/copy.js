const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-copy>`: puts texts on the clipboard. It stands in the log and holds one button for all code blocks, which comes
 * to the block that the reader points at or tabs into; blocks themselves stay as the server made them.
 *
 * In: `chat:copy` {button, text: a promise}; the sentences `data-copied` and `data-failed`. Out: `chat:say` or `chat:problem`
 * {text}.
 */
class ChatCopy extends ChatElement {
  /** Milliseconds that a button says so. */
  pause = 2_000;
  #code = null;
  #growth = new ResizeObserver(() => this.#place());

  // Life cycle

  start() {
    const log = this.parentElement;
    this.hear(this.chat, { "chat:copy": ({ button, text }) => this.#copy(button, text) });
    this.hear(log, {
      pointerover: ({ target }) => this.querySelector(":focus-visible") || this.#point(target),
      focusin: ({ target }) => this.#point(target),
      keydown: (event) => this.#press(event),
    });
    this.hear(this, { click: () => this.#copy(this.#button, Promise.resolve(this.#code?.textContent ?? "")) });
    for (const box of [log, ...log.children]) this.#growth.observe(box);
  }

  stop() {
    this.#growth.disconnect();
  }

  // Actions

  #point(target) {
    if (this.contains(target)) return;
    this.#code = target.closest("pre");
    this.hidden = !this.#code;
    this.#place();
  }

  /** The button follows its block in the order of tabs, though it stands elsewhere. */
  #press(event) {
    const { key, shiftKey, target } = event;
    if (key !== "Tab") return;
    if (target === this.#button) {
      this.#code?.focus({ preventScroll: true }); // from where the browser goes on
      if (shiftKey) event.preventDefault();
    } else if (!shiftKey && target.matches("pre")) {
      this.#point(target);
      this.#button.focus({ preventScroll: true });
      event.preventDefault();
    }
  }

  async #copy(button, text) {
    const { copied, failed } = this.dataset;
    if (!(await this.#write(text, button))) return this.tell("chat:problem", { text: failed });
    this.tell("chat:say", { text: copied });
    const [label, icon] = [button.title, button.querySelector("use")];
    const href = icon?.getAttribute("href");
    if (label === copied) return;
    button.title = copied;
    icon?.setAttribute("href", "#chat-done");
    setTimeout(() => {
      button.title = label;
      icon?.setAttribute("href", href);
    }, this.pause);
  }

  // Internals

  /** Over the block, where the block is now. */
  #place() {
    if (!this.#code?.isConnected) this.hidden = true;
    if (this.hidden) return;
    const [to, from] = [this.#code, this].map((box) => box.getBoundingClientRect());
    this.style.top = `${this.offsetTop + to.top - from.top}px`;
    this.style.left = `${this.offsetLeft + to.left - from.left}px`;
    this.style.width = `${to.width}px`;
    this.style.height = `${to.height}px`;
  }

  /** Some browsers take nothing later than in the click: they get the promise. @returns {Promise<boolean>} */
  async #write(text, button) {
    try {
      const type = "text/plain";
      const blob = text.then((text) => new Blob([text], { type }));
      await navigator.clipboard.write([new ClipboardItem({ [type]: blob })]);
      return true;
    } catch {
      const field = document.createElement("textarea"); // without TLS there is no other clipboard
      field.className = "chat-visually-hidden";
      field.value = await text;
      this.chat.append(field);
      field.focus({ preventScroll: true });
      field.select();
      const done = document.execCommand("copy");
      field.remove();
      button.focus({ preventScroll: true });
      return done;
    }
  }

  get #button() {
    return this.querySelector("button");
  }
}

ChatCopy.define("llm-chat-copy");
