const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-earlier>`: a link above the first message. What is before it comes as the reader comes near, or clicks. */
class ChatEarlier extends ChatElement {
  #sight;

  start() {
    const seen = ([{ isIntersecting }]) => isIntersecting && this.#load();
    this.#sight = new IntersectionObserver(seen, { root: this.parentElement, rootMargin: "150% 0px" });
    this.hear(this.chat, { "chat:open": () => this.#look() });
    this.hear(this, { click: (event) => this.#load(event.preventDefault()) });
    this.#look();
  }

  stop() {
    this.#sight.disconnect();
  }

  async #load() {
    const first = this.#first;
    if (!first || this.hasAttribute("loading")) return;
    this.toggleAttribute("loading", true);
    const [page] = await this.aside({ type: "earlier", messageId: first.dataset.message }).catch(() => []);
    this.removeAttribute("loading");
    if (!page || first !== this.#first) return;
    this.tell("chat:keep", { from: first, change: () => this.tell("chat:earlier", page) });
    if (!page.more && this.matches(":focus-within")) this.parentElement.focus({ preventScroll: true });
    this.#look();
  }

  /** Observers tell at first what is in sight. */
  #look() {
    this.#sight.unobserve(this);
    this.#sight.observe(this);
  }

  get #first() {
    return this.chat?.querySelector("llm-chat-transcript > [data-message]");
  }
}

ChatEarlier.define("llm-chat-earlier");
