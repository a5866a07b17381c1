const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-thinking>`: for how long a model has been thinking, and the last line of its thoughts, once a second. */
class ChatThinking extends ChatElement {
  pause = 1_000;
  /** When it began, by this page's clock, if the server knows. */
  #began = NaN;
  #timer = 0;

  connect() {
    const elapsed = this.getAttribute("elapsed");
    if (elapsed) this.#began ||= performance.now() - Number(elapsed) * 1_000;
    this.#timer = setInterval(() => this.#show(), this.pause);
    this.#show();
  }

  disconnect() {
    clearInterval(this.#timer);
  }

  /** Without a connection nobody knows whether the model still thinks. */
  #show() {
    if (!this.online || this.closest("[data-message]")?.dataset.status !== "running") return;
    this.find("[data-time]").textContent = Number.isNaN(this.#began) ? "" : this.#time();
    this.find("[data-peek]").textContent = this.#line();
  }

  #time() {
    const seconds = Math.floor((performance.now() - this.#began) / 1_000);
    const units = { minute: Math.floor(seconds / 60), second: seconds % 60 };
    return Object.entries(units)
      .filter(([unit, count]) => count || unit === "second")
      .map(([unit, count]) => count.toLocaleString(this.chat.lang, { style: "unit", unit, unitDisplay: "narrow" }))
      .join(" ");
  }

  /** Return the sentence that is being written. */
  #line() {
    const blocks = this.closest("[data-part]")?.querySelector("[data-blocks]");
    const text = blocks?.lastElementChild?.textContent?.trim() ?? "";
    return text.split(/\n|(?<=[.!?؟。]) /).at(-1) ?? "";
  }
}

ChatThinking.define("llm-chat-thinking");
