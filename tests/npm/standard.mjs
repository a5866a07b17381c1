// The SDK's own server without a network: `streamText` with a scripted model and scripted tools, as a transport of its
// client. Steps are [[{ text } | { reasoning } | { call: [name, input] } | { source }, ...], ...].

import { convertToModelMessages, simulateReadableStream, stepCountIs, streamText, tool } from "ai";
import { MockLanguageModelV4 } from "ai/test";
import { z } from "zod";

const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };

const tools = {
  orders: tool({
    description: "The orders.",
    inputSchema: z.object({ status: z.string() }),
    execute: ({ status }) => [{ number: "B7", status }],
  }),
  manual: tool({
    description: "Pages of the manual.",
    inputSchema: z.object({}),
    execute: () => [{ title: "Brakes", url: "https://bikes.example/brake", excerpt: "They stop." }],
  }),
  cancel: tool({
    description: "Cancels.",
    inputSchema: z.object({}),
    execute: () => {
      throw new Error("It is too late.");
    },
  }),
  remove: tool({
    description: "Removes.",
    inputSchema: z.object({ number: z.string() }),
    execute: ({ number }) => `removed ${number}`,
  }),
};

export class StandardTransport {
  #number = 0;
  #model;

  constructor(steps) {
    let step = 0;
    this.#model = new MockLanguageModelV4({
      doStream: () => {
        const chunks = [...this.#chunks(steps[step++])];
        return Promise.resolve({ stream: simulateReadableStream({ chunks }) });
      },
    });
  }

  async sendMessages({ messages }) {
    const result = streamText({
      model: this.#model,
      messages: await convertToModelMessages(messages),
      stopWhen: stepCountIs(8),
      toolApproval: { remove: "user-approval" },
      tools,
    });
    return result.toUIMessageStream({
      originalMessages: messages,
      onError: (error) => error.message,
      sendSources: true,
    });
  }

  *#chunks(said) {
    yield { type: "stream-start", warnings: [] };
    for (const piece of said) yield* this.#chunksOf(piece, `p${this.#number++}`);
    const unified = said.some(({ call }) => call) ? "tool-calls" : "stop";
    yield { type: "finish", finishReason: { unified, raw: unified }, usage };
  }

  *#chunksOf({ text, reasoning, call, source }, id) {
    const kind = text === undefined ? "reasoning" : "text";
    if (call) {
      const [toolName, input] = call;
      yield { type: "tool-call", toolCallId: `call-${id}`, toolName, input: JSON.stringify(input) };
    } else if (source) {
      yield { type: "source", sourceType: "url", id, ...source };
    } else {
      yield { type: `${kind}-start`, id };
      yield { type: `${kind}-delta`, id, delta: text ?? reasoning };
      yield { type: `${kind}-end`, id };
    }
  }
}
