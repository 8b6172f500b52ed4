import type { Cancel } from '../cancel';

// The part of VS Code's API that is there from 1.95 on, and so not in the types of the oldest version we run in.

export interface ToolCall {
  input: unknown;
}

export interface Tool {
  prepareInvocation(call: ToolCall): unknown;
  invoke(call: ToolCall, token: Cancel): Promise<unknown>;
}

/** The tools that editor assistants call, where this VS Code has them. */
export interface ToolApi {
  register(name: string, tool: Tool): { dispose(): void };
  /** A result of one text. */
  result(text: string): unknown;
}

/** Null in a VS Code without tools. */
export function toolApi(vscode: object): ToolApi | null {
  const { lm, LanguageModelToolResult, LanguageModelTextPart } = vscode as {
    lm?: { registerTool?: ToolApi['register'] };
    LanguageModelToolResult?: new (parts: unknown[]) => unknown;
    LanguageModelTextPart?: new (text: string) => unknown;
  };
  const register = lm?.registerTool;
  if (!register || !LanguageModelToolResult || !LanguageModelTextPart) return null;
  return {
    register,
    result: (text) => new LanguageModelToolResult([new LanguageModelTextPart(text)]),
  };
}
