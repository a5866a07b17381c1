const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-news>`: notices that the page lacks something that another tab, or another server, knows.
 *
 * In: `chat:event` {event, id, message} on the surrounding `<llm-chat>`, of which those of its own `conversation` count;
 * `chat:request` and `chat:answered`; the reader's coming back to the tab.
 * Out: `chat:stale`, which asks for a resume. While a request is under way nobody can heed it: it comes again after it.
 *
 * @typedef {{event: string, id: string, message: string}} News
 */
class ChatNews extends ChatElement {
  /** Statuses after which an answer stays as it is. Others may be what was known at the time. */
  static settled = new Set(["complete", "cut", "stopped"]);

  /** What a resume has not been asked for since. @type {News[]} */
  #news = [];

  // Life cycle

  start() {
    this.hear(this.chat, {
      "chat:event": (news) => this.#take(news),
      "chat:request": ({ type }) => this.#forget(type),
      "chat:answered": () => this.#look(),
    });
    this.hear(document, { visibilitychange: () => document.hidden || this.tell("chat:stale") });
  }

  // Actions

  /** @param {News} news */
  #take(news) {
    if (news.id !== this.chat.getAttribute("conversation")) return;
    this.#news.push(news);
    this.#look();
  }

  /** A resume brings everything. @param {string} type of the request that begins */
  #forget(type) {
    if (type === "resume") this.#news = [];
  }

  #look() {
    this.#news = this.#news.filter((news) => !this.#shows(news));
    if (this.#news.length) this.tell("chat:stale");
  }

  // Internals

  /** @param {News} news @returns {boolean} whether the page shows it already */
  #shows({ event, message }) {
    if (event === "branch") return this.chat.querySelector("llm-chat-transcript")?.lastElementChild?.dataset.message === message;
    const status = this.chat.querySelector(`[data-message="${CSS.escape(message)}"]`)?.dataset.status;
    return event === "run-started" ? status !== undefined : event === "run-ended" && ChatNews.settled.has(status);
  }
}

ChatNews.define("llm-chat-news");
