/**
 * `<llm-chat-watchdog>`: notices a connection that is open and dead. A network that has gone says nothing, and the browser
 * believes in the socket for minutes.
 *
 * In: `chat:open`, `chat:frame` and `chat:close` on the surrounding `<llm-chat>`; the network's and the reader's coming back.
 * Out: `chat:transmit` of a `ping` after a silence, to which the server says `pong`; `chat:reset` where nothing comes.
 */
class ChatWatchdog extends HTMLElement {
  /** Milliseconds without a frame before the server is asked whether it is there. */
  silence = 20_000;
  /** Milliseconds that it may take to say so. */
  patience = 10_000;
  /** Both of them where the network or the reader has just come back: then a doubt is settled at once. */
  doubt = 3_000;

  #open = false;
  #heard = 0;
  #timer = 0;
  #listeners = new AbortController();

  // Life cycle

  connectedCallback() {
    this.#listeners = new AbortController();
    const { signal } = this.#listeners;
    const chat = /** @type {HTMLElement} */ (this.closest("llm-chat"));
    chat.addEventListener("chat:open", () => this.#listen(), { signal });
    chat.addEventListener("chat:frame", () => this.#listen(), { signal });
    chat.addEventListener("chat:close", () => this.#sleep(), { signal });
    window.addEventListener("online", () => this.#doubt(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden || this.#doubt(), { signal });
  }

  disconnectedCallback() {
    this.#listeners.abort();
    this.#sleep();
  }

  // Actions

  /** Something came: the silence begins anew. */
  #listen() {
    this.#open = true;
    this.#heard = Date.now(); // goes on while the machine sleeps
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(this.patience), this.silence);
  }

  /** A hidden tab's timers are late, and those of a machine that slept stood still. */
  #doubt() {
    if (this.#open && Date.now() - this.#heard > this.doubt) this.#ask(this.doubt);
  }

  #sleep() {
    this.#open = false;
    clearTimeout(this.#timer);
  }

  // Internals

  /** @param {number} wait milliseconds for any frame to come */
  #ask(wait) {
    this.#emit("chat:transmit", { type: "ping", requestId: "ping" });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#emit("chat:reset"), wait);
  }

  /** @param {string} type @param {object} [detail] */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { bubbles: true, detail }));
  }
}

if (!customElements.get("llm-chat-watchdog")) customElements.define("llm-chat-watchdog", ChatWatchdog);
