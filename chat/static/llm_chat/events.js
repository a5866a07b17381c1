const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-events>`: notices from events what the page lacks, and tells the server what the visitor has seen. Nothing can be
 * fetched while a request is under way, so it looks again at the end of each.
 */
class ChatEvents extends ChatElement {
  /** Statuses that do not change any more. */
  static settled = ["complete", "cut", "stopped"];

  /** @type {ConversationEvent[]} Those since the last resume. */
  #events = [];
  /** Whether an answer may have ended that the server considers unread. */
  #unread = true;

  connect() {
    this.hear(this.chat, {
      "chat:event": (event) => this.#take(event),
      "chat:request": ({ frame }) => this.#forget(frame.type),
      "chat:open": () => this.#doubt(),
      "chat:answered": () => this.#look(),
    });
    this.hear(document, { visibilitychange: () => document.hidden || this.#return() });
  }

  #take(event) {
    if (event.id !== this.chat.getAttribute("conversation")) return;
    this.#unread ||= event.event === "run-ended";
    this.#events.push(event);
    this.#look();
  }

  #forget(type) {
    if (type === "resume") this.#events = [];
  }

  #doubt() {
    this.#unread = true;
  }

  #return() {
    this.tell("chat:stale");
    this.#read();
  }

  #look() {
    this.#events = this.#events.filter((event) => !this.#shows(event));
    if (this.#events.length) this.tell("chat:stale");
    this.#read();
  }

  #read() {
    if (!this.#unread || document.hidden || !this.chat.querySelector("[data-role=assistant]")) return;
    this.#unread = false;
    this.request({ type: "read" }).catch(() => this.#doubt());
  }

  // Internals

  /** Return whether the page shows already what an event is about. */
  #shows({ event, message }) {
    if (event === "title" || event === "read") return true;
    const shown = this.chat.querySelector(`[data-message="${CSS.escape(message)}"]`);
    if (event === "run-started") return Boolean(shown);
    if (event === "branch") return Boolean(shown && !shown.nextElementSibling);
    return event === "run-ended" && ChatEvents.settled.includes(shown?.dataset.status ?? "");
  }
}

ChatEvents.define("llm-chat-events");
