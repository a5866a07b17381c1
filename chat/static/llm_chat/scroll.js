const ChatElement = customElements.get("llm-chat-element");

/** Pixels from the end that count as the end. */
const CLOSE = 4;

/** How much of a question is kept in view, as a share of the view's height. */
const SHARE = 0.4;

/**
 * `<llm-chat-scroll>`: keeps the newest line in view until the visitor scrolls away. A question that is sent comes to the top of
 * the view, above room that its answer grows into: nothing scrolls before the room is full.
 */
class ChatScroll extends ChatElement {
  /** Fires after scroll events: a scroll of the visitor's in the same frame has been heard. */
  #growth = new ResizeObserver((entries) => this.#grow(entries));
  #content = new MutationObserver(() => this.#change());
  /** Whether there is to be room for an answer: not before this page has asked something. */
  #reserves = false;
  #top = 0;
  #end = 0;

  connect() {
    this.hear(this.chat, {
      "chat:outgoing": ({ status, edits }) => status === "sending" && !edits && this.#lead(),
      "chat:stored": ({ replaces }) => replaces && this.#lead(), // until then the old branch is shown
      "chat:turn": ({ by }) => this.#turn(by),
      "chat:keep": ({ from, change }) => this.#keep(from, change),
    });
    this.hear(this.#log, this.#moves, { passive: true });
    this.hear(this.#button, { click: () => this.#jump() });
    this.hear(this, { click: ({ target }) => this.#turn(Number(target.closest("[data-turn]")?.dataset.turn)) });
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
    this.#log.focus({ preventScroll: true }); // the button is about to disappear
    this.#scrollToEnd();
  }

  #lead() {
    this.#reserves = true;
    this.#reserve();
    this.#pin();
  }

  /** Articles have come or gone. */
  #change() {
    this.chat.toggleAttribute("empty", !this.querySelector("[data-message]"));
    this.#reserve();
  }

  #grow(entries) {
    if (entries.some(({ target }) => target === this.#log)) this.#reserve();
    this.#follow();
  }

  /** Make the log so high that its end has the newest question at the top, or the last lines of a long one. */
  #reserve() {
    if (!this.#reserves) return;
    const question = this.#questions.at(-1);
    const height = question ? this.#placeOf(question) + this.#log.clientHeight : 0;
    this.find("[data-room]").style.blockSize = `${Math.floor(height)}px`;
  }

  /** Go to the question before what is in view, or to the one after it. */
  #turn(by) {
    if (!by) return;
    const top = this.#log.scrollTop;
    const places = this.#questions.map((question) => Math.floor(this.#placeOf(question)));
    const next = by < 0 ? places.findLast((place) => place < top - CLOSE) : places.find((place) => place > top + CLOSE);
    if (next === undefined && by > 0) this.#scrollToEnd();
    else this.#log.scrollTop = next ?? 0;
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
    this.#reserve();
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

  /** Return where the log is scrolled to when it shows a question at the top. */
  #placeOf(question) {
    const log = this.#log;
    const { top, bottom } = question.getBoundingClientRect();
    const start = log.getBoundingClientRect().top + log.clientTop;
    const margin = parseFloat(getComputedStyle(log).paddingBlockStart);
    return log.scrollTop - start + Math.max(top - margin, bottom - SHARE * log.clientHeight);
  }

  get #questions() {
    return [...this.querySelectorAll("[data-role=user]")];
  }

  get #log() {
    return this.find("[role=log]");
  }

  get #button() {
    return this.find("[data-action=jump]");
  }
}

ChatScroll.define("llm-chat-scroll");
