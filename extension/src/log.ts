import type * as vscode from 'vscode';

const KEPT_LINES = 200;
const LONGEST_LINE = 2000;

/** The extension's log, which remembers its end: VS Code does not give back what a channel holds. */
export class Log {
  readonly #tail: string[] = [];

  constructor(
    readonly channel: vscode.LogOutputChannel,
    private readonly now: () => Date = () => new Date(),
  ) {}

  /** The last lines, each with its time. */
  get tail(): readonly string[] {
    return this.#tail;
  }

  info(line: string): void {
    this.channel.info(line);
    this.#keep('info', line);
  }

  warn(line: string): void {
    this.channel.warn(line);
    this.#keep('warning', line);
  }

  error(line: string): void {
    this.channel.error(line);
    this.#keep('error', line);
  }

  show(): void {
    this.channel.show();
  }

  #keep(level: string, line: string): void {
    this.#tail.push(`${this.now().toISOString()} [${level}] ${line.slice(0, LONGEST_LINE)}`);
    if (this.#tail.length > KEPT_LINES) this.#tail.shift();
  }
}
