import * as vscode from 'vscode';
import type { Notice, PanelAction } from '../../shared/webview';
import { toFailure } from '../failure';
import type { TokenMarks } from '../editor/tokenMarks';
import type { Surprisal } from '../editor/surprisal';
import type { Panel } from './panel';
import type { ResultStore } from './resultStore';
import { saveFile } from './save';
import { savePage } from './savePage';
import type { PageWorld } from './savePage';

const MESSAGE_MS = 3000;

/** What a notice may need of the extension. */
export interface NoticeWorld extends PageWorld {
  marks: Pick<TokenMarks, 'select' | 'heat'>;
  surprisal: Pick<Surprisal, 'hide'>;
  store: Pick<ResultStore, 'putEffects'>;
  act(action: PanelAction, panel: Panel): void;
  log(line: string): void;
}

/** Acts on a panel's notice. Never rejects: errors are shown. */
export async function heed(world: NoticeWorld, panel: Panel, notice: Notice): Promise<void> {
  try {
    await obey(world, panel, notice);
  } catch (error) {
    const { message } = toFailure(error);
    world.log(`${notice.type}: ${message}`);
    void vscode.window.showErrorMessage(message);
  }
}

async function obey(world: NoticeWorld, panel: Panel, notice: Notice): Promise<void> {
  switch (notice.type) {
    case 'action':
      return world.act(notice.action, panel);
    case 'selected':
      return world.marks.select(panel, notice.position);
    case 'heat':
      // one heat at a time
      if (notice.masses && panel.uri) world.surprisal.hide(panel.uri.toString());
      return world.marks.heat(panel, notice.masses);
    case 'effects':
      // kept without being asked for, so that a full disk is no message
      return world.store
        .putEffects(notice.runId, notice.effects)
        .catch((error: unknown) => world.log(`the effects could not be stored: ${String(error)}`));
    case 'copy':
      await vscode.env.clipboard.writeText(notice.text);
      vscode.window.setStatusBarMessage('LM Transparency: copied', MESSAGE_MS);
      return;
    case 'save':
      return saveFile(notice.name, Buffer.from(notice.content, notice.encoding), panel.uri);
    case 'savePage':
      return savePage(world, panel);
    case 'openDocs':
      return openDocs(world, notice.address);
  }
}

async function openDocs({ extensionUri, log }: NoticeWorld, address: string): Promise<void> {
  const [page = '', fragment = ''] = address.split('#');
  const uri = vscode.Uri.joinPath(extensionUri, 'dist', 'docs', `${page}.md`);
  try {
    await vscode.workspace.fs.stat(uri);
  } catch {
    log(`there is no page "${page}" in the documentation`);
    return;
  }
  await vscode.commands.executeCommand('markdown.showPreview', uri.with({ fragment }));
}
