const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-pending>`: the reader's messages that the server does not know yet, below those that it knows. */
class ChatPending extends ChatElement {
  start() {
    this.hear(this.chat, {
      "chat:sending": (sent) => this.#show(sent, "sending"),
      "chat:unsent": (unsent) => this.#show(unsent, "unsent"),
      "chat:discard": ({ message }) => this.article(message)?.remove(),
      "chat:stored": ({ message }) => this.#set(message, "complete"),
      "chat:refused": ({ message, text }) => this.#set(message, "unsent", text),
      "chat:chunk": ({ type, data }) => type === "data-message" && this.article(data.id)?.remove(),
    });
  }

  #show({ message, text, edits, error }, status) {
    if (edits) return;
    this.append(this.article(message) ?? this.#build(message, text));
    this.#set(message, status, error);
  }

  #set(message, status, error = "") {
    const article = this.article(message);
    if (!article) return;
    article.dataset.status = status;
    const footer = article.querySelector("[data-footer]");
    footer.replaceChildren(status === "complete" ? "" : this.clone(status));
    for (const sentence of footer.querySelectorAll("[data-error]")) sentence.textContent = error;
  }

  #build(id, text) {
    const article = this.clone("message").firstElementChild;
    article.dataset.message = id;
    article.querySelector("[data-parts]").append(this.clone("part"));
    const block = document.createElement("div");
    block.className = "llm-chat-block";
    block.append(text);
    article.querySelector("[data-blocks]").append(block);
    return article;
  }
}

ChatPending.define("llm-chat-pending");
