const ChatElement = customElements.get("llm-chat-element");

/** Pixels from the end that count as the end. */
const CLOSE = 4;

/** `<llm-chat-scroll>`: keeps the newest line in view until the visitor scrolls away. */
class ChatScroll extends ChatElement {
  /** Fires after scroll events: a scroll of the visitor's in the same frame has been heard. */
  #growth = new ResizeObserver(() => this.#follow());
  #content = new MutationObserver(() => this.chat.toggleAttribute("empty", !this.querySelector("[data-message]")));
  #top = 0;
  #end = 0;

  connect() {
    this.hear(this.chat, {
      "chat:outgoing": ({ status, edits }) => status === "sending" && !edits && this.#pin(),
      "chat:stored": ({ replaces }) => replaces && this.#pin(), // until then the old branch is shown
      "chat:submit": ({ message }) => message && this.#focus(),
      "chat:retry": () => this.#focus(),
      "chat:discard": () => this.#focus(),
      "chat:keep": ({ from, change }) => this.#keep(from, change),
    });
    this.hear(this.#log, this.#moves, { passive: true });
    this.hear(this.#button, { click: () => this.#jump() });
    for (const box of [this.#log, ...this.#log.children]) {
      this.#growth.observe(box);
      this.#content.observe(box, { childList: true });
    }
    this.#scrollToEnd();
  }

  disconnect() {
    this.#growth.disconnect();
    this.#content.disconnect();
  }

  /** @returns {Listeners} */
  get #moves() {
    return {
      scroll: () => this.#heed(),
      // The intention counts, because following growth would end a smooth scroll before it has begun.
      wheel: ({ deltaY }) => deltaY < 0 && this.#unpin(),
      keydown: ({ key }) => ["ArrowUp", "PageUp", "Home"].includes(key) && this.#unpin(),
      // A press on the scroll bar's track scrolls smoothly too.
      pointerdown: (event) => this.#isOnScrollBar(event) && this.#unpin(),
    };
  }

  #jump() {
    this.#focus();
    this.#scrollToEnd();
  }

  /** Take the focus from a button that is about to disappear. */
  #focus() {
    this.#log.focus({ preventScroll: true });
  }

  #scrollToEnd() {
    this.#pin();
    this.#follow();
  }

  #pin() {
    this.toggleAttribute("pinned", true);
    if (!this.#button.hidden) this.#button.hidden = true;
  }

  #unpin() {
    if (this.#log.scrollHeight <= this.#log.clientHeight) return;
    this.removeAttribute("pinned");
    this.#button.hidden = false;
  }

  /** An upward scroll is the visitor's own, unless the content has shrunk. */
  #heed() {
    const top = this.#top;
    const end = this.#end;
    this.#look();
    if (this.#top < top && this.#end >= end) this.#unpin();
    // The event of our own scroll comes late, to a place that is known.
    else if (this.#top !== top && this.#end - this.#top < CLOSE) this.#pin();
  }

  #follow() {
    if (!this.hasAttribute("pinned")) return;
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#look();
  }

  #keep(from, change) {
    const top = from.getBoundingClientRect().top;
    const to = change() ?? from;
    this.#log.scrollTop += to.getBoundingClientRect().top - top;
    this.#look();
    if (this.#end - this.#top < CLOSE) this.#pin();
    else this.#unpin();
  }

  // Internals

  #isOnScrollBar({ target, offsetX }) {
    return target === this.#log && (offsetX < 0 || offsetX >= this.#log.clientWidth);
  }

  #look() {
    const { scrollTop, scrollHeight, clientHeight } = this.#log;
    this.#top = scrollTop;
    this.#end = scrollHeight - clientHeight;
  }

  get #log() {
    return this.find("[role=log]");
  }

  get #button() {
    return this.find("[data-action=jump]");
  }
}

ChatScroll.define("llm-chat-scroll");
