const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-scroll>`: keeps the newest line in view, until the reader scrolls away.
 *
 * Holds a scrolling `[role=log]` and a `[data-action=jump]` button. In: `chat:sending`, `chat:retry` and `chat:continue` on the
 * surrounding `<llm-chat>` (who asks wants to see the answer). State: the attribute `pinned`.
 */
class ChatScroll extends ChatElement {
  /** Fires after layout and after scroll events, so that a reader who scrolled in the same frame has been heard. */
  #growth = new ResizeObserver(() => this.#follow());
  #top = 0;

  // Life cycle

  start() {
    this.hear(this.chat, {
      "chat:sending": () => this.#pin(),
      "chat:retry": () => this.#jump(),
      "chat:continue": () => this.#jump(),
    });
    const moves = { scroll: () => this.#heed(), wheel: ({ deltaY }) => deltaY < 0 && this.#unpin() };
    this.hear(this.#log, moves, { passive: true });
    this.hear(this.#button, { click: () => this.#jump() });
    for (const box of [this.#log, ...this.#log.children]) this.#growth.observe(box);
    this.#pin();
  }

  stop() {
    this.#growth.disconnect();
  }

  // Actions

  /** The button goes, so the focus goes where the reader now is. */
  #jump() {
    this.#pin();
    this.#log.focus({ preventScroll: true });
  }

  #pin() {
    this.toggleAttribute("pinned", true);
    this.#button.hidden = true;
    this.#follow();
  }

  #unpin() {
    if (this.#log.scrollHeight <= this.#log.clientHeight) return;
    this.removeAttribute("pinned");
    this.#button.hidden = false;
  }

  /** Growth never scrolls up; the reader does, and so does content that shrinks, which leaves us at the end. */
  #heed() {
    const { scrollTop, scrollHeight, clientHeight } = this.#log;
    const gap = scrollHeight - clientHeight - scrollTop;
    const up = scrollTop < this.#top;
    this.#top = scrollTop;
    if (gap < (up ? 1 : 4)) this.#pin();
    else if (up) this.#unpin();
  }

  #follow() {
    if (!this.hasAttribute("pinned")) return;
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#top = this.#log.scrollTop;
  }

  // Internals

  get #log() {
    return /** @type {HTMLElement} */ (this.querySelector("[role=log]"));
  }

  get #button() {
    return /** @type {HTMLButtonElement} */ (this.querySelector("[data-action=jump]"));
  }
}

ChatScroll.define("llm-chat-scroll");
