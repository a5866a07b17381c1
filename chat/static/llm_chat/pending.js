const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-pending>`: the reader's messages that the server does not know yet, below those that it knows.
 *
 * The server's own article ends the one here. State: `data-status` on each, `sending` or `unsent`.
 */
class ChatPending extends ChatElement {

  // Life cycle

  start() {
    this.hear(this.chat, {
      "chat:sending": (sent) => sent.edits || this.#send(sent),
      "chat:unsent": (unsent) => unsent.edits || this.#return(unsent),
      "chat:discard": ({ message }) => this.#drop(message),
      "chat:stored": ({ message }) => this.#set(message, "complete"),
      "chat:refused": ({ message, text }) => this.#set(message, "unsent", text),
      "chat:chunk": (chunk) => this.#giveWay(chunk),
    });
  }

  // Actions

  #send({ message, text }) {
    this.append(this.article(message) ?? this.#build(message, text));
    this.#set(message, "sending");
  }

  #return({ message, text, error }) {
    this.append(this.#build(message, text));
    this.#set(message, "unsent", error);
  }

  #giveWay({ type, data }) {
    if (type === "data-message") this.article(data?.id)?.remove();
  }

  #drop(message) {
    const article = this.article(message);
    if (!article) return;
    article.remove();
    this.closest("[role=log]")?.focus({ preventScroll: true }); // the button that had the focus is gone
  }

  // Internals

  #set(message, status, error = "") {
    const article = this.article(message);
    if (!article) return;
    article.dataset.status = status;
    const note = status === "complete" ? document.createDocumentFragment() : this.clone(status);
    const sentence = note.querySelector("[data-error]");
    if (sentence) sentence.textContent = error;
    article.querySelector("[data-footer]")?.replaceChildren(note);
  }

  #build(id, text) {
    const article = this.clone("message").firstElementChild;
    article.dataset.message = id;
    article.querySelector("[data-parts]")?.append(this.clone("part"));
    const block = article.querySelector("[data-blocks]")?.appendChild(document.createElement("div"));
    block?.setAttribute("class", "chat-block");
    block?.append(text);
    return article;
  }
}

ChatPending.define("llm-chat-pending");
