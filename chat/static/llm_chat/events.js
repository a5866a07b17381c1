const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-events>`: notices what the page lacks of its conversation, and tells the server what the reader has seen. While a
 * request is under way nobody can heed it: it comes again.
 */
class ChatEvents extends ChatElement {
  /** Statuses after which an answer stays as it is. Others may be what was known at the time. */
  static settled = new Set(["complete", "cut", "stopped"]);

  /** What no resume has been asked for since. */
  #news = [];
  /** Whether an answer may have ended that the server takes for unread. */
  #unread = true;

  start() {
    this.hear(this.chat, {
      "chat:event": (news) => this.#take(news),
      "chat:request": ({ type }) => type === "resume" && (this.#news = []),
      "chat:open": () => (this.#unread = true),
      "chat:answered": () => this.#look(),
    });
    this.hear(document, { visibilitychange: () => document.hidden || this.#return() });
  }

  #take(news) {
    if (news.id !== this.chat.getAttribute("conversation")) return;
    this.#unread ||= news.event === "run-ended";
    this.#news.push(news);
    this.#look();
  }

  #return() {
    this.tell("chat:stale");
    this.#read();
  }

  #look() {
    this.#news = this.#news.filter((news) => !this.#shows(news));
    if (this.#news.length) this.tell("chat:stale");
    this.#read();
  }

  #read() {
    if (!this.#unread || document.hidden || !this.chat.querySelector("[data-role=assistant]")) return;
    this.#unread = false;
    this.aside({ type: "read" }).catch(() => (this.#unread = true));
  }

  // Internals

  /** Whether the page shows it already. */
  #shows({ event, message }) {
    if (event === "title" || event === "read") return true;
    const shown = this.chat.querySelector(`[data-message="${CSS.escape(message)}"]`);
    if (event === "run-started") return shown;
    if (event === "branch") return shown && !shown.nextElementSibling;
    return event === "run-ended" && ChatEvents.settled.has(shown?.dataset.status);
  }
}

ChatEvents.define("llm-chat-events");
