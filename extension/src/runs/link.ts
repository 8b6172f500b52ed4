import * as vscode from 'vscode';
import { openRun, type RunWorld } from './open';
import type { Run, Runs } from './library';
import { openPromptLink, readPromptLink } from './promptLink';
import { RUN_SUFFIX, type RunContent } from './runFile';

/** Publisher and name, as VS Code knows the extension. */
export const EXTENSION_ID = 'lm-transparency.lm-transparency';

const KEY = /^[0-9a-f]{16}$/;
const LONGEST_PATH = 2000;

/** What a link asks for: a run by what it is, or a run file. */
export type RunLink = { id: string } | { file: string };

/** A link to a run: it holds on every machine that has the run, since the id is made of prompt, model and options. */
export function linkTo({ key }: Pick<Run, 'key'>, scheme: string): string {
  return `${scheme}://${EXTENSION_ID}/run?id=${key}`;
}

/** Reads what a link asks for; null for any other link. */
export function readLink({ path, query }: { path: string; query: string }): RunLink | null {
  if (path !== '/run') return null;
  // VS Code has undone the percent signs
  const [, name, value = ''] = /^(id|file)=([^&]+)$/.exec(query) ?? [];
  if (name === 'id') return KEY.test(value) ? { id: value } : null;
  if (name !== 'file' || !value.endsWith(RUN_SUFFIX) || value.length > LONGEST_PATH) return null;
  // eslint-disable-next-line no-control-regex -- no path has them
  return /[\u0000-\u001f]|^[/\\]{2}/.test(value) ? null : { file: value };
}

/** Opens what a link asks for: a run of this workspace, or a file or a prompt that the user confirms. Nothing else. */
export class RunLinks implements vscode.UriHandler {
  constructor(
    private readonly world: RunWorld & { runs: Runs; report(error: unknown): unknown },
    private readonly ask: (question: string, detail: string, yes: string) => Promise<boolean> = confirm,
  ) {}

  async handleUri(uri: { path: string; query: string }): Promise<void> {
    try {
      const prompt = readPromptLink(uri);
      if (prompt) await openPromptLink(this.world, prompt, this.ask);
      else await this.#open(readLink(uri));
    } catch (error) {
      await this.world.report(error);
    }
  }

  async #open(link: RunLink | null): Promise<void> {
    if (!link)
      return say('This link names no run and no prompt. Such links contain /run?id=…, /run?file=… or /prompt?p=….');
    const run = 'id' in link ? await this.world.runs.byKey(link.id) : await this.#at(link.file);
    if (run) return openRun(this.world, run, (content) => this.#mayAnalyze(content));
    if (run === undefined)
      say('The run in this link is not in this workspace. Open its folder, then follow the link again.');
  }

  /** Undefined: there is none; null: the person does not want it. */
  async #at(file: string): Promise<Run | null | undefined> {
    const isAbsolute = /^([/\\]|[A-Za-z]:[/\\])/.test(file);
    const folders = vscode.workspace.workspaceFolders ?? [];
    const places = isAbsolute ? [vscode.Uri.file(file)] : folders.map(({ uri }) => vscode.Uri.joinPath(uri, file));
    for (const place of places) {
      const run = await this.world.runs.byUri(place);
      if (run) return run;
    }
    for (const place of places) {
      const exists = await vscode.workspace.fs.stat(place).then(
        () => true,
        () => false,
      );
      if (!exists) continue;
      const question = `A link asks to show the run ${place.path.split('/').at(-1)}.`;
      const detail = `${place.fsPath}\n\nIt is not one of this workspace’s runs. Open it only if you know where it comes from.`;
      return (await this.ask(question, detail, 'Open')) ? this.world.runs.readAt(place) : null;
    }
    return undefined;
  }

  #mayAnalyze({ model, prompt, tokens }: RunContent): Promise<boolean> {
    const question = 'A link asks for a run whose analysis is no longer stored. Analyze its prompt again?';
    return this.ask(question, `${model}, ${tokens} tokens:\n\n${prompt.slice(0, 500)}`, 'Analyze');
  }
}

async function confirm(question: string, detail: string, yes: string): Promise<boolean> {
  return (await vscode.window.showWarningMessage(question, { modal: true, detail }, yes)) === yes;
}

function say(sentence: string): void {
  void vscode.window.showWarningMessage(sentence);
}
