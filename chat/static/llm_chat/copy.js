const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-copy>`: the clipboard, and one button for all code blocks, which comes to where the reader points or tabs to. */
class ChatCopy extends ChatElement {
  pause = 2_000;
  #code = null;
  #growth = new ResizeObserver(() => this.#place());

  start() {
    const log = this.parentElement;
    this.hear(this.chat, { "chat:copy": ({ button, text }) => this.#copy(button, text) });
    this.hear(log, {
      pointerover: ({ target }) => this.querySelector(":focus-visible") || this.#point(target),
      focusin: ({ target }) => this.#point(target),
      keydown: (event) => this.#press(event),
    });
    this.hear(this, { click: () => this.#copy(this.#button, Promise.resolve(this.#code.textContent)) });
    for (const box of [log, ...log.children]) this.#growth.observe(box);
  }

  stop() {
    this.#growth.disconnect();
  }

  #point(target) {
    if (this.contains(target)) return;
    this.#code = target.closest("pre");
    this.hidden = !this.#code;
    this.#place();
  }

  /** In the order of tabs the button follows its block. */
  #press(event) {
    const { key, shiftKey, target } = event;
    if (key !== "Tab") return;
    if (target === this.#button) {
      this.#code.focus({ preventScroll: true }); // from where the browser goes on
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
    const { title } = button;
    const icon = button.querySelector("use").href;
    const shape = icon.baseVal;
    if (title === copied) return;
    button.title = copied;
    icon.baseVal = "#llm-chat-done";
    setTimeout(() => {
      button.title = title;
      icon.baseVal = shape;
    }, this.pause);
  }

  // Internals

  #place() {
    if (this.hidden) return;
    if (!this.#code.isConnected) return (this.hidden = true);
    const [to, from] = [this.#code, this].map((box) => box.getBoundingClientRect());
    for (const size of ["width", "height"]) this.style[size] = `${to[size]}px`;
    for (const side of ["top", "left"]) {
      this.style[side] = `${(parseFloat(this.style[side]) || 0) + to[side] - from[side]}px`;
    }
  }

  /** Some browsers take nothing later than in the click: they get the promise. Without TLS there is only the old way. */
  async #write(text, button) {
    const type = "text/plain";
    try {
      const blob = text.then((text) => new Blob([text], { type }));
      await navigator.clipboard.write([new ClipboardItem({ [type]: blob })]);
      return true;
    } catch {
      const field = document.createElement("textarea");
      field.className = "llm-chat-visually-hidden";
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
