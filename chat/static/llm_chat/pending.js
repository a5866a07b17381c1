const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-pending>`: the reader's messages that the server does not know yet, below those that it knows.
 *
 * They are cloned from the `<template data-template>` elements of the surrounding `<llm-chat>`; on it come `chat:sending`
 * {message, text}, `chat:unsent` {message, text, error}, `chat:stored` and `chat:refused`. When `chat:chunk` brings the
 * server's own article of a message, the one here goes.
 * Out: `chat:retry` {message, role, text} and `chat:discard` {message}. State: `data-status` on each article, which is
 * `sending` or `unsent`.
 */
class ChatPending extends ChatElement {

  // Life cycle

  start() {
    this.hear(this.chat, {
      "chat:sending": (sent) => this.#send(sent),
      "chat:unsent": (unsent) => this.#return(unsent),
      "chat:stored": ({ message }) => this.#set(message, "complete"),
      "chat:refused": ({ message, text }) => this.#set(message, "unsent", text),
      "chat:chunk": (chunk) => this.#giveWay(chunk),
    });
    this.hear(this, { click: ({ target }) => this.#click(target) });
  }

  // Actions

  /** A message of the reader's stands on the page at once. @param {{message: string, text: string}} sent */
  #send({ message, text }) {
    this.append(this.article(message) ?? this.#build(message, text));
    this.#set(message, "sending");
  }

  /** @param {{message: string, text: string, error: string}} unsent */
  #return({ message, text, error }) {
    this.append(this.#build(message, text));
    this.#set(message, "unsent", error);
  }

  /** @param {{type: string, data?: {id: string}}} chunk */
  #giveWay({ type, data }) {
    if (type === "data-message") this.article(data?.id)?.remove();
  }

  /** @param {EventTarget | null} target */
  #click(target) {
    const button = target instanceof Element && target.closest("[data-action=retry], [data-action=discard]");
    const article = /** @type {HTMLElement | null} */ (button && button.closest("[data-message]"));
    if (!button || !article) return;
    const { message, role } = article.dataset;
    const text = article.querySelector("[data-blocks]")?.textContent;
    this.tell(`chat:${button.getAttribute("data-action")}`, { message, role, text });
    if (button.matches("[data-action=retry]")) return;
    article.remove();
    this.closest("[role=log]")?.focus({ preventScroll: true }); // the button that had the focus is gone
  }

  // Internals

  /** @param {string} message its id @param {string} status @param {string} [error] the server's sentence */
  #set(message, status, error = "") {
    const article = this.article(message);
    if (!article) return;
    article.dataset.status = status;
    const note = status === "complete" ? document.createDocumentFragment() : this.clone(status);
    const sentence = note.querySelector("[data-error]");
    if (sentence) sentence.textContent = error;
    article.querySelector("[data-footer]")?.replaceChildren(note);
  }

  /** @param {string} id @param {string} text */
  #build(id, text) {
    const article = /** @type {HTMLElement} */ (this.clone("message").firstElementChild);
    article.dataset.message = id;
    article.querySelector("[data-parts]")?.append(this.clone("part"));
    const block = article.querySelector("[data-blocks]")?.appendChild(document.createElement("div"));
    block?.setAttribute("class", "chat-block");
    block?.append(text);
    return article;
  }
}

ChatPending.define("llm-chat-pending");
