const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-transcript>`: the articles of a conversation, as the server makes them.
 *
 * In: `chat:chunk`, `chat:refused`, `chat:gone`, `chat:state` and `chat:close` on the surrounding `<llm-chat>`.
 * Out: `chat:retry` {message, role} and `chat:continue` {message, role}; `chat:patch` to a part; `chat:conversation` {id,
 * title, html}. State: an attribute that says what the answer waits for, `loading`, `saving` or `reconnecting`; on each
 * article `data-status`.
 */
class ChatTranscript extends ChatElement {
  /** What an answer may wait for. Any other status ends it. */
  static waits = ["loading", "saving", "reconnecting"];

  /** What to do with the data of each kind of chunk; other kinds are not shown. @type {Record<string, Function>} */
  #chunks = {
    "data-message": (data) => this.#show(data),
    "data-status": ({ status }) => this.#wait(status),
    "data-part": (data) => this.#addPart(data),
    "data-patch": (data) => this.#part(data)?.dispatchEvent(new CustomEvent("chat:patch", { detail: data })),
    "data-message-end": (data) => this.#finish(data),
    "data-conversation": (data) => this.tell("chat:conversation", data),
  };

  // Life cycle

  start() {
    this.hear(this.chat, {
      "chat:chunk": ({ type, data }) => this.#chunks[type]?.(data),
      "chat:refused": (refused) => this.#refuse(refused),
      "chat:gone": () => this.replaceChildren(),
      "chat:state": () => this.#wait(),
      "chat:close": () => this.#wait(),
    });
    this.hear(this, { click: ({ target }) => this.#click(target) });
  }

  // Actions

  /** @param {EventTarget | null} target */
  #click(target) {
    const button = target instanceof Element && target.closest("[data-action=retry], [data-action=continue]");
    const article = /** @type {HTMLElement | null} */ (button && button.closest("[data-message]"));
    if (!button || !article) return;
    const { message, role } = article.dataset;
    this.tell(`chat:${button.getAttribute("data-action")}`, { message, role });
  }

  /** Another answer was asked for and refused: the old one stays. @param {{message: string, text: string}} refused */
  #refuse({ message, text }) {
    const article = this.article(message);
    if (!article || !text) return;
    const note = this.clone("refused");
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
    const old = this.article(id);
    const before = after ? this.article(after) : null;
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
    else this.article(message)?.querySelector("[data-parts]")?.append(fragment(html));
  }

  /** @param {{message: string, status: string, html: string}} end */
  #finish({ message, status, html }) {
    const article = this.article(message);
    if (!article) return;
    article.dataset.status = status;
    article.querySelector("[data-footer]")?.replaceChildren(fragment(html));
  }

  /** @param {{message: string, part: number}} place */
  #part({ message, part }) {
    return this.article(message)?.querySelector(`[data-part="${CSS.escape(String(part))}"]`);
  }
}

/** Markup of the server's own, outer white space left out. @param {string} html @returns {DocumentFragment} */
function fragment(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return document.importNode(template.content, true);
}

ChatTranscript.define("llm-chat-transcript");
