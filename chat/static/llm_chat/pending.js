const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-pending>`: the visitor's messages that the server does not have yet, below those that it has. */
class ChatPending extends ChatElement {
  connect() {
    this.hear(this.chat, {
      "chat:outgoing": (outgoing) => this.#show(outgoing),
      "chat:discard": ({ message }) => this.article(message)?.remove(),
      "chat:stored": ({ message }) => this.#set(message, "complete"),
      "chat:refused": ({ message, text }) => this.#set(message, "unsent", text),
      "chat:chunk": (chunk) => chunk.type === "data-message" && this.article(chunk.data.id)?.remove(),
    });
  }

  /** @param {Outgoing} outgoing */
  #show({ message, text, status, error, edits }) {
    if (edits) return; // the transcript shows it in the question's place
    this.append(this.article(message) ?? this.#build(message, text));
    this.#set(message, status, error);
  }

  // Internals

  #set(message, status, error = "") {
    const article = this.article(message);
    if (!article) return;
    article.dataset.status = status;
    const footer = this.find("[data-footer]", article);
    footer.replaceChildren(status === "complete" ? "" : this.clone(status));
    if (isLong(this.find("[data-blocks]", article).textContent)) footer.prepend(this.clone("fold"));
    for (const sentence of footer.querySelectorAll("[data-error]")) sentence.textContent = error;
  }

  #build(id, text) {
    const article = this.cloneElement("message");
    article.dataset.message = id;
    this.find("[data-parts]", article).append(this.clone("part"));
    const block = document.createElement("div");
    block.className = "llm-chat-block";
    block.append(text);
    this.find("[data-blocks]", article).append(block);
    return article;
  }
}

/** Whether the server will fold it: `is_long` in html/excerpts.py. */
function isLong(text) {
  return text.length > 1_000 || text.split("\n").length > 14;
}

ChatPending.define("llm-chat-pending");
