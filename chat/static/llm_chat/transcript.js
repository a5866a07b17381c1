/**
 * `<llm-chat-transcript>`: the articles of a conversation, as the server makes them.
 *
 * In: `chat:chunk`, `chat:refused`, `chat:gone`, `chat:state` and `chat:close` on the surrounding `<llm-chat>`.
 * Out: `chat:retry` {message, role} and `chat:continue` {message, role}; `chat:patch` to a part; `chat:conversation` {id,
 * title, html}. State: an attribute that says what the answer waits for, `loading`, `saving` or `reconnecting`; on each
 * article `data-status`.
 */
class ChatTranscript extends HTMLElement {
  /** What an answer may wait for. Any other status ends it. */
  static waits = ["loading", "saving", "reconnecting"];

  #listeners = new AbortController();
  /** What to do with the data of each kind of chunk; other kinds are not shown. @type {Record<string, Function>} */
  #chunks = {
    "data-message": (data) => this.#show(data),
    "data-status": ({ status }) => this.#wait(status),
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
    chat.addEventListener("chat:refused", ({ detail }) => this.#refuse(detail), { signal });
    chat.addEventListener("chat:gone", () => this.replaceChildren(), { signal });
    chat.addEventListener("chat:state", () => this.#wait(), { signal });
    chat.addEventListener("chat:close", () => this.#wait(), { signal });
    this.addEventListener("click", (event) => this.#click(event.target), { signal });
  }

  disconnectedCallback() {
    this.#listeners.abort();
  }

  // Actions

  /** @param {EventTarget | null} target */
  #click(target) {
    const button = target instanceof Element && target.closest("[data-action=retry], [data-action=continue]");
    const article = /** @type {HTMLElement | null} */ (button && button.closest("[data-message]"));
    if (!button || !article) return;
    const { message, role } = article.dataset;
    this.#emit(`chat:${button.getAttribute("data-action")}`, { message, role });
  }

  /** Another answer was asked for and refused: the old one stays. @param {{message: string, text: string}} refused */
  #refuse({ message, text }) {
    const article = this.#article(message);
    if (!article || !text) return;
    const note = this.#clone("refused");
    note.querySelector("[data-error]")?.append(text);
    article.querySelector("[data-refusal]")?.remove();
    article.querySelector("[data-footer]")?.prepend(note);
  }

  /** @param {string} [status] what the answer waits for, if it is for anything in particular */
  #wait(status) {
    for (const wait of ChatTranscript.waits) this.toggleAttribute(wait, wait === status);
  }

  // Internals

  /** @param {{id: string, html: string, after?: string | null}} message */
  #show({ id, html, after }) {
    const article = fragment(html).firstElementChild;
    if (!article) return;
    const old = this.#article(id);
    const before = after ? this.#article(after) : null;
    if (after === null) this.prepend(article);
    else if (before) before.after(article);
    else if (old) old.before(article);
    else this.append(article);
    old?.remove();
    if (after !== undefined) this.#endBranch(article);
  }

  /** It came with its place in the conversation: what stands behind it is another branch. @param {Element} article */
  #endBranch(article) {
    while (article.nextElementSibling) article.nextElementSibling.remove();
  }

  /** @param {{message: string, part: number, html: string}} data */
  #addPart({ message, part, html }) {
    const old = this.#part({ message, part });
    this.#wait();
    if (old) old.replaceWith(fragment(html));
    else this.#article(message)?.querySelector("[data-parts]")?.append(fragment(html));
  }

  /** @param {{message: string, status: string, html: string}} end */
  #finish({ message, status, html }) {
    const article = this.#article(message);
    if (!article) return;
    article.dataset.status = status;
    article.querySelector("[data-footer]")?.replaceChildren(fragment(html));
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
