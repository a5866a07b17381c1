/**
 * `<llm-chat-announcer>`: tells a screen reader what happens, in a word or two, and never a token.
 *
 * Holds a `[role=status]` and a `[role=alert]`; its sentences are attributes of its own (`data-answering`,
 * `data-loading`, `data-saving`, `data-reconnecting`, `data-complete`, `data-cut`, `data-stopped`, `data-unsent`,
 * `data-closed`).
 * In: `chat:chunk`, `chat:state`, `chat:refused`, `chat:problem` and `chat:close` on the surrounding `<llm-chat>`.
 * State: the attribute `problem` where the alert is shown nowhere else and so has to be seen as well.
 */
class ChatAnnouncer extends HTMLElement {
  /** What an answer may wait for; any other status ends the wait, without a word. */
  static waits = new Set(["loading", "saving", "reconnecting"]);

  #listeners = new AbortController();

  // Life cycle

  connectedCallback() {
    this.#listeners = new AbortController();
    const { signal } = this.#listeners;
    const chat = /** @type {HTMLElement} */ (this.closest("llm-chat"));
    chat.addEventListener("chat:chunk", ({ detail }) => this.#follow(detail), { signal });
    chat.addEventListener("chat:state", ({ detail }) => detail.streaming && this.#begin(), { signal });
    chat.addEventListener("chat:refused", ({ detail }) => this.#alert(detail.text || this.dataset.unsent), { signal });
    chat.addEventListener("chat:problem", ({ detail }) => this.#alert(detail.text, true), { signal });
    chat.addEventListener("chat:close", ({ detail }) => detail.final && this.#alert(this.dataset.closed), { signal });
  }

  disconnectedCallback() {
    this.#listeners.abort();
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
    this.toggleAttribute("problem", visible);
    const alert = this.querySelector("[role=alert]");
    if (alert) alert.textContent = sentence;
  }
}

if (!customElements.get("llm-chat-announcer")) customElements.define("llm-chat-announcer", ChatAnnouncer);
