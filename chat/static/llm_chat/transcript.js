/**
 * `<llm-chat-transcript>`: the articles of a conversation. Markup comes from the server; what the page adds before the
 * server has answered is cloned from the `<template data-template>` elements beside it.
 *
 * In: `chat:chunk`, `chat:sending`, `chat:stored` and `chat:refused` on the surrounding `<llm-chat>`.
 * Out: `chat:retry` {message, role, text}; `chat:patch` to a part; `chat:conversation` {id, title, html}.
 * State: the attribute `loading` while the model is being loaded; on each article `data-status`, which is `sending` or
 * `unsent` as long as the server does not know the message.
 */
class ChatTranscript extends HTMLElement {
  /** Messages that the server does not know. */
  static unknown = "[data-status=sending], [data-status=unsent]";

  #listeners = new AbortController();
  /** What to do with the data of each kind of chunk; other kinds are not shown. @type {Record<string, Function>} */
  #chunks = {
    "data-message": (data) => this.#show(data),
    "data-status": ({ status }) => this.toggleAttribute("loading", status === "loading"),
    "data-part": (data) => this.#addPart(data),
    "data-patch": (data) => this.#part(data)?.dispatchEvent(new CustomEvent("chat:patch", { detail: data })),
    "data-message-end": (data) => this.#finish(data),
    "data-conversation": (data) => this.#emit("chat:conversation", data),
  };

  // Life cycle

  connectedCallback() {
    this.#listeners = new AbortController();
    const { signal } = this.#listeners;
    const chat = /** @type {HTMLElement} */ (this.closest("llm-chat"));
    chat.addEventListener("chat:chunk", ({ detail: chunk }) => this.#chunks[chunk.type]?.(chunk.data), { signal });
    chat.addEventListener("chat:sending", ({ detail }) => this.#send(detail), { signal });
    chat.addEventListener("chat:stored", ({ detail }) => this.#store(detail), { signal });
    chat.addEventListener("chat:refused", ({ detail }) => this.#refuse(detail), { signal });
    chat.addEventListener("chat:state", () => this.removeAttribute("loading"), { signal });
    this.addEventListener("click", (event) => this.#click(event.target), { signal });
  }

  disconnectedCallback() {
    this.#listeners.abort();
  }

  // Actions

  /** @param {EventTarget | null} target */
  #click(target) {
    const article = target instanceof Element && target.closest("[data-action=retry]")?.closest("[data-message]");
    if (!(article instanceof HTMLElement)) return;
    const { message, role } = article.dataset;
    this.#emit("chat:retry", { message, role, text: article.querySelector("[data-blocks]")?.textContent });
  }

  /** A message of the reader's stands on the page at once. @param {{message: string, text: string}} sent */
  #send({ message, text }) {
    const article = this.#article(message) ?? this.#question(message, text);
    this.append(article);
    article.dataset.status = "sending";
    this.#setFooter(article, this.#clone("sending"));
  }

  /** @param {{trigger: string, message: string}} stored */
  #store({ trigger, message }) {
    const article = this.#article(message);
    if (!article || trigger !== "submit-message") return;
    article.dataset.status = "complete";
    this.#place(article);
    this.#setFooter(article);
  }

  /** @param {{trigger: string, message: string, text: string}} refused */
  #refuse({ trigger, message, text }) {
    const article = this.#article(message);
    if (!article) return;
    const note = this.#clone(trigger === "submit-message" ? "unsent" : "refused");
    const sentence = note.querySelector("[data-error]");
    if (sentence) sentence.textContent = text;
    if (trigger === "submit-message") {
      article.dataset.status = "unsent";
      this.#setFooter(article, note);
    } else if (text) {
      article.querySelector("[data-refusal]")?.remove();
      article.querySelector("[data-footer]")?.prepend(note);
    }
  }

  // Internals

  /** @param {{id: string, html: string, after?: string | null}} message */
  #show({ id, html, after }) {
    const article = fragment(html).firstElementChild;
    if (!article) return;
    const old = this.#article(id);
    if (old) old.replaceWith(article);
    else this.#place(article);
    if (after === null) this.prepend(article);
    else if (after !== undefined) this.#article(after)?.after(article);
    if (after !== undefined) this.#endBranch(article);
  }

  /** Last of those that the server knows: what is not sent yet stands below. @param {Element} article */
  #place(article) {
    this.insertBefore(article, this.querySelector(`:scope > :is(${ChatTranscript.unknown})`));
  }

  /** It came with its place in the conversation: what stands behind it is another branch. @param {Element} article */
  #endBranch(article) {
    while (article.nextElementSibling && !article.nextElementSibling.matches(ChatTranscript.unknown)) {
      article.nextElementSibling.remove();
    }
  }

  /** @param {{message: string, part: number, html: string}} data */
  #addPart({ message, part, html }) {
    const old = this.#part({ message, part });
    this.removeAttribute("loading");
    if (old) old.replaceWith(fragment(html));
    else this.#article(message)?.querySelector("[data-parts]")?.append(fragment(html));
  }

  /** @param {{message: string, status: string, html: string}} end */
  #finish({ message, status, html }) {
    const article = this.#article(message);
    if (!article) return;
    article.dataset.status = status;
    this.#setFooter(article, fragment(html));
  }

  /** @param {string} id @param {string} text */
  #question(id, text) {
    const article = /** @type {HTMLElement} */ (this.#clone("message").firstElementChild);
    article.dataset.message = id;
    article.querySelector("[data-parts]")?.append(this.#clone("part"));
    const block = article.querySelector("[data-blocks]")?.appendChild(document.createElement("div"));
    block?.setAttribute("class", "chat-block");
    block?.append(text);
    return article;
  }

  /** @param {HTMLElement} article @param {DocumentFragment} [content] */
  #setFooter(article, content) {
    article.querySelector("[data-footer]")?.replaceChildren(...(content ? [content] : []));
  }

  /** @param {string} [id] @returns {HTMLElement | null} */
  #article(id = "") {
    return this.querySelector(`:scope > [data-message="${CSS.escape(id)}"]`);
  }

  /** @param {{message: string, part: number}} place */
  #part({ message, part }) {
    return this.#article(message)?.querySelector(`[data-part="${CSS.escape(String(part))}"]`);
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

/** Markup of the server's own, outer white space left out. @param {string} html @returns {DocumentFragment} */
function fragment(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return document.importNode(template.content, true);
}

if (!customElements.get("llm-chat-transcript")) customElements.define("llm-chat-transcript", ChatTranscript);
