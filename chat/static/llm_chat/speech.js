const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-speech>`: reads answers aloud, where the browser has a voice. */
class ChatSpeech extends ChatElement {
  /** @type {HTMLButtonElement | null} That of the answer which is being read. */
  #button = null;

  connect() {
    if (!("speechSynthesis" in window)) return;
    this.hear(speechSynthesis, { voiceschanged: () => this.#look() });
    this.hear(window, { pagehide: () => this.#stop() });
    this.hear(this.chat, { click: ({ target }) => this.#click(target.closest("[data-action=speak]")) });
    this.#look();
  }

  disconnect() {
    this.#stop();
  }

  #look() {
    this.toggleAttribute("voices", speechSynthesis.getVoices().length > 0);
  }

  #click(button) {
    if (!button) return;
    const isStop = button === this.#button;
    this.#stop();
    if (!isStop) this.#read(button);
  }

  #read(button) {
    this.#button = button;
    label(button, this.dataset.stop, "#llm-chat-quiet");
    for (const line of this.#lines(button.closest("[data-message]"))) {
      const utterance = new SpeechSynthesisUtterance(line);
      utterance.lang = this.chat.lang;
      utterance.onend = () => this.#button === button && !speechSynthesis.pending && this.#stop();
      speechSynthesis.speak(utterance);
    }
  }

  #stop() {
    if (!this.#button) return;
    label(this.#button, this.dataset.start, "#llm-chat-speak");
    this.#button = null;
    speechSynthesis.cancel();
  }

  // Internals

  /** Return what to read: the text without its reasoning, a block of code as one word. Some browsers stop in long texts. */
  #lines(article) {
    const text = article.querySelectorAll("[data-part] > [data-blocks] > *");
    return [...text].flatMap((block) => {
      const copy = block.cloneNode(true);
      for (const code of copy.querySelectorAll("pre")) code.replaceWith(`${this.dataset.code}\n`);
      for (const cell of copy.querySelectorAll("td, th")) cell.append(", ");
      for (const line of copy.querySelectorAll("p, li, tr, h1, h2, h3, h4, h5, h6")) line.append("\n");
      return copy.textContent.split(/\n+/).filter((line) => line.trim());
    });
  }
}

function label(button, title, icon) {
  button.title = title;
  button.querySelector("use").href.baseVal = icon;
}

ChatSpeech.define("llm-chat-speech");
