const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-focus>`: gives the focus a place where the element that has it disappears, so that no key is lost. */
class ChatFocus extends ChatElement {
  /** Hears of articles that come and go, and not of the text that grows in them. */
  #articles = new MutationObserver(() => this.#rescue());
  /** @type {HTMLElement | undefined} What had the focus last, in the chat. */
  #last;

  connect() {
    this.hear(this.chat, {
      focusin: ({ target }) => this.#note(target),
      "chat:submit": ({ message }) => message && this.tell("chat:focus"),
      "chat:retry": () => this.tell("chat:focus"),
      "chat:state": () => this.#rescue(),
    });
    for (const box of this.chat.querySelectorAll("llm-chat-transcript, llm-chat-pending")) {
      this.#articles.observe(box, { childList: true });
    }
  }

  disconnect() {
    this.#articles.disconnect();
  }

  #note(target) {
    this.#last = target;
  }

  #rescue() {
    const focused = document.activeElement;
    const isLost = focused === document.body || focused === this.#last;
    if (isLost && this.#last?.checkVisibility({ visibilityProperty: true }) === false) this.tell("chat:focus");
  }
}

ChatFocus.define("llm-chat-focus");
