import { homedir, release } from 'node:os';
import * as vscode from 'vscode';
import type { App } from '../app';
import type { BackendStatus } from '../backend/backend';

/** The facts about this installation that a report contains. */
export interface ReportFacts {
  extension: string;
  editor: string;
  platform: string;
  status: BackendStatus;
  /** The backend runs on another machine; its name is private. */
  isRemote: boolean;
  log: readonly string[];
  /** The home folder, which names a person: it is written as `~`. */
  home: string;
}

const OPEN_PAGE = 'Copy and Open Issue Page';
const COPY = 'Copy';

/**
 * Report Issue…: opens a report to be read and edited. Nothing is sent: the person copies it, and sends it from the
 * issue page, where the extension has one.
 */
export function reportIssue(app: App): () => Promise<void> {
  return async () => {
    const { version, bugs } = app.manifest;
    const text = issueReport({
      extension: version,
      editor: `${vscode.version} (${[vscode.env.appName, vscode.env.remoteName && 'remote window'].filter(Boolean).join(', ')})`,
      platform: `${process.platform} ${process.arch}, ${release()}`,
      status: app.backend.status,
      isRemote: app.targets.current !== null,
      log: app.log.tail,
      home: homedir(),
    });
    const document = await vscode.workspace.openTextDocument({ language: 'markdown', content: text });
    await vscode.window.showTextDocument(document);
    const page = bugs?.url.startsWith('https://') ? bugs.url : null;
    const said = 'Nothing has been sent. Describe the problem, and remove from the report what should stay private.';
    const chosen = await vscode.window.showInformationMessage(said, page === null ? COPY : OPEN_PAGE);
    if (chosen === undefined) return;
    await vscode.env.clipboard.writeText(document.getText());
    if (page !== null) await vscode.env.openExternal(vscode.Uri.parse(page));
  };
}

/** The report as Markdown: no prompt, and no model's name or path outside of the log's lines. */
export function issueReport(facts: ReportFacts): string {
  const { health, phase, failure } = facts.status;
  const devices = health?.devices.map(({ id, name }) => (id === 'cpu' ? id : `${id} ${name}`)).join(', ') ?? '';
  const used = health?.loaded.map(({ device, dtype, architecture }) => `${architecture} on ${device}, ${dtype}`) ?? [];
  const rows: [string, string | undefined][] = [
    ['Extension', facts.extension],
    ['Backend', [health?.packageVersion, phase, facts.isRemote ? 'on another machine' : ''].filter(Boolean).join(', ')],
    ['Last failure', failure?.message ?? 'none'],
    ['Python', health?.python],
    ['PyTorch', health?.torch],
    ['Transformers', health?.transformers],
    ['Devices', devices],
    ['Loaded', used.join('; ')],
    ['VS Code', facts.editor],
    ['Platform', facts.platform],
  ];
  const versions = rows.map(([name, value]) => `- ${name}: ${value || 'unknown'}`);
  const text = [
    '## What happened\n',
    '## What I expected\n',
    '## Steps\n',
    '## Versions\n',
    ...versions,
    '\n## End of the log\n',
    ...fenced(facts.log),
    '',
  ].join('\n');
  // a package index may be named with a password
  const safe = text.replace(/:\/\/[^\s/@]+@/g, '://…@');
  return facts.home.length > 1 ? safe.replaceAll(facts.home, '~') : safe;
}

// a fence that is longer than any in the lines
function fenced(lines: readonly string[]): string[] {
  const longest = Math.max(2, ...lines.flatMap((line) => (line.match(/`+/g) ?? []).map((run) => run.length)));
  const fence = '`'.repeat(longest + 1);
  return [`${fence}text`, ...lines, fence];
}
