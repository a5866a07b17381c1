const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-queue>`: the questions that were sent while an answer ran, as the outbox keeps them. */
class ChatQueue extends ChatElement {
  connect() {
    this.hear(this.chat, {
      "chat:queue": () => this.tell("chat:say", { text: this.dataset.notice ?? "" }),
      "chat:queued": (question) => this.#show(question),
      "chat:outgoing": ({ message }) => this.#drop(message),
      "chat:discard": ({ message }) => this.#drop(message),
    });
    this.hear(this, { click: ({ target }) => this.#click(target.closest("[data-action]")) });
  }

  /** @param {{ message: string, text?: string }} question */
  #show({ message, text = "" }) {
    const item = this.#item(message) ?? this.cloneElement("queued");
    item.dataset.queued = message;
    this.find("[data-text]", item).textContent = text;
    this.find("ol").append(item);
    this.hidden = false;
  }

  #drop(message) {
    this.#item(message)?.remove();
    this.hidden = !this.querySelector("li");
  }

  #click(button) {
    const item = button?.closest("[data-queued]");
    if (!item) return;
    const message = item.dataset.queued;
    const text = this.find("[data-text]", item).textContent;
    if (button.value === "send") {
      this.tell("chat:retry", { message, role: "user", text, continues: false });
    } else {
      this.tell("chat:discard", { message });
      if (button.value === "edit") this.tell("chat:compose", { text });
      else this.tell("chat:focus");
    }
  }

  #item(message) {
    return this.querySelector(`[data-queued="${CSS.escape(message)}"]`);
  }
}

ChatQueue.define("llm-chat-queue");
