/**
 * `<llm-chat-pending>`: the reader's messages that the server does not know yet, below those that it knows.
 *
 * They are cloned from the `<template data-template>` elements of the surrounding `<llm-chat>`; on it come `chat:sending`
 * {message, text}, `chat:unsent` {message, text, error}, `chat:stored` and `chat:refused`. When `chat:chunk` brings the
 * server's own article of a message, the one here goes.
 * Out: `chat:retry` {message, role, text} and `chat:discard` {message}. State: `data-status` on each article, which is
 * `sending` or `unsent`.
 */
class ChatPending extends HTMLElement {
  #listeners = new AbortController();

  // Life cycle

  connectedCallback() {
    this.#listeners = new AbortController();
    const { signal } = this.#listeners;
    const chat = /** @type {HTMLElement} */ (this.closest("llm-chat"));
    chat.addEventListener("chat:sending", ({ detail }) => this.#send(detail), { signal });
    chat.addEventListener("chat:unsent", ({ detail }) => this.#return(detail), { signal });
    chat.addEventListener("chat:stored", ({ detail }) => this.#set(detail.message, "complete"), { signal });
    chat.addEventListener("chat:refused", ({ detail }) => this.#set(detail.message, "unsent", detail.text), { signal });
    chat.addEventListener("chat:chunk", ({ detail }) => this.#giveWay(detail), { signal });
    this.addEventListener("click", (event) => this.#click(event.target), { signal });
  }

  disconnectedCallback() {
    this.#listeners.abort();
  }

  // Actions

  /** A message of the reader's stands on the page at once. @param {{message: string, text: string}} sent */
  #send({ message, text }) {
    this.append(this.#article(message) ?? this.#build(message, text));
    this.#set(message, "sending");
  }

  /** @param {{message: string, text: string, error: string}} unsent */
  #return({ message, text, error }) {
    this.append(this.#build(message, text));
    this.#set(message, "unsent", error);
  }

  /** @param {{type: string, data?: {id: string}}} chunk */
  #giveWay({ type, data }) {
    if (type === "data-message") this.#article(data?.id)?.remove();
  }

  /** @param {EventTarget | null} target */
  #click(target) {
    const button = target instanceof Element && target.closest("[data-action=retry], [data-action=discard]");
    const article = /** @type {HTMLElement | null} */ (button && button.closest("[data-message]"));
    if (!button || !article) return;
    const { message, role } = article.dataset;
    const text = article.querySelector("[data-blocks]")?.textContent;
    this.#emit(`chat:${button.getAttribute("data-action")}`, { message, role, text });
    if (button.matches("[data-action=retry]")) return;
    article.remove();
    this.closest("[role=log]")?.focus({ preventScroll: true }); // the button that had the focus is gone
  }

  // Internals

  /** @param {string} message its id @param {string} status @param {string} [error] the server's sentence */
  #set(message, status, error = "") {
    const article = this.#article(message);
    if (!article) return;
    article.dataset.status = status;
    const note = status === "complete" ? document.createDocumentFragment() : this.#clone(status);
    const sentence = note.querySelector("[data-error]");
    if (sentence) sentence.textContent = error;
    article.querySelector("[data-footer]")?.replaceChildren(note);
  }

  /** @param {string} id @param {string} text */
  #build(id, text) {
    const article = /** @type {HTMLElement} */ (this.#clone("message").firstElementChild);
    article.dataset.message = id;
    article.querySelector("[data-parts]")?.append(this.#clone("part"));
    const block = article.querySelector("[data-blocks]")?.appendChild(document.createElement("div"));
    block?.setAttribute("class", "chat-block");
    block?.append(text);
    return article;
  }

  /** @param {string} [id] @returns {HTMLElement | null} */
  #article(id = "") {
    return this.querySelector(`:scope > [data-message="${CSS.escape(id)}"]`);
  }

  /** @param {string} name @returns {DocumentFragment} */
  #clone(name) {
    const template = this.closest("llm-chat")?.querySelector(`template[data-template="${name}"]`);
    return document.importNode(/** @type {HTMLTemplateElement} */ (template).content, true);
  }

  /** @param {string} type @param {unknown} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { bubbles: true, detail }));
  }
}

if (!customElements.get("llm-chat-pending")) customElements.define("llm-chat-pending", ChatPending);
