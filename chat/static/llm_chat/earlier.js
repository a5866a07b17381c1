const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-earlier>`: above the first message, brings those before it when the reader comes near.
 *
 * In: `chat:open` (what a lost connection did not bring is asked for again). Out: `chat:keep` (see scroll.js) and
 * `chat:earlier` {html, more}. State: the attribute `loading`.
 */
class ChatEarlier extends ChatElement {
  #sight = new IntersectionObserver(() => {});

  // Life cycle

  start() {
    const seen = ([entry]) => entry.isIntersecting && this.#load();
    this.#sight = new IntersectionObserver(seen, { root: this.#log, rootMargin: "150% 0px" });
    this.hear(this.chat, { "chat:open": () => this.#look() });
    this.hear(this, { click: (event) => this.#click(event) });
    this.#look();
  }

  stop() {
    this.#sight.disconnect();
  }

  // Actions

  #click(event) {
    event.preventDefault();
    this.#load();
  }

  async #load() {
    const first = this.#first;
    if (!first || this.hasAttribute("loading")) return;
    this.toggleAttribute("loading", true);
    const [page] = await this.aside({ type: "earlier", messageId: first.dataset.message }).catch(() => []);
    this.removeAttribute("loading");
    if (page && first === this.#first) this.#show(page, first);
  }

  #show(page, first) {
    this.tell("chat:keep", { from: first, change: () => this.tell("chat:earlier", page) });
    if (!page.more && this.matches(":focus-within")) this.#log.focus({ preventScroll: true });
    this.#look();
  }

  // Internals

  /** An observer tells once what is in sight from the first. */
  #look() {
    this.#sight.unobserve(this);
    this.#sight.observe(this);
  }

  get #first() {
    return this.chat.querySelector("llm-chat-transcript > [data-message]");
  }

  get #log() {
    return this.closest("[role=log]");
  }
}

ChatEarlier.define("llm-chat-earlier");
