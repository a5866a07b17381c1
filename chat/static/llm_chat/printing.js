const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-print>`: opens the browser's print dialog, at once and by its button. */
class ChatPrint extends ChatElement {
  connect() {
    const button = this.find("button");
    button.hidden = false;
    this.hear(button, { click: () => window.print() });
    if (document.readyState === "complete") window.print();
    else this.hear(window, { load: () => window.print() });
  }
}

ChatPrint.define("llm-chat-print");
