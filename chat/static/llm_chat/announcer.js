const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-announcer>`: tells a screen reader what happens, four times per answer at most, and never token by token. */
class ChatAnnouncer extends ChatElement {
  /** Milliseconds of silence before a reminder. */
  pause = 15_000;
  /** The length up to which an answer is read out. */
  short = 300;
  /** How often it may still speak before the end of the answer; -1 without an answer. */
  #left = -1;
  #timer = 0;

  connect() {
    this.hear(this.chat, {
      "chat:chunk": (chunk) => this.#follow(chunk),
      "chat:state": ({ streaming }) => (streaming ? this.#begin() : this.#end()),
      "chat:refused": ({ text }) => this.#alert(text || (this.dataset.unsent ?? "")),
      "chat:problem": ({ text, elsewhere }) => this.#alert(text, !elsewhere),
      "chat:say": ({ text }) => this.#say(text),
    });
  }

  disconnect() {
    clearTimeout(this.#timer);
  }

  #begin() {
    this.#alert("");
    this.#left = 3;
    this.#remind(this.dataset.answering);
  }

  #follow(chunk) {
    if (chunk.type === "error") this.#alert(chunk.errorText);
    if (chunk.type !== "data-status") return;
    const sentence = this.dataset[chunk.data.status];
    if (sentence) this.#remind(sentence);
    else this.#say(""); // the wait is over
  }

  // Internals

  #remind(sentence) {
    clearTimeout(this.#timer);
    if (this.#left < 1) return;
    this.#left -= 1;
    this.#say(sentence);
    this.#timer = setTimeout(() => this.#remind(this.dataset.still), this.pause);
  }

  /** Read the answer out, if it is short, and what stands below it. */
  #end() {
    clearTimeout(this.#timer);
    if (this.#left < 0) return;
    this.#left = -1;
    const answer = [...this.chat.querySelectorAll("[data-role=assistant]")].at(-1);
    const blocks = [...(answer?.querySelectorAll("[data-part] > [data-blocks] > *") ?? [])];
    const text = blocks.map((block) => block.textContent).join("\n");
    const summary = this.dataset.long?.replace("{length}", text.length.toLocaleString(this.chat.lang));
    const note = answer?.querySelector("[data-footer] .llm-chat-note")?.textContent ?? "";
    this.#say(`${text.length > this.short ? summary : text} ${note}`.trim());
  }

  #say(sentence = "") {
    this.find("[role=status]").textContent = sentence;
  }

  /** Read a sentence out at once, in place of the status. An empty one takes the last back. */
  #alert(sentence, visible = false) {
    if (sentence) {
      this.#say("");
      this.#left = -1;
    }
    this.toggleAttribute("problem", visible && sentence !== "");
    this.find("[role=alert]").textContent = sentence;
  }
}

ChatAnnouncer.define("llm-chat-announcer");
