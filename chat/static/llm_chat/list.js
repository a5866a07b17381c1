const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-list>`: the list of conversations on the page, kept in step with the chats on it.
 *
 * In: the attribute `current` (the conversation that the page is about); from any chat `chat:conversation` {id, title,
 * html} and `chat:event` {event, id}.
 */
class ChatList extends ChatElement {

  // Life cycle

  start() {
    this.hear(document, {
      "chat:conversation": (conversation) => this.#show(conversation),
      "chat:event": ({ event, id }) => event === "deleted" && this.#drop(id),
    });
  }

  // Actions

  /** @param {{id: string, title: string, html: string}} conversation */
  #show({ id, title, html }) {
    const template = document.createElement("template");
    template.innerHTML = html.trim();
    const line = /** @type {Element} */ (document.importNode(template.content, true).firstElementChild);
    const old = this.#line(id);
    if (old) old.replaceWith(line);
    else this.querySelector("[data-conversations]")?.prepend(line);
    this.#mark(line, id === this.getAttribute("current"), title);
  }

  /** @param {string} id */
  #drop(id) {
    this.#line(id)?.remove();
  }

  // Internals

  /** @param {string} id */
  #line(id) {
    return this.querySelector(`[data-conversation="${CSS.escape(id)}"]`);
  }

  /**
   * The server renders a line for every page alike.
   * @param {Element} line @param {boolean} current whether it is about this page @param {string} title
   */
  #mark(line, current, title) {
    const link = line.querySelector("a");
    if (current) link?.setAttribute("aria-current", "page");
    else link?.removeAttribute("aria-current");
    if (current && title) document.title = title;
  }
}

ChatList.define("llm-chat-list");
