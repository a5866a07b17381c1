const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-queue>`: questions that were sent while an answer ran, oldest first. Each is sent when the answer before it has come
 * to its end; after one that was stopped or failed, the next waits for the visitor. Ids that are made here make a repeat harmless.
 */
class ChatQueue extends ChatElement {
  /** Statuses of an answer after which the next question is sent by itself. */
  static ended = ["complete", "cut"];

  /** @type {QueuedQuestion[]} */
  #entries = [];
  /** @type {QueuedQuestion | undefined} The question that is under way. */
  #outgoing;

  connect() {
    this.hear(this.chat, {
      "chat:queue": ({ text }) => this.#add({ message: this.unique(), text }),
      "chat:idle": () => this.#proceed(),
      "chat:state": () => this.#reflect(),
      "chat:outgoing": (outgoing) => this.#leave(outgoing),
      "chat:refused": (refusal) => this.#return(refusal),
    });
    this.hear(this, { click: (event) => this.#click(event) });
    for (const entry of this.kept("queue")) if (!this.#isShown(entry)) this.#insert(entry);
    this.#keep();
  }

  #add(entry) {
    this.#insert(entry);
    this.#keep();
    this.tell("chat:say", { text: this.dataset.notice ?? "" });
  }

  /** Send the next question, unless the last answer did not come to its end. */
  #proceed() {
    for (const entry of this.#entries.filter((each) => this.#isShown(each))) this.#drop(entry); // another tab had a copy
    this.#reflect();
    const [next] = this.#entries;
    if (next && !this.hasAttribute("held") && !this.chat.hasAttribute("streaming")) this.#send(next);
  }

  #leave({ message, text }) {
    this.#outgoing = { message, text };
    this.#drop(this.#outgoing);
  }

  /** Another tab has asked first: this question is the next. */
  #return({ message, replaces, code }) {
    if (code !== "busy" || replaces || this.#outgoing?.message !== message) return;
    this.tell("chat:discard", { message });
    this.#insert(this.#outgoing, true);
    this.#keep();
  }

  #click({ target }) {
    const action = target.closest("[data-action]")?.dataset.action;
    const id = target.closest("[data-queued]")?.dataset.queued;
    const entry = this.#entries.find(({ message }) => message === id);
    if (!entry) return;
    if (action !== "send") this.#drop(entry);
    if (action === "send") this.#send(entry);
    else if (action === "recall") this.tell("chat:compose", { text: entry.text });
    else this.tell("chat:focus");
  }

  // Internals

  #send({ message, text }) {
    this.tell("chat:submit", { text, id: message });
  }

  #insert(entry, first = false) {
    const item = this.cloneElement("queued");
    item.dataset.queued = entry.message;
    this.find("[data-text]", item).textContent = entry.text;
    this.find("ol")[first ? "prepend" : "append"](item);
    this.#entries[first ? "unshift" : "push"](entry);
  }

  #drop({ message }) {
    this.#entries = this.#entries.filter((entry) => entry.message !== message);
    this.querySelector(`[data-queued="${CSS.escape(message)}"]`)?.remove();
    this.#keep();
  }

  #keep() {
    this.keep("queue", this.#entries);
    this.hidden = !this.#entries.length;
  }

  #reflect() {
    const last = [...this.chat.querySelectorAll("[data-message]")].at(-1);
    const isEnded = ChatQueue.ended.includes(last?.dataset.status ?? "");
    this.toggleAttribute("held", !isEnded && !this.chat.hasAttribute("streaming"));
  }

  #isShown({ message }) {
    return Boolean(this.chat.querySelector(`[data-message="${CSS.escape(message)}"]`));
  }
}

ChatQueue.define("llm-chat-queue");
