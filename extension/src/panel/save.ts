import { randomBytes } from 'node:crypto';
import { homedir } from 'node:os';
import * as vscode from 'vscode';
import { toFailure } from '../failure';

const KINDS: Readonly<Record<string, string>> = {
  svg: 'SVG picture',
  pdf: 'PDF document',
  png: 'PNG picture',
  csv: 'Comma-separated values',
  tsv: 'Tab-separated values',
  json: 'JSON',
  html: 'Web page',
};

/** A name that is one on every system: no folders, nothing that a file system takes for its own. */
export function fileName(name: string): string {
  const [, stem = '', ending = ''] = /^(.*?)(\.[A-Za-z0-9]{1,8})?$/su.exec(name) ?? [];
  // eslint-disable-next-line no-control-regex -- they are what has to go
  const plain = stem.replace(/[\u0000-\u001f\u007f/\\:*?"<>|]+/g, '-').replace(/^[\s.]+|[\s.]+$/g, '');
  const isDevice = /^(con|prn|aux|nul|com\d|lpt\d)$/i.test(plain);
  return `${plain === '' || isDevice ? `graph${plain}` : plain.slice(0, 120)}${ending.toLowerCase()}`;
}

/** The kinds of file for the dialog: the file's own first. */
export function filtersFor(name: string): Record<string, string[]> {
  const ending = /\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase() ?? '';
  const kind = KINDS[ending];
  return kind ? { [kind]: [ending] } : {};
}

/** Asks where to save a finished file, and writes it. `beside`: the prompt. */
export async function saveFile(name: string, bytes: Uint8Array, beside: vscode.Uri | null): Promise<void> {
  const chosen = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.joinPath(folderFor(beside), fileName(name)),
    filters: filtersFor(name),
    title: 'Export',
  });
  if (!chosen) return;
  try {
    await writeWhole(chosen, bytes);
  } catch (error) {
    void vscode.window.showErrorMessage(`The file could not be saved: ${toFailure(error).message}`);
    return;
  }
  const open = 'Open';
  const file = chosen.path.split('/').at(-1) ?? name;
  const answer = await vscode.window.showInformationMessage(`Saved ${file}.`, open);
  if (answer === open) await vscode.commands.executeCommand('vscode.open', chosen);
}

/** Writes a file in one step: beside its place first, then in its place; a failure leaves what was there. */
export async function writeWhole(file: vscode.Uri, bytes: Uint8Array): Promise<void> {
  const name = file.path.split('/').at(-1) ?? '';
  const draft = vscode.Uri.joinPath(file, '..', `.${name}.${randomBytes(4).toString('hex')}.tmp`);
  try {
    await vscode.workspace.fs.writeFile(draft, bytes);
    await vscode.workspace.fs.rename(draft, file, { overwrite: true });
  } catch (error) {
    await vscode.workspace.fs.delete(draft).then(undefined, () => undefined);
    throw error;
  }
}

// a prompt that was never saved has no folder
function folderFor(beside: vscode.Uri | null): vscode.Uri {
  if (beside && beside.scheme !== 'untitled') return vscode.Uri.joinPath(beside, '..');
  return vscode.workspace.workspaceFolders?.[0]?.uri ?? vscode.Uri.file(homedir());
}
