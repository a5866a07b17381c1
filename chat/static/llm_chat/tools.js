const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-tools role="toolbar">`: the buttons of a message, one tab stop. Arrow keys, Home and End move between them. */
class ChatTools extends ChatElement {
  connect() {
    this.hear(this.chat, { "chat:state": () => this.#stop(this.#current) });
    this.hear(this, {
      focusin: ({ target }) => this.#stop(target),
      keydown: (event) => this.#press(event),
    });
    this.#stop();
  }

  /** Make one button the tab stop: the one that is given, if it can have the focus. */
  #stop(wanted) {
    const items = this.#items;
    const stop = items.includes(wanted) ? wanted : items[0];
    /** @type {NodeListOf<HTMLElement>} */
    const all = this.querySelectorAll("button, summary");
    for (const item of all) item.tabIndex = item === stop ? 0 : -1;
  }

  #press(event) {
    const items = this.#items;
    const place = items.indexOf(event.target);
    const next = this.matches(":dir(rtl)") ? "ArrowLeft" : "ArrowRight";
    const back = next === "ArrowLeft" ? "ArrowRight" : "ArrowLeft";
    /** @type {Record<string, number>} */
    const places = { [next]: place + 1, [back]: place - 1, Home: 0, End: -1 };
    if (place < 0 || !(event.key in places)) return;
    event.preventDefault();
    event.stopPropagation(); // the log would scroll
    items.at(places[event.key] % items.length)?.focus();
  }

  // Internals

  /** What can have the focus: buttons that start an answer are hidden while one is being made. */
  get #items() {
    const all = /** @type {HTMLElement[]} */ ([...this.querySelectorAll("button:enabled, summary")]);
    return all.filter((item) => item.checkVisibility({ visibilityProperty: true }));
  }

  get #current() {
    return this.querySelector("[tabindex='0']");
  }
}

ChatTools.define("llm-chat-tools");
