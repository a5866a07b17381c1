const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-copy>`: the clipboard, and one button for all code blocks, which moves to where the visitor points or tabs to. */
class ChatCopy extends ChatElement {
  pause = 2_000;
  /** @type {HTMLElement | null} */
  #code = null;
  #growth = new ResizeObserver(() => this.#place());

  connect() {
    const log = /** @type {HTMLElement} */ (this.parentElement);
    this.hear(this.chat, { "chat:copy": ({ button, text }) => this.#copy(button, text) });
    this.hear(log, {
      pointerover: ({ target }) => this.querySelector(":focus-visible") || this.#point(target),
      focusin: ({ target }) => this.#point(target),
      keydown: (event) => event.key === "Tab" && this.#tab(event),
    });
    this.hear(this, { click: () => this.#copy(this.#button, Promise.resolve(this.#code?.textContent ?? "")) });
    for (const box of [log, ...log.children]) this.#growth.observe(box);
  }

  disconnect() {
    this.#growth.disconnect();
  }

  #point(target) {
    if (this.contains(target)) return;
    this.#code = target.closest("pre");
    this.hidden = !this.#code;
    this.#place();
  }

  /** In the order of tabs, the button follows its block. */
  #tab(event) {
    const { shiftKey, target } = event;
    if (target === this.#button) {
      this.#code?.focus({ preventScroll: true }); // from where the browser continues
      if (shiftKey) event.preventDefault();
    } else if (!shiftKey && target.matches("pre")) {
      this.#point(target);
      this.#button.focus({ preventScroll: true });
      event.preventDefault();
    }
  }

  async #copy(button, text) {
    const { copied = "", failed = "" } = this.dataset;
    if (await this.#write(text, button)) {
      this.tell("chat:say", { text: copied });
      this.#confirm(button, copied);
    } else {
      this.tell("chat:problem", { text: failed });
    }
  }

  // Internals

  #confirm(button, copied) {
    const { title } = button;
    if (title === copied) return;
    const icon = button.querySelector("use").href;
    const shape = icon.baseVal;
    button.title = copied;
    icon.baseVal = "#llm-chat-done";
    setTimeout(() => {
      button.title = title;
      icon.baseVal = shape;
    }, this.pause);
  }

  #place() {
    if (this.hidden) return;
    if (!this.#code?.isConnected) {
      this.hidden = true;
      return;
    }
    const to = this.#code.getBoundingClientRect();
    const from = this.getBoundingClientRect();
    this.style.width = `${to.width}px`;
    this.style.height = `${to.height}px`;
    this.style.top = `${(parseFloat(this.style.top) || 0) + to.top - from.top}px`;
    this.style.left = `${(parseFloat(this.style.left) || 0) + to.left - from.left}px`;
  }

  /** Some browsers allow nothing later than the click, so they get the promise. */
  async #write(text, button) {
    const type = "text/plain";
    try {
      const blob = text.then((content) => new Blob([content], { type }));
      await navigator.clipboard.write([new ClipboardItem({ [type]: blob })]);
      return true;
    } catch {
      return this.#writeWithoutTls(await text, button);
    }
  }

  #writeWithoutTls(text, button) {
    const field = document.createElement("textarea");
    field.className = "llm-chat-visually-hidden";
    field.value = text;
    this.chat.append(field);
    field.focus({ preventScroll: true });
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    button.focus({ preventScroll: true });
    return done;
  }

  get #button() {
    return this.find("button");
  }
}

ChatCopy.define("llm-chat-copy");
