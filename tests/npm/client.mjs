// Runs the npm client without a page: reads commands as JSON lines, and writes what its user would see as JSON lines.

import { createInterface } from "node:readline";
import { AbstractChat, lastAssistantMessageIsCompleteWithApprovalResponses, WebSocketChatTransport } from "ai";
import WebSocket from "ws";
import { StandardTransport } from "./standard.mjs";

const { url, cookie, id, messages, steps } = JSON.parse(process.argv[2]);

/** A socket with the headers that every browser adds. */
class BrowserSocket extends WebSocket {
  constructor(address, protocols) {
    super(address, protocols, { origin: new URL(url).origin, headers: { cookie } });
  }
}

/** The state that React's binding keeps for its components, written out after every change. */
const state = new Proxy(
  {
    status: "ready",
    error: undefined,
    messages,
    pushMessage(message) {
      this.messages = [...this.messages, message];
    },
    popMessage() {
      this.messages = this.messages.slice(0, -1);
    },
    replaceMessage(index, message) {
      this.messages = this.messages.with(index, structuredClone(message));
    },
    snapshot: structuredClone,
  },
  {
    set(values, name, value) {
      values[name] = value;
      tell("state", { status: values.status, error: values.error?.message, messages: values.messages });
      return true;
    },
  },
);

const transport = steps ? new StandardTransport(steps) : new WebSocketChatTransport({ url, webSocket: BrowserSocket });
const chat = new AbstractChat({
  id,
  state,
  transport,
  sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
  onData: (part) => tell("data", { part }),
  onFinish: ({ isAbort, isDisconnect, isError, finishReason }) =>
    tell("finish", { isAbort, isDisconnect, isError, finishReason }),
});

const commands = {
  ask: (message) => chat.sendMessage(message),
  regenerate: (options) => chat.regenerate(options),
  resume: () => chat.resumeStream(),
  stop: () => chat.stop(),
  decide: (decision) => chat.addToolApprovalResponse(decision),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...options } = JSON.parse(line);
  // Not awaited, so that a stop is handled while an answer streams.
  commands[command](options).then(() => tell("done", { command }));
}
transport.close?.();

function tell(event, values) {
  process.stdout.write(`${JSON.stringify({ event, ...values })}\n`);
}
