const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-watchdog>`: notices a connection that is open and dead, in which the browser believes for minutes. */
class ChatWatchdog extends ChatElement {
  /** Milliseconds without a frame before the server is asked whether it is there. */
  silence = 20_000;
  /** Milliseconds that it may take to say so. */
  patience = 10_000;
  /** Both of them where the network or the reader has just come back. */
  doubt = 3_000;

  #open = false;
  #heard = 0;
  #timer = 0;

  start() {
    this.hear(this.chat, {
      "chat:open": () => this.#listen(),
      "chat:frame": () => this.#listen(),
      "chat:close": () => this.#sleep(),
    });
    this.hear(window, { online: () => this.#doubt() });
    this.hear(document, { visibilitychange: () => document.hidden || this.#doubt() });
  }

  stop() {
    this.#sleep();
  }

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

  #ask(wait) {
    this.tell("chat:transmit", { type: "ping", requestId: "ping" });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.tell("chat:reset"), wait);
  }
}

ChatWatchdog.define("llm-chat-watchdog");
