const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-earlier>`: a link above the first message. Earlier ones come as the visitor comes near, or clicks. */
class ChatEarlier extends ChatElement {
  /** @type {IntersectionObserver | undefined} */
  #sight;

  connect() {
    this.#sight = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && this.#load(), {
      root: this.parentElement,
      rootMargin: "150% 0px",
    });
    this.hear(this.chat, { "chat:open": () => this.#look() });
    this.hear(this, { click: (event) => this.#click(event) });
    this.#look();
  }

  disconnect() {
    this.#sight?.disconnect();
  }

  #click(event) {
    event.preventDefault();
    this.#load();
  }

  async #load() {
    const first = this.#first;
    if (!first || this.hasAttribute("loading")) return;
    this.toggleAttribute("loading", true);
    const request = this.request({ type: "earlier", messageId: first.dataset.message });
    /** @type {EarlierMessages[]} */
    const [page] = await request.catch(() => []);
    this.removeAttribute("loading");
    if (!page || first !== this.#first) return;
    this.tell("chat:keep", { from: first, change: () => this.tell("chat:earlier", page) });
    if (!page.more && this.matches(":focus-within")) this.parentElement?.focus({ preventScroll: true });
    this.#look();
  }

  /** Re-observe to get an initial callback. */
  #look() {
    this.#sight?.unobserve(this);
    this.#sight?.observe(this);
  }

  get #first() {
    return this.chat?.querySelector("llm-chat-transcript > [data-message]");
  }
}

ChatEarlier.define("llm-chat-earlier");
