const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-scroll>`: keeps the newest line in view, until the reader scrolls away. */
class ChatScroll extends ChatElement {
  /** Fires after scroll events, so that a reader who scrolled in the same frame has been heard. */
  #growth = new ResizeObserver(() => this.#follow());
  #content = new MutationObserver(() => this.chat.toggleAttribute("empty", !this.querySelector("[data-message]")));
  #top = 0;
  #end = 0;

  start() {
    const leave = () => this.#log.focus({ preventScroll: true }); // the button that had the focus goes
    this.hear(this.chat, {
      "chat:sending": ({ edits }) => edits || this.#pin(),
      "chat:stored": ({ replaces }) => replaces && this.#pin(), // until then the old branch is shown
      "chat:retry": leave,
      "chat:continue": leave,
      "chat:rewrite": leave,
      "chat:discard": leave,
      "chat:keep": (change) => this.#keep(change),
    });
    const moves = {
      scroll: () => this.#heed(),
      // What follows growth would end a smooth scroll before it has begun.
      wheel: ({ deltaY }) => deltaY < 0 && this.#unpin(),
      keydown: ({ key }) => ["ArrowUp", "PageUp", "Home"].includes(key) && this.#unpin(),
      // A press on the scroll bar's track scrolls as smoothly, and a thumb is too short to be hit for sure.
      pointerdown: (event) => this.#isOnScrollBar(event) && this.#unpin(),
    };
    this.hear(this.#log, moves, { passive: true });
    this.hear(this.#button, { click: () => this.#jump(leave()) });
    for (const box of [this.#log, ...this.#log.children]) {
      this.#growth.observe(box);
      this.#content.observe(box, { childList: true });
    }
    this.#jump();
  }

  stop() {
    this.#growth.disconnect();
    this.#content.disconnect();
  }

  #jump() {
    this.#pin();
    this.#follow();
  }

  #pin() {
    if (this.toggleAttribute("pinned", true) && !this.#button.hidden) this.#button.hidden = true;
  }

  #unpin() {
    if (this.#log.scrollHeight <= this.#log.clientHeight) return;
    this.removeAttribute("pinned");
    this.#button.hidden = false;
  }

  /** Only the reader scrolls up, by less than a pixel at first, and an end that comes nearer. */
  #heed() {
    const [top, end] = [this.#top, this.#end];
    this.#look();
    if (this.#top < top && this.#end >= end) this.#unpin();
    else if (this.#top !== top && this.#end - this.#top < 4) this.#pin(); // a scroll of ours comes late, and says nothing
  }

  #follow() {
    if (!this.hasAttribute("pinned")) return;
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#look();
  }

  #keep({ from, change }) {
    const top = from.getBoundingClientRect().top;
    const to = change() ?? from;
    this.#log.scrollTop += to.getBoundingClientRect().top - top;
    this.#look();
    if (this.#end - this.#top < 4) this.#pin();
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
    return this.querySelector("[role=log]");
  }

  get #button() {
    return this.querySelector("[data-action=jump]");
  }
}

ChatScroll.define("llm-chat-scroll");
