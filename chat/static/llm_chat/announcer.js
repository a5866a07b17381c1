const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-announcer>`: tells a screen reader what happens, in a word or two, and never a token.
 *
 * Holds a `[role=status]` and a `[role=alert]`; its sentences are attributes of its own (`data-answering`,
 * `data-loading`, `data-saving`, `data-reconnecting`, `data-complete`, `data-cut`, `data-stopped`, `data-unsent`,
 * `data-closed`).
 * In: `chat:chunk`, `chat:state`, `chat:say`, `chat:refused`, `chat:problem` and `chat:close` on the surrounding `<llm-chat>`.
 * State: the attribute `problem` where the alert is shown nowhere else and so has to be seen as well.
 */
class ChatAnnouncer extends ChatElement {
  /** What an answer may wait for; any other status ends the wait, without a word. */
  static waits = new Set(["loading", "saving", "reconnecting"]);


  // Life cycle

  start() {
    this.hear(this.chat, {
      "chat:chunk": (chunk) => this.#follow(chunk),
      "chat:state": ({ streaming }) => streaming && this.#begin(),
      "chat:say": ({ text }) => this.#say(text),
      "chat:refused": ({ text }) => this.#alert(text || this.dataset.unsent),
      "chat:problem": ({ text }) => this.#alert(text, true),
      "chat:close": ({ final }) => final && this.#alert(this.dataset.closed),
    });
  }

  // Actions

  #begin() {
    this.#alert("");
    this.#say(this.dataset.answering);
  }

  /** @param {{type: string, data?: any, finishReason?: string, errorText?: string}} chunk */
  #follow(chunk) {
    if (chunk.type === "data-status") this.#say(ChatAnnouncer.waits.has(chunk.data.status) ? this.dataset[chunk.data.status] : "");
    if (chunk.type === "finish") this.#say(chunk.finishReason === "length" ? this.dataset.cut : this.dataset.complete);
    if (chunk.type === "abort") this.#say(this.dataset.stopped);
    if (chunk.type === "error") this.#alert(chunk.errorText);
  }

  // Internals

  /** @param {string} [sentence] */
  #say(sentence = "") {
    const status = this.querySelector("[role=status]");
    if (status) status.textContent = sentence;
  }

  /** An alert ends whatever the status said. @param {string} [sentence] @param {boolean} [visible] */
  #alert(sentence = "", visible = false) {
    this.#say();
    this.toggleAttribute("problem", visible && Boolean(sentence));
    const alert = this.querySelector("[role=alert]");
    if (alert) alert.textContent = sentence;
  }
}

ChatAnnouncer.define("llm-chat-announcer");
