const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-hit>`: shows the message that a search has found, `?hit=` in the address, however far up it is. */
class ChatHit extends ChatElement {
  #wanted = new URLSearchParams(location.search).get("hit");

  connect() {
    this.hear(this.chat, {
      "chat:answered": () => this.#look(),
      "chat:earlier": () => setTimeout(() => this.#look()),
    });
    this.#look();
  }

  #look() {
    if (!this.#wanted) return;
    const article = this.chat.querySelector(`[data-message="${CSS.escape(this.#wanted)}"]`);
    const earlier = this.chat.querySelector(":has(+ llm-chat-transcript[earlier]) > a[href]");
    if (article) this.#show(article);
    else earlier?.click();
  }

  #show(article) {
    this.#wanted = null;
    article.scrollIntoView({ block: "center" });
    article.toggleAttribute("data-hit", true);
  }
}

ChatHit.define("llm-chat-hit");
