const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-announcer>`: tells a screen reader what happens, four times an answer at most, and never a token. */
class ChatAnnouncer extends ChatElement {
  /** Milliseconds without a word before a reminder. */
  pause = 15_000;
  /** Characters up to which an answer is read out. */
  short = 300;
  /** How often it may speak before the end of an answer; less than nothing where there is none. */
  #left = -1;
  #clock = 0;

  start() {
    this.hear(this.chat, {
      "chat:chunk": (chunk) => this.#follow(chunk),
      "chat:state": ({ streaming }) => this.#begin(streaming),
      "chat:refused": ({ text }) => this.#alert(text || this.dataset.unsent),
      "chat:problem": ({ text }) => this.#alert(text, true),
      "chat:barred": ({ text }) => this.#alert(text),
      "chat:say": ({ text }) => this.#say(text),
    });
  }

  stop() {
    clearTimeout(this.#clock);
  }

  #begin(streaming) {
    if (!streaming) return this.#end();
    this.#alert();
    this.#left = 3;
    this.#remind(this.dataset.answering);
  }

  #follow({ type, data, errorText }) {
    const wait = type === "data-status" && this.dataset[data.status];
    if (wait) this.#remind(wait);
    else if (type === "data-status") this.#say(); // it has ended
    if (type === "error") this.#alert(errorText);
  }

  // Internals

  #remind(sentence) {
    clearTimeout(this.#clock);
    if (this.#left < 1) return;
    this.#left -= 1;
    this.#say(sentence);
    this.#clock = setTimeout(() => this.#remind(this.dataset.still), this.pause);
  }

  /** What was answered, if that is short, and what stands below it. */
  #end() {
    clearTimeout(this.#clock);
    if (this.#left < 0) return;
    this.#left = -1;
    const answer = [...this.chat.querySelectorAll("[data-role=assistant]")].at(-1);
    const blocks = [...(answer?.querySelectorAll("[data-part] > [data-blocks] > *") ?? [])];
    const text = blocks.map((block) => block.textContent).join("\n");
    const note = answer?.querySelector("[data-footer] .llm-chat-note")?.textContent ?? "";
    const told = text.length > this.short ? this.dataset.long.replace("{length}", text.length.toLocaleString()) : text;
    this.#say(`${told} ${note}`.trim());
  }

  #say(sentence = "") {
    this.querySelector("[role=status]").textContent = sentence;
  }

  /** An alert ends whatever the status said. */
  #alert(sentence = "", visible = false) {
    if (sentence) {
      this.#say();
      this.#left = -1;
    }
    this.toggleAttribute("problem", visible && Boolean(sentence));
    this.querySelector("[role=alert]").textContent = sentence;
  }
}

ChatAnnouncer.define("llm-chat-announcer");
